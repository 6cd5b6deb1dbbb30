"""Inserts that know what to do where the row is there already, in the words of each database."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Table, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from hematovision.storage.tables import Base


class AlreadyThereError(Exception):
    """A row that there may be only once is there already."""


INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def insert_into(session: Session, table: type[Base]) -> Any:
    """Begin an insert that has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return INSERTS[session.get_bind().dialect.name](table)


def table_of(rows: type[Base]) -> Table:
    """Give the table of rows, to write to it without making objects of what is written."""
    return cast(Table, rows.__table__)


def insert_all(
    session: Session, rows: type[Base], columns: Sequence[Mapping[str, Any]]
) -> Sequence[int]:
    """Write rows that say nothing twice, in as few statements as the database can.

    Returns:
        Their ids, in the order given.
    """
    table = table_of(rows)
    added = insert(table).returning(table.c.id, sort_by_parameter_order=True)
    return session.execute(added, list(columns)).scalars().all()


def add_once(session: Session, row: Base) -> None:
    """Add a row that there may be only once; of two at once the later is told.

    Raises:
        AlreadyThereError: If it is there; the transaction goes on as if nothing was added.
    """
    try:
        with session.begin_nested():
            session.add(row)
            session.flush()
    except IntegrityError as error:
        raise AlreadyThereError(type(row).__tablename__) from error
