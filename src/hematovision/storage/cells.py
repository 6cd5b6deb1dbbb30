"""Cells of cases: the machine's answer, which never changes, and what people said."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, union_all, update
from sqlalchemy.orm import Session

from hematovision.cells import Box
from hematovision.storage.history import write_lines
from hematovision.storage.tables import CaseRow, CellRow, PhotoRow, ReadingRow, ReviewRow, UserRow


@dataclass(frozen=True, slots=True)
class Review:
    """What somebody said of a cell, or that they took it back.

    Attributes:
        number: Counts the reviews of the cell from one.
        label: The code of what they call it; None where they took back what was said.
        by: The name of who said it.
        at: When, UTC.
    """

    number: int
    label: str | None
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a case.

    Attributes:
        id: Never given to another.
        number: Counts the cells of the case from one.
        photo_id: Where it lies.
        photo_number: Counts the photos of the case from one.
        box: Where in the photo it lies.
        decision: `named` or `unidentified`; None where a person boxed it.
        cell_type: What the model named it; None where it did not.
        confidence: The highest probability; None where a person boxed it.
        answer: Of the model: `probabilities`, `prediction_set`, `doubts`; empty where a person
            boxed it.
        known: How much it resembles those that were learnt, 0-1.
        morphology: In words.
        model_version: Of the model that said so; None where a person boxed it.
        label: The code of what people call it; None while nobody said anything.
        version: How many reviews it has; a review must say which it saw.
        reviewed_by: The name of who said so last.
        model_sha256: Of the model that said so; None where a person boxed it.
    """

    id: int
    number: int
    photo_id: int
    photo_number: int
    box: Box
    decision: str | None
    cell_type: str | None
    confidence: float | None
    answer: Mapping[str, Any]
    known: float | None
    morphology: str | None
    model_version: str | None
    label: str | None
    version: int
    reviewed_by: str | None
    model_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many cells of a case the model names so and people call so.

    Attributes:
        cell_type: What the model named them; None where it did not, or did not find them.
        found: Whether a model found them; False where a person boxed them.
        label: What people call them; None while nobody said anything.
        number: How many.
    """

    cell_type: str | None
    found: bool
    label: str | None
    number: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cell is found.

    Attributes:
        case_id: Its case.
        cell_id: The cell.
    """

    case_id: int
    cell_id: int


