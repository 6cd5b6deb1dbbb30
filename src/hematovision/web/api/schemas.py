"""The forms of what goes in and out, as the document describes them."""

from datetime import UTC, datetime
from typing import Any

import marshmallow as ma
from marshmallow import fields


class Document(ma.Schema):
    """A JSON object; fields that it does not know are refused."""

    class Meta:
        """How marshmallow treats it."""

        unknown = ma.RAISE


class Moment(fields.AwareDateTime):
    """A time in UTC, such as `2026-03-01T08:30:00Z`."""

    def _serialize(self, value: datetime | None, *_args: Any, **_kwargs: Any) -> str | None:
        if value is None:
            return None
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def said(about: str, **more: Any) -> dict[str, Any]:
    """Give the metadata of a field: what it is, and what else the document says of it."""
    return {"description": about, **more}


class FieldProblem(Document):
    """What is wrong with one field."""

    field = fields.String(
        required=True,
        metadata=said("Its name; of nested ones all names with dots between.", example="limit"),
    )
    reason = fields.String(required=True, metadata=said("What is wrong with it."))


class Problem(Document):
    """A failure, as RFC 9457 lays it out, with three members of ours."""

    type = fields.String(required=True, metadata=said("`about:blank`: the status says what it is."))
    title = fields.String(required=True, metadata=said("The status in words."))
    status = fields.Integer(required=True, metadata=said("The status code."))
    code = fields.String(
        required=True, metadata=said("The failure's name for programs.", example="photo_unknown")
    )
    detail = fields.String(required=True, metadata=said("What is wrong, in a sentence."))
    advice = fields.String(required=True, metadata=said("What to do about it."))
    errors = fields.List(
        fields.Nested(FieldProblem),
        metadata=said("Which fields are wrong, where single fields are."),
    )
