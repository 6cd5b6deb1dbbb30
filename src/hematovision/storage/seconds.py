"""Second readings: what somebody called the cells of a case without seeing what others did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, select, update
from sqlalchemy.orm import Session, aliased

from hematovision.storage.inserts import insert_into
from hematovision.storage.tables import (
    CellRow,
    ReviewRow,
    SecondLabelRow,
    SecondReadingRow,
    UserRow,
)


@dataclass(frozen=True, slots=True)
class SecondReading:
    """A second reading.

    Attributes:
        id: Never given to another.
        case_id: The case.
        reader_id: Who reads; None while nobody has taken it.
        reader: Their name.
        asked_by: The name of who asked for it.
        asked_at: When, UTC.
        finished_at: When it was finished, UTC; None while it is not.
        given_up_at: When whoever read gave it up, UTC.
    """

    id: int
    case_id: int
    reader_id: int | None
    reader: str | None
    asked_by: str
    asked_at: datetime
    finished_at: datetime | None
    given_up_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether it is asked for, or in somebody's hand."""
        return self.finished_at is None and self.given_up_at is None


@dataclass(frozen=True, slots=True)
class SecondLabel:
    """What a second reader called a cell.

    Attributes:
        cell_id: The cell.
        label: What they call it; None where they took it back.
        version: Counts what they said of it.
        first: What people had called it when the second reading was finished.
        decided: What whoever decided between both called it; None while nobody did.
        decided_by: The name of who decided.
    """

    cell_id: int
    label: str | None
    version: int
    first: str | None
    decided: str | None
    decided_by: str | None


