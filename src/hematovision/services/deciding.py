"""Two readings of a case beside each other, and a decision where they differ."""

from collections.abc import Sequence
from dataclasses import dataclass

from hematovision.errors import (
    CellUnknownError,
    ChangedMeanwhileError,
    LabelUnknownError,
    NotSignedInError,
    SecondReadingError,
)
from hematovision.labels import LABELS, NO_CELL, UNIDENTIFIED, Count, Label
from hematovision.services.agreement import Agreement, agreement_of
from hematovision.services.cases import the_case, the_open_case
from hematovision.services.crops import side_for
from hematovision.services.hands import Hand
from hematovision.services.naming import OwnLabels, own_labels
from hematovision.storage.cases import Case
from hematovision.storage.cells import Cell
from hematovision.storage.database import Database, Records
from hematovision.storage.seconds import SecondLabel, SecondReading


@dataclass(frozen=True, slots=True)
class Apart:
    """A cell that two readers call otherwise.

    Attributes:
        cell: As it is now.
        said: What both said of it, and what was decided.
    """

    cell: Cell
    said: SecondLabel


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two readings of a case.

    Attributes:
        case: The case.
        reading: The second, which is finished.
        agreement: In numbers, as it was when the second was finished.
        apart: The cells that they call otherwise, by number.
        unread: Cells of which only one of them said anything.
        side: Photo pixels that the crops of the case show.
        own: The laboratory's own labels.
    """

    case: Case
    reading: SecondReading
    agreement: Agreement
    apart: Sequence[Apart]
    unread: int
    side: int
    own: OwnLabels


def compare_readings(database: Database, case_id: int) -> Comparison:
    """Lay the newest finished second reading of a case beside the first.

    Raises:
        CaseUnknownError: If there is no such case.
        SecondReadingError: If no second reading is finished.
    """
    with database.reading() as records:
        case, reading = the_case(records, case_id), _finished(records, case_id)
        said, own = records.seconds.labels(reading.id), own_labels(records)
        cells = records.cells.list(case_id)
    pairs = [(one.first, one.label) for one in said.values()]
    both = [(first, second) for first, second in pairs if first and second]
    return Comparison(
        case=case,
        reading=reading,
        agreement=agreement_of(both, _white((*LABELS, *own.every))),
        apart=[
            Apart(cell, said[cell.id])
            for cell in cells
            if cell.id in said and _differ(said[cell.id])
        ],
        unread=len(cells) - len(both),
        side=side_for([cell.box for cell in cells]),
        own=own,
    )


def decide(
    database: Database, case_id: int, cell_id: int, label: str, *, seen: int, by: Hand
) -> None:
    """Decide what a cell is that two readers call otherwise; it becomes a review of the cell.

    Args:
        database: Keeps it.
        case_id: The case.
        cell_id: The cell.
        label: What it is.
        seen: The version of the cell that was looked at.
        by: Who decides.

    Raises:
        CaseUnknownError: If there is no such case.
        CaseClosedError: If it is signed.
        SecondReadingError: If no second reading is finished.
        CellUnknownError: If the readers do not differ on any such cell.
        LabelUnknownError: If a cell cannot be called so here.
        ChangedMeanwhileError: If somebody else said something of it since it was looked at.
    """
    if by.user_id is None:
        raise NotSignedInError("Nobody is signed in.")
    with database.transaction() as records:
        records.cases.hold(case_id)
        the_open_case(records, case_id)
        reading = _finished(records, case_id)
        said = records.seconds.labels(reading.id).get(cell_id)
        if said is None or not _differ(said):
            raise CellUnknownError("The readers do not differ on this cell.")
        if label not in {one.code for one in own_labels(records).usable} | {NO_CELL, UNIDENTIFIED}:
            raise LabelUnknownError("A cell cannot be called so here.")
        if not records.cells.review(case_id, cell_id, label, seen=seen, by=by.user_id, now=by.now):
            raise ChangedMeanwhileError("Somebody said something else of this cell meanwhile.")
        records.seconds.decide(reading.id, cell_id, label, by=by.user_id, now=by.now)
        records.cases.begin_review(case_id)
        before, after = {"first": said.first, "second": said.label}, {"label": label}
        event = by.did(
            "cell.decided", f"cell {cell_id}", {"case": case_id}, before=before, after=after
        )
        records.audit.add(event)


def _finished(records: Records, case_id: int) -> SecondReading:
    readings = [one for one in records.seconds.list(case_id) if one.finished_at]
    if not readings:
        raise SecondReadingError("No second reading of this case is finished.")
    return readings[-1]


def _differ(said: SecondLabel | None) -> bool:
    """Tell whether both said something of a cell, and not the same."""
    return said is not None and None not in (said.first, said.label) and said.first != said.label


def _white(labels: Sequence[Label]) -> set[str]:
    return {label.code for label in labels if label.count is Count.WHITE}
