"""Look for events in the record of who did what, and open one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hematovision.errors import EventUnknownError
from hematovision.people import User
from hematovision.storage.audit_search import Sought
from hematovision.storage.audit_values import Values
from hematovision.storage.chain import StoredEvent
from hematovision.storage.database import Database, Records
from hematovision.storage.sealing import SealBrokenError
from hematovision.storage.tables import LARGEST_KEY

PAGE = 50
"""Events that are shown at once."""


class Said(StrEnum):
    """What became of what an event says of before and after."""

    NOTHING = "nothing"
    """It never said anything."""
    KEPT = "kept"
    ERASED = "erased"
    BROKEN = "broken"
    """It was changed, or the key is another."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the record.

    Attributes:
        events: The newest first.
        names: Of those who did them, by number.
        end: The last event of the page; None where nothing comes after.
    """

    events: Sequence[StoredEvent]
    names: Mapping[int, str]
    end: int | None


@dataclass(frozen=True, slots=True)
class Opened:
    """An event with all that can still be said of it.

    Attributes:
        event: The event.
        actor: The name of who did it, if anybody was signed in.
        previous: The event before it, if any.
        following: The event behind it, if any.
        said: What became of the values.
        values: What was there before and after, where it is kept.
        has_case: Whether the case that it tells of is still there.
    """

    event: StoredEvent
    actor: str | None
    previous: StoredEvent | None
    following: StoredEvent | None
    said: Said
    values: Values | None
    has_case: bool


def list_choices(database: Database) -> tuple[Sequence[User], Sequence[str]]:
    """Give everybody who has, or had, an account, and what was ever done."""
    with database.reading() as records:
        return records.users.list(), records.audit.search.actions()


def search_record(database: Database, sought: Sought, *, before: int | None = None) -> Page:
    """Find a page of events.

    Args:
        database: Keeps them.
        sought: What is searched for.
        before: The last event of the page before; None for the newest.
    """
    with database.reading() as records:
        events = records.audit.search.find(sought, before=before, limit=PAGE + 1)
        shown = events[:PAGE]
        names = records.audit.search.names(
            {event.actor_id for event in shown if event.actor_id is not None}
        )
    return Page(shown, names, shown[-1].id if len(events) > PAGE else None)


def open_event(database: Database, event_id: int) -> Opened:
    """Open an event.

    Raises:
        EventUnknownError: If there is none of this number.
    """
    with database.reading() as records:
        event = records.audit.find_by_id(event_id) if event_id <= LARGEST_KEY else None
        if event is None:
            raise EventUnknownError("There is no event %(number)s.", number=event_id)
        said, values = _values(records, event)
        case = None if event.case_id is None else records.cases.find_by_id(event.case_id)
        return Opened(
            event=event,
            actor=None if event.actor_id is None else records.users.get(event.actor_id).name,
            previous=records.audit.find_by_id(event_id - 1),
            following=records.audit.find_by_id(event_id + 1),
            said=said,
            values=values,
            has_case=case is not None,
        )


def _values(records: Records, event: StoredEvent) -> tuple[Said, Values | None]:
    if event.before_digest is None and event.after_digest is None:
        return Said.NOTHING, None
    try:
        values = records.audit.values.open(event.id)
    except SealBrokenError:
        return Said.BROKEN, None
    return (Said.KEPT, values) if values else (Said.ERASED, None)
