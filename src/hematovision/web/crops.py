"""Pictures of cells and photos: for those who may see cases, and kept by their browser alone."""

from flask import Blueprint, Response, abort, make_response, request, url_for

from hematovision.errors import CellUnknownError
from hematovision.people import Right
from hematovision.services.crops import SIDES, SIZES, Album, explain_cell, get_crop, get_picture
from hematovision.services.references import get_reference
from hematovision.vision.cutting import jpeg_of
from hematovision.vision.explaining import share_inside
from hematovision.web.access import needs, shown_token
from hematovision.web.highlights import highlight
from hematovision.web.looks import look
from hematovision.web.pressure import reads_photos
from hematovision.web.rates import often
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("gallery", __name__, url_prefix="/cases/<int:case_id>")
references = Blueprint("references", __name__)

HALF_A_DAY = 12 * 60 * 60


def crop_address(case_id: int, side: int) -> str:
    """Give the address of a cell's picture, with `{id}` in the place of the cell."""
    address = url_for("gallery.crop", case_id=case_id, cell_id=0, side=side)
    return address.replace("/0.jpg", "/{id}.jpg")


def album() -> Album:
    """Say where pictures are found."""
    wiring = get_wiring()
    return Album(wiring.database, wiring.files, wiring.settings.max_pixels, wiring.decoder)


@blueprint.get("/cells/<int:cell_id>.jpg")
@needs(Right.SEE_CASES)
@often
def crop(case_id: int, cell_id: int) -> Response:
    """Show one cell; `side` says how many photo pixels, the same for all cells of a page."""
    jpeg = get_crop(album(), case_id, cell_id, _side())
    if shown_token() is not None:
        # No look at a page has put this on record before.
        look("crops.seen", f"case {case_id}", polled=True)
    return as_picture(jpeg, f"{cell_id}-{_side()}")


@blueprint.get("/cells/<int:cell_id>/heat.jpg")
@needs(Right.SEE_CASES)
@reads_photos
def heat(case_id: int, cell_id: int) -> Response:
    """Show what mattered in a cell: its photo is read again."""
    found = explain_cell(album(), get_wiring().shelf.reader_of, case_id, cell_id, _side())
    if found is None:
        raise CellUnknownError("The model does not say what mattered in this cell.")
    answer = make_response(jpeg_of(highlight(found.crop, found.area, found.heat)))
    answer.mimetype = "image/jpeg"
    answer.headers["X-Heat-Of"] = str(found.heat.cell_type)
    answer.headers["X-Heat-Inside"] = f"{share_inside(found.heat, found.box):.2f}"
    return answer


@blueprint.get("/photos/<int:photo_id>.jpg")
@needs(Right.SEE_CASES)
@often
def picture(case_id: int, photo_id: int) -> Response:
    """Show a photo, made anew from its pixels; never the file that was sent."""
    size = request.args.get("size", "large")
    if size not in SIZES:
        abort(404)
    jpeg = get_picture(album(), case_id, photo_id, size)
    if size == "large" or shown_token() is not None:
        # Its page is on record already; whoever asks for the picture alone is as well.
        look("photo.seen", f"photo {photo_id}", {"case": case_id}, polled=True)
    return as_picture(jpeg, f"{photo_id}-{size}")


@references.get("/references/<int:reference_id>.jpg")
@needs(Right.SEE_CASES)
@often
def reference(reference_id: int) -> Response:
    """Give a reference cell of a loaded set."""
    return as_picture(get_reference(album(), reference_id), f"r{reference_id}")


def as_picture(jpeg: bytes, tag: str) -> Response:
    """Answer with a picture that never changes; only the browser of this person keeps it."""
    answer = make_response(jpeg)
    answer.mimetype = "image/jpeg"
    answer.headers["Cache-Control"] = f"private, max-age={HALF_A_DAY}, immutable"
    answer.set_etag(tag)
    # Whoever signs in next at this browser has another cookie, and asks anew.
    answer.vary.add("Cookie")
    answer.make_conditional(request)
    return answer


def _side() -> int:
    side = request.args.get("side", "")
    if side not in set(map(str, SIDES)):
        abort(404)
    return int(side)