class CellStore:
    """Keeps cells and what is said of them."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def list(self, case_id: int) -> Sequence[Cell]:
        """List the cells of a case by number, those without a cell in their box among them."""
        rows = self._session.execute(_cells().where(CellRow.case_id == case_id))
        return [_cell(*row) for row in rows]

    def page(self, case_id: int, *, after: int, limit: int) -> Sequence[Cell]:
        """List cells of a case with numbers above one, by number."""
        rows = _cells().where(CellRow.case_id == case_id, CellRow.number > after).limit(limit)
        return [_cell(*row) for row in self._session.execute(rows)]

    def find(self, case_id: int, cell_id: int) -> Cell | None:
        """Find a cell of a case."""
        row = self._session.execute(
            _cells().where(CellRow.case_id == case_id, CellRow.id == cell_id)
        ).first()
        return _cell(*row) if row else None

    def some(self, case_id: int, cell_ids: Collection[int]) -> Mapping[int, Cell]:
        """Give cells of a case by id; those that it has not are left out."""
        rows = self._session.execute(
            _cells()
            .where(CellRow.case_id == case_id, CellRow.id.in_(cell_ids))
            .execution_options(populate_existing=True)
        )
        return {row[0].id: _cell(*row) for row in rows}

    def on_photo(self, photo_id: int) -> Sequence[Cell]:
        """List the cells of a photo by number."""
        return [
            _cell(*row)
            for row in self._session.execute(_cells().where(CellRow.photo_id == photo_id))
        ]

    def boxes(self, case_id: int) -> Sequence[tuple[int, Box]]:
        """List where the cells of a case lie, and in which photos."""
        row = CellRow
        columns = (row.photo_id, row.box_xmin, row.box_ymin, row.box_xmax, row.box_ymax)
        found = self._session.execute(select(*columns).where(row.case_id == case_id))
        return [(photo_id, Box(*corners)) for photo_id, *corners in found]

    def confirmed(self, labels: Collection[str], most: int) -> Mapping[str, Sequence[Place]]:
        """Find cells that a model and a person call the same, the newest first.

        Args:
            labels: What they are called.
            most: At most so many of each.
        """
        if not labels:
            return {}
        parts = [
            select(CellRow.label, CellRow.case_id, CellRow.id)
            .join(PhotoRow, PhotoRow.id == CellRow.photo_id)
            .where(CellRow.label == label, CellRow.cell_type == label, CellRow.case_id.is_not(None))
            .where(PhotoRow.file.is_not(None))
            .order_by(CellRow.id.desc())
            .limit(most)
            .subquery()
            for label in sorted(labels)
        ]
        found: dict[str, list[Place]] = {label: [] for label in labels}
        for label, case_id, cell_id in self._session.execute(
            union_all(*(select(part) for part in parts))
        ):
            found[label].append(Place(case_id, cell_id))
        return found

    def add(self, case_id: int, photo_id: int, box: Box) -> int:
        """Keep a cell that a person boxed; give its id. Nothing is said of it yet."""
        row = CellRow(
            case_id=case_id,
            number=next_cell_number(self._session, case_id),
            photo_id=photo_id,
            box_xmin=box.xmin,
            box_ymin=box.ymin,
            box_xmax=box.xmax,
            box_ymax=box.ymax,
            answer={},
            version=0,
        )
        self._session.add(row)
        self._session.flush()
        write_lines(self._session, photo_id)
        return row.id

    def review(
        self,
        case_id: int,
        cell_id: int,
        label: str | None,
        *,
        seen: int,
        by: int,
        now: datetime,
    ) -> bool:
        """Keep what somebody says of a cell.

        Args:
            case_id: The case it belongs to.
            cell_id: The cell.
            label: What they call it; None takes back what was said.
            seen: The version they saw.
            by: Who says so.
            now: When, UTC.

        Returns:
            False where somebody else said something since, or the case has no such cell.
        """
        mine = CellRow.id == cell_id, CellRow.case_id == case_id, CellRow.version == seen
        before = self._session.execute(
            select(CellRow.photo_id, CellRow.cell_type, CellRow.label).where(*mine)
        ).first()
        changed = self._session.execute(
            update(CellRow)
            .where(*mine)
            .values(label=label, version=CellRow.version + 1)
            .returning(CellRow.id)
        )
        if changed.first() is None or before is None:
            return False
        self._session.add(
            ReviewRow(
                cell_id=cell_id, number=seen + 1, label=label, reviewed_by=by, reviewed_at=now
            )
        )
        self._session.execute(
            update(CaseRow).where(CaseRow.id == case_id).values(reviewed_by=by, reviewed_at=now)
        )
        if (label or before.cell_type) != (before.label or before.cell_type):
            write_lines(self._session, before.photo_id)
        return True

    def history(self, cell_id: int) -> Sequence[Review]:
        """List what was said of a cell, the newest first."""
        rows = self._session.execute(
            select(ReviewRow, UserRow.name)
            .join(UserRow, UserRow.id == ReviewRow.reviewed_by)
            .where(ReviewRow.cell_id == cell_id)
            .order_by(ReviewRow.number.desc())
        )
        return [Review(row.number, row.label, name, row.reviewed_at) for row, name in rows]

    def count(self, case_ids: Sequence[int]) -> Mapping[int, Sequence[Tally]]:
        """Count the cells of cases by what the model named them and what people call them."""
        found = CellRow.reading_id.is_not(None)
        rows = self._session.execute(
            select(CellRow.case_id, CellRow.cell_type, found, CellRow.label, func.count())
            .where(CellRow.case_id.in_(case_ids))
            .group_by(CellRow.case_id, CellRow.cell_type, found, CellRow.label)
        )
        counted: dict[int, list[Tally]] = {case_id: [] for case_id in case_ids}
        for case_id, cell_type, is_found, label, number in rows:
            if case_id is not None:
                counted[case_id].append(Tally(cell_type, bool(is_found), label, number))
        return counted


def next_cell_number(session: Session, case_id: int) -> int:
    """Give the next number of a case's cells; no other gets it before this transaction ends."""
    session.execute(select(CaseRow.id).where(CaseRow.id == case_id).with_for_update())
    last = session.scalar(select(func.max(CellRow.number)).where(CellRow.case_id == case_id))
    return (last or 0) + 1


def _cells() -> Any:
    """Ask for cells with all that is shown of them, in one query."""
    return (
        select(
            CellRow,
            PhotoRow.number,
            ReadingRow.model_version,
            ReadingRow.model_sha256,
            UserRow.name,
        )
        .join(PhotoRow, PhotoRow.id == CellRow.photo_id)
        .outerjoin(ReadingRow, ReadingRow.id == CellRow.reading_id)
        .outerjoin(
            ReviewRow,
            (ReviewRow.cell_id == CellRow.id) & (ReviewRow.number == CellRow.version),
        )
        .outerjoin(UserRow, UserRow.id == ReviewRow.reviewed_by)
        .order_by(CellRow.number)
    )


def _cell(
    row: CellRow,
    photo_number: int | None,
    model_version: str | None,
    model_sha256: str | None,
    reviewer: str | None,
) -> Cell:
    return Cell(
        id=row.id,
        number=row.number or 0,
        photo_id=row.photo_id,
        photo_number=photo_number or 0,
        box=Box(row.box_xmin, row.box_ymin, row.box_xmax, row.box_ymax),
        decision=row.decision,
        cell_type=row.cell_type,
        confidence=row.confidence,
        answer=row.answer,
        known=row.known,
        morphology=row.morphology,
        model_version=model_version,
        label=row.label,
        version=row.version,
        reviewed_by=reviewer,
        model_sha256=model_sha256,
    )
