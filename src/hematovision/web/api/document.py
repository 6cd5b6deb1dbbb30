"""The document of the API, made from its views."""

from typing import Any

from flask import Blueprint, Flask, Response, current_app, json

from hematovision.people import Right
from hematovision.web.access import needs
from hematovision.web.api.etags import tagged

blueprint = Blueprint("api", __name__, url_prefix="/api")


@blueprint.get("/openapi.json")
@needs(Right.SEE_MODEL)
@tagged
def openapi() -> Response:
    """Give the document, OpenAPI 3.1."""
    return current_app.response_class(json.dumps(document()), mimetype="application/json")


def document() -> dict[str, Any]:
    """Give the document of the application that answers."""
    api = current_app.extensions["flask-smorest"]["apis"][""]["ext_obj"]
    given: dict[str, Any] = api.spec.to_dict()
    return given


def init_app(app: Flask) -> None:
    """Register the address."""
    app.register_blueprint(blueprint)
