"""`/health`: whether the server answers."""

from marshmallow import fields, validate

from hematovision.services.accounts import has_administrator
from hematovision.web.access import public
from hematovision.web.api.resources import Resource
from hematovision.web.api.schemas import Document, said
from hematovision.web.wiring import get_wiring

resource = Resource("health", "Health", "Whether the server and its database answer.")


class HealthDocument(Document):
    """How the server is."""

    status = fields.String(
        required=True, validate=validate.Equal("ok"), metadata=said("`ok`.", example="ok")
    )


@resource.get("/health")
@public
@resource.response(200, HealthDocument)
def show() -> dict[str, str]:
    """Ask whether the server answers.

    It says that the server and its database answer, and nothing of what is in them. Everybody may
    ask.
    """
    has_administrator(get_wiring().database)
    return {"status": "ok"}
