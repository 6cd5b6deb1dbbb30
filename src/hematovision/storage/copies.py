"""A copy of all rows: read at one moment beside others who write, and put into an empty database.

A row is written as JSON that no database is needed to read, so what SQLite held goes into
PostgreSQL, and the other way round.
"""

from base64 import b64decode, b64encode
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alembic.util import CommandError
from sqlalchemy import JSON, Column, Connection, MetaData, Table, func, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from hematovision.storage.connections import READING, DatabaseUnusableError
from hematovision.storage.database import Database
from hematovision.storage.sealed import tables_with_files
from hematovision.storage.tables import (
    AnswerRow,
    AuditRow,
    Base,
    CaseRow,
    ConfirmationRow,
    LinkRow,
    Milliseconds,
    PhotoRow,
    SignInRow,
    UserRow,
)
from hematovision.storage.versions import downgrade, upgrade, version_of

LEFT_OUT = {
    SignInRow.__tablename__,
    LinkRow.__tablename__,
    ConfirmationRow.__tablename__,
    AnswerRow.__tablename__,
}
"""Whoever was signed in signs in again, and what was answered before is answered anew."""
TELLING = (UserRow, CaseRow, PhotoRow, AuditRow)
"""An installation in which somebody did something has a row in one of these."""
AT_ONCE = 1000
ID = "id"

Row = Mapping[str, Any]


class NotEmptyError(Exception):
    """What a copy is put into holds something already."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All rows as they were at one moment, whatever is written meanwhile.

    Attributes:
        connection: Within one transaction.
    """

    connection: Connection

    @property
    def tables(self) -> Sequence[str]:
        """List the tables, those first that others speak of."""
        return [table.name for table in Base.metadata.sorted_tables if table.name not in LEFT_OUT]

    def rows(self, name: str) -> Iterator[Row]:
        """Walk the rows of a table in the order of their keys, as plain values for JSON."""
        table = Base.metadata.tables[name]
        asked = select(table).order_by(*table.primary_key)
        found = self.connection.execution_options(yield_per=AT_ONCE).execute(asked)
        for row in found:
            yield {
                column.name: _plain(column, value)
                for column, value in zip(table.c, row, strict=True)
            }

    def numbers(self) -> Mapping[str, int]:
        """Give the largest number that rows of each table ever had, erased ones too."""
        given = {
            name: self.connection.scalar(select(func.max(Base.metadata.tables[name].c.id))) or 0
            for name in self.tables
            if _is_numbered(Base.metadata.tables[name])
        }
        if self.connection.dialect.name == "sqlite":
            found = self.connection.execute(text("SELECT name, seq FROM sqlite_sequence"))
            ever = {name: number for name, number in found if name in given}
        else:
            ever = {name: self._last_of(name) for name in given}
        return {name: max(number, ever.get(name, 0)) for name, number in given.items()}

    def files(self) -> Sequence[str]:
        """List the names of all pictures that rows speak of."""
        return [
            file
            for table in tables_with_files()
            for file in self.connection.scalars(
                select(table.c.file).where(table.c.file.is_not(None)).order_by(table.c.id)
            )
        ]

    def _last_of(self, name: str) -> int:
        sequence = self.connection.scalar(func.pg_get_serial_sequence(name, ID))
        if sequence is None:
            return 0
        words = f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}"  # noqa: S608
        return int(self.connection.scalar(text(words)) or 0)


@contextmanager
def take_snapshot(database: Database) -> Iterator[Snapshot]:
    """Look at all rows as they are now; nobody waits for it, and it waits for nobody."""
    options: dict[str, Any] = {READING: True}
    if database.engine.dialect.name == "postgresql":
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with database.engine.connect().execution_options(**options) as connection, connection.begin():
        yield Snapshot(connection)


@dataclass(frozen=True, slots=True)
class Load:
    """What is put into an empty database.

    Attributes:
        version: Which migration the tables were at.
        tables: Rows by table, those first that others speak of.
        numbers: The largest number that rows of each table ever had.
        missing: Names of pictures that are not in the copy.
    """

    version: str
    tables: Iterator[tuple[str, Iterator[Row]]]
    numbers: Mapping[str, int]
    missing: Collection[str]


