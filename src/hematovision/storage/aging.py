"""What has been here for long: pictures, cases, readings of no case."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, or_, select, update
from sqlalchemy.orm import Session

from hematovision.storage.photos import PhotoState
from hematovision.storage.sealed import tables_with_files
from hematovision.storage.tables import (
    CaseRow,
    DiscardRow,
    PhotoRow,
    ReturnRow,
    SecondLabelRow,
    SecondReadingRow,
    SignatureRow,
)

UNREAD = (PhotoState.WAITING, PhotoState.PAUSED, PhotoState.READING)
"""A photo that nobody has read yet keeps its picture, however old it is."""

DONE = (
    (PhotoRow.case_id, (PhotoRow.sent_at,)),
    (SignatureRow.case_id, (SignatureRow.signed_at,)),
    (ReturnRow.case_id, (ReturnRow.asked_at, ReturnRow.done_at)),
    (
        SecondReadingRow.case_id,
        (SecondReadingRow.asked_at, SecondReadingRow.finished_at, SecondReadingRow.given_up_at),
    ),
)
"""Which columns say when something was done in a case, besides those of the case itself."""


@dataclass(frozen=True, slots=True)
class OldPicture:
    """A picture that has been here for long.

    Attributes:
        photo_id: Of its photo.
        case_id: The case it belongs to, if any.
        file: Under which it is kept.
        sent_at: When it came.
    """

    photo_id: int
    case_id: int | None
    file: str
    sent_at: datetime


class AgingStore:
    """Finds what has been here for long."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def pictures(self, *, before: datetime) -> Sequence[OldPicture]:
        """List pictures that came before a moment, but for those that still wait to be read."""
        rows = self._session.execute(
            select(PhotoRow.id, PhotoRow.case_id, PhotoRow.file, PhotoRow.sent_at)
            .where(
                PhotoRow.sent_at < before,
                PhotoRow.file.is_not(None),
                PhotoRow.state.not_in(UNREAD),
            )
            .order_by(PhotoRow.id)
        )
        return [OldPicture(number, case_id, file or "", at) for number, case_id, file, at in rows]

    def take_picture(self, photo_id: int) -> str | None:
        """Let a photo have no picture any more; give its file, None where it has none."""
        row = self._session.execute(
            select(PhotoRow.file)
            .where(PhotoRow.id == photo_id, PhotoRow.state.not_in(UNREAD))
            .with_for_update()
        ).first()
        if row is None or row.file is None:
            return None
        self._session.execute(
            update(PhotoRow).where(PhotoRow.id == photo_id).values(file=None, lease_until=None)
        )
        return str(row.file)

    def cases(self, *, before: datetime) -> Sequence[int]:
        """List cases that were made before a moment, and in which nothing was done since."""
        rows = select(CaseRow.id).where(
            CaseRow.created_at < before,
            or_(CaseRow.reviewed_at.is_(None), CaseRow.reviewed_at < before),
            *(
                ~exists().where(owner == CaseRow.id, or_(*(moment >= before for moment in moments)))
                for owner, moments in DONE
            ),
            ~exists().where(
                SecondReadingRow.case_id == CaseRow.id,
                SecondLabelRow.reading_id == SecondReadingRow.id,
                SecondLabelRow.said_at >= before,
            ),
        )
        return self._session.scalars(rows.order_by(CaseRow.id)).all()

    def readings(self, *, before: datetime) -> Sequence[int]:
        """List photos of no case that came before a moment."""
        rows = select(PhotoRow.id).where(PhotoRow.sent_at < before, PhotoRow.case_id.is_(None))
        return self._session.scalars(rows.order_by(PhotoRow.id)).all()

    def strays(self, names: Collection[str]) -> Sequence[str]:
        """Give those of some names of pictures that no row speaks of."""
        known = {
            file
            for table in (*tables_with_files(), DiscardRow.__table__)
            for file in self._session.scalars(select(table.c.file).where(table.c.file.is_not(None)))
        }
        return sorted(set(names) - known)
