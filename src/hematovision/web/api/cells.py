"""`/cases/ID/cells` and `/cases/ID/reviews`: what a model says of cells, and what people say."""

from typing import Any

from flask import Response, jsonify, url_for

from hematovision.cells import Box
from hematovision.errors import (
    BlindError,
    BoxInvalidError,
    CaseClosedError,
    CaseUnknownError,
    CellUnknownError,
    ChangedMeanwhileError,
    LabelUnknownError,
    PhotoUnknownError,
    PictureNotKeptError,
)
from hematovision.exchange.documents import rounded
from hematovision.labels import UNIDENTIFIED
from hematovision.people import Right
from hematovision.services.cells import get_cell, list_cells, usual_side
from hematovision.services.crops import get_crop
from hematovision.services.review import (
    Outcome,
    Said,
    box_cell,
    history_of,
    name_cells,
    take_back,
)
from hematovision.storage.cells import Cell
from hematovision.web.access import hand, needs
from hematovision.web.api import values
from hematovision.web.api.cell_schemas import (
    CellDocument,
    MissedCellDocument,
    OutcomesDocument,
    OutcomesProblem,
    ReviewsDocument,
    SaidDocument,
    WantedSide,
)
from hematovision.web.api.etags import tagged
from hematovision.web.api.paging import Paging, cursor_of, page_of, page_schema
from hematovision.web.api.photos import JPEG, UNDECODABLE, jpeg_answer
from hematovision.web.api.resources import PROBLEM, Resource, fails
from hematovision.web.crops import album
from hematovision.web.errors import document_of, problem_of
from hematovision.web.looks import look
from hematovision.web.rates import often
from hematovision.web.wiring import get_wiring

resource = Resource("cells", "Cells", "The cells of a case, and what people say that they are.")


@resource.get("/cases/<int:case_id>/cells")
@needs(Right.SEE_CASES)
@resource.arguments(Paging, location="query")
@resource.response(200, page_schema(CellDocument))
@fails(CaseUnknownError, BlindError)
def index(wanted: dict[str, Any], case_id: int) -> Any:
    """List the cells of a case, by number.

    Boxes of which people say that they hold no cell are among them, as `no_cell`.
    """
    (after,) = wanted["cursor"] or (0,)
    cells, last = list_cells(get_wiring().database, case_id, after=after, limit=wanted["limit"])
    look("gallery.seen", f"case {case_id}", polled=True)
    return page_of(list(map(cell_document, cells)), cursor_of(last) if last else None)


@resource.post("/cases/<int:case_id>/cells")
@needs(Right.REVIEW, sight=True)
@resource.arguments(MissedCellDocument)
@resource.response(201, CellDocument, headers=values.location("Where the cell is."))
@fails(BoxInvalidError, CaseUnknownError, CaseClosedError, PhotoUnknownError, BlindError)
def add(missed: dict[str, Any], case_id: int) -> Any:
    """Add a cell that the model missed.

    It is unidentified until a review says what it is.
    """
    box = Box(*missed["box"])
    cell = box_cell(get_wiring().database, case_id, missed["photo"], box, by=hand())
    address = url_for("api_cells.show", case_id=case_id, cell_id=cell.id)
    return cell_document(cell), {"Location": address}


@resource.get("/cases/<int:case_id>/cells/<int:cell_id>")
@needs(Right.SEE_CASES)
@tagged
@resource.response(200, CellDocument)
@fails(CaseUnknownError, CellUnknownError, BlindError)
def show(case_id: int, cell_id: int) -> Any:
    """Get a cell.

    Whoever reviews it sends its `version` along, as what they saw.
    """
    cell = get_cell(get_wiring().database, case_id, cell_id)
    look("cell.seen", f"cell {cell_id}", {"case": case_id}, polled=True)
    return cell_document(cell)


