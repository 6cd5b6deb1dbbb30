"""`/model`: which model reads photos now."""

from typing import Any

from marshmallow import fields

from hematovision.cells import NOTICE
from hematovision.errors import ModelDamagedError, ModelMissingError
from hematovision.people import Right
from hematovision.web.access import needs
from hematovision.web.api.etags import tagged
from hematovision.web.api.reading_schemas import ModelDocument
from hematovision.web.api.resources import Resource, fails
from hematovision.web.api.schemas import said
from hematovision.web.wiring import get_wiring

resource = Resource("model", "Model", "Which model reads photos now.")


class ServedModelDocument(ModelDocument):
    """The model that reads."""

    notice = fields.String(required=True, metadata=said("What it must not be used for."))


@resource.get("/model")
@needs(Right.SEE_MODEL)
@tagged
@resource.response(200, ServedModelDocument)
@fails(ModelMissingError, ModelDamagedError)
def show() -> dict[str, Any]:
    """Get the model that reads photos now.

    Each reading names the model that made it; this one makes the next.
    """
    model = get_wiring().get_reader().model
    return {
        "name": model.name,
        "version": model.version,
        "sha256": model.sha256,
        "notice": NOTICE,
    }
