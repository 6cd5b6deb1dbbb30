"""How the database is reached: a SQLite file by default, PostgreSQL and others by their address."""

import logging
import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, InterfaceError, InvalidatePoolError, OperationalError

from hematovision.errors import DatabaseAwayError, StorageFullError
from hematovision.storage.private import keep_file

FILE = "hematovision.sqlite"
POSTGRES_LIMITS = {"connect_timeout": 10, "tcp_user_timeout": 30_000}
"""Seconds until there is a connection, and milliseconds until one is lost that answers nothing."""
BUSY_SECONDS = 20
READING = "hematovision_reading"
USED = "hematovision_used"
REST_SECONDS = 1.0
"""A connection that lay idle for so long may have been cut meanwhile."""
PRAGMAS = ("journal_mode = WAL", "foreign_keys = ON", "synchronous = FULL", "secure_delete = ON")
"""The last: what is deleted or changed is overwritten with zeros."""

FULL = re.compile("disk is full|No space left on device|disk I/O error")
"""What SQLite and PostgreSQL say where there is no room; SQLite also where its log has none."""
BUG = re.compile("no such|has no column|syntax error")
"""What SQLite says of a statement that is wrong; PostgreSQL's driver has another class for it."""

log = logging.getLogger(__name__)


class DatabaseUnusableError(Exception):
    """The database cannot be reached, understood or brought up to date."""


def open_engine(address: str, folder: Path) -> Engine:
    """Make the engine; SQLite is told to behave like a database that several people use.

    Args:
        address: As SQLAlchemy writes it; empty for a SQLite file in the folder.
        folder: The data folder.

    Raises:
        DatabaseUnusableError: If the address cannot be understood, or its driver is not installed.
        OSError: If the file cannot be made.
    """
    try:
        url = make_url(address or f"sqlite:///{(folder / FILE).absolute()}")
        # Platforms still write the short name, which SQLAlchemy knows no more.
        if url.drivername in {"postgresql", "postgres"}:
            url = url.set(drivername="postgresql+psycopg")
        is_file = url.get_backend_name() == "sqlite"
        limits = {"timeout": BUSY_SECONDS} if is_file else _limits(url)
        engine = create_engine(url, hide_parameters=True, connect_args=limits)
        if is_file and url.database:
            keep_file(Path(url.database))
    except (ArgumentError, ModuleNotFoundError) as error:
        raise DatabaseUnusableError(
            f"HEMATOVISION_DATABASE_URL cannot be used: {error}. It looks like "
            "postgresql://user:password@host/database and needs: pip install 'hematovision[server]'"
        ) from error
    if is_file:
        event.listen(engine, "connect", _prepare_file)
        event.listen(engine, "begin", _begin)
    else:
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "checkout", _ask_after_rest)
    return engine


def _note_use(_: Any, kept: Any) -> None:
    kept.info[USED] = time.monotonic()


def _ask_after_rest(connection: Any, kept: Any, _: Any) -> None:
    """Ask whether a connection that was not used lately still stands; to ask always costs too much.

    Raises:
        InvalidatePoolError: If not; then there is a new one, and a new one for all others.
    """
    used = kept.info.get(USED)
    if used is None or time.monotonic() - used < REST_SECONDS:
        return
    try:
        with closing(connection.cursor()) as cursor:
            cursor.execute("SELECT 1")
        connection.rollback()
    except Exception as error:  # whatever the driver raises, it is of no more use
        raise InvalidatePoolError from error


def _limits(url: URL) -> dict[str, Any]:
    """Say how long a server that says nothing is waited for, unless the address says so."""
    if url.get_backend_name() != "postgresql":
        return {}
    return {name: value for name, value in POSTGRES_LIMITS.items() if name not in url.query}


def _prepare_file(connection: Any, _: Any) -> None:
    # Python's driver must not begin transactions by itself: it does so too late.
    connection.isolation_level = None
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Any) -> None:
    # A transaction that reads first and writes later would fail where another wrote meanwhile.
    reads = connection.get_execution_options().get(READING)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


@contextmanager
def named_failures() -> Iterator[None]:
    """Give what a driver raises of a database that is away or full the names that people know.

    Raises:
        StorageFullError: If it has no room left.
        DatabaseAwayError: If it does not answer.
        OperationalError: If SQLite was asked what it does not understand: a bug.
    """
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        if BUG.search(str(error.orig)):
            raise
        log.warning("The database cannot be used: %s", " ".join(str(error.orig).split()))
        if FULL.search(str(error.orig)):
            raise StorageFullError("The database has no room left.") from error
        raise DatabaseAwayError("The database does not answer.") from error