@resource.get("/cases/<int:case_id>/cells/<int:cell_id>/crop")
@needs(Right.SEE_CASES)
@often
@tagged
@resource.arguments(WantedSide, location="query")
@resource.response(200, JPEG, content_type="image/jpeg")
@fails(CaseUnknownError, CellUnknownError, PictureNotKeptError, *UNDECODABLE)
def crop(wanted: dict[str, Any], case_id: int, cell_id: int) -> Response:
    """Get the picture of a cell, a JPEG.

    All cells of a case are shown at one scale unless `side` asks for another.
    """
    side = wanted["side"] or usual_side(get_wiring().database, case_id)
    jpeg = get_crop(album(), case_id, cell_id, side)
    # Of the case, not of each cell: a program fetches hundreds.
    look("crops.seen", f"case {case_id}", polled=True)
    return jpeg_answer(jpeg)


@resource.get("/cases/<int:case_id>/cells/<int:cell_id>/reviews")
@needs(Right.SEE_CASES)
@resource.arguments(Paging, location="query")
@resource.response(200, page_schema(SaidDocument))
@fails(CaseUnknownError, CellUnknownError, BlindError)
def history(wanted: dict[str, Any], case_id: int, cell_id: int) -> Any:
    """List what people said of a cell, the newest first.

    Nothing that was said is ever overwritten.
    """
    (before,) = wanted["cursor"] or (values.LARGEST,)
    every = history_of(get_wiring().database, case_id, cell_id)
    look("cell.history_seen", f"cell {cell_id}", {"case": case_id}, polled=True)
    older = [one for one in every if one.number < before]
    given = older[: wanted["limit"]]
    return page_of(given, cursor_of(given[-1].number) if len(older) > len(given) else None)


@resource.post("/cases/<int:case_id>/reviews")
@needs(Right.REVIEW, sight=True)
@resource.arguments(ReviewsDocument)
@resource.response(200, OutcomesDocument)
@resource.doc(responses={409: {"content": {PROBLEM: {"schema": OutcomesProblem}}}})
@fails(
    BlindError,
    CaseClosedError,
    CaseUnknownError,
    CellUnknownError,
    ChangedMeanwhileError,
    LabelUnknownError,
    PictureNotKeptError,
)
def review(sent: dict[str, Any], case_id: int) -> Any:
    """Say what cells are.

    Each cell has its own outcome: what somebody else said since the version that was seen is not
    overwritten. Then the answer is 409, the others are stored all the same, and `reviews` says of
    each what became of it. A label that is none here, or a cell of another case, stores nothing.
    """
    verb = take_back if sent["undo"] else name_cells
    reviews = [Said(one["cell"], one["label"], one["seen"]) for one in sent["reviews"]]
    outcomes = verb(get_wiring().database, case_id, reviews, by=hand())
    document = {"reviews": list(map(_outcome, outcomes))}
    return document if all(one.stored for one in outcomes) else _conflict(document)


def cell_document(cell: Cell) -> dict[str, Any]:
    """Lay out a cell."""
    model = {"version": cell.model_version, "sha256": cell.model_sha256}
    chances = cell.answer.get("probabilities", {})
    return {
        "id": cell.id,
        "number": cell.number,
        "photo": cell.photo_number,
        "box": cell.box.as_list(),
        "decision": cell.decision,
        "cell_type": cell.cell_type,
        "confidence": None if cell.confidence is None else rounded(cell.confidence),
        "probabilities": {kind: rounded(chance) for kind, chance in chances.items()},
        "prediction_set": cell.answer.get("prediction_set", ()),
        "doubts": cell.answer.get("doubts", ()),
        "known": None if cell.known is None else rounded(cell.known),
        "morphology": cell.morphology,
        "model": model if cell.model_version else None,
        "label": cell.label,
        "called": cell.label or cell.cell_type or UNIDENTIFIED,
        "version": cell.version,
        "reviewed_by": cell.reviewed_by,
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {"stored": outcome.stored, "cell": cell_document(outcome.cell)}


def _conflict(document: dict[str, Any]) -> Response:
    error = ChangedMeanwhileError("Somebody else spoke of some of these cells meanwhile.")
    given = {**document_of(problem_of(error)), **OutcomesDocument().dump(document)}
    answer = jsonify(given)
    answer.status_code, answer.mimetype = int(given["status"]), PROBLEM
    return answer
