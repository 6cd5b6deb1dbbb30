"""`/cases`: films that somebody reads, each with an accession number and a state."""

from dataclasses import asdict
from typing import Any

from flask import url_for
from marshmallow import fields, validate

from hematovision.errors import AccessionInvalidError, AccessionTakenError, CaseUnknownError
from hematovision.people import Right
from hematovision.services.cases import NOTE_LENGTH, open_case
from hematovision.services.overviews import count_cells, get_summary, list_cases
from hematovision.storage.cases import CaseState
from hematovision.storage.overviews import Search, Summary
from hematovision.storage.photos import PhotoState
from hematovision.storage.tables import NAME_LENGTH
from hematovision.web.access import get_user, hand, needs
from hematovision.web.api import values
from hematovision.web.api.etags import tagged
from hematovision.web.api.paging import Paging, cursor_of, page_of, page_schema
from hematovision.web.api.resources import Resource, fails
from hematovision.web.api.schemas import Document, Moment, said
from hematovision.web.cases import sought
from hematovision.web.looks import look
from hematovision.web.wiring import get_wiring

resource = Resource("cases", "Cases", "Films that somebody reads.")


class CaseDocument(Document):
    """A case, and how far it is."""

    id = values.key("Never given to another case.", example=7)
    accession = values.code(
        "The laboratory's number, unique whatever its capitals.", example="26-0837"
    )
    note = values.text("What somebody wrote beside it.", example="Follow-up in March.")
    state = values.code(
        "`open`, `in_review` once somebody said something of a cell, `signed`, or `amended` where "
        "a signed case was signed again.",
        CaseState,
    )
    version = values.count("Counts the changes of what stands here, but for cells.", example=2)
    target = values.count("How many white cells are to be counted.", example=100)
    white_count = values.real(
        "White cells in blood, 10⁹ a litre, of another instrument; null where unknown.",
        allow_none=True,
    )
    age_band = values.code(
        "The reference ranges that were chosen; null for the first of the laboratory.",
        allow_none=True,
    )
    may_improve = values.flag("Whether its confirmed cells may teach a model.")
    created_at = Moment(required=True, metadata=said("When it was made."))
    reviewed_at = Moment(
        required=True, allow_none=True, metadata=said("When somebody last spoke of a cell.")
    )
    reviewer = values.code("The account of who did; null where nobody has.", allow_none=True)
    sent_back = values.flag("Whether it waits to be looked at again.")
    photos = fields.Dict(
        keys=fields.String(validate=validate.OneOf([*map(str, PhotoState)])),
        values=fields.Integer(validate=validate.Range(1)),
        required=True,
        metadata=said("How many photos are in each state.", example={"read": 12, "waiting": 3}),
    )
    cells = values.count("Cells that were found, but for boxes without one.", example=113)
    unidentified = values.count("Those of them that nobody has named.", example=4)


class NewCaseDocument(Document):
    """A case that is to be made."""

    accession = values.code("The laboratory's number.", example="26-0837")
    note = values.text(
        "What is to stand beside it.",
        validate.Length(max=NOTE_LENGTH),
        load_default="",
        example="Follow-up in March.",
    )


class WantedCases(Paging):
    """Which cases are looked for."""

    state = values.code("In this state only.", CaseState, load_default=None)
    q = values.text(
        "Part of an accession number.",
        validate.Length(max=NAME_LENGTH),
        load_default="",
        example="26-08",
    )


@resource.get("/cases")
@needs(Right.SEE_CASES)
@resource.arguments(WantedCases, location="query")
@resource.response(200, page_schema(CaseDocument))
def index(wanted: dict[str, Any]) -> Any:
    """Look for cases.

    The newest come first; a case that is made meanwhile does not move the pages.
    """
    look("cases.seen", "cases", polled=True)
    (cursor,) = wanted["cursor"] or (None,)
    state = CaseState(wanted["state"]) if wanted["state"] else None
    text, limit = sought(wanted["q"]), wanted["limit"]
    asked = Search(text=text, state=state, cursor=cursor, limit=limit)
    found, last = list_cases(get_wiring().database, asked, user_id=get_user().id)
    return page_of([case_document(one) for one in found], cursor_of(last) if last else None)


@resource.post("/cases")
@needs(Right.REVIEW)
@resource.arguments(NewCaseDocument)
@resource.response(201, CaseDocument, headers=values.location("Where the case is."))
@fails(AccessionInvalidError, AccessionTakenError)
def make(new: dict[str, Any]) -> Any:
    """Make a case.

    Its photos come in at the same address with `/photos` behind it.
    """
    case = open_case(get_wiring().database, new["accession"], new["note"], by=hand())
    return _document(case.id), {"Location": url_for("api_cases.show", case_id=case.id)}


@resource.get("/cases/<int:case_id>")
@needs(Right.SEE_CASES)
@tagged
@resource.response(200, CaseDocument)
@fails(CaseUnknownError)
def show(case_id: int) -> Any:
    """Get a case.

    `photos` says how many are in each state: all are read once nothing waits, pauses or is read.
    """
    document = _document(case_id)
    look("case.seen", f"case {case_id}", polled=True)
    return document


def case_document(summary: Summary) -> dict[str, Any]:
    """Lay out a case with what a list shows of it."""
    cells, unidentified = count_cells(summary.tallies)
    return asdict(summary.case) | {
        "reviewer": summary.reviewer,
        "sent_back": summary.returned is not None,
        "photos": summary.photos,
        "cells": cells,
        "unidentified": unidentified,
    }


def _document(case_id: int) -> dict[str, Any]:
    return case_document(get_summary(get_wiring().database, case_id, user_id=get_user().id))
