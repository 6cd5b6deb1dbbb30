"""Which migration the tables are at, and how they come to another."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from hematovision.storage.connections import DatabaseUnusableError

MIGRATIONS = Path(__file__).parent / "migrations"
OLDEST = re.compile(r"(\d{4})_(\d{4})")
"""The number of a migration that only adds, and that of the oldest whose programs go on with it."""


def upgrade(engine: Engine, to: str = "head") -> None:
    """Bring the tables up to date; of several servers that start at once, one does it.

    Args:
        engine: Of the database.
        to: The migration that they are to be at.

    Raises:
        CommandError: If the tables are at a migration that this program does not know.
        DatabaseUnusableError: If a row of a SQLite file spoke of another that is not there.
    """
    with _migrating(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(472693)")
        command.upgrade(_config(connection), to)


def downgrade(engine: Engine, to: str) -> None:
    """Take the tables back to an earlier migration; raises what `upgrade` does."""
    with _migrating(engine) as connection:
        command.downgrade(_config(connection), to)


def suits(revision: str | None) -> bool:
    """Tell whether this program works with the tables of a migration.

    Args:
        revision: `0015`, or `0015_0014` where programs of 0014 go on with the tables of 0015.
    """
    newest = newest_version()
    found = OLDEST.fullmatch(revision or "")
    is_newer = bool(found and newest and found[1] > newest[:4] >= found[2])
    return revision == newest or is_newer


@cache
def newest_version() -> str | None:
    """Say which migration this program's tables are at."""
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


@contextmanager
def _migrating(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction in which SQLite lets a table be made anew that others speak of."""
    with engine.connect() as connection:
        is_file = engine.dialect.name == "sqlite"
        driver: Any = connection.connection.driver_connection
        if is_file:
            driver.execute("PRAGMA foreign_keys = OFF")
        try:
            with connection.begin():
                before = _revision(connection)
                yield connection
                if is_file and _revision(connection) != before:
                    _check_links(connection)
        finally:
            if is_file:
                driver.execute("PRAGMA foreign_keys = ON")


def version_of(engine: Engine) -> str | None:
    """Say which migration the tables are at."""
    with engine.connect() as connection:
        return _revision(connection)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _check_links(connection: Connection) -> None:
    """Insist that no row speaks of another that is not there.

    Raises:
        DatabaseUnusableError: If one does.
    """
    if connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise DatabaseUnusableError("A row of the database speaks of one that is not there.")


def _config(connection: Any) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
