"""Second readings: the gallery without what others said, and both readers beside each other."""

from typing import Any

from flask import Blueprint, Flask, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hematovision.errors import BlindError
from hematovision.labels import FIVE, NO_CELL, NOT_CLASSED, UNIDENTIFIED
from hematovision.people import Right
from hematovision.services.cases import CLOSED
from hematovision.services.deciding import compare_readings, decide
from hematovision.services.galleries import photos_without_picture
from hematovision.services.second_readings import (
    ask_second,
    finish_second,
    give_up_second,
    is_blind,
    name_second,
    open_blind_gallery,
    open_second_desk,
    take_second,
)
from hematovision.web import differential_words as said
from hematovision.web.access import find_user, get_user, hand, needs
from hematovision.web.gallery import (
    gallery_document,
    gallery_words,
    json_sent,
    outcome_of,
    references_of,
    said_of,
)
from hematovision.web.looks import look
from hematovision.web.signs import sign_of
from hematovision.web.tiles import rows_of
from hematovision.web.uploads import asks_for_json, number_of
from hematovision.web.wiring import get_wiring

OUT = {NOT_CLASSED, NO_CELL, UNIDENTIFIED}
"""What counts in no hundred stands last."""
blueprint = Blueprint("second", __name__, url_prefix="/cases/<int:case_id>/second")
TELLING = {
    "api_cells.add",
    "api_cells.index",
    "api_cells.history",
    "api_cells.review",
    "api_cells.show",
    "api_differential.show",
    "api_reports.csv",
    "api_reports.fhir",
    "api_reports.pdf",
    "api_reports.xlsx",
    "api_signatures.index",
    "differential.change",
    "differential.numbers",
    "differential.show",
    "exports.csv",
    "exports.fhir",
    "exports.pdf",
    "exports.pictures",
    "exports.show",
    "exports.xlsx",
    "gallery.box",
    "gallery.history",
    "gallery.photo",
    "gallery.review",
    "gallery.show",
    "second.agreement",
    "second.settle",
    "signing.show",
    "signing.sign",
    "signing.version",
}
"""Views that tell what was said of the cells of a case, or let somebody say it."""


@blueprint.get("")
@needs(Right.SEE_CASES)
def show(case_id: int) -> str:
    """Say how far second readings are, and what comes next."""
    desk = open_second_desk(get_wiring().database, case_id, get_user().id)
    look("second_reading.seen", f"case {case_id}")
    return render_template(
        "second.html", desk=desk, case=desk.case, closed=desk.case.state in CLOSED
    )


@blueprint.post("/ask")
@needs(Right.REVIEW)
def ask(case_id: int) -> Response:
    """Ask for a second reading."""
    ask_second(get_wiring().database, case_id, by=hand())
    return _on(case_id)


@blueprint.post("/take")
@needs(Right.REVIEW)
def take(case_id: int) -> Response:
    """Take it in hand."""
    take_second(get_wiring().database, case_id, by=hand())
    return redirect(url_for("second.gallery", case_id=case_id), 303)


@blueprint.post("/give-up")
@needs(Right.REVIEW)
def give_up(case_id: int) -> Response:
    """End it without a result."""
    give_up_second(get_wiring().database, case_id, by=hand())
    return _on(case_id)


@blueprint.post("/finish")
@needs(Right.REVIEW)
def finish(case_id: int) -> Response:
    """Finish it, and show how far both agree."""
    finish_second(get_wiring().database, case_id, by=hand())
    return redirect(url_for("second.agreement", case_id=case_id), 303)


@blueprint.get("/cells")
@needs(Right.REVIEW)
def gallery(case_id: int) -> str:
    """Show the cells with the machine's suggestions, and what one said oneself."""
    shown = open_blind_gallery(get_wiring().database, case_id, user_id=get_user().id, labels=FIVE)
    look("second_reading.gallery_seen", f"case {case_id}")
    rows = rows_of(shown.cells, shown.own.every, shown.without_picture)
    known = gallery_document(shown, [tile for row in rows for tile in row.tiles])
    known["references"] = references_of(shown)
    here = url_for("second.gallery", case_id=case_id)
    known["urls"] |= {
        "reviews": url_for("second.review", case_id=case_id),
        "history": "",
        "gallery": here,
    }
    return render_template(
        "second_cells.html",
        case=shown.case,
        photos=len(shown.photos),
        rows=rows,
        left=sum(tile.kept for tile in rows[0].tiles),
        known=known,
        blind=True,
        **gallery_words(shown),
    )


@blueprint.post("/reviews")
@needs(Right.REVIEW)
def review(case_id: int) -> Response:
    """Keep what a second reader says of cells; the body is that of the gallery."""
    sent = said_of(json_sent())
    outcomes = name_second(get_wiring().database, case_id, sent, by=hand())
    reply = jsonify({"cells": [outcome_of(outcome) for outcome in outcomes]})
    reply.status_code = 200 if all(outcome.stored for outcome in outcomes) else 409
    return reply


@blueprint.get("/agreement")
@needs(Right.SEE_CASES)
def agreement(case_id: int) -> str:
    """Show how far both readers agree, and the cells that they call otherwise."""
    found = compare_readings(get_wiring().database, case_id)
    look("agreement.seen", f"case {case_id}")
    own = found.own.every
    codes = [*(label.code for label in found.own.usable), UNIDENTIFIED, NO_CELL]
    return render_template(
        "agreement.html",
        found=found,
        classes=sorted(found.agreement.classes, key=lambda one: one.code in OUT),
        gone=photos_without_picture(get_wiring().database, case_id),
        case=found.case,
        may=get_user().may(Right.SIGN) and found.case.state not in CLOSED,
        codes=codes,
        said=said,
        own=own,
        sign_of=lambda code: sign_of(code, own),
    )


@blueprint.post("/cells/<int:cell_id>/decide")
@needs(Right.SIGN)
def settle(case_id: int, cell_id: int) -> Response:
    """Decide what a cell is that both call otherwise."""
    form = request.form
    seen, label = number_of(form.get("seen")) or 0, form.get("label", "")
    decide(get_wiring().database, case_id, cell_id, label, seen=seen, by=hand())
    return redirect(url_for("second.agreement", case_id=case_id, _anchor=f"cell-{cell_id}"), 303)


def _on(case_id: int) -> Response:
    return redirect(url_for("second.show", case_id=case_id), 303)


def _keep_blind() -> Any:
    """Lead whoever reads a case a second time away from what others said of it."""
    if request.endpoint not in TELLING:
        return None
    user, case_id = find_user(), (request.view_args or {})["case_id"]
    if user is None or not is_blind(get_wiring().database, case_id, user.id):
        return None
    if request.method == "GET" and not asks_for_json():
        return redirect(url_for("second.show", case_id=case_id))
    raise BlindError("You read this case a second time.")


def init_app(app: Flask) -> None:
    """Register the pages, and close those that tell too much."""
    app.register_blueprint(blueprint)
    app.before_request(_keep_blind)