def insist_on_empty(database: Database) -> None:
    """Insist that nobody did anything in a database; one without tables is empty too.

    Raises:
        NotEmptyError: If somebody did.
    """
    found = MetaData()
    found.reflect(database.engine)
    with database.engine.connect() as connection:
        for row in TELLING:
            table = found.tables.get(row.__tablename__)
            if table is not None and connection.execute(select(table).limit(1)).first():
                raise NotEmptyError(f"The database has {row.__tablename__} already.")


def load(database: Database, copy: Load) -> None:
    """Put all rows into an empty database: all of them, or none; then bring it up to date.

    Raises:
        NotEmptyError: If it is not empty.
        DatabaseUnusableError: If the copy is of a newer version of this program, or a row is none.
    """
    insist_on_empty(database)
    try:
        if version_of(database.engine) not in {None, copy.version}:
            downgrade(database.engine, "base")
        upgrade(database.engine, copy.version)
    except (SQLAlchemyError, CommandError) as error:
        raise DatabaseUnusableError(f"The copy needs a newer version: {error}.") from error
    with database.engine.begin() as connection:
        found = _reflect(connection)
        for name, rows in copy.tables:
            try:
                _fill(connection, found.tables[name], rows)
            except (SQLAlchemyError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise DatabaseUnusableError(f"The rows of {name} are none.") from error
        _forget_pictures(connection, found, copy.missing)
        for name, number in copy.numbers.items():
            _go_on_from(connection, name, number)
    upgrade(database.engine)


def _reflect(connection: Connection) -> MetaData:
    """Read which tables there are; those of an earlier version differ from ours."""
    found = MetaData()
    found.reflect(connection)
    for table in found.tables.values():
        for column in table.c:
            if isinstance(column.type, JSON):
                column.type = JSON(none_as_null=bool(column.nullable))
    return found


def _fill(connection: Connection, table: Table, rows: Iterator[Row]) -> None:
    # Whatever a migration wrote there stands in the copy too.
    if connection.execute(select(table).limit(1)).first():
        connection.execute(table.delete())
    batch: list[Row] = []
    for row in rows:
        batch.append({name: _value(value) for name, value in row.items()})
        if len(batch) == AT_ONCE:
            connection.execute(insert(table), batch)
            batch = []
    if batch:
        connection.execute(insert(table), batch)


def _forget_pictures(connection: Connection, found: MetaData, missing: Collection[str]) -> None:
    for name in missing:
        for table in (one for one in found.tables.values() if "file" in one.c):
            if table.c.file.nullable:
                connection.execute(update(table).where(table.c.file == name).values(file=None))


def _go_on_from(connection: Connection, name: str, number: int) -> None:
    """Give no number again that something had which was erased."""
    if not number:
        return
    if connection.dialect.name == "postgresql":
        sequence = connection.scalar(func.pg_get_serial_sequence(name, ID))
        if sequence is not None:
            connection.execute(select(func.setval(sequence, number)))
        return
    has = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name"
    if "AUTOINCREMENT" in (connection.scalar(text(has), {"name": name}) or "").upper():
        values = {"name": name, "number": number}
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), values)
        connection.execute(
            text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :number)"), values
        )


def _is_numbered(table: Table) -> bool:
    return ID in table.c and list(table.primary_key) == [table.c.id]


def _plain(column: Column[Any], value: Any) -> Any:
    """Write a value as JSON: what JSON does not know is marked."""
    if value is None:
        return None if column.nullable or not isinstance(column.type, JSON) else {"json": None}
    if isinstance(column.type, JSON):
        return {"json": value}
    if isinstance(column.type, Milliseconds):
        return column.type.process_bind_param(value, None)  # type: ignore[arg-type]
    if isinstance(value, datetime):
        return {"time": value.isoformat()}
    if isinstance(value, bytes):
        return {"bytes": b64encode(value).decode()}
    return value


def _value(plain: Any) -> Any:
    """Read what `_plain` has written."""
    if not isinstance(plain, dict):
        return plain
    ((kind, content),) = plain.items()
    if kind == "time":
        return datetime.fromisoformat(content)
    return b64decode(content) if kind == "bytes" else content
