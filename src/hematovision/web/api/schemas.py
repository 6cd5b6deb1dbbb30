"""The forms of what goes in and out, as the document describes them."""

from datetime import UTC, datetime
from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from hematovision.storage.tables import LARGEST_KEY


class Document(ma.Schema):
    """A JSON object; fields that it does not know are refused."""

    class Meta:
        """How marshmallow treats it."""

        unknown = ma.RAISE


class Moment(fields.AwareDateTime):
    """A time in UTC, such as `2026-03-01T08:30:00Z`; one without a zone is taken as UTC."""

    def __init__(self, **options: Any) -> None:
        """Insist on ISO 8601."""
        super().__init__("iso", default_timezone=UTC, **options)

    def _serialize(self, value: datetime | None, *_args: Any, **_kwargs: Any) -> str | None:
        if value is None:
            return None
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> datetime:
        try:
            return super()._deserialize(value, *args, **kwargs).astimezone(UTC)
        except OverflowError as error:
            raise ma.ValidationError("Not a time that is counted.") from error


class Line(fields.String):
    """One line of text, without what cannot be shown or kept."""

    def __init__(self, longest: int, **options: Any) -> None:
        """Say how long it may be."""
        super().__init__(validate=validate.Length(max=longest), **options)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, *args, **kwargs))
        if not text.isprintable():
            raise ma.ValidationError("It has signs that cannot be shown.")
        return text


class Number(fields.Integer):
    """A whole number that a row may have."""

    def __init__(self, *, least: int = 1, **options: Any) -> None:
        """Say from where it counts."""
        super().__init__(strict=False, validate=validate.Range(least, LARGEST_KEY), **options)


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
    """A failure, as RFC 9457 lays it out, with four members of ours."""

    type = fields.String(required=True, metadata=said("`about:blank`: the status says what it is."))
    title = fields.String(required=True, metadata=said("The status in words."))
    status = fields.Integer(required=True, metadata=said("The status code."))
    code = fields.String(
        required=True, metadata=said("The failure's name for programs.", example="photo_unknown")
    )
    detail = fields.String(required=True, metadata=said("What is wrong, in a sentence."))
    advice = fields.String(required=True, metadata=said("What to do about it."))
    request_id = fields.String(
        metadata=said("What the log calls the request, where a whole request failed.")
    )
    errors = fields.List(
        fields.Nested(FieldProblem),
        metadata=said("Which fields are wrong, where single fields are."),
    )
