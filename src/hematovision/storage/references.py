"""Cells of known type that a laboratory shows beside doubtful ones."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, union_all
from sqlalchemy.orm import Session

from hematovision.storage.inserts import insert_into
from hematovision.storage.tables import ReferenceRow


@dataclass(frozen=True, slots=True)
class Reference:
    """A cell of known type.

    Attributes:
        id: Never given to another.
        label: The code of what it is.
        source: Whence its set comes, as the laboratory calls it.
        file: Under which its picture is kept.
    """

    id: int
    label: str
    source: str
    file: str


class ReferenceStore:
    """Keeps reference cells."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def add(
        self, reference: Reference, image_sha256: str, *, by: int | None, now: datetime
    ) -> bool:
        """Keep a cell, whatever its id says; False where the very picture is there already."""
        insert = insert_into(self._session, ReferenceRow).values(
            label=reference.label,
            source=reference.source,
            file=reference.file,
            image_sha256=image_sha256,
            added_by=by,
            added_at=now,
        )
        added = insert.on_conflict_do_nothing().returning(ReferenceRow.id)
        return self._session.execute(added).first() is not None

    def find(self, reference_id: int) -> Reference | None:
        """Find a cell."""
        row = self._session.get(ReferenceRow, reference_id)
        return _reference(row) if row else None

    def some(self, labels: Collection[str], most: int) -> Mapping[str, Sequence[Reference]]:
        """Give the first cells of each label, at most so many."""
        if not labels:
            return {}
        parts = [
            select(ReferenceRow.id)
            .where(ReferenceRow.label == label)
            .order_by(ReferenceRow.id)
            .limit(most)
            .subquery()
            for label in sorted(labels)
        ]
        ids = union_all(*(select(part) for part in parts))
        rows = self._session.scalars(
            select(ReferenceRow).where(ReferenceRow.id.in_(ids)).order_by(ReferenceRow.id)
        )
        found: dict[str, list[Reference]] = {label: [] for label in labels}
        for row in rows:
            found[row.label].append(_reference(row))
        return found

    def count(self) -> Sequence[tuple[str, str, int]]:
        """Count the cells by source and label."""
        key = (ReferenceRow.source, ReferenceRow.label)
        rows = self._session.execute(select(*key, func.count()).group_by(*key).order_by(*key))
        return [(source, label, number) for source, label, number in rows]

    def remove(self, source: str) -> Sequence[str]:
        """Forget a set; give the files that are to be thrown away."""
        gone = delete(ReferenceRow).where(ReferenceRow.source == source)
        return list(self._session.scalars(gone.returning(ReferenceRow.file)))


def _reference(row: ReferenceRow) -> Reference:
    return Reference(row.id, row.label, row.source, row.file)
