"""Cases: films that somebody reads."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from hematovision.storage.inserts import add_once
from hematovision.storage.tables import LARGEST_KEY, CaseRow
from hematovision.storage.users import fold_name

TARGET = 100
"""Customary, as is 200."""


class CaseState(StrEnum):
    """How far a case is."""

    OPEN = "open"
    IN_REVIEW = "in_review"
    SIGNED = "signed"
    AMENDED = "amended"


@dataclass(frozen=True, slots=True)
class Case:
    """A film that somebody reads.

    Attributes:
        id: Never given to another.
        accession: The laboratory's number, unique whatever its case.
        note: What somebody wrote beside it.
        state: How far it is.
        version: Counts its changes.
        target: How many white cells are to be counted.
        white_count: White cells in blood, 10^9 a litre, of another instrument; None where unknown.
        age_band: The code of the reference ranges that hold for it; None for the first of them.
        created_by: The user who made it; None for the terminal.
        created_at: When, UTC.
        reviewed_by: The user who said something of a cell last.
        reviewed_at: When, UTC.
        may_improve: Whether its confirmed cells may be used to improve a model.
    """

    id: int
    accession: str
    note: str
    state: CaseState
    version: int
    target: int
    white_count: float | None
    age_band: str | None
    created_by: int | None
    created_at: datetime
    reviewed_by: int | None
    reviewed_at: datetime | None
    may_improve: bool = False


class CaseStore:
    """Keeps cases."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def add(self, accession: str, note: str, *, by: int | None, now: datetime) -> Case:
        """Make an open case.

        Raises:
            AlreadyThereError: If a case has the number.
        """
        row = CaseRow(
            accession=accession,
            folded_accession=fold_name(accession),
            note=note,
            state=CaseState.OPEN,
            version=1,
            target=TARGET,
            may_improve=False,
            created_by=by,
            created_at=now,
        )
        add_once(self._session, row)
        return case_of(row)

    def find(self, accession: str) -> Case | None:
        """Find a case by its accession number, whatever its case."""
        if not accession.isprintable():
            return None
        row = self._session.scalar(
            select(CaseRow).where(CaseRow.folded_accession == fold_name(accession))
        )
        return case_of(row) if row else None

    def find_by_id(self, case_id: int) -> Case | None:
        """Find a case by its number here."""
        row = self._session.get(CaseRow, case_id) if case_id <= LARGEST_KEY else None
        return case_of(row) if row else None

    def hold(self, case_id: int) -> None:
        """Let nobody else change a case, or say something of its cells, before this ends."""
        self._session.execute(select(CaseRow.id).where(CaseRow.id == case_id).with_for_update())

    def change(self, case: Case, *, seen: int) -> bool:
        """Keep a changed case.

        Args:
            case: As it is to be.
            seen: The version that was changed.

        Returns:
            False where somebody else changed it since.
        """
        changed = self._session.execute(
            update(CaseRow)
            .where(CaseRow.id == case.id, CaseRow.version == seen)
            .values(
                state=case.state,
                note=case.note,
                target=case.target,
                white_count=case.white_count,
                age_band=case.age_band,
                version=CaseRow.version + 1,
            )
            .returning(CaseRow.id)
        )
        return changed.first() is not None

    def allow(self, case_id: int, *, may_improve: bool) -> bool:
        """Say whether a case may be used to improve a model; False where it was so already."""
        changed = self._session.execute(
            update(CaseRow)
            .where(CaseRow.id == case_id, CaseRow.may_improve != may_improve)
            .values(may_improve=may_improve)
            .returning(CaseRow.id)
        )
        return changed.first() is not None

    def begin_review(self, case_id: int) -> bool:
        """Let an open case be in review; False where it is, or is done, already."""
        begun = self._session.execute(
            update(CaseRow)
            .where(CaseRow.id == case_id, CaseRow.state == CaseState.OPEN)
            .values(state=CaseState.IN_REVIEW, version=CaseRow.version + 1)
            .returning(CaseRow.id)
        )
        return begun.first() is not None


def case_of(row: CaseRow) -> Case:
    """Make a value of a row."""
    return Case(
        id=row.id,
        accession=row.accession,
        note=row.note,
        state=CaseState(row.state),
        version=row.version,
        target=row.target,
        white_count=row.white_count,
        age_band=row.age_band,
        created_by=row.created_by,
        created_at=row.created_at,
        reviewed_by=row.reviewed_by,
        reviewed_at=row.reviewed_at,
        may_improve=row.may_improve,
    )
