"""The differential of a case: a page, the same as numbers, and how it is counted."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Flask, json, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hematovision.errors import (
    CaseClosedError,
    ChangedMeanwhileError,
    CountInvalidError,
    HematoVisionError,
)
from hematovision.people import Right
from hematovision.services.amending import get_versions
from hematovision.services.cases import CLOSED
from hematovision.services.differential import Sheet, Wanted, change_counting, open_sheet
from hematovision.storage.signatures import Signature
from hematovision.web import differential_words as said
from hematovision.web import signature_words
from hematovision.web.access import get_user, hand, needs
from hematovision.web.check_words import next_step, words_of_checks
from hematovision.web.errors import STATUS_OF
from hematovision.web.looks import look
from hematovision.web.uploads import number_of
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("differential", __name__, url_prefix="/cases/<int:case_id>")
Page = str | Response | tuple[str, int]


@blueprint.get("/differential")
@needs(Right.SEE_CASES)
def show(case_id: int) -> str:
    """Show the differential of a case."""
    sheet = open_sheet(get_wiring().database, case_id)
    look("differential.seen", f"case {case_id}")
    return _page(sheet)


@blueprint.get("/differential.json")
@needs(Right.SEE_CASES)
def numbers(case_id: int) -> Response:
    """Give the same numbers as a document; nothing where the sender's are still right."""
    document = sheet_document(open_sheet(get_wiring().database, case_id))
    look("differential.seen", f"case {case_id}", polled=True)
    response = jsonify(document)
    response.set_etag(_tag(document))
    return response.make_conditional(request)


@blueprint.post("/differential")
@needs(Right.REVIEW)
def change(case_id: int) -> Page:
    """Set how the case is counted; who changed it later than somebody else is told."""
    wanted = Wanted(
        number_of(request.form.get("version")) or 0,
        request.form.get("target", ""),
        request.form.get("band", ""),
        request.form.get("white_count", ""),
    )
    database = get_wiring().database
    try:
        change_counting(database, case_id, wanted, by=hand())
    except (CaseClosedError, ChangedMeanwhileError, CountInvalidError) as error:
        page = _page(open_sheet(database, case_id), wanted=wanted, failure=error)
        return page, STATUS_OF[type(error)]
    return redirect(url_for("differential.show", case_id=case_id), 303)


def _page(
    sheet: Sheet, *, wanted: Wanted | None = None, failure: HematoVisionError | None = None
) -> str:
    user, checks = get_user(), words_of_checks(sheet)
    return render_template(
        "differential.html",
        sheet=sheet,
        case=sheet.case,
        counts=sheet.differential,
        axis=said.axis_of(sheet.differential),
        settled=said.settled(sheet),
        checks=checks,
        step=next_step(sheet, checks, user),
        may_change=user.may(Right.REVIEW) and sheet.case.state not in CLOSED,
        closed=sheet.case.state in CLOSED,
        versions=_versions(sheet),
        signatures=signature_words,
        wanted=wanted,
        failure=failure,
        tag=_tag(sheet_document(sheet)),
        said=said,
    )


def _versions(sheet: Sheet) -> Sequence[Signature]:
    """List what was signed of the case, the oldest first."""
    return get_versions(get_wiring().database, sheet.case.id)[1] if sheet.signed else ()


def sheet_document(sheet: Sheet) -> dict[str, Any]:
    """Give the numbers of a differential, and what they are held against."""
    case, band = sheet.case, sheet.band
    return {
        "case": {
            "id": case.id,
            "state": str(case.state),
            "version": case.version,
            "signed": sheet.signed,
            "target": case.target,
            "age_band": case.age_band,
        },
        "ranges": {"code": band.code, "name": band.name, "source": band.source} if band else None,
        **asdict(sheet.differential),
        "checks": [asdict(check) for check in sheet.checks],
        "changes": [asdict(one) for one in sheet.changes],
    }


def _tag(document: dict[str, Any]) -> str:
    """Give a mark that changes whenever a number does."""
    return hashlib.sha256(json.dumps(document).encode()).hexdigest()[:32]


def init_app(app: Flask) -> None:
    """Register the page."""
    app.register_blueprint(blueprint)
