"""The lines of the history: written anew wherever a reading, its cells or its case change."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from hematovision.labels import NO_CELL, UNIDENTIFIED
from hematovision.storage.tables import CellRow, HistoryRow, PhotoRow, ReadingRow

ALL = ""
"""The label of the line that speaks of a reading as a whole."""


def write_lines(session: Session, photo_id: int) -> None:
    """Write the lines of a photo's readings.

    A cell goes by what people call it, else by what the model named it. One that somebody boxed
    goes with the newest reading; one that they removed with none.
    """
    # Of two who change cells of one photo at once, the later waits here and counts both changes.
    readings = session.execute(
        select(ReadingRow, PhotoRow.sent_by, PhotoRow.case_id)
        .join(PhotoRow, PhotoRow.id == ReadingRow.photo_id)
        .where(ReadingRow.photo_id == photo_id)
        .order_by(ReadingRow.id)
        .with_for_update(of=ReadingRow)
    ).all()
    if not readings:
        return
    numbers = _count(session, photo_id, newest=readings[-1][0].id)
    session.execute(
        delete(HistoryRow).where(HistoryRow.reading_id.in_([row.id for row, *_ in readings]))
    )
    session.execute(
        insert(HistoryRow),
        [
            {
                "label": label,
                "at": row.read_at,
                "reading_id": row.id,
                "number": number,
                "sent_by": sent_by,
                "model_version": row.model_version,
                "case_id": case_id,
            }
            for row, sent_by, case_id in readings
            for label, number in _with_sum(numbers.get(row.id, {})).items()
        ],
    )


def first_lines(
    photo: Mapping[str, Any], reading: Mapping[str, Any], cell_types: Iterable[str | None]
) -> list[dict[str, Any]]:
    """Give the lines of the first reading of a photo of no case, of which people have said nothing.

    Args:
        photo: The columns of the photo.
        reading: Those of its reading, with its id.
        cell_types: What the model named each cell.
    """
    numbers = Counter(cell_type or UNIDENTIFIED for cell_type in cell_types)
    return [
        {
            "label": label,
            "at": reading["read_at"],
            "reading_id": reading["id"],
            "number": number,
            "sent_by": photo["sent_by"],
            "model_version": reading["model_version"],
            "case_id": None,
        }
        for label, number in _with_sum(numbers).items()
    ]


def _count(session: Session, photo_id: int, *, newest: int) -> Mapping[int, Mapping[str, int]]:
    """Count the cells of a photo by reading and label."""
    rows = session.execute(
        select(CellRow.reading_id, CellRow.label, CellRow.cell_type, func.count())
        .where(CellRow.photo_id == photo_id)
        .group_by(CellRow.reading_id, CellRow.label, CellRow.cell_type)
    )
    numbers: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for reading_id, label, cell_type, number in rows:
        if label != NO_CELL:
            numbers[reading_id or newest][label or cell_type or UNIDENTIFIED] += number
    return numbers


def _with_sum(numbers: Mapping[str, int]) -> Mapping[str, int]:
    return {ALL: sum(numbers.values()), **numbers}
