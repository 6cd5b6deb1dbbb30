"""Lists that go on: a page of them, and where the next one is."""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any

import marshmallow as ma
from flask import request, url_for
from marshmallow import fields, validate

from hematovision.storage.tables import LARGEST_KEY
from hematovision.web.api.schemas import Document, said

MOST = 200
USUAL = 50


class Cursor(fields.Field[tuple[int, ...]]):
    """Where a list goes on: whole numbers that mean something to the list alone."""

    def __init__(self, parts: int = 1, **options: Any) -> None:
        """Say of how many numbers it is made."""
        super().__init__(
            metadata=said("Where the list goes on: taken from `next`, never made.", type="string"),
            **options,
        )
        self.pattern = re.compile(rf"\d{{1,19}}(?:-\d{{1,19}}){{{parts - 1}}}", re.ASCII)

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> tuple[int, ...]:
        try:
            text = base64.urlsafe_b64decode(str(value).encode()).decode("ascii")
        except (binascii.Error, UnicodeError, ValueError):
            text = ""
        if not self.pattern.fullmatch(text):
            raise ma.ValidationError("Not a cursor of this list.")
        numbers = tuple(int(part) for part in text.split("-"))
        if max(numbers) > LARGEST_KEY:
            raise ma.ValidationError("Not a cursor of this list.")
        return numbers


class Paging(Document):
    """How much of a list, and from where; lists add what they can be searched by."""

    limit = fields.Integer(
        load_default=USUAL,
        validate=validate.Range(1, MOST),
        metadata=said("At most so many entries."),
    )
    cursor = Cursor(load_default=None)


def cursor_of(*numbers: int) -> str:
    """Write where a list goes on."""
    return base64.urlsafe_b64encode("-".join(map(str, numbers)).encode()).decode("ascii")


def page_of(items: Sequence[Any], cursor: str | None) -> tuple[dict[str, Any], dict[str, str]]:
    """Give a page of a list and the header that leads on.

    Args:
        items: The entries, as their schema takes them.
        cursor: Where the list goes on; None where it ends.
    """
    if cursor is None:
        return {"items": items, "next": None}, {}
    asked = {**request.args.to_dict(), **(request.view_args or {}), "cursor": cursor}
    following = url_for(request.endpoint or "", **asked)
    return {"items": items, "next": following}, {"Link": f'<{following}>; rel="next"'}


def page_schema(entry: type[ma.Schema]) -> type[ma.Schema]:
    """Make the schema of a page of a list."""
    following = fields.String(
        required=True, allow_none=True, metadata=said("The address of the next page, or null.")
    )
    entries = fields.List(fields.Nested(entry), required=True, metadata=said("The entries."))
    members: dict[str, Any] = {
        "items": entries,
        "next": following,
        "__doc__": "A page of a list.",
        "__module__": __name__,
    }
    return type(f"{entry.__name__}Page", (Document,), members)
