"""Values that many documents hold: keys, numbers, codes, texts; each with its bounds."""

from collections.abc import Iterable
from typing import Any

from marshmallow import fields, validate

from hematovision.storage.tables import LARGEST_KEY, NAME_LENGTH
from hematovision.web.api.schemas import said

LARGEST = 2**31 - 2
"""The largest version, number or place in a picture; one more still fits its column."""
LONGEST = 4000
"""Signs of a text, unless it says otherwise."""


class Whole(fields.Integer):
    """A whole number, as JSON Schema has it: `3.0` is one, `"3"` and `true` are none."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return super()._deserialize(value, *args, **kwargs)


class Flag(fields.Boolean):
    """True or false, and nothing else that could mean either."""

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


def key(about: str, **options: Any) -> Whole:
    """Give a field for what a row is called by."""
    return _whole(about, 1, LARGEST_KEY, options)


def number(about: str, **options: Any) -> Whole:
    """Give a field for what counts from one."""
    return _whole(about, 1, LARGEST, options)


def count(about: str, **options: Any) -> Whole:
    """Give a field for how many there are."""
    return _whole(about, 0, LARGEST, options)


def real(about: str, *, most: float | None = None, **options: Any) -> fields.Float:
    """Give a field for a number of nought or more."""
    rule = validate.Range(0, most)
    return fields.Float(validate=rule, metadata=_metadata(about, options), **_required(options))


def code(about: str, of: Iterable[str] | None = None, **options: Any) -> fields.String:
    """Give a field for a word of programs: one of these, or any that is short."""
    rule = validate.Length(1, NAME_LENGTH) if of is None else validate.OneOf([*map(str, of)])
    return text(about, rule, **options)


def text(about: str, rule: validate.Validator | None = None, **options: Any) -> fields.String:
    """Give a field for what people read or wrote."""
    rule = rule or validate.Length(max=LONGEST)
    return fields.String(validate=rule, metadata=_metadata(about, options), **_required(options))


def flag(about: str, **options: Any) -> Flag:
    """Give a field for what is so or not."""
    return Flag(metadata=_metadata(about, options), **_required(options))


def location(about: str) -> dict[str, Any]:
    """Give the header that says where something is."""
    return {"Location": {"description": about, "schema": {"type": "string"}}}


def _whole(about: str, low: int, high: int, options: dict[str, Any]) -> Whole:
    rule, metadata = validate.Range(low, high), _metadata(about, options)
    return Whole(strict=True, validate=rule, metadata=metadata, **_required(options))


def _metadata(about: str, options: dict[str, Any]) -> dict[str, Any]:
    """Take out of the options what the document alone says."""
    told = {name: options.pop(name) for name in ("example", "pattern") if name in options}
    return said(about, **told)


def _required(options: dict[str, Any]) -> dict[str, Any]:
    return {"required": "load_default" not in options} | options
