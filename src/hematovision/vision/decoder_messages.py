"""What a decoder's process is asked, and what it answers.

Hostile bytes may have taken the process over, so nothing that it says is run or believed: numbers
are compared with what was asked, words are those of a failure that is known here.
"""

import json
import re
import struct
from collections.abc import Callable
from decimal import Decimal

from hematovision.errors import (
    AnimatedImageError,
    EmptyFileError,
    HematoVisionError,
    ImageTooHeavyError,
    ImageTooLargeError,
    ImageTooSmallError,
    UnreadableImageError,
    UnsupportedFormatError,
)

REQUEST = struct.Struct("<cQQ")
"""What to do, how many bytes the file has, and how many pixels a picture may have."""
DECODE, CHECK = b"d", b"c"

ANSWER = struct.Struct("<cII")
"""What came of it; height and width of the pixels, or the length of the words that follow."""
READY, PIXELS, FINE, REFUSED, BROKEN = b"h", b"p", b"f", b"r", b"b"

LONGEST = 2_000
"""Bytes of words."""
LONGEST_VALUE = 60
_REFUSALS: dict[str, type[HematoVisionError]] = {
    kind.__name__: kind
    for kind in (
        AnimatedImageError,
        EmptyFileError,
        ImageTooHeavyError,
        ImageTooLargeError,
        ImageTooSmallError,
        UnreadableImageError,
        UnsupportedFormatError,
    )
}
"""All that a decoder may refuse a picture by."""

_PLAIN = re.compile(r"(?:[^%\x00-\x1f]|%\(\w+\)s){1,300}")
"""A template that only puts values in: a width in it would fill the memory."""
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,15})?")
"""Without an exponent: written out it would fill the memory, too."""
_KINDS: dict[str, Callable[[str], object]] = {"int": int, "str": str, "Decimal": Decimal}


class MessageError(Exception):
    """A process answers what no decoder of ours would."""


def pack_refusal(error: HematoVisionError) -> bytes:
    """Write a refusal down."""
    values = {name: [type(value).__name__, str(value)] for name, value in error.values.items()}
    return json.dumps([type(error).__name__, error.template, values]).encode()[:LONGEST]


def unpack_refusal(words: bytes) -> HematoVisionError:
    """Read a refusal that a process has written.

    Raises:
        MessageError: If it is none.
    """
    try:
        name, template, values = json.loads(words)
        if not _PLAIN.fullmatch(template):
            raise ValueError("the template does more than put values in")
        return _REFUSALS[name](template, **{key: _value(values[key]) for key in values})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise MessageError("An answer that is no refusal.") from error


def _value(written: list[str]) -> object:
    kind, text = written
    if len(text) > LONGEST_VALUE or (kind != "str" and not _NUMBER.fullmatch(text)):
        raise ValueError("this is no value")
    return _KINDS[kind](text)
