"""What is done once: a claim is noted in the transaction of what became of it."""

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from hematovision.storage.inserts import add_once
from hematovision.storage.tables import ClaimRow


class ClaimStore:
    """Keeps the claims of what was done; they say nothing of what was sent."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def has(self, claim: str) -> bool:
        """Tell whether something was done."""
        return self._session.get(ClaimRow, claim) is not None

    def find(self, claim: str) -> int | None:
        """Give the number of what a claim became; None where nothing was done."""
        row = self._session.get(ClaimRow, claim)
        return row.became if row else None

    def add(self, claim: str, *, now: datetime, became: int | None = None) -> None:
        """Note that something is done; of two who have it in hand one does it.

        Args:
            claim: What is done, drawn by chance.
            now: When, UTC.
            became: The number of what it became, where somebody asks.

        Raises:
            AlreadyThereError: If it was done.
        """
        add_once(self._session, ClaimRow(claim=claim, became=became, at=now))

    def sweep(self, prefix: str, *, before: datetime) -> None:
        """Forget claims that begin so and were noted before a moment."""
        old = ClaimRow.claim.startswith(prefix, autoescape=True) & (ClaimRow.at <= before)
        self._session.execute(delete(ClaimRow).where(old))
