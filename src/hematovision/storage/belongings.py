"""What hangs on a case or a photo: found by following how the tables speak of each other.

Nobody lists the tables: one that is added later, and whose rows speak of a case, a photo, a reading
or a cell, is copied and erased with them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, or_, select
from sqlalchemy.orm import Session

from hematovision.storage.tables import AuditRow, Base, CaseRow, PhotoRow, UserRow

CASES = CaseRow.__tablename__
PHOTOS = PhotoRow.__tablename__
NEVER = "audit"
"""The tables of the record of changes begin so; it alone says what of it can be forgotten."""

Paths = Sequence[ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased.

    Attributes:
        rows: How many, by table; tables that had none are left out.
        files: Under which pictures are kept that nothing speaks of any more.
    """

    rows: Mapping[str, int]
    files: Sequence[str]


class BelongingsStore:
    """Finds all that hangs on a case, or on a photo of none, and deletes it."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def hold(self, case_id: int) -> None:
        """Let nobody read a photo of a case, or change the case, before this transaction ends."""
        # In the order of those who keep a reading: of two that wait for each other one would fail.
        photos = select(PhotoRow.id).where(PhotoRow.case_id == case_id).order_by(PhotoRow.id)
        self._session.execute(photos.with_for_update()).all()
        self._session.execute(select(CaseRow.id).where(CaseRow.id == case_id).with_for_update())

    def list(self, root: str, number: int) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Give every row that hangs on a case or a photo, by table, in the order of their keys.

        Args:
            root: `CASES` or `PHOTOS`.
            number: Its id.
        """
        return {table.name: self._rows(table, paths) for table, paths in _hanging_on(root, number)}

    def people(self, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> Mapping[int, str]:
        """Give the names of all whom rows speak of, by their numbers."""
        columns = {
            name: [
                link.parent.name
                for link in Base.metadata.tables[name].foreign_keys
                if link.column.table.name == UserRow.__tablename__
            ]
            for name in rows
        }
        known = {row[column] for name in rows for row in rows[name] for column in columns[name]}
        found = select(UserRow.id, UserRow.name).where(UserRow.id.in_(known - {None}))
        return {row.id: row.name for row in self._session.execute(found.order_by(UserRow.id))}

    def events(self, case_id: int, photo_ids: Sequence[int]) -> Sequence[Mapping[str, Any]]:
        """Give what is recorded of a case and of its photos, in the order it happened."""
        table = Base.metadata.tables[AuditRow.__tablename__]
        subjects = [f"case {case_id}", *(f"photo {photo_id}" for photo_id in photo_ids)]
        told = or_(table.c.case_id == case_id, table.c.subject.in_(subjects))
        found = self._session.execute(select(table).where(told).order_by(table.c.id)).mappings()
        return [{column.name: row[column] for column in table.c} for row in found]

    def erase(self, root: str, number: int) -> Erased:
        """Delete every row that hangs on a case or a photo, and itself.

        Args:
            root: `CASES` or `PHOTOS`.
            number: Its id.
        """
        hanging = list(_hanging_on(root, number))
        files = [
            file
            for table, paths in hanging
            for row in (self._rows(table, paths) if "file" in table.c else ())
            if (file := row["file"])
        ]
        rows = {table.name: self._delete(table, paths) for table, paths in reversed(hanging)}
        self._session.expire_all()
        return Erased({name: number for name, number in rows.items() if number}, files)

    def _rows(self, table: Table, paths: Paths) -> Sequence[Mapping[str, Any]]:
        """Give the rows that any path leads to, each once."""
        key = list(table.primary_key)
        found = {
            tuple(row[column] for column in key): {c.name: row[c] for c in table.c}
            for path in paths
            for row in self._session.execute(select(table).where(path)).mappings()
        }
        return [found[one] for one in sorted(found)]

    def _delete(self, table: Table, paths: Paths) -> int:
        # One by one: a database finds few rows by one index fast, and by any of several slowly.
        return sum(
            len(self._session.execute(gone).all())
            for gone in (delete(table).where(path).returning(*table.primary_key) for path in paths)
        )


def _hanging_on(root: str, number: int) -> Iterator[tuple[Table, Paths]]:
    """Walk the tables whose rows hang on one row, those first that others speak of.

    Yields:
        A table, and the ways that lead to its rows.
    """
    found: dict[Table, Paths] = {}
    for table in Base.metadata.sorted_tables:
        paths: list[ColumnElement[bool]] = [table.c.id == number] if table.name == root else []
        if table.name.startswith(NEVER):
            continue
        for link in sorted(table.foreign_keys, key=lambda link: link.parent.name):
            before = found.get(link.column.table, ()) if link.column.table is not table else ()
            paths += [link.parent.in_(select(link.column).where(path)) for path in before]
        if paths:
            found[table] = paths
            yield table, paths
