import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import IntegrityError, OperationalError
from tests.conftest import StubReader
from tests.databases import Postgres

from hematovision.cells import Box, PhotoReading
from hematovision.errors import DatabaseAwayError, HematoVisionError, StorageFullError
from hematovision.labels import NO_CELL
from hematovision.people import Role
from hematovision.storage.audit import AuditEvent
from hematovision.storage.cases import CaseState
from hematovision.storage.connections import FILE, DatabaseUnusableError
from hematovision.storage.database import Database, open_database
from hematovision.storage.deliveries import Told
from hematovision.storage.inserts import AlreadyThereError
from hematovision.storage.photos import Sent
from hematovision.storage.signatures import Signature
from hematovision.storage.tables import Base, UserRow
from hematovision.storage.versions import MIGRATIONS, downgrade, newest_version, upgrade, version_of

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)


def event(action: str = "user.added") -> AuditEvent:
    return AuditEvent(NOW, None, "terminal", action, "user 1", {"role": "viewer"})


def test_migrations_make_what_the_tables_say(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_new_database_is_at_the_newest_version(database: Database) -> None:
    assert version_of(database.engine) == newest_version()


def test_migrations_go_down_and_up_with_people_in_them(database: Database) -> None:
    with database.transaction() as records:
        records.users.add("ines", Role.PATHOLOGIST, now=NOW)
        records.audit.add(event())
    downgrade(database.engine, "base")
    assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}
    upgrade(database.engine)
    with database.reading() as records:
        assert records.users.list() == []
    assert version_of(database.engine) == newest_version()


def fill_with_a_case(database: Database) -> None:
    """Keep what each migration brought: a case with a photo, a reading, cells and a review."""
    cells = tuple(StubReader().read(np.zeros((96, 128, 3), np.uint8)))
    said = PhotoReading("a" * 64, 128, 96, StubReader.model, cells)
    with database.transaction() as records:
        ines = records.users.add("ines", Role.PATHOLOGIST, now=NOW)
        case = records.cases.add("26-0837", "a note", by=ines.id, now=NOW)
        sent = Sent("a" * 64, 9, "name", "page", ines.id, NOW)
        records.photos.add(sent, case_id=case.id)
        photo = records.photos.take("worker", now=NOW, until=NOW)
        assert photo is not None
        assert records.photos.finish(photo, "worker", said, now=NOW)
        alone = records.photos.add_all_read([(sent, said)])[0]
        records.jobs.add([alone, "empty_file"], sent_by=ines.id, now=NOW)
        records.cells.add(case.id, photo.id, Box(1, 2, 30, 40))
        first, second, boxed = records.cells.list(case.id)
        for cell, label in ((first, "band"), (second, NO_CELL), (boxed, "blast")):
            assert records.cells.review(case.id, cell.id, label, seen=0, by=ines.id, now=NOW)
        records.laboratory.set("ranges", {"a": 1}, seen=0, by=ines.id, now=NOW)
        signed = Signature(0, case.id, 1, "I say so.", "Inés", ines.id, NOW, "", {}, {"cells": []})
        records.signatures.add(signed)
        records.returns.add(case.id, 1, "a reason", by=ines.id, now=NOW)
        records.seconds.add(case.id, by=ines.id, now=NOW)
        (reading,) = records.seconds.list(case.id)
        assert records.seconds.take(reading.id, ines.id)
        assert records.seconds.say(reading.id, first.id, "band", seen=0, now=NOW)
        records.audit.add(event())


def fill_with_a_model(database: Database) -> None:
    """Keep a model, what it says in the shadow, that the case may teach, and who somebody is."""
    cells = StubReader().read(np.zeros((96, 128, 3), np.uint8))
    with database.transaction() as records:
        records.models.add(StubReader.model, by=1, now=NOW)
        assert records.models.keep_shadow(1, "f" * 64, cells, now=NOW)
        assert records.cases.allow(1, may_improve=True)
        records.identities.add("https://id.lab.example", "1", 1, now=NOW)
        records.identities.confirm("token", 1, "this", now=NOW, until=NOW)


def fill_with_a_webhook(database: Database) -> None:
    """Keep a webhook, and what it is told."""
    with database.transaction() as records:
        webhook = records.webhooks.add("https://a", "the LIS", ["case.signed"], by=1, now=NOW)
        records.webhooks.set_secret(webhook.id, b"sealed")
        for name, case_id in (("msg_1", 1), ("msg_2", None)):
            told = Told(name, "case.signed", "{}", case_id)
            records.deliveries.add(told, webhook.id, now=NOW)


