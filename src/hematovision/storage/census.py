"""What is counted for whoever watches an installation: few queries, each by an index."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hematovision.labels import UNIDENTIFIED
from hematovision.storage.deliveries import DeliveryState
from hematovision.storage.tables import CellRow, DeliveryRow, MeasureRow, PhotoRow


@dataclass(frozen=True, slots=True)
class Census:
    """What there is.

    Attributes:
        photos: By how far they are.
        waiting_since: When the photo came that waits longest, UTC; None where none waits.
        decisions: Cells that models found since some moment, by what they named them.
        untold: What webhooks wait to be told.
    """

    photos: Mapping[str, int]
    waiting_since: datetime | None
    decisions: Mapping[str, int]
    untold: int


class CensusStore:
    """Counts; changes nothing."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def take(self, *, waiting: str, since: datetime) -> Census:
        """Count.

        Args:
            waiting: The state of photos that wait.
            since: From when on decisions are counted, UTC.
        """
        return Census(
            photos=self._photos(),
            waiting_since=self._session.scalar(
                select(func.min(PhotoRow.sent_at)).where(PhotoRow.state == waiting)
            ),
            decisions=self._decisions(since),
            untold=self._untold(),
        )

    def count_waiting(self, state: str, *, most: int) -> int:
        """Count photos that wait, up to a number: that there are more is all that matters then."""
        some = select(PhotoRow.id).where(PhotoRow.state == state).limit(most).subquery()
        return self._session.scalar(select(func.count()).select_from(some)) or 0

    def _untold(self) -> int:
        waiting = DeliveryRow.state == DeliveryState.WAITING
        return self._session.scalar(select(func.count()).where(waiting)) or 0

    def _photos(self) -> Mapping[str, int]:
        rows = self._session.execute(select(PhotoRow.state, func.count()).group_by(PhotoRow.state))
        return {row[0]: row[1] for row in rows}

    def _decisions(self, since: datetime) -> Mapping[str, int]:
        rows = self._session.execute(
            select(CellRow.cell_type, func.count())
            .join(MeasureRow, MeasureRow.reading_id == CellRow.reading_id)
            .where(MeasureRow.at >= since)
            .group_by(CellRow.cell_type)
        )
        return {cell_type or UNIDENTIFIED: number for cell_type, number in rows}
