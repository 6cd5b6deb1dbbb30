"""A record of events for tests, and what somebody with the database could do to it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, update

from hematovision.storage.audit import AuditEvent
from hematovision.storage.audit_rows import EVENTS
from hematovision.storage.chain import NOTHING, Chain, StoredEvent
from hematovision.storage.database import Database

NOW = datetime(2026, 11, 26, 6, 0, tzinfo=UTC)
TRIGGERS = {
    "sqlite": [f"DROP TRIGGER audit_events_{name}" for name in ("update", "delete", "replace")],
    "postgresql": ["ALTER TABLE audit_events DISABLE TRIGGER USER"],
}


def event(number: int = 1, **given: Any) -> AuditEvent:
    """Say that somebody looked at a case."""
    at = NOW + timedelta(milliseconds=number)
    values: dict[str, Any] = {"action": "case.seen", "subject": f"case {number}"} | given
    return AuditEvent(at, None, "page", **values)


def keep(database: Database, *events: AuditEvent) -> None:
    """Keep events, each in a transaction of its own."""
    for one in events:
        with database.transaction() as records:
            records.audit.add(one)


def stored(database: Database) -> Sequence[StoredEvent]:
    """Give the whole record."""
    with database.reading() as records:
        return list(records.audit.walk())


def attack(database: Database, *statements: Any, quietly: bool = True) -> None:
    """Do to the database what its owner can; quietly, the triggers are put back afterwards."""
    kind = database.engine.dialect.name
    with database.engine.begin() as connection:
        kept = _triggers(connection) if quietly and kind == "sqlite" else []
        for words in TRIGGERS[kind]:
            connection.exec_driver_sql(words)
        for statement in statements:
            connection.execute(statement)
        if quietly and kind == "postgresql":
            kept = ["ALTER TABLE audit_events ENABLE TRIGGER USER"]
        for words in kept:
            connection.exec_driver_sql(words)


def change(event_id: int, **values: Any) -> Any:
    return update(EVENTS).where(EVENTS.c.id == event_id).values(**values)


def remove(*event_ids: int) -> Any:
    return delete(EVENTS).where(EVENTS.c.id.in_(event_ids))


def put(row: StoredEvent) -> Any:
    return insert(EVENTS).values({name: getattr(row, name) for name in StoredEvent.__slots__})


def rewrite(database: Database, rows: Sequence[StoredEvent], key: bytes) -> None:
    """Write another record in the place of the one that is there, wholly digested anew."""
    chain, previous, written = Chain(key), NOTHING, []
    for row in rows:
        previous = chain.digest(previous, row)
        written.append(put(replace(row, digest=previous)))
    attack(database, delete(EVENTS), *written)


def _triggers(connection: Any) -> list[str]:
    words = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_events'"
    return [row[0] for row in connection.exec_driver_sql(words)]
