"""The audit record in the database: who writes it, what refuses to change it, what is forgotten."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError
from tests.records import change, event, keep, put, remove, stored

from hematovision.people import Role
from hematovision.storage.audit_rows import EVENTS
from hematovision.storage.audit_values import Values
from hematovision.storage.chain import BEGUN, NOTHING
from hematovision.storage.checkpoints import EVENTS as MANY
from hematovision.storage.checkpoints import FILE, Checkpoints, Head
from hematovision.storage.connections import DatabaseUnusableError
from hematovision.storage.database import Database, open_database
from hematovision.storage.private import AUDIT_KEY
from hematovision.storage.tables import AuditKeyRow, AuditValueRow
from hematovision.storage.versions import downgrade, upgrade

BOTH = {"before": {"label": "band"}, "after": {"label": "blast"}}


def lines(database: Database) -> list[int]:
    """Give the events that checkpoints tell of."""
    return [one.head.id for one in database.custody.checkpoints.read() if one]


def test_chain_begins_with_the_first_event(database: Database) -> None:
    keep(database, event(1), event(2))
    rows = stored(database)
    assert [row.action for row in rows] == [BEGUN, "case.seen", "case.seen"]
    assert [row.id for row in rows] == [1, 2, 3]
    previous = NOTHING
    for row in rows:
        assert row.digest == database.custody.chain.digest(previous, row)
        previous = row.digest


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(change(2, subject="case 99"), id="update"),
        pytest.param(remove(2), id="delete"),
        pytest.param(delete(EVENTS), id="delete all"),
    ],
)
def test_database_refuses_to_change_an_event(database: Database, statement: object) -> None:
    keep(database, event(1), event(2))
    before = stored(database)

    def harm() -> None:
        with database.engine.begin() as connection:
            connection.execute(statement)

    with pytest.raises(DBAPIError, match="never changed"):
        harm()
    assert stored(database) == before


def test_database_refuses_to_replace_and_to_empty_the_record(database: Database) -> None:
    keep(database, event(1), event(2))
    before = stored(database)
    words = {"sqlite": "REPLACE INTO audit_events SELECT * FROM audit_events"}.get(
        database.engine.dialect.name, "TRUNCATE audit_events CASCADE"
    )

    def harm() -> None:
        with database.engine.begin() as connection:
            connection.execute(text(words))

    with pytest.raises(DBAPIError, match="never changed"):
        harm()
    assert stored(database) == before


def test_writers_at_once_make_one_chain(database: Database) -> None:
    with database.transaction() as records:
        people = [records.users.add(name, Role.ADMINISTRATOR, now=event().at) for name in "abcd"]

    def write(number: int) -> None:
        with database.transaction() as records:
            if number % 2:
                records.users.hold_administrators()
            for one in range(5):
                by = people[(number + one) % len(people)].id
                records.audit.add(replace(event(number), actor_id=by))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(12)))
    rows = stored(database)
    assert [row.id for row in rows] == list(range(1, 62))
    for before, row in pairwise(rows):
        assert row.digest == database.custody.chain.digest(before.digest or "", row)


def test_what_is_written_is_found_with_its_digest(database: Database) -> None:
    by = replace(event(7), address="192.0.2.17", details={"n": (1, 2), "x": {2: "ä", 10: None}})
    keep(database, event(7), by)
    with database.reading() as records:
        found = records.audit.find(action="case.seen", subject="case 7")
        assert records.audit.find(action="case.seen", subject="case 8") is None
    assert found is not None
    assert (found.id, found.case_id, found.address) == (3, 7, "192.0.2.17")
    assert found.details == {"n": [1, 2], "x": {"2": "ä", "10": None}}
    assert found == stored(database)[-1]


@pytest.mark.parametrize(
    ("given", "case_id"),
    [
        ({"subject": "case 7"}, 7),
        ({"subject": "cell 3", "details": {"case": 7}}, 7),
        ({"subject": "cell 3", "case_id": 7, "details": {"case": 8}}, 7),
        ({"subject": "user 3", "details": {"case": "x"}}, None),
    ],
)
def test_event_knows_its_case(given: dict[str, object], case_id: int | None) -> None:
    assert event(1, **given).of_case == case_id


def test_event_that_is_added_where_nothing_is_written_is_a_bug(database: Database) -> None:
    def add() -> None:
        with database.reading() as records:
            records.audit.add(event())

    with pytest.raises(RuntimeError, match="nothing is written"):
        add()


def test_values_are_kept_encrypted_and_opened(database: Database) -> None:
    keep(database, event(7, **BOTH), event(8, after={"label": "blast"}), event(9))
    with database.reading() as records:
        opened = [records.audit.values.open(row.id) for row in stored(database)]
        sealed = records.session.scalars(select(AuditValueRow.sealed)).all()
    assert opened == [None, Values(**BOTH), Values(None, {"label": "blast"}), None]
    assert not any(b"blast" in one for one in sealed)
    digests = [row.after_digest for row in stored(database)]
    assert None not in digests[1:3]
    assert digests[1] != digests[2]


def test_forgetting_a_case_takes_its_key_and_its_values_alone(database: Database) -> None:
    keep(database, event(7, **BOTH), event(8, **BOTH))
    before = stored(database)
    with database.transaction() as records:
        records.audit.add(event(7, **BOTH))
        records.audit.forget(7)
    assert stored(database)[: len(before)] == before
    assert stored(database)[-1].after_digest is None
    with database.reading() as records:
        assert records.session.scalars(select(AuditKeyRow.case_id)).all() == [8]
        assert records.session.scalars(select(AuditValueRow.case_id)).all() == [8]


def test_settings_that_belong_to_no_case_have_a_key_of_their_own(database: Database) -> None:
    keep(database, event(1, subject="ranges", **BOTH))
    with database.reading() as records:
        assert records.audit.values.open(2) == Values(**BOTH)
        assert records.session.scalars(select(AuditKeyRow.case_id)).all() == [0]


def test_values_that_are_moved_to_another_event_do_not_open(database: Database) -> None:
    keep(database, event(7, **BOTH), event(7, **BOTH))
    with database.transaction() as records:
        rows = records.session.scalars(
            select(AuditValueRow.sealed).order_by(AuditValueRow.event_id)
        )
        first, _ = rows.all()
        records.session.execute(
            update(AuditValueRow).where(AuditValueRow.event_id == 3).values(sealed=first)
        )
    with database.reading() as records:
        assert list(records.audit.values.list_broken()) == [3]


def test_checkpoint_comes_with_the_first_event_and_after_many(database: Database) -> None:
    keep(database, event(1), event(2))
    assert lines(database) == [2]
    with database.transaction() as records:
        for number in range(MANY):
            records.audit.add(event(number))
    assert lines(database) == [2, MANY + 3]


def test_checkpoint_comes_after_a_minute(database: Database) -> None:
    keep(database, event(1), event(59_000), event(60_001))
    assert lines(database) == [2, 4]


def test_checkpoints_are_for_their_owner_alone_and_written_once(database: Database) -> None:
    keep(database, event(1))
    assert database.checkpoint() == database.checkpoint()
    assert lines(database) == [2]
    assert (database.custody.folder / FILE).stat().st_mode & 0o777 == 0o600


def test_half_a_line_does_not_spoil_the_next(database: Database) -> None:
    keep(database, event(1))
    with (database.custody.folder / FILE).open("a") as stream:
        stream.write('{"event":3,"dig')
    keep(database, event(2))
    database.checkpoint()
    assert lines(database) == [2, 3]
    assert [one is None for one in database.custody.checkpoints.read()] == [False, True, False]


def test_events_stand_where_no_checkpoint_can_be_written(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    head = Head(1, "0" * 64, event().at)
    Checkpoints(tmp_path / "none" / FILE).note(database.custody.chain, head, events=1)
    assert "The audit record has no checkpoint at event 1" in caplog.text


def test_another_key_does_not_go_on_with_the_record(tmp_path: Path) -> None:
    database = open_database("", tmp_path)
    keep(database, event(1))
    database.close()
    key = tmp_path / AUDIT_KEY
    assert key.stat().st_mode & 0o777 == 0o600
    key.write_text("0" * 64)
    with pytest.raises(DatabaseUnusableError, match="is not the key"):
        open_database("", tmp_path)
    key.unlink()
    with pytest.raises(DatabaseUnusableError, match=r"There is no .*audit_key"):
        open_database("", tmp_path)
    assert not key.exists()


def test_row_of_an_earlier_version_is_of_its_case(database: Database) -> None:
    downgrade(database.engine, "0003")
    words = "INSERT INTO audit_events (id, at, door, action, subject, details) VALUES "
    at = "'2026-11-26 06:00:00.000000'"
    rows = (
        f"(1, {at}, 'page', 'a', 'case 7', '{{}}'), (2, {at}, 'page', 'b', 'x', '{{\"case\": 8}}')"
    )
    with database.engine.begin() as connection:
        connection.exec_driver_sql(words + rows)
    upgrade(database.engine)
    assert [row.case_id for row in stored(database)] == [7, 8]
    keep(database, event(1))
    begun = stored(database)[2]
    assert (begun.id, begun.action, begun.details["earlier"]) == (3, BEGUN, 2)


def test_row_that_is_put_there_twice_is_refused(database: Database) -> None:
    keep(database, event(1))
    with pytest.raises(DBAPIError), database.engine.begin() as connection:
        connection.execute(put(stored(database)[0]))
