"""Cases that go back to be looked at again: before they are signed, or to be amended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from hematovision.storage.tables import ReturnRow, UserRow


@dataclass(frozen=True, slots=True)
class Return:
    """Why a case goes back.

    Attributes:
        case_id: The case.
        version: Of the signature that is to be amended; zero where the case is not signed yet.
        reason: What is to be looked at.
        asked_by: The name of who sent it back.
        asked_at: When, UTC.
        done_at: When somebody had looked again; None while it waits.
    """

    case_id: int
    version: int
    reason: str
    asked_by: str
    asked_at: datetime
    done_at: datetime | None


class ReturnStore:
    """Keeps why cases go back."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def add(self, case_id: int, version: int, reason: str, *, by: int, now: datetime) -> None:
        """Send a case back."""
        self._session.add(
            ReturnRow(case_id=case_id, version=version, reason=reason, asked_by=by, asked_at=now)
        )
        self._session.flush()

    def open(self, case_ids: Sequence[int]) -> Mapping[int, Return]:
        """Give the newest reason for which cases wait to be looked at again, by case."""
        rows = self._session.execute(
            select(ReturnRow, UserRow.name)
            .join(UserRow, UserRow.id == ReturnRow.asked_by)
            .where(ReturnRow.done_at.is_(None), ReturnRow.case_id.in_(case_ids))
            .order_by(ReturnRow.id)
        )
        return {row.case_id: _return(row, name) for row, name in rows}

    def of_amendment(self, case_id: int, version: int) -> Return | None:
        """Give why a signed version is to be amended."""
        found = self._session.execute(
            select(ReturnRow, UserRow.name)
            .join(UserRow, UserRow.id == ReturnRow.asked_by)
            .where(ReturnRow.case_id == case_id, ReturnRow.version == version)
            .order_by(ReturnRow.id.desc())
            .limit(1)
        ).first()
        return _return(*found) if found and version else None

    def close(self, case_id: int, *, now: datetime) -> bool:
        """Let a case wait no longer to be looked at again; False where it did not."""
        closed = self._session.execute(
            update(ReturnRow)
            .where(ReturnRow.case_id == case_id, ReturnRow.done_at.is_(None))
            .values(done_at=now)
            .returning(ReturnRow.id)
        )
        return bool(closed.all())


def _return(row: ReturnRow, name: str) -> Return:
    return Return(row.case_id, row.version, row.reason, name, row.asked_at, row.done_at)