class SecondStore:
    """Keeps second readings."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def add(self, case_id: int, *, by: int, now: datetime) -> None:
        """Ask for a second reading."""
        self._session.add(SecondReadingRow(case_id=case_id, asked_by=by, asked_at=now))
        self._session.flush()

    def list(self, case_id: int) -> Sequence[SecondReading]:
        """List the second readings of a case, in the order they were asked for."""
        asker, reader = aliased(UserRow), aliased(UserRow)
        rows = self._session.execute(
            select(SecondReadingRow, asker.name, reader.name)
            .join(asker, asker.id == SecondReadingRow.asked_by)
            .outerjoin(reader, reader.id == SecondReadingRow.reader_id)
            .where(SecondReadingRow.case_id == case_id)
            .order_by(SecondReadingRow.id)
            .execution_options(populate_existing=True)
        )
        return [
            SecondReading(
                row.id,
                row.case_id,
                row.reader_id,
                name,
                asked_by,
                row.asked_at,
                row.finished_at,
                row.given_up_at,
            )
            for row, asked_by, name in rows
        ]

    def is_reading(self, case_id: int, user_id: int) -> bool:
        """Tell whether somebody has a second reading of a case in hand."""
        mine = select(SecondReadingRow.id).where(
            SecondReadingRow.case_id == case_id,
            SecondReadingRow.reader_id == user_id,
            *_is_open(),
        )
        return self._session.scalar(mine) is not None

    def in_hand(self, user_id: int) -> set[int]:
        """Give the cases that somebody is reading a second time."""
        mine = select(SecondReadingRow.case_id).where(
            SecondReadingRow.reader_id == user_id, *_is_open()
        )
        return set(self._session.scalars(mine))

    def has_spoken(self, case_id: int, user_id: int) -> bool:
        """Tell whether somebody said anything of a cell of a case."""
        said = (
            select(ReviewRow.id)
            .join(CellRow, CellRow.id == ReviewRow.cell_id)
            .where(CellRow.case_id == case_id, ReviewRow.reviewed_by == user_id)
            .limit(1)
        )
        return self._session.scalar(said) is not None

    def take(self, reading_id: int, user_id: int) -> bool:
        """Let somebody read; False where somebody else took it."""
        taken = self._session.execute(
            update(SecondReadingRow)
            .where(
                SecondReadingRow.id == reading_id, SecondReadingRow.reader_id.is_(None), *_is_open()
            )
            .values(reader_id=user_id)
            .returning(SecondReadingRow.id)
        )
        return taken.first() is not None

    def give_up(self, reading_id: int, *, now: datetime) -> None:
        """Let a reading end without a result."""
        self._session.execute(
            update(SecondReadingRow)
            .where(SecondReadingRow.id == reading_id)
            .values(given_up_at=now)
        )

    def labels(self, reading_id: int) -> Mapping[int, SecondLabel]:
        """Give what a second reader said, by cell."""
        rows = self._session.execute(
            select(SecondLabelRow, UserRow.name)
            .outerjoin(UserRow, UserRow.id == SecondLabelRow.decided_by)
            .where(SecondLabelRow.reading_id == reading_id)
            .execution_options(populate_existing=True)
        )
        return {
            row.cell_id: SecondLabel(
                row.cell_id, row.label, row.version, row.first_label, row.decided, name
            )
            for row, name in rows
        }

    def say(
        self, reading_id: int, cell_id: int, label: str | None, *, seen: int, now: datetime
    ) -> bool:
        """Keep what a second reader calls a cell; False where they said something else since."""
        key = {"reading_id": reading_id, "cell_id": cell_id}
        values = {"label": label, "said_at": now}
        if seen == 0:
            insert = insert_into(self._session, SecondLabelRow).values(**key, **values, version=1)
            done = self._session.execute(
                insert.on_conflict_do_nothing().returning(SecondLabelRow.cell_id)
            )
        else:
            done = self._session.execute(
                update(SecondLabelRow)
                .where(*_is(reading_id, cell_id), SecondLabelRow.version == seen)
                .values(**values, version=SecondLabelRow.version + 1)
                .returning(SecondLabelRow.cell_id)
            )
        return done.first() is not None

    def finish(self, reading_id: int, *, now: datetime) -> None:
        """Finish a second reading, and take over what the first readers had said by then."""
        first = select(CellRow.label).where(CellRow.id == SecondLabelRow.cell_id).scalar_subquery()
        self._session.execute(
            update(SecondLabelRow)
            .where(SecondLabelRow.reading_id == reading_id)
            .values(first_label=first)
            .execution_options(synchronize_session=False)
        )
        self._session.execute(
            update(SecondReadingRow)
            .where(SecondReadingRow.id == reading_id)
            .values(finished_at=now)
        )

    def decide(self, reading_id: int, cell_id: int, label: str, *, by: int, now: datetime) -> None:
        """Keep what was decided where both readers differ."""
        self._session.execute(
            update(SecondLabelRow)
            .where(*_is(reading_id, cell_id))
            .values(decided=label, decided_by=by, decided_at=now)
        )

    def count_apart(self, case_id: int) -> int:
        """Count the cells that two readers call otherwise, of which nobody has decided."""
        number = self._session.scalar(
            select(func.count(SecondLabelRow.cell_id.distinct()))
            .join(SecondReadingRow, SecondReadingRow.id == SecondLabelRow.reading_id)
            .where(
                SecondReadingRow.case_id == case_id,
                SecondReadingRow.finished_at.is_not(None),
                SecondLabelRow.decided.is_(None),
                _differ(),
            )
        )
        return number or 0


def _is_open() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return SecondReadingRow.finished_at.is_(None), SecondReadingRow.given_up_at.is_(None)


def _is(reading_id: int, cell_id: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return SecondLabelRow.reading_id == reading_id, SecondLabelRow.cell_id == cell_id


def _differ() -> ColumnElement[bool]:
    """Of a second label: the first reader had said something else; saying nothing is neither."""
    both = SecondLabelRow.first_label.is_not(None), SecondLabelRow.label.is_not(None)
    return and_(*both, SecondLabelRow.first_label != SecondLabelRow.label)
