"""Second readings: somebody reads a case again, without seeing what the first reader said."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hematovision.errors import (
    BlindError,
    CellUnknownError,
    LabelUnknownError,
    NotSignedInError,
    PictureNotKeptError,
    SecondReadingError,
)
from hematovision.labels import NO_CELL, UNIDENTIFIED
from hematovision.services.cases import the_case, the_open_case
from hematovision.services.galleries import Gallery, the_gallery
from hematovision.services.hands import Hand
from hematovision.services.naming import own_labels
from hematovision.services.review import Outcome, Said
from hematovision.storage.cases import Case
from hematovision.storage.cells import Cell, Place
from hematovision.storage.database import Database, Records
from hematovision.storage.seconds import SecondLabel, SecondReading


@dataclass(frozen=True, slots=True)
class SecondDesk:
    """How far second readings of a case are.

    Attributes:
        case: The case.
        readings: All that were asked for.
        mine: The one that whoever looks has in hand; None where they have none.
        may_take: Whether they may read it a second time.
        left: Cells of which they have said nothing yet in the one in hand.
    """

    case: Case
    readings: Sequence[SecondReading]
    mine: SecondReading | None
    may_take: bool
    left: int

    @property
    def open(self) -> SecondReading | None:
        """Give the one that is asked for, or in somebody's hand."""
        return _open(self.readings)


def open_second_desk(database: Database, case_id: int, user_id: int) -> SecondDesk:
    """Say how far second readings of a case are.

    Raises:
        CaseUnknownError: If there is no such case.
    """
    with database.reading() as records:
        case, readings = the_case(records, case_id), records.seconds.list(case_id)
        mine = _open(reading for reading in readings if reading.reader_id == user_id)
        may_take = _is_stranger(records, case_id, readings, user_id)
        left = len(_unsaid(records, mine)) if mine else 0
    return SecondDesk(case, readings, mine, may_take, left)


def is_blind(database: Database, case_id: int, user_id: int) -> bool:
    """Tell whether somebody must not see what others said of a case."""
    with database.reading() as records:
        return records.seconds.is_reading(case_id, user_id)


def blind_cases(database: Database, user_id: int) -> set[int]:
    """Give the cases of which somebody must not see what others said."""
    with database.reading() as records:
        return records.seconds.in_hand(user_id)


def ask_second(database: Database, case_id: int, *, by: Hand) -> None:
    """Ask for a second reading of a case.

    Raises:
        CaseUnknownError: If there is no such case.
        CaseClosedError: If it is signed.
        SecondReadingError: If one is asked for already.
    """
    with database.transaction() as records:
        records.cases.hold(case_id)
        the_open_case(records, case_id)
        if _open(records.seconds.list(case_id)):
            raise SecondReadingError("A second reading is asked for already.")
        records.seconds.add(case_id, by=_whose(by), now=by.now)
        records.audit.add(by.did("second_reading.asked", f"case {case_id}"))


def take_second(database: Database, case_id: int, *, by: Hand) -> None:
    """Take the second reading of a case in hand.

    Raises:
        CaseUnknownError: If there is no such case.
        CaseClosedError: If it is signed.
        SecondReadingError: If none is asked for, or somebody else has it.
        BlindError: If they said something of its cells, or gave up a second reading of it.
    """
    user_id = _whose(by)
    with database.transaction() as records:
        records.cases.hold(case_id)
        the_open_case(records, case_id)
        readings = records.seconds.list(case_id)
        if not _is_stranger(records, case_id, readings, user_id):
            raise BlindError("You know what was said of these cells.")
        asked = _open(readings)
        if asked is None or not records.seconds.take(asked.id, user_id):
            raise SecondReadingError("No second reading of this case waits for anybody.")
        details = {"case": case_id}
        records.audit.add(by.did("second_reading.begun", f"second reading {asked.id}", details))


def give_up_second(database: Database, case_id: int, *, by: Hand) -> None:
    """End one's second reading without a result; somebody else can be asked.

    Raises:
        SecondReadingError: If they have none in hand.
    """
    with database.transaction() as records:
        records.cases.hold(case_id)
        reading = _mine(records, case_id, _whose(by))
        records.seconds.give_up(reading.id, now=by.now)
        details = {"case": case_id}
        records.audit.add(
            by.did("second_reading.given_up", f"second reading {reading.id}", details)
        )


def open_blind_gallery(
    database: Database, case_id: int, *, user_id: int, labels: Sequence[str]
) -> Gallery:
    """Give the cells of a case as the first reader had them: with the machine's suggestions alone.

    Args:
        database: Keeps them.
        case_id: The case.
        user_id: Who reads it a second time.
        labels: For which labels cells to compare with are wanted; none of them is of this case.

    Raises:
        CaseUnknownError: If there is no such case.
        SecondReadingError: If they have no second reading of it in hand.
    """
    with database.reading() as records:
        gallery = the_gallery(records, case_id, user_id, labels)
        said = records.seconds.labels(_mine(records, case_id, user_id).id)
    cells = [_blinded(cell, said) for cell in gallery.cells]
    shown = {
        label: [one for one in found if not (isinstance(one, Place) and one.case_id == case_id)]
        for label, found in gallery.references.items()
    }
    return replace(gallery, cells=cells, references=shown)


