"""What people counted in photos that they were shown with the boxes that were found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hematovision.storage.inserts import add_once
from hematovision.storage.photos import PhotoState
from hematovision.storage.tables import LocatorCheckRow, MeasureRow, PhotoRow, ReadingRow


@dataclass(frozen=True, slots=True)
class Candidate:
    """A photo that may be shown.

    Attributes:
        photo_id: The photo.
        is_checked: Whether somebody counted in it.
    """

    photo_id: int
    is_checked: bool


@dataclass(frozen=True, slots=True)
class LocatorCheck:
    """What a person counted in a photo.

    Attributes:
        photo_id: The photo.
        found: Boxes that were shown.
        missed: White cells without a box.
        wrong: Boxes without a white cell.
        by: Who counted.
        at: When, UTC.
    """

    photo_id: int
    found: int
    missed: int
    wrong: int
    by: int
    at: datetime


class LocatorCheckStore:
    """Keeps what people counted."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def newest_reading(self) -> datetime | None:
        """Say when a photo was read last."""
        return self._session.scalar(select(func.max(MeasureRow.at)))

    def candidates(self, since: datetime, until: datetime) -> Sequence[Candidate]:
        """List the photos that were read in some time and are kept, each content of a case once."""
        rows = self._session.execute(
            select(PhotoRow.id, LocatorCheckRow.id)
            .distinct()
            .select_from(MeasureRow)
            .join(ReadingRow, ReadingRow.id == MeasureRow.reading_id)
            .join(PhotoRow, PhotoRow.id == ReadingRow.photo_id)
            .outerjoin(LocatorCheckRow, LocatorCheckRow.photo_id == PhotoRow.id)
            .where(MeasureRow.at >= since, MeasureRow.at < until)
            .where(PhotoRow.state == PhotoState.READ, PhotoRow.file.is_not(None))
        )
        return [Candidate(photo_id, check is not None) for photo_id, check in rows]

    def add(self, check: LocatorCheck) -> None:
        """Keep what somebody counted in a photo.

        Raises:
            AlreadyThereError: If somebody did so before.
        """
        row = LocatorCheckRow(
            photo_id=check.photo_id,
            found=check.found,
            missed=check.missed,
            wrong=check.wrong,
            checked_by=check.by,
            checked_at=check.at,
        )
        add_once(self._session, row)

    def list(self, since: datetime | None, until: datetime | None) -> Sequence[LocatorCheck]:
        """List what was counted in some time, the oldest first."""
        rows = select(LocatorCheckRow).order_by(LocatorCheckRow.checked_at, LocatorCheckRow.id)
        if since is not None:
            rows = rows.where(LocatorCheckRow.checked_at >= since)
        if until is not None:
            rows = rows.where(LocatorCheckRow.checked_at < until)
        return [
            LocatorCheck(
                row.photo_id, row.found, row.missed, row.wrong, row.checked_by, row.checked_at
            )
            for row in self._session.scalars(rows)
        ]
