"""Files that must go: named in the transaction that no longer speaks of them.

A file is deleted when that transaction is kept, and once more some minutes later: whoever was
killed between the two left it there, and whoever was at work on it may have put it back.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from hematovision.storage.inserts import insert_into
from hematovision.storage.tables import DiscardRow


class DiscardStore:
    """Keeps the names of files that must go; they say nothing of what was in them."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def add(self, files: Collection[str], *, now: datetime) -> None:
        """Name files that must go."""
        if files:
            insert = insert_into(self._session, DiscardRow).on_conflict_do_nothing()
            self._session.execute(insert, [{"file": file, "at": now} for file in files])

    def list(self, *, before: datetime, limit: int) -> Sequence[str]:
        """List files that were named before a moment, those first that were named first."""
        rows = select(DiscardRow.file).where(DiscardRow.at <= before).order_by(DiscardRow.at)
        return self._session.scalars(rows.limit(limit)).all()

    def remove(self, files: Collection[str]) -> None:
        """Forget names of files that are gone for good."""
        self._session.execute(delete(DiscardRow).where(DiscardRow.file.in_(files)))
