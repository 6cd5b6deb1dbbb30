"""What was taken out of a watched folder: noted in the transaction of what became of it."""

from datetime import datetime

from sqlalchemy.orm import Session

from hematovision.storage.inserts import add_once
from hematovision.storage.tables import WatchedRow


class WatchedStore:
    """Keeps the claims of files that were taken; they say nothing of the files."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def has(self, claim: str) -> bool:
        """Tell whether a file is on record."""
        return self._session.get(WatchedRow, claim) is not None

    def add(self, claim: str, *, now: datetime) -> None:
        """Put a file on record; of two who have it in hand one does.

        Raises:
            AlreadyThereError: If it is.
        """
        add_once(self._session, WatchedRow(claim=claim, at=now))
