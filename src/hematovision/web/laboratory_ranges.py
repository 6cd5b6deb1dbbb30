"""The laboratory's reference ranges: age bands, each with its source."""

from collections.abc import Callable

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hematovision.errors import ChangedMeanwhileError, HematoVisionError, RangeInvalidError
from hematovision.people import Right
from hematovision.services.ranges import (
    Written,
    add_band,
    change_band,
    get_ranges,
    remove_band,
)
from hematovision.web import differential_words as said
from hematovision.web.access import hand, needs
from hematovision.web.errors import STATUS_OF
from hematovision.web.uploads import number_of
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("laboratory_ranges", __name__, url_prefix="/laboratory/ranges")
Page = str | Response | tuple[str, int]
NEW = ""
"""In the place of a code: an age band that is not kept yet."""


@blueprint.get("")
@needs(Right.SET_LABORATORY)
def show() -> str:
    """Show all ranges."""
    return _page()


@blueprint.post("")
@needs(Right.SET_LABORATORY)
def add() -> Page:
    """Keep ranges for another age band."""
    written = _written()
    database = get_wiring().database
    return _do(lambda: add_band(database, written, seen=_seen(), by=hand()), NEW, written)


@blueprint.post("/<code>")
@needs(Right.SET_LABORATORY)
def change(code: str) -> Page:
    """Keep other ranges for an age band."""
    written = _written()
    database = get_wiring().database
    return _do(lambda: change_band(database, code, written, seen=_seen(), by=hand()), code, written)


@blueprint.post("/<code>/remove")
@needs(Right.SET_LABORATORY)
def remove(code: str) -> Page:
    """Keep no ranges for an age band any more."""
    database = get_wiring().database
    return _do(lambda: remove_band(database, code, seen=_seen(), by=hand()), code, None)


def _do(act: Callable[[], object], code: str, written: Written | None) -> Page:
    try:
        act()
    except (RangeInvalidError, ChangedMeanwhileError) as error:
        return _page(failure=error, code=code, written=written), STATUS_OF[type(error)]
    return redirect(url_for("laboratory_ranges.show"), 303)


def _seen() -> int:
    return number_of(request.form.get("version")) or 0


def _written() -> Written:
    """Take the ranges of the form; its fields are called `low-neutrophil`, `most-neutrophil`."""
    form = request.form
    codes = [name.removeprefix("low-") for name in form if name.startswith("low-")]
    return Written(
        form.get("name", ""),
        form.get("source", ""),
        {code: (form[f"low-{code}"], form.get(f"high-{code}", "")) for code in codes},
        {code: (form.get(f"least-{code}", ""), form.get(f"most-{code}", "")) for code in codes},
    )


def _page(
    *,
    failure: HematoVisionError | None = None,
    code: str | None = None,
    written: Written | None = None,
) -> str:
    ranges, labels = get_ranges(get_wiring().database)
    return render_template(
        "laboratory_ranges.html",
        ranges=ranges,
        labels=labels,
        failure=failure,
        failed=code,
        written=written,
        said=said,
    )


def init_app(app: Flask) -> None:
    """Register the page."""
    app.register_blueprint(blueprint)
