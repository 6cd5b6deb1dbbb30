"""Erase a case for good: a page that says what goes, and asks for its number again."""

from typing import Any

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from flask_babel import lazy_gettext
from werkzeug.wrappers import Response

from hematovision.errors import NotConfirmedError
from hematovision.people import Right
from hematovision.services.cases import CLOSED
from hematovision.services.erasing import Confirmation, Why, erase_case
from hematovision.services.overviews import progress_of
from hematovision.web.access import hand, needs
from hematovision.web.errors import STATUS_OF
from hematovision.web.looks import look
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("erasing", __name__, url_prefix="/cases")

REASONS = {
    Why.ASKED: lazy_gettext("The patient asked for it"),
    Why.MISTAKE: lazy_gettext("It should not be here, or its number is wrong"),
    Why.TRIAL: lazy_gettext("It was a trial"),
    Why.OVER: lazy_gettext("It was kept for long enough"),
}

Page = Response | str | tuple[str, int]


@blueprint.get("/<int:case_id>/erase")
@needs(Right.ERASE)
def show(case_id: int) -> str:
    """Say what goes, and ask."""
    page = _page(case_id)
    look("erasing.seen", f"case {case_id}")
    return page


@blueprint.post("/<int:case_id>/erase")
@needs(Right.ERASE)
def erase(case_id: int) -> Page:
    """Erase the case where its number was typed again and it is said why."""
    wiring = get_wiring()
    confirmed = Confirmation(request.form.get("accession", ""), request.form.get("why", ""))
    try:
        erase_case(wiring.database, wiring.files, case_id, confirmed, by=hand())
    except NotConfirmedError as error:
        page = _page(case_id, failure=error, why=confirmed.why)
        return page, STATUS_OF[type(error)]
    return redirect(url_for("erasing.done"), 303)


@blueprint.get("/erased")
@needs(Right.ERASE)
def done() -> str:
    """Say that a case is erased; of which one nobody can say any more."""
    return render_template("erased.html")


def _page(case_id: int, **more: Any) -> str:
    progress = progress_of(get_wiring().database, case_id)
    return render_template(
        "erase.html",
        case=progress.case,
        is_closed=progress.case.state in CLOSED,
        progress=progress,
        reasons=REASONS,
        **({"failure": None, "why": ""} | more),
    )


def init_app(app: Flask) -> None:
    """Register the pages."""
    app.register_blueprint(blueprint)
