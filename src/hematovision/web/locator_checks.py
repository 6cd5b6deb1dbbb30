"""The daily check of the locator: a photo with the boxes that were found, and two numbers."""

from flask import Blueprint, Flask, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from hematovision.errors import ChangedMeanwhileError, CheckInvalidError, HematoVisionError
from hematovision.people import Right
from hematovision.services.crops import get_picture
from hematovision.services.locator_checks import check_photo, get_shown, round_of
from hematovision.web.access import hand, needs
from hematovision.web.crops import album, as_picture
from hematovision.web.days import ahead_of_utc
from hematovision.web.errors import STATUS_OF
from hematovision.web.looks import look
from hematovision.web.overlay import lay_over
from hematovision.web.uploads import number_of
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("locator_checks", __name__, url_prefix="/quality/locator")
Page = str | AnyResponse | tuple[str, int]


@blueprint.get("")
@needs(Right.SEE_QUALITY)
def show() -> str:
    """Show the next photo of the day."""
    return _page()


@blueprint.post("/<int:photo_id>")
@needs(Right.SEE_QUALITY)
def count(photo_id: int) -> Page:
    """Keep what somebody counted, and go to the next photo."""
    missed, wrong = number_of(request.form.get("missed")), number_of(request.form.get("wrong"))
    try:
        check_photo(get_wiring().database, photo_id, missed=missed, wrong=wrong, by=hand())
    except (CheckInvalidError, ChangedMeanwhileError) as error:
        return _page(error, of=photo_id), STATUS_OF[type(error)]
    return redirect(url_for("locator_checks.show"), 303)


@blueprint.get("/<int:photo_id>.jpg")
@needs(Right.SEE_QUALITY)
def picture(photo_id: int) -> Response:
    """Show a photo."""
    shown = get_shown(get_wiring().database, photo_id)
    return as_picture(get_picture(album(), shown.case_id, photo_id, "large"), f"check-{photo_id}")


def _page(failure: HematoVisionError | None = None, *, of: int | None = None) -> str:
    found = round_of(get_wiring().database, ahead=ahead_of_utc())
    shown = found.shown
    if shown:
        look("photo.seen", f"photo {shown.photo_id}", case_id=shown.case_id)
    return render_template(
        "locator_check.html",
        round=found,
        shown=shown,
        overlay=shown and lay_over(shown.width, shown.height, shown.boxes, [""] * len(shown.boxes)),
        failure=failure,
        # What was counted in another photo is not to be saved with this one.
        typed=request.form if shown and shown.photo_id == of else {},
    )


def init_app(app: Flask) -> None:
    """Register the page."""
    app.register_blueprint(blueprint)
