"""Why a photo could not be read, in words: the database keeps the failure's code alone."""

from dataclasses import dataclass

from flask_babel import LazyString, lazy_gettext

from hematovision.errors import (
    AnimatedImageError,
    DecoderCrashedError,
    DecodersBusyError,
    DecodingTookTooLongError,
    EmptyFileError,
    FileTooLargeError,
    HematoVisionError,
    ImageTooHeavyError,
    ImageTooLargeError,
    ImageTooSmallError,
    PhotoUnknownError,
    UnreadableImageError,
    UnsupportedFormatError,
)
from hematovision.services.batches import GONE, INTERNAL
from hematovision.web.vocabulary import translated


@dataclass(frozen=True, slots=True)
class Words:
    """What is said of a failure.

    Attributes:
        what: What is wrong.
        advice: What to do.
    """

    what: LazyString | str
    advice: LazyString | str


OF_PHOTOS: dict[type[HematoVisionError], LazyString] = {
    EmptyFileError: lazy_gettext("The file is empty."),
    FileTooLargeError: lazy_gettext("The file has more bytes than are read."),
    UnsupportedFormatError: lazy_gettext("This kind of picture is not read."),
    UnreadableImageError: lazy_gettext("The picture is damaged."),
    AnimatedImageError: lazy_gettext("The picture moves: it has several frames."),
    ImageTooLargeError: lazy_gettext("The picture has more pixels than are read."),
    ImageTooSmallError: lazy_gettext("The picture has too few pixels to show a cell."),
    ImageTooHeavyError: lazy_gettext("The picture takes too much memory to decode."),
    DecodingTookTooLongError: lazy_gettext("The picture takes too long to decode."),
    DecoderCrashedError: lazy_gettext("The decoder crashed at this picture."),
    DecodersBusyError: lazy_gettext("Too many pictures wait to be decoded."),
}
OURS = {
    GONE: Words(
        lazy_gettext("The picture is not where it was kept."),
        lazy_gettext("Send the photo again."),
    ),
    INTERNAL: Words(
        lazy_gettext("Something in the program went wrong."),
        lazy_gettext(
            "Try again. If it happens again, tell your administrator the time it happened."
        ),
    ),
    PhotoUnknownError.code(): Words(
        lazy_gettext("The photo was erased, with all that was said of it."),
        lazy_gettext("Send the photo again."),
    ),
}
"""What no sender can help."""


def words_of(code: str | None) -> Words:
    """Say what was wrong with a photo."""
    for kind, what in OF_PHOTOS.items():
        if kind.code() == code:
            return Words(what, translated(kind.advice))
    return OURS.get(code or INTERNAL, OURS[INTERNAL])