def everything(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Give all that is kept, by table, but the chain of the record: it is begun anew."""
    with database.engine.connect() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=str)
            for table in Base.metadata.sorted_tables
            if not table.name.startswith("audit_")
        }


def test_history_goes_down_and_comes_back_with_all_that_was_read(database: Database) -> None:
    fill_with_a_case(database)
    before = everything(database)
    assert len(before["history"]) == 6
    downgrade(database.engine, "0002")
    left = set(inspect(database.engine).get_table_names())
    assert "history" not in left
    upgrade(database.engine)
    after = everything(database)
    # What later migrations brought is gone with them.
    assert {name: after[name] for name in before if name in left | {"history"}} == {
        name: rows for name, rows in before.items() if name in left | {"history"}
    }


def test_what_was_read_before_there_were_measures_is_counted(database: Database) -> None:
    fill_with_a_case(database)
    before = everything(database)["photo_measures"]
    assert [row[3:5] for row in before] == [(2, 1), (2, 1)]
    downgrade(database.engine, "0003")
    assert "photo_measures" not in inspect(database.engine).get_table_names()
    upgrade(database.engine)
    assert everything(database)["photo_measures"] == before


def test_every_migration_goes_down_and_up_with_a_case_in_it(database: Database) -> None:
    fill_with_a_case(database)
    fill_with_a_model(database)
    fill_with_a_webhook(database)
    revisions = [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]
    for revision in (*revisions[1:], "base"):
        downgrade(database.engine, revision)
    assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}
    for revision in reversed(revisions):
        upgrade(database.engine, revision)
        assert version_of(database.engine) == revision
    fill_with_a_case(database)
    fill_with_a_webhook(database)


def test_signed_case_is_in_review_where_nothing_says_more(database: Database) -> None:
    fill_with_a_case(database)
    with database.transaction() as records:
        case = records.cases.find("26-0837")
        assert case
        assert records.cases.change(replace(case, state=CaseState.SIGNED), seen=case.version)
    downgrade(database.engine, "0003")
    assert "signatures" not in inspect(database.engine).get_table_names()
    upgrade(database.engine)
    with database.reading() as records:
        found = records.cases.find_by_id(case.id)
        assert found
        assert found.state is CaseState.IN_REVIEW
        assert records.signatures.list(case.id) == []


def test_version_of_a_case_is_signed_once(database: Database) -> None:
    fill_with_a_case(database)
    with database.transaction() as records:
        kept = records.signatures.newest(1)
        assert kept
        with pytest.raises(AlreadyThereError):
            records.signatures.add(kept)
        second = records.signatures.add(replace(kept, version=2))
        assert records.signatures.list(1) == [kept, second]


def test_servers_that_start_at_once_make_one_database(database: Database) -> None:
    downgrade(database.engine, "base")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: upgrade(database.engine), range(4)))
    assert version_of(database.engine) == newest_version()


def test_what_fails_halfway_is_not_kept(database: Database) -> None:
    def halfway() -> None:
        with database.transaction() as records:
            records.users.add("ines", Role.VIEWER, now=NOW)
            records.audit.add(event())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        halfway()
    with database.reading() as records:
        assert records.users.find("ines") is None
        assert records.audit.list() == []


def test_event_comes_back_as_it_was_written(database: Database) -> None:
    with database.transaction() as records:
        records.audit.add(event("first"))
        records.audit.add(event("second"))
    with database.reading() as records:
        assert records.audit.list() == [event("second"), event("first")]
        assert records.audit.list(limit=1) == [event("second")]


def test_rows_cannot_speak_of_what_is_not_there(database: Database) -> None:
    def speak() -> None:
        with database.transaction() as records:
            records.audit.add(AuditEvent(NOW, 4711, "page", "x", "y"))

    with pytest.raises(IntegrityError):
        speak()


def test_moment_without_a_zone_is_refused(database: Database) -> None:
    def write() -> None:
        with database.transaction() as records:
            naive = NOW.replace(tzinfo=None)
            records.session.add(UserRow(name="a", folded_name="a", role="viewer", created_at=naive))

    with pytest.raises(Exception, match="has no time zone"):
        write()


def test_reader_does_not_wait_for_a_writer(database: Database) -> None:
    with database.transaction() as records:
        records.users.add("ines", Role.VIEWER, now=NOW)
        with database.reading() as others:
            assert others.users.list() == []


def test_file_is_made_in_the_data_folder_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    open_database("", folder).close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "wrong_address", ["no address", "mysql+none://host/x", "postgresql+nodriver://host/x"]
)
def test_address_that_cannot_be_used_is_named(wrong_address: str, tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnusableError, match="HEMATOVISION_DATABASE_URL"):
        open_database(wrong_address, tmp_path)


def test_database_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnusableError, match="cannot be used"):
        open_database("postgresql://nobody@127.0.0.1:1/none", tmp_path)


def test_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    database = open_database("", tmp_path)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(DatabaseUnusableError, match="9999"):
        open_database("", tmp_path)


def test_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(DatabaseUnusableError, match="not a database"):
        open_database("", tmp_path)


def test_no_value_of_a_row_is_said_in_a_failure(database: Database) -> None:
    def add(database: Database) -> None:
        row = UserRow(name="x", folded_name="Jane Doe 1970", role="viewer", created_at=NOW)
        with database.transaction() as records:
            records.session.add(row)

    add(database)
    with pytest.raises(IntegrityError) as failed:
        add(database)
    assert "Jane Doe" not in str(failed.value).partition("[SQL")[2]


def test_database_that_is_opened_twice_keeps_its_locks(tmp_path: Path) -> None:
    # Another program that is not kept out thinks it is the last, and deletes the log in use.
    first = open_database("", tmp_path)
    open_database("", tmp_path).close()
    with first.transaction() as records:
        records.users.add("ines", Role.VIEWER, now=NOW)
    log = (tmp_path / f"{FILE}-wal").stat().st_ino
    change = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])"
    more = "UPDATE users SET role = 'pathologist'"
    command = [sys.executable, "-c", change, str(tmp_path / FILE), more]
    subprocess.run(command, check=True)  # noqa: S603 - our own
    assert (tmp_path / f"{FILE}-wal").stat().st_ino == log
    with first.reading() as records:
        ines = records.users.find("ines")
    first.close()
    assert ines
    assert ines.role == Role.PATHOLOGIST


@pytest.mark.parametrize(
    ("said", "named"),
    [
        pytest.param("server closed the connection unexpectedly", DatabaseAwayError, id="away"),
        pytest.param("database is locked", DatabaseAwayError, id="locked"),
        pytest.param("database or disk is full", StorageFullError, id="full SQLite"),
        pytest.param(
            "could not extend file: No space left on device", StorageFullError, id="full PostgreSQL"
        ),
    ],
)
def test_what_a_driver_says_of_a_database_that_is_away_or_full_is_named(
    database: Database, said: str, named: type[HematoVisionError]
) -> None:
    failure = OperationalError("SELECT 1", None, sqlite3.OperationalError(said))
    with pytest.raises(named), database.reading():
        raise failure
    with pytest.raises(named), database.transaction():
        raise failure


@pytest.fixture
def cut(postgres_server: Postgres, tmp_path: Path) -> Iterator[Database]:
    """Give a database whose only connection was cut while nobody used it."""
    address = postgres_server.make()
    with closing(open_database(address, tmp_path)) as database:
        with database.reading() as records:
            number = records.session.scalar(text("SELECT pg_backend_pid()"))
        with closing(open_database(address, tmp_path)) as other, other.reading() as records:
            assert records.session.scalar(
                text("SELECT pg_terminate_backend(:number)"), {"number": number}
            )
        yield database


def test_connection_that_rested_is_asked_and_one_that_was_cut_is_replaced(
    cut: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hematovision.storage.connections.REST_SECONDS", 0.0)
    with cut.reading() as records:
        assert records.session.scalar(text("SELECT 1")) == 1


def test_connection_that_was_cut_within_a_second_fails_one_request(
    cut: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hematovision.storage.connections.REST_SECONDS", 60.0)
    with pytest.raises(DatabaseAwayError), cut.reading(once=True) as records:
        records.session.execute(text("SELECT 1"))
    with cut.transaction() as records:
        assert records.session.scalar(text("SELECT 1")) == 1


def test_one_question_leaves_no_transaction_behind(each_database: Database) -> None:
    with each_database.reading(once=True) as records:
        assert records.laboratory.get("nothing", 3).content == 3
    with each_database.transaction() as records:
        assert records.laboratory.set("nothing", 4, seen=0, by=None, now=datetime.now(UTC))
    with each_database.reading(once=True) as records:
        assert records.laboratory.get("nothing", 3).content == 4
