"""Searches the record of who did what, the newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from hematovision.storage.audit_rows import CASE, asked_events
from hematovision.storage.chain import StoredEvent
from hematovision.storage.search import leap
from hematovision.storage.tables import LARGEST_KEY, AuditRow, UserRow

BEHIND_HEX = "g"
"""Sorts behind every digit of a digest."""


@dataclass(frozen=True, slots=True)
class Sought:
    """What is searched for; what is left out may be anything.

    Attributes:
        since: Done then or later, UTC.
        until: Done earlier, UTC.
        person: The user who did it; `NOBODY` where nobody was signed in.
        action: What was done.
        subject: To what; `case 7` finds all that tells of the case.
        digest: How the digest begins.
    """

    since: datetime | None = None
    until: datetime | None = None
    person: int | None = None
    action: str = ""
    subject: str = ""
    digest: str = ""


class AuditSearch:
    """Searches events."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def find(
        self, sought: Sought, *, before: int | None = None, limit: int
    ) -> Sequence[StoredEvent]:
        """Find events, the newest first.

        Args:
            sought: What is searched for.
            before: The last event of the page before; None for the newest.
            limit: At most so many.
        """
        asked = asked_events().where(*_asked(sought))
        if before is not None:
            asked = asked.where(AuditRow.id < min(before, LARGEST_KEY))
        rows = self._session.execute(asked.order_by(AuditRow.id.desc()).limit(limit))
        return [StoredEvent(*row) for row in rows]

    def actions(self) -> Sequence[str]:
        """List what was ever done here."""
        return leap(self._session, AuditRow.action)

    def names(self, user_ids: set[int]) -> dict[int, str]:
        """Give the names of users."""
        asked = select(UserRow.id, UserRow.name).where(UserRow.id.in_(user_ids))
        return {row.id: row.name for row in self._session.execute(asked)}


def _asked(sought: Sought) -> list[ColumnElement[bool]]:
    asked: list[ColumnElement[bool]] = []
    if sought.since is not None:
        asked.append(AuditRow.at >= sought.since)
    if sought.until is not None:
        asked.append(AuditRow.at < sought.until)
    if sought.person is not None:
        asked.append(AuditRow.actor_id == (sought.person or None))
    if sought.action:
        asked.append(AuditRow.action == sought.action)
    if sought.subject:
        asked.append(_of(sought.subject))
    if sought.digest:
        asked.append(AuditRow.digest.between(sought.digest, sought.digest + BEHIND_HEX))
    return asked


def _of(subject: str) -> ColumnElement[bool]:
    if found := CASE.fullmatch(subject):
        return AuditRow.case_id == int(found[1])
    return AuditRow.subject == subject
