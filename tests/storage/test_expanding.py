"""Which migrations programs of before go on with, and that such take nothing away from them."""

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from alembic.script.revision import Revision
from sqlalchemy import create_engine, text
from tests.storage.expanding import losses, tables_of

from hematovision.storage.connections import DatabaseUnusableError
from hematovision.storage.database import Database, connect, open_database
from hematovision.storage.versions import MIGRATIONS, OLDEST, newest_version, suits, upgrade

SCRIPTS = ScriptDirectory(str(MIGRATIONS))
IN_ORDER = [script.revision for script in reversed(list(SCRIPTS.walk_revisions()))]
OWN = str(newest_version())[:4]
NEXT = f"{int(OWN) + 1:04}"


def put(database: Database, revision: str) -> None:
    """Say that the tables are those of another version."""
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})


@pytest.mark.parametrize(
    ("revision", "fits"),
    [
        pytest.param(newest_version(), True, id="its own"),
        pytest.param(f"{NEXT}_{OWN}", True, id="newer, and only more"),
        pytest.param("9999_0001", True, id="much newer, and only more"),
        pytest.param(NEXT, False, id="newer, and nothing said"),
        pytest.param(f"9999_{NEXT}", False, id="newer, and for newer alone"),
        pytest.param("0001", False, id="older"),
        pytest.param("0001_0000", False, id="older, though it only added"),
        pytest.param(None, False, id="no tables"),
        pytest.param("x_y", False, id="nonsense"),
    ],
)
def test_tables_that_have_only_more_suit_a_program(revision: str | None, fits: bool) -> None:
    assert suits(revision) is fits


def test_number_that_says_so_is_one_that_alembic_takes() -> None:
    assert Revision(f"{NEXT}_{OWN}", OWN).revision == f"{NEXT}_{OWN}"


def test_program_goes_on_with_newer_tables_that_suit_it_and_leaves_them(tmp_path: Path) -> None:
    database = open_database("", tmp_path)
    put(database, f"{NEXT}_{OWN}")
    again = open_database("", tmp_path)
    assert again.has_fitting_tables()
    with again.transaction() as records:
        assert records.users.list() == []
    for one in (again, database):
        one.close()


def test_program_refuses_newer_tables_that_do_not_suit_it(tmp_path: Path) -> None:
    database = open_database("", tmp_path)
    put(database, NEXT)
    assert not database.has_fitting_tables()
    with pytest.raises(DatabaseUnusableError, match="newer version's database"):
        open_database("", tmp_path)
    database.close()


def test_migration_that_says_it_suits_older_programs_takes_nothing_from_them(
    tmp_path: Path,
) -> None:
    for number, revision in enumerate(IN_ORDER):
        found = OLDEST.fullmatch(revision)
        if found is None:
            continue
        database = connect("", tmp_path / revision)
        (start,) = (one for one in IN_ORDER if one[:4] == found[2])
        upgrade(database.engine, start)
        before = tables_of(database.engine)
        upgrade(database.engine, revision)
        assert losses(before, tables_of(database.engine)) == [], revision
        # Whoever comes from the oldest meets each of those between, too.
        for between in IN_ORDER[IN_ORDER.index(start) + 1 : number]:
            word = OLDEST.fullmatch(between)
            assert word, f"{between} suits no older program, so {revision} does not either"
            assert word[2] <= found[2]
        database.close()


@pytest.mark.parametrize(
    ("then", "what"),
    [
        pytest.param("CREATE TABLE a (x INTEGER, y TEXT)", [], id="nullable column"),
        pytest.param("CREATE TABLE a (x INTEGER, y TEXT NOT NULL DEFAULT '')", [], id="default"),
        pytest.param("CREATE TABLE a (x INTEGER, y TEXT NOT NULL)", ["a: y must be written"]),
        pytest.param("CREATE TABLE a (z INTEGER)", ["a: x is gone"], id="column gone"),
        pytest.param("CREATE TABLE a (x TEXT)", ["a: x is another"], id="another type"),
        pytest.param("CREATE TABLE a (x INTEGER NOT NULL)", ["a: x is another"], id="must be"),
        pytest.param("CREATE TABLE a (x INTEGER UNIQUE)", ["a refuses what it took"], id="unique"),
        pytest.param("CREATE TABLE b (x INTEGER)", ["a is gone"], id="table gone"),
    ],
)
def test_loss_is_named(then: str, what: list[str]) -> None:
    found = []
    for words in ("CREATE TABLE a (x INTEGER)", then):
        engine = create_engine("sqlite://")
        with engine.begin() as connection:
            connection.exec_driver_sql(words)
            found.append(tables_of(connection))  # type: ignore[arg-type]
        engine.dispose()
    assert losses(*found) == what
