"""What was done, by whom, when and from where; written in the transaction of what it records.

Events take their place in the chain just before the transaction is kept, so that the lock of the
chain is the last one that is taken, and held shortly.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, insert, select, text
from sqlalchemy.orm import Session

from hematovision.storage.audit_rows import CASE, EVENTS, asked_events
from hematovision.storage.audit_search import AuditSearch
from hematovision.storage.audit_values import AT_ONCE, AuditValueStore, Values
from hematovision.storage.chain import BEGUN, NOTHING, StoredEvent, encode
from hematovision.storage.checkpoints import Head
from hematovision.storage.custody import Custody
from hematovision.storage.tables import NAME_LENGTH, UserRow

NEVER = datetime.min.replace(tzinfo=UTC)
UNREADABLE = (ValueError, TypeError, RecursionError)
"""What comes of a column that holds what was never written there: SQLite takes anything."""
LOCK = 472694
"""PostgreSQL's number of the chain's lock; SQLite has one writer anyway."""
TRIGGERS = {
    "sqlite": (
        {"audit_events_update", "audit_events_delete", "audit_events_replace"},
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_events'",
    ),
    "postgresql": (
        {"audit_events_change", "audit_events_empty"},
        "SELECT tgname FROM pg_trigger "
        "WHERE tgrelid = CAST('audit_events' AS regclass) AND tgenabled <> 'D'",
    ),
}
"""What refuses to change events, as the migration has made it, and how to ask for it."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One look, change, sign-in, refusal or export.

    Attributes:
        at: When, UTC.
        actor_id: The user who did it; None where nobody was signed in.
        door: `page`, `api`, `terminal`, `folder` or `worker`.
        action: What was done, such as `user.added`.
        subject: To what, such as `user 3`.
        details: What else there is to say, for ever; never a secret, a file's name, a picture, or
            what tells of a patient.
        before: What was there, as it can be forgotten: kept apart, encrypted with a key of the
            case.
        after: What is there now, kept in the same way.
        case_id: The case that it tells of; where it is left out, that of the subject or of the
            details.
        address: From where a page or a program asked.
    """

    at: datetime
    actor_id: int | None
    door: str
    action: str
    subject: str
    details: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    case_id: int | None = None
    address: str = ""

    @property
    def of_case(self) -> int | None:
        """Say of which case it tells, if of any."""
        if self.case_id is not None:
            return self.case_id
        if found := CASE.fullmatch(self.subject):
            return int(found[1])
        case = self.details.get("case")
        return case if isinstance(case, int) else None

    def stored(self, event_id: int) -> StoredEvent:
        """Give it as it is stored under a number, yet without digests."""
        return StoredEvent(
            id=event_id,
            digest=None,
            at=self.at,
            actor_id=self.actor_id,
            door=self.door,
            address=self.address[:NAME_LENGTH] or None,
            action=self.action,
            subject=self.subject,
            case_id=self.of_case,
            details=_plain(self.details),
        )


@dataclass(frozen=True, slots=True)
class Done:
    """Which event says that something was done, to what and of which case."""

    id: int
    subject: str
    case_id: int | None


class AuditStore:
    """Writes events and reads them; there is no way to change one."""

    def __init__(self, session: Session, custody: Custody) -> None:
        """Work within a transaction."""
        self._session = session
        self._custody = custody
        self._added: list[AuditEvent] = []
        self.values = AuditValueStore(session, custody)
        self.search = AuditSearch(session)

    @property
    def waits(self) -> bool:
        """Tell whether an event was added that is not in the chain yet."""
        return bool(self._added)

    def add(self, event: AuditEvent) -> None:
        """Write an event; it takes its place in the chain when the transaction is kept."""
        self._added.append(event)

    def chain(self) -> tuple[Head, int] | None:
        """Write what was added into the chain; nothing else comes before the commit.

        Returns:
            The newest event, and how many were written; None where nothing was added.
        """
        if not self._added:
            return None
        self._take_turn()
        events, self._added = self._added, []
        chained, values = [], []
        last = self._newest()
        if last is None or last.digest is None:
            last = self._begin(last, events[0])
            chained.append(last)
        elif not self._custody.is_proved:
            # Of machines that start at once with keys of their own one has begun the chain.
            self._custody.check(self.the_key() or "")
        for event in events:
            stored = event.stored(last.id + 1)
            said = Values(_given(event.before), _given(event.after))
            row, digests = self.values.keep(stored.id, stored.case_id, said)
            last = self._link(last, stored, digests)
            chained.append(last)
            values.extend([row] if row else [])
        self._session.execute(insert(EVENTS), [_columns(event) for event in chained])
        self._session.add_all(values)
        return Head(last.id, last.digest or "", last.at), len(chained)

    def head(self) -> Head | None:
        """Give the newest event of the chain; None where nothing is chained yet."""
        newest = self._newest()
        if newest is None or newest.digest is None:
            return None
        return Head(newest.id, newest.digest, newest.at)

    def find(self, *, action: str, subject: str, actor_id: int | None = None) -> StoredEvent | None:
        """Find the newest event that was kept of something, such as `case 7`.

        Args:
            action: What was done.
            subject: To what.
            actor_id: By whom; anybody where it is left out.
        """
        asked = asked_events().where(EVENTS.c.action == action, EVENTS.c.subject == subject)
        return self._first(
            asked if actor_id is None else asked.where(EVENTS.c.actor_id == actor_id)
        )

    def find_by_id(self, event_id: int) -> StoredEvent | None:
        """Find an event by its number."""
        return self._first(asked_events().where(EVENTS.c.id == event_id))

    def has_begun(self) -> bool:
        """Tell whether there is a chain, whatever its first event says."""
        begun = select(EVENTS.c.id).where(EVENTS.c.action == BEGUN, EVENTS.c.digest.is_not(None))
        return self._session.scalar(begun.limit(1)) is not None

    def find_begun(self) -> StoredEvent | None:
        """Find the event with which the chain begins."""
        return self._first(
            asked_events().where(EVENTS.c.action == BEGUN, EVENTS.c.digest.is_not(None))
        )

    def the_key(self) -> str | None:
        """Say what the key is called that the chain was begun with; None where there is none."""
        begun = self.find_begun()
        return str(begun.details.get("key")) if begun else None

    def forget(self, case_id: int) -> None:
        """Erase what events say of a case that can be forgotten; the chain stays whole."""
        self.values.forget(case_id)

    def list(self, *, limit: int = 100) -> Sequence[AuditEvent]:
        """List what was done last, newest first, without what can be forgotten."""
        done = asked_events().where(EVENTS.c.action != BEGUN).order_by(EVENTS.c.id.desc())
        rows = self._session.execute(done.limit(limit))
        return [_event(StoredEvent(*row)) for row in rows]

    def list_done(self, *actions: str) -> Sequence[Done]:
        """List every event of some actions, in the order of the chain."""
        columns = EVENTS.c
        asked = select(columns.id, columns.subject, columns.case_id)
        rows = self._session.execute(asked.where(columns.action.in_(actions)).order_by(columns.id))
        return [Done(*row) for row in rows]

    def walk(self, *, after: int | None = None) -> Iterator[StoredEvent]:
        """Give every event, in the order of the chain, a few thousand rows at a time."""
        rows = self._session.execute(
            asked_events().where(*_behind(after)).order_by(EVENTS.c.id),
            execution_options={"yield_per": AT_ONCE},
        )
        for row in rows:
            yield StoredEvent(*row)

    def walk_warily(self) -> Iterator[StoredEvent]:
        """Give every event as `walk` does; of one that cannot be read number and digest alone."""
        after: int | None = None
        while True:
            try:
                for event in self.walk(after=after):
                    yield event
                    after = event.id
            except UNREADABLE:
                # Somewhere among the next few thousand.
                for event in self._one_by_one(after):
                    yield event
                    after = event.id
            else:
                return

    def _one_by_one(self, after: int | None) -> Iterator[StoredEvent]:
        """Give the events up to the first that cannot be read, and of that number and digest."""
        numbers = select(EVENTS.c.id, EVENTS.c.digest).where(*_behind(after))
        for number, digest in self._session.execute(numbers.order_by(EVENTS.c.id)).all():
            try:
                found = self.find_by_id(number)
            except UNREADABLE:
                yield StoredEvent(number, digest, NEVER, None, "", None, "", "", None, {})
                return
            if found:
                yield found

    def refuses_changes(self) -> bool:
        """Tell whether the database still refuses to change events."""
        meant, words = TRIGGERS[self._session.get_bind().dialect.name]
        return meant <= set(self._session.scalars(text(words)))

    def _take_turn(self) -> None:
        """Wait until whoever writes into the chain has done so.

        First come the locks that the new rows need besides: nobody waits for one in the chain.
        """
        self._session.flush()
        if self._session.get_bind().dialect.name != "postgresql":
            return
        actors = sorted({event.actor_id for event in self._added if event.actor_id is not None})
        people = select(UserRow.id).where(UserRow.id.in_(actors)).order_by(UserRow.id)
        self._session.execute(people.with_for_update(read=True, key_share=True)).all()
        self._session.execute(select(func.pg_advisory_xact_lock(LOCK))).all()

    def _begin(self, earlier: StoredEvent | None, first: AuditEvent) -> StoredEvent:
        """Make the first event of the chain, which vouches for all rows that have no digest."""
        cover = self._custody.chain.cover()
        if earlier:
            for event in self.walk():
                cover.add(event)
        details = {
            "earlier": cover.rows,
            "cover": cover.digest,
            "key": self._custody.chain.name,
        }
        begun = AuditEvent(first.at, None, first.door, BEGUN, "audit", details)
        stored = begun.stored(earlier.id + 1 if earlier else 1)
        return self._link(None, stored, (None, None))

    def _link(
        self,
        last: StoredEvent | None,
        event: StoredEvent,
        digests: tuple[str | None, str | None],
    ) -> StoredEvent:
        event = replace(event, before_digest=digests[0], after_digest=digests[1])
        previous = last.digest if last else None
        return replace(event, digest=self._custody.chain.digest(previous or NOTHING, event))

    def _newest(self) -> StoredEvent | None:
        return self._first(asked_events())

    def _first(self, asked: Select[Any]) -> StoredEvent | None:
        row = self._session.execute(asked.order_by(EVENTS.c.id.desc()).limit(1)).first()
        return None if row is None else StoredEvent(*row)


def _behind(after: int | None) -> Sequence[ColumnElement[bool]]:
    return () if after is None else (EVENTS.c.id > after,)


def _columns(event: StoredEvent) -> dict[str, Any]:
    return {name: getattr(event, name) for name in StoredEvent.__slots__}


def _event(row: StoredEvent) -> AuditEvent:
    return AuditEvent(
        row.at,
        row.actor_id,
        row.door,
        row.action,
        row.subject,
        row.details,
        case_id=row.case_id,
        address=row.address or "",
    )


def _given(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if value is None else _plain(value)


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """Give what JSON makes of a value, so that what is digested is what comes back."""
    plain: dict[str, Any] = json.loads(encode(dict(value)))
    return plain
