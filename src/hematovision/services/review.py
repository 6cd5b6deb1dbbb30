"""What people say of cells: names, doubts, boxes; nothing that was said is ever overwritten."""

from collections.abc import Sequence
from dataclasses import dataclass

from hematovision.cells import Box
from hematovision.errors import (
    BoxInvalidError,
    CellUnknownError,
    LabelUnknownError,
    NotSignedInError,
    PhotoUnknownError,
    PictureNotKeptError,
)
from hematovision.labels import NO_CELL, UNIDENTIFIED
from hematovision.services.cases import the_open_case
from hematovision.services.cells import the_cell
from hematovision.services.hands import Hand
from hematovision.services.naming import own_labels
from hematovision.storage.cells import Cell, Review
from hematovision.storage.database import Database, Records
from hematovision.storage.photos import Photo

MIN_BOX = 8
"""Pixels of the shorter side; less than that shows no cell in any photo."""


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody says of a cell.

    Attributes:
        cell_id: The cell.
        label: The code of what they call it; None takes back all that was said.
        seen: The version of the cell that they saw.
    """

    cell_id: int
    label: str | None
    seen: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of what somebody said.

    Attributes:
        stored: False where somebody else said something since; then the rest is theirs.
        cell: As it is now.
    """

    stored: bool
    cell: Cell


def name_cells(
    database: Database, case_id: int, said: Sequence[Said], *, by: Hand
) -> Sequence[Outcome]:
    """Say what cells are; each has its own outcome.

    Args:
        database: Keeps it.
        case_id: The case they belong to.
        said: Of each cell at most one.
        by: Who says so.

    Returns:
        One outcome a cell, in the order given. What somebody else said since is not overwritten.

    Raises:
        CaseUnknownError: If there is no such case.
        CaseClosedError: If it is signed.
        CellUnknownError: If it has no such cell; then nothing is stored.
        LabelUnknownError: If a cell cannot be called so here; then nothing is stored.
        PictureNotKeptError: If a cell cannot be looked at; then nothing is stored.
    """
    with database.transaction() as records:
        _hold(records, case_id)
        allowed = {label.code for label in own_labels(records).usable} | {NO_CELL, UNIDENTIFIED}
        if not {one.label for one in said} <= allowed:
            raise LabelUnknownError("A cell cannot be called so here.")
        return _say(records, case_id, said, "cell.named", by)


def take_back(
    database: Database, case_id: int, said: Sequence[Said], *, by: Hand
) -> Sequence[Outcome]:
    """Say of cells what was said of them before, or nothing: a review of its own.

    Args, outcomes and failures are those of `name_cells`; a label that the laboratory has retired
    since comes back, too.
    """
    with database.transaction() as records:
        _hold(records, case_id)
        own = own_labels(records)
        allowed = {label.code for label in (*own.usable, *own.retired)}
        if not {one.label for one in said} <= allowed | {NO_CELL, UNIDENTIFIED, None}:
            raise LabelUnknownError("A cell cannot be called so here.")
        return _say(records, case_id, said, "cell.taken_back", by)


def box_cell(database: Database, case_id: int, photo_number: int, box: Box, *, by: Hand) -> Cell:
    """Add a cell that the locator missed; it waits to be named.

    Args:
        database: Keeps it.
        case_id: The case.
        photo_number: Counts the photos of the case from one.
        box: Where the cell lies, in pixels of the photo.
        by: Who boxed it.

    Raises:
        CaseUnknownError: If there is no such case.
        CaseClosedError: If it is signed.
        PhotoUnknownError: If it has no such photo, or nobody read that yet.
        BoxInvalidError: If the box is too small or not inside the photo.
    """
    with database.transaction() as records:
        _hold(records, case_id)
        photo = the_photo(records, case_id, photo_number)
        _check_box(box, photo)
        cell_id = records.cells.add(case_id, photo.id, box)
        records.cases.begin_review(case_id)
        cell = records.cells.some(case_id, [cell_id])[cell_id]
        details = {"case": case_id, "number": cell.number, "photo": photo.id}
        records.audit.add(by.did("cell.boxed", f"cell {cell_id}", details))
    return cell


def history_of(database: Database, case_id: int, cell_id: int) -> Sequence[Review]:
    """List what was said of a cell, the newest first.

    Raises:
        CaseUnknownError: If there is no such case.
        CellUnknownError: If it has no such cell.
    """
    with database.reading() as records:
        return records.cells.history(the_cell(records, case_id, cell_id).id)


def the_photo(records: Records, case_id: int, number: int) -> Photo:
    """Give a photo of a case by its number, within a transaction.

    Raises:
        PhotoUnknownError: If there is none.
    """
    found = records.photos.find_number(case_id, number)
    if found is None:
        raise PhotoUnknownError("There is no photo %(number)s in this case.", number=number)
    return found


def _hold(records: Records, case_id: int) -> None:
    """Insist that the case is open; whoever signs it, or reviews it as well, waits."""
    records.cases.hold(case_id)
    the_open_case(records, case_id)


def _say(
    records: Records, case_id: int, said: Sequence[Said], action: str, by: Hand
) -> Sequence[Outcome]:
    if by.user_id is None:
        raise NotSignedInError("Nobody is signed in.")
    before = records.cells.some(case_id, [one.cell_id for one in said])
    _check_seen(records, case_id, said, list(before.values()))
    stored = {}
    for one in said:
        stored[one.cell_id] = records.cells.review(
            case_id, one.cell_id, one.label, seen=one.seen, by=by.user_id, now=by.now
        )
        if stored[one.cell_id]:
            cell = before[one.cell_id]
            details = {"case": case_id, "number": cell.number}
            was, said_now = {"label": cell.label}, {"label": one.label}
            event = by.did(action, f"cell {cell.id}", details, before=was, after=said_now)
            records.audit.add(event)
    if any(stored.values()):
        records.cases.begin_review(case_id)
    after = records.cells.some(case_id, list(before))
    return [Outcome(stored[one.cell_id], after[one.cell_id]) for one in said]


def _check_seen(
    records: Records, case_id: int, said: Sequence[Said], cells: Sequence[Cell]
) -> None:
    """Insist that all cells are there, and that they could be looked at."""
    if len(cells) < len(said):
        raise CellUnknownError("There is no such cell in this case.")
    if records.photos.lack_picture({cell.photo_id for cell in cells}):
        raise PictureNotKeptError("The picture of this cell is not kept.")


def _check_box(box: Box, photo: Photo) -> None:
    if photo.width is None or photo.height is None or photo.same_as is not None:
        raise PhotoUnknownError("This photo is not read.")
    if min(box.width, box.height) < MIN_BOX:
        raise BoxInvalidError("The box is smaller than %(least)s pixels.", least=MIN_BOX)
    if min(box.xmin, box.ymin) < 0 or box.xmax > photo.width or box.ymax > photo.height:
        raise BoxInvalidError("The box is not inside its photo.")