def name_second(
    database: Database, case_id: int, said: Sequence[Said], *, by: Hand
) -> Sequence[Outcome]:
    """Say what cells are in one's second reading; None takes back what one said.

    Raises:
        CaseUnknownError: If there is no such case.
        CaseClosedError: If it is signed.
        SecondReadingError: If they have no second reading of it in hand.
        CellUnknownError: If it has no such cell; then nothing is stored.
        LabelUnknownError: If a cell cannot be called so here; then nothing is stored.
        PictureNotKeptError: If a cell cannot be looked at; then nothing is stored.
    """
    with database.transaction() as records:
        records.cases.hold(case_id)
        the_open_case(records, case_id)
        reading = _mine(records, case_id, _whose(by))
        cells = records.cells.some(case_id, [one.cell_id for one in said])
        _check(records, said, cells)
        before = records.seconds.labels(reading.id)
        stored = [_say(records, reading, one, before, by) for one in said]
        after = records.seconds.labels(reading.id)
    return [
        Outcome(is_stored, _blinded(cells[one.cell_id], after))
        for one, is_stored in zip(said, stored, strict=True)
    ]


def finish_second(database: Database, case_id: int, *, by: Hand) -> None:
    """Finish one's second reading: from now on it can be compared, and not changed.

    Raises:
        CaseUnknownError: If there is no such case.
        CaseClosedError: If it is signed.
        SecondReadingError: If they have none in hand, or have not said what every cell is.
    """
    with database.transaction() as records:
        records.cases.hold(case_id)
        the_open_case(records, case_id)
        reading = _mine(records, case_id, _whose(by))
        left = len(_unsaid(records, reading))
        if left:
            raise SecondReadingError("%(left)s cells have no name yet.", left=left)
        records.seconds.finish(reading.id, now=by.now)
        details = {"case": case_id}
        records.audit.add(
            by.did("second_reading.finished", f"second reading {reading.id}", details)
        )


def _unsaid(records: Records, reading: SecondReading) -> Sequence[Cell]:
    """List the cells of which a second reader said nothing, though they can be looked at."""
    said = records.seconds.labels(reading.id)
    gone = {photo.id for photo in records.photos.list(reading.case_id) if photo.file is None}
    return [
        cell
        for cell in records.cells.list(reading.case_id)
        if cell.photo_id not in gone and (cell.id not in said or said[cell.id].label is None)
    ]


def _say(
    records: Records,
    reading: SecondReading,
    one: Said,
    before: Mapping[int, SecondLabel],
    by: Hand,
) -> bool:
    stored = records.seconds.say(reading.id, one.cell_id, one.label, seen=one.seen, now=by.now)
    if stored:
        was = before[one.cell_id].label if one.cell_id in before else None
        records.audit.add(
            by.did(
                "second_reading.named",
                f"second reading {reading.id}",
                {"case": reading.case_id, "cell": one.cell_id},
                before={"label": was},
                after={"label": one.label},
            )
        )
    return stored


def _check(records: Records, said: Sequence[Said], cells: Mapping[int, Cell]) -> None:
    """Insist that all cells are there, could be looked at, and can be called so."""
    allowed = {label.code for label in own_labels(records).usable} | {NO_CELL, UNIDENTIFIED, None}
    if not {one.label for one in said} <= allowed:
        raise LabelUnknownError("A cell cannot be called so here.")
    if not {one.cell_id for one in said} <= set(cells):
        raise CellUnknownError("There is no such cell in this case.")
    if records.photos.lack_picture({cell.photo_id for cell in cells.values()}):
        raise PictureNotKeptError("The picture of this cell is not kept.")


def _blinded(cell: Cell, said: Mapping[int, SecondLabel]) -> Cell:
    """Put what the second reader said in the place of what others did."""
    mine = said.get(cell.id)
    if mine is None:
        return replace(cell, label=None, version=0, reviewed_by=None)
    return replace(cell, label=mine.label, version=mine.version, reviewed_by=None)


def _is_stranger(
    records: Records, case_id: int, readings: Sequence[SecondReading], user_id: int
) -> bool:
    """Tell whether somebody has said nothing of a case, and never read it a second time."""
    has_read = any(reading.reader_id == user_id for reading in readings)
    return not has_read and not records.seconds.has_spoken(case_id, user_id)


def _open(readings: Iterable[SecondReading]) -> SecondReading | None:
    return next((reading for reading in readings if reading.is_open), None)


def _mine(records: Records, case_id: int, user_id: int) -> SecondReading:
    readings = records.seconds.list(case_id)
    mine = _open(reading for reading in readings if reading.reader_id == user_id)
    if mine is None:
        raise SecondReadingError("You have no second reading of this case in hand.")
    return mine


def _whose(by: Hand) -> int:
    if by.user_id is None:
        raise NotSignedInError("Nobody is signed in.")
    return by.user_id
