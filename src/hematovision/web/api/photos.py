"""`/cases/ID/photos`: how photos come into a case, how far they are, and how they look."""

import secrets
from typing import Any

from flask import Response, url_for
from marshmallow import fields

from hematovision.errors import (
    AnimatedImageError,
    ArchiveDamagedError,
    ArchiveTooLargeError,
    CaseClosedError,
    CaseUnknownError,
    EmptyFileError,
    FileTooLargeError,
    ImageTooLargeError,
    ImageTooSmallError,
    KeyOutdatedError,
    NoImageError,
    PhotoUnknownError,
    PictureNotKeptError,
    TooManyEntriesError,
    TooManyImagesError,
    UnreadableImageError,
    UnsupportedFormatError,
)
from hematovision.people import Right
from hematovision.services.crops import SIZES, get_picture
from hematovision.services.intake import Arrival, Sending
from hematovision.services.overviews import get_shown, sheet_of
from hematovision.storage.overviews import Shown
from hematovision.storage.photos import PhotoState
from hematovision.web.access import get_user, needs
from hematovision.web.api import values
from hematovision.web.api.etags import tagged
from hematovision.web.api.paging import Paging, cursor_of, page_of, page_schema
from hematovision.web.api.resources import Resource, fails
from hematovision.web.api.schemas import Document, Problem, said
from hematovision.web.case_photos import arrivals_of
from hematovision.web.crops import album
from hematovision.web.errors import problem_of
from hematovision.web.looks import look
from hematovision.web.rates import often
from hematovision.web.uploads import get_uploads
from hematovision.web.wiring import get_wiring

resource = Resource("photos", "Photos", "The photos of a case.")
JPEG = {"type": "string", "format": "binary"}
UNDECODABLE = (
    AnimatedImageError,
    EmptyFileError,
    ImageTooLargeError,
    ImageTooSmallError,
    UnreadableImageError,
    UnsupportedFormatError,
)
"""How a picture is refused."""
LEFT_OUT = "left_out"
"""What a ZIP holds beside pictures."""


class PhotoDocument(Document):
    """A photo, and how far it is."""

    id = values.key("Never given to another photo.", attribute="photo.id", example=31)
    number = values.number(
        "Counts the photos of the case from one.", attribute="photo.number", example=3
    )
    state = values.code(
        "`waiting`, `paused`, `reading`, `read`, `same` where the case has this content already, "
        "`failed`, or `cancelled`.",
        PhotoState,
        attribute="photo.state",
    )
    sha256 = fields.String(
        attribute="photo.image_sha256",
        required=True,
        metadata=said("SHA-256 of the file as it was sent, hexadecimal."),
    )
    width = values.number(
        "Pixels across; null until it was read.", attribute="photo.width", allow_none=True
    )
    height = values.number(
        "Pixels down; null until it was read.", attribute="photo.height", allow_none=True
    )
    same_as = values.number(
        "The number of the first photo with this content, or null.", allow_none=True
    )
    failure = values.code(
        "The code of what was wrong where it failed, or null.",
        attribute="photo.failure",
        allow_none=True,
        example="unreadable_image",
    )
    cells = values.count("Cells in it, but for boxes without one.", example=9)


class ArrivalDocument(Document):
    """What became of a file: a photo, or an error."""

    name = fields.String(
        required=True, metadata=said("As it was sent, or as its ZIP calls it.", example="1.jpg")
    )
    id = values.key("Of the photo.", required=False)
    number = values.number("Of the photo in its case.", required=False)
    state = values.code(
        "Of the photo; `left_out` where a ZIP holds something else than pictures.",
        [*PhotoState, LEFT_OUT],
        required=False,
    )
    was_here = values.flag(
        "Whether the case had it from an earlier request, so that nothing was added.",
        required=False,
    )
    same_as = values.number(
        "The number of the photo with this content that came before, or null.",
        required=False,
        allow_none=True,
    )
    error = fields.Nested(Problem, metadata=said("Why it was refused."))


class ArrivalsDocument(Document):
    """What became of the files of a request."""

    photos = fields.List(
        fields.Nested(ArrivalDocument),
        required=True,
        metadata=said("One entry a file, those in ZIPs among them, in the order they came."),
    )


