"""The document of the API, made from its views, and the page that shows it."""

import threading
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Flask, Response, current_app, json, render_template

from hematovision.people import Right
from hematovision.web.access import needs
from hematovision.web.api.chapters import chapters_of, coded
from hematovision.web.api.etags import tagged
from hematovision.web.api.resources import Api

IN_ADDRESSES = {
    "photo_id": "The number of a photo, and of its reading.",
    "job_id": "The number of a job.",
    "case_id": "The number that a case has here; its accession number is another.",
    "number": "The number of a photo within its case.",
    "cell_id": "The id of a cell; its number within its case is another.",
    "webhook_id": "The number of a webhook.",
    "delivery_id": "The number of a delivery.",
}
"""What the numbers in addresses are."""

KEY = "hematovision_api"

blueprint = Blueprint("api", __name__, url_prefix="/api")


@blueprint.get("/openapi.json")
@needs(Right.SEE_MODEL)
@tagged
def openapi() -> Response:
    """Give the document, OpenAPI 3.1."""
    return current_app.response_class(json.dumps(document()), mimetype="application/json")


@blueprint.get("/docs")
@needs(Right.SEE_MODEL)
def docs() -> str:
    """Show the document to people."""
    made = document()
    return render_template("api.html", info=made["info"], chapters=chapters_of(made))


def document() -> dict[str, Any]:
    """Give the document of the application that answers."""
    kept: _Kept = current_app.extensions[KEY]
    with kept.lock:
        if kept.document is None:
            kept.document = _finished(kept.api.write())
        return kept.document


def init_app(app: Flask, api: Api) -> None:
    """Register the address of the document, which is written when it is first asked for."""
    app.extensions[KEY] = _Kept(api)
    app.jinja_env.filters["coded"] = coded
    app.register_blueprint(blueprint)


@dataclass(slots=True)
class _Kept:
    """What the document is made of, and the document once it was asked for."""

    api: Api
    document: dict[str, Any] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


def _finished(made: dict[str, Any]) -> dict[str, Any]:
    """Say what the numbers in addresses are, and let paragraphs be lines."""
    for path in made["paths"].values():
        for parameter in path.get("parameters", ()):
            parameter["description"] = IN_ADDRESSES[parameter["name"]]
        for operation in path.values():
            if isinstance(operation, dict) and "description" in operation:
                operation["description"] = _unwrapped(operation["description"])
    return made


def _unwrapped(text: str) -> str:
    """Let each paragraph of a docstring be one line."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))
