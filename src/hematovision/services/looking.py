"""What was only looked at, and what was refused: events without a change."""

from datetime import timedelta

from hematovision.services.hands import Hand
from hematovision.storage.audit import AuditEvent
from hematovision.storage.database import Database

AGAIN = timedelta(minutes=15)
"""A page that renews itself is one look for so long."""
REFUSED = "access.refused"


def record_look(database: Database, event: AuditEvent, *, renewed: bool = False) -> None:
    """Put on record that somebody looks at something, before they see it.

    Args:
        database: Keeps the record.
        event: At what they look; its details never hold what they typed.
        renewed: Whether a page that they have open renews itself: that is no look of its own where
            there was one through the same door within `AGAIN`.
    """
    if renewed and _seen(database, event):
        return
    with database.transaction() as records:
        records.audit.add(event)


def record_refusal(database: Database, what: str, why: str, *, by: Hand) -> None:
    """Put on record that somebody was refused.

    Args:
        database: Keeps the record.
        what: They asked for, by the name that the program gives it.
        why: The code of the failure.
        by: Who asked.
    """
    with database.transaction() as records:
        records.audit.add(by.did(REFUSED, what, {"why": why}))


def _seen(database: Database, event: AuditEvent) -> bool:
    with database.reading() as records:
        last = records.audit.find(
            action=event.action, subject=event.subject, actor_id=event.actor_id
        )
    # A program that shows somebody's token does not hide behind what they look at themselves.
    return last is not None and last.door == event.door and event.at - last.at < AGAIN