class WantedSize(Document):
    """How large a photo is to be."""

    size = values.code(
        "Of the longer side: `small` 320 pixels, `large` 1600 at most.",
        SIZES,
        load_default="large",
    )


@resource.get("/cases/<int:case_id>/photos")
@needs(Right.SEE_CASES)
@resource.arguments(Paging, location="query")
@resource.response(200, page_schema(PhotoDocument))
@fails(CaseUnknownError)
def index(wanted: dict[str, Any], case_id: int) -> Any:
    """List the photos of a case, in the order they came.

    Those that are `waiting` or `reading` will be `read` or `failed` without anybody's doing.
    """
    (after,) = wanted["cursor"] or (0,)
    database, user_id = get_wiring().database, get_user().id
    sheet = sheet_of(database, case_id, after=after, limit=wanted["limit"], user_id=user_id)
    look("case.seen", f"case {case_id}", polled=True)
    return page_of(sheet.photos, cursor_of(sheet.cursor) if sheet.cursor else None)


@resource.post("/cases/<int:case_id>/photos")
@needs(Right.REVIEW)
@resource.takes_files("Photos, or ZIPs of photos.")
@resource.response(202, ArrivalsDocument, headers=values.location("Where the photos are."))
@fails(
    *UNDECODABLE,
    ArchiveDamagedError,
    ArchiveTooLargeError,
    CaseClosedError,
    CaseUnknownError,
    FileTooLargeError,
    KeyOutdatedError,
    NoImageError,
    TooManyEntriesError,
    TooManyImagesError,
)
def send(case_id: int) -> Any:
    """Send photos, or ZIPs of photos, into a case.

    They are read in the background; `GET` says how far each is. One bad file stops no other, and
    has an `error`; one file alone that is refused is answered by its problem. What the case has
    already is not kept again, so a request that was lost may be sent again.
    """
    sending = Sending(case_id, secrets.token_hex(16))
    arrivals = list(arrivals_of(get_wiring(), sending, get_uploads()))
    if len(arrivals) == 1 and arrivals[0].failure:
        raise arrivals[0].failure
    address = url_for("api_photos.index", case_id=case_id)
    return {"photos": list(map(_arrival, arrivals))}, {"Location": address}


@resource.get("/cases/<int:case_id>/photos/<int:number>")
@needs(Right.SEE_CASES)
@tagged
@resource.response(200, PhotoDocument)
@fails(CaseUnknownError, PhotoUnknownError)
def show(case_id: int, number: int) -> Shown:
    """Get a photo.

    Its picture is at the same address with `/image` behind it.
    """
    return _seen(case_id, number)


@resource.get("/cases/<int:case_id>/photos/<int:number>/image")
@needs(Right.SEE_CASES)
@often
@tagged
@resource.arguments(WantedSize, location="query")
@resource.response(200, JPEG, content_type="image/jpeg")
@fails(CaseUnknownError, PhotoUnknownError, PictureNotKeptError, *UNDECODABLE)
def picture(wanted: dict[str, Any], case_id: int, number: int) -> Response:
    """Get the picture of a photo, a JPEG.

    It is made anew from the pixels; the file that was sent is never given.
    """
    photo_id = _seen(case_id, number).photo.id
    return jpeg_answer(get_picture(album(), case_id, photo_id, wanted["size"]))


def jpeg_answer(jpeg: bytes) -> Response:
    """Answer with a picture that only the program itself may keep."""
    answer = Response(jpeg, mimetype="image/jpeg")
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer


def _seen(case_id: int, number: int) -> Shown:
    """Give a photo, and put the look at it on record."""
    shown = get_shown(get_wiring().database, case_id, number, user_id=get_user().id)
    look("photo.seen", f"photo {shown.photo.id}", {"case": case_id}, polled=True)
    return shown


def _arrival(arrival: Arrival) -> dict[str, Any]:
    if arrival.failure:
        return {"name": arrival.name, "error": problem_of(arrival.failure).as_document()}
    if arrival.photo is None:
        return {"name": arrival.name, "state": LEFT_OUT}
    photo = arrival.photo
    return {
        "name": arrival.name,
        "id": photo.id,
        "number": photo.number,
        "state": photo.state,
        "was_here": arrival.was_here,
        "same_as": arrival.same_as,
    }
