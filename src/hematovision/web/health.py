"""Whether the server answers, for whatever watches it."""

from flask import Blueprint, Flask

from hematovision.services.accounts import has_administrator
from hematovision.web.access import public
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
@public
def show() -> dict[str, str]:
    """Say that the server and its database answer; nothing of what is in them."""
    has_administrator(get_wiring().database)
    return {"status": "ok"}


def init_app(app: Flask) -> None:
    """Register the address."""
    app.register_blueprint(blueprint)
