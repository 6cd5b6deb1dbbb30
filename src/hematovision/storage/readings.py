"""Readings: what one model said of one photo, kept and given back as it was said."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from hematovision.cells import (
    MEASURES,
    Box,
    CellType,
    Decision,
    Doubt,
    Engine,
    ModelIdentity,
    PhotoReading,
    Reading,
)
from hematovision.storage.cells import next_cell_number
from hematovision.storage.history import write_lines
from hematovision.storage.inserts import insert_into
from hematovision.storage.tables import (
    LARGEST_KEY,
    CaseRow,
    CellRow,
    MeasureRow,
    PhotoRow,
    ReadingRow,
    UserRow,
)


@dataclass(frozen=True, slots=True)
class KeptReading:
    """A reading as it is kept.

    Attributes:
        photo_id: Of its photo.
        reading: What was said.
        read_at: When, UTC.
        door: Through which the photo came.
        sent_by: The user who sent it; None for the terminal.
        sender: Their name.
        file: Under which the picture is kept; None where it is not (any more).
        case_id: The case it belongs to, if any.
        accession: Its number.
    """

    photo_id: int
    reading: PhotoReading
    read_at: datetime
    door: str
    sent_by: int | None
    sender: str | None
    file: str | None
    case_id: int | None
    accession: str | None


class ReadingStore:
    """Gives readings back."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def find(self, photo_id: int) -> KeptReading | None:
        """Find what the newest model said of a photo; None where none did."""
        found = self._readings(photo_id, newest=True)
        return found[0] if found else None

    def all_of(self, photo_id: int) -> Sequence[KeptReading]:
        """Give what each model said of a photo, the oldest first."""
        return self._readings(photo_id)

    def list_photos(self, case_id: int | None) -> Sequence[int]:
        """List the photos of a case that were read, or all that were."""
        photos = select(ReadingRow.photo_id).distinct().order_by(ReadingRow.photo_id)
        if case_id is not None:
            photos = photos.join(PhotoRow, PhotoRow.id == ReadingRow.photo_id)
            photos = photos.where(PhotoRow.case_id == case_id)
        return self._session.scalars(photos).all()

    def _readings(self, photo_id: int, *, newest: bool = False) -> Sequence[KeptReading]:
        if photo_id > LARGEST_KEY:
            return []
        found = (
            select(ReadingRow, PhotoRow, UserRow.name, CaseRow.accession)
            .join(PhotoRow, PhotoRow.id == ReadingRow.photo_id)
            .outerjoin(UserRow, UserRow.id == PhotoRow.sent_by)
            .outerjoin(CaseRow, CaseRow.id == PhotoRow.case_id)
            .where(ReadingRow.photo_id == photo_id)
        )
        latest = found.order_by(ReadingRow.id.desc()).limit(1)
        some = latest if newest else found.order_by(ReadingRow.id)
        return [self._kept(*row) for row in self._session.execute(some)]

    def _kept(
        self, row: ReadingRow, photo: PhotoRow, sender: str | None, accession: str | None
    ) -> KeptReading:
        cells = self._session.scalars(
            select(CellRow).where(CellRow.reading_id == row.id).order_by(CellRow.id)
        )
        return KeptReading(
            photo_id=photo.id,
            reading=PhotoReading(
                image_sha256=photo.image_sha256,
                width=photo.width or 0,
                height=photo.height or 0,
                model=ModelIdentity(row.model_name, row.model_version, row.model_sha256),
                cells=tuple(map(_reading, cells)),
                engine=Engine(row.engine),
            ),
            read_at=row.read_at,
            door=photo.door,
            sent_by=photo.sent_by,
            sender=sender,
            file=photo.file,
            case_id=photo.case_id,
            accession=accession,
        )


def keep_reading(
    session: Session, photo: PhotoRow, reading: PhotoReading, *, now: datetime
) -> bool:
    """Keep what a model said of a photo; False where it did before: nothing is kept."""
    insert = insert_into(session, ReadingRow).values(
        photo_id=photo.id,
        model_name=reading.model.name,
        model_version=reading.model.version,
        model_sha256=reading.model.sha256,
        read_at=now,
        engine=str(reading.engine),
    )
    added = insert.on_conflict_do_nothing().returning(ReadingRow.id)
    reading_id = session.execute(added).scalar_one_or_none()
    if reading_id is None:
        return False
    rows = [_cell_row(cell, photo.id, reading_id) for cell in reading.cells]
    _number(session, rows, photo.case_id)
    session.add_all(rows)
    session.add(_measure_row(reading, reading_id, now))
    session.flush()
    write_lines(session, photo.id)
    return True


def move_reading(session: Session, photo: PhotoRow) -> None:
    """Let what was said of a photo follow it into its case; what is there already counts not."""
    if photo.same_as is None:
        rows = session.scalars(
            select(CellRow).where(CellRow.photo_id == photo.id).order_by(CellRow.id)
        )
        _number(session, rows.all(), photo.case_id)
    session.flush()
    write_lines(session, photo.id)


def _number(session: Session, cells: Sequence[CellRow], case_id: int | None) -> None:
    """Number the cells of a photo in its case."""
    if case_id is None or not cells:
        return
    first = next_cell_number(session, case_id)
    for number, cell in enumerate(cells, first):
        cell.case_id, cell.number = case_id, number


def _cell_row(cell: Reading, photo_id: int, reading_id: int) -> CellRow:
    """Lay out a cell with everything that was said of it."""
    return CellRow(
        photo_id=photo_id,
        reading_id=reading_id,
        box_xmin=cell.box.xmin,
        box_ymin=cell.box.ymin,
        box_xmax=cell.box.xmax,
        box_ymax=cell.box.ymax,
        decision=str(cell.decision),
        cell_type=None if cell.cell_type is None else str(cell.cell_type),
        confidence=cell.confidence,
        known=cell.known,
        morphology=cell.morphology,
        answer={
            "probabilities": {str(kind): part for kind, part in cell.probabilities.items()},
            "prediction_set": [str(kind) for kind in cell.prediction_set],
            "doubts": [str(doubt) for doubt in cell.doubts],
        },
        version=0,
    )


def _measure_row(reading: PhotoReading, reading_id: int, now: datetime) -> MeasureRow:
    """Lay out what is counted and measured of a photo."""
    measured = reading.measured
    return MeasureRow(
        reading_id=reading_id,
        at=now,
        model_sha256=reading.model.sha256,
        cells=len(reading.cells),
        unidentified=sum(cell.cell_type is None for cell in reading.cells),
        **{name: getattr(measured, name) for name in MEASURES},
    )


def _reading(row: CellRow) -> Reading:
    """Say of a cell what was said of it."""
    probabilities = row.answer["probabilities"]
    return Reading(
        box=Box(row.box_xmin, row.box_ymin, row.box_xmax, row.box_ymax),
        decision=Decision(row.decision or Decision.UNIDENTIFIED),
        cell_type=None if row.cell_type is None else CellType(row.cell_type),
        confidence=row.confidence or 0.0,
        probabilities={CellType(kind): part for kind, part in probabilities.items()},
        prediction_set=tuple(map(CellType, row.answer["prediction_set"])),
        doubts=tuple(map(Doubt, row.answer["doubts"])),
        known=row.known,
        morphology=row.morphology,
    )
