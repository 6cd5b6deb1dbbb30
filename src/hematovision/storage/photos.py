"""Photos of cases: what waits to be read, what is being read, and what was said."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from hematovision.cells import PhotoReading
from hematovision.storage.inserts import insert_all
from hematovision.storage.readings import keep_first_readings, keep_reading, move_reading
from hematovision.storage.tables import LARGEST_KEY, CaseRow, PhotoRow

PUT_BACK = timedelta(minutes=5)
"""So much may the clocks of several machines differ."""


class PhotoState(StrEnum):
    """How far a photo is."""

    WAITING = "waiting"
    PAUSED = "paused"
    READING = "reading"
    READ = "read"
    SAME = "same"
    """The case has it already; it is shown, and counted once."""
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture that was sent.

    Attributes:
        id: Never given to another.
        case_id: The case it belongs to, if any.
        number: Counts the photos of the case from one.
        image_sha256: Of the file as it was sent.
        width: Pixels across; None until it was read.
        height: Pixels down; None until it was read.
        file: Under which it is kept; None where it is not (any more).
        same_as: The first photo of the case with this very content.
        state: How far it is.
        failure: The code of what was wrong, where it failed.
        attempts: How often somebody began to read it.
        sending: With what else it was sent.
    """

    id: int
    case_id: int | None
    number: int | None
    image_sha256: str
    width: int | None
    height: int | None
    file: str | None
    same_as: int | None
    state: PhotoState
    failure: str | None
    attempts: int
    sending: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A picture as it came in.

    Attributes:
        image_sha256: Of the file.
        bytes: Of the file.
        file: Under which it is kept.
        door: Through which it came.
        sent_by: The user who sent it.
        sent_at: When, UTC.
        sending: With what else; None where that does not matter.
    """

    image_sha256: str
    bytes: int
    file: str | None
    door: str
    sent_by: int | None
    sent_at: datetime
    sending: str | None = None


class PhotoStore:
    """Keeps photos; the table is the queue, and a lease says who is at work."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def add(self, sent: Sent, *, case_id: int | None) -> Photo:
        """Let a photo wait, unless its case has the same content already: it needs no file then.

        Returns:
            The photo; where the content came in another sending, the one that it became then.
        """
        number = None if case_id is None else self._next_number(case_id)
        first = self._first_of(case_id, sent.image_sha256)
        if first is not None and sent.sending is not None and first.sending != sent.sending:
            return photo_of(first)
        row = PhotoRow(
            case_id=case_id,
            number=number,
            image_sha256=sent.image_sha256,
            bytes=sent.bytes,
            file=sent.file if first is None else None,
            same_as=None if first is None else first.id,
            state=PhotoState.WAITING if first is None else PhotoState.SAME,
            attempts=0,
            door=sent.door,
            sending=sent.sending,
            sent_by=sent.sent_by,
            sent_at=sent.sent_at,
        )
        self._session.add(row)
        self._session.flush()
        return photo_of(row)

    def find(self, photo_id: int) -> Photo | None:
        """Find a photo."""
        row = self._session.get(PhotoRow, photo_id) if photo_id <= LARGEST_KEY else None
        return photo_of(row) if row else None

    def find_number(self, case_id: int, number: int) -> Photo | None:
        """Find a photo of a case by its number there."""
        row = self._session.scalar(
            select(PhotoRow).where(PhotoRow.case_id == case_id, PhotoRow.number == number)
        )
        return photo_of(row) if row else None

    def hold_caseless(self, photo_id: int) -> bool:
        """Let nobody file or change a photo before this ends; False where it belongs to a case."""
        own = select(PhotoRow.id).where(PhotoRow.id == photo_id, PhotoRow.case_id.is_(None))
        return self._session.scalar(own.with_for_update()) is not None

    def lack_picture(self, photo_ids: Collection[int]) -> bool:
        """Tell whether the picture of any of these photos is not kept."""
        lacking = select(PhotoRow.id).where(PhotoRow.id.in_(photo_ids), PhotoRow.file.is_(None))
        return self._session.scalar(lacking.limit(1)) is not None

    def list(self, case_id: int) -> Sequence[Photo]:
        """List the photos of a case in the order they came."""
        rows = select(PhotoRow).where(PhotoRow.case_id == case_id).order_by(PhotoRow.id)
        return [photo_of(row) for row in self._session.scalars(rows)]

    def take(self, worker: str, *, now: datetime, until: datetime) -> Photo | None:
        """Take the photo that waits longest, or one whose worker was lost, until a moment.

        A lease far beyond that moment was given by a clock that has been put back since: nobody
        must wait for it.
        """
        over = or_(PhotoRow.lease_until <= now, PhotoRow.lease_until > until + PUT_BACK)
        lost = and_(PhotoRow.state == PhotoState.READING, over)
        row = self._session.scalar(
            select(PhotoRow)
            .where(or_(PhotoRow.state == PhotoState.WAITING, lost))
            .order_by(PhotoRow.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if row is None:
            return None
        row.state, row.worker, row.lease_until = PhotoState.READING, worker, until
        row.attempts += 1
        self._session.flush()
        return photo_of(row)

    def renew(self, photo: Photo, worker: str, *, until: datetime) -> bool:
        """Keep a photo for longer; False where it is no longer this worker's."""
        mine = self._held(photo, worker)
        if mine is None:
            return False
        mine.lease_until = until
        return True

    def give_back(self, photo: Photo, worker: str) -> bool:
        """Let a photo wait again as if nobody had begun; False where it is not this worker's."""
        mine = self._leave(photo, worker, PhotoState.WAITING)
        if mine is None:
            return False
        mine.attempts -= 1
        return True

    def finish(
        self,
        photo: Photo,
        worker: str,
        reading: PhotoReading,
        *,
        now: datetime,
        keep_picture: bool = True,
    ) -> bool:
        """Keep what was said of a photo.

        Args:
            photo: As it was taken.
            worker: Who took it.
            reading: What was said.
            now: When, UTC.
            keep_picture: Whether its picture stays; without, `list_unwanted` names it until
                `forget_picture` says that it was thrown away.

        Returns:
            False where it is no longer this worker's to read, or was said before: nothing is kept.
        """
        mine = self._leave(photo, worker, PhotoState.READ)
        if mine is None:
            return False
        mine.width, mine.height = reading.width, reading.height
        if not keep_picture:
            mine.lease_until = now
        return keep_reading(self._session, mine, reading, now=now)

    def add_all_read(self, photos: Sequence[tuple[Sent, PhotoReading]]) -> Sequence[int]:
        """Keep photos of no case that were read at once, with what was said; give their ids."""
        rows = [_read_columns(sent, reading) for sent, reading in photos]
        ids = insert_all(self._session, PhotoRow, rows)
        kept = [row | {"id": number} for row, number in zip(rows, ids, strict=True)]
        keep_first_readings(self._session, kept, [reading for _, reading in photos])
        return ids

    def file(self, photo_id: int, case_id: int) -> PhotoState | None:
        """Let a photo that belongs to no case belong to one, with its reading and its cells.

        Returns:
            How far it is there: read, or the same as another; None where it belongs to a case.
        """
        number = self._next_number(case_id)
        row = self._session.scalar(
            select(PhotoRow)
            .where(
                PhotoRow.id == photo_id,
                PhotoRow.case_id.is_(None),
                PhotoRow.state == PhotoState.READ,
            )
            .with_for_update()
        )
        if row is None:
            return None
        first = self._first_of(case_id, row.image_sha256)
        row.case_id, row.number = case_id, number
        if first is not None:
            row.same_as, row.state = first.id, PhotoState.SAME
        move_reading(self._session, row)
        return PhotoState(row.state)

    def fail(self, photo: Photo, worker: str, failure: str) -> bool:
        """Keep why a photo cannot be read; False where it is no longer this worker's."""
        mine = self._leave(photo, worker, PhotoState.FAILED)
        if mine is None:
            return False
        mine.failure = failure
        return True

    def list_unwanted(self, *, limit: int) -> Sequence[Photo]:
        """List photos whose picture is there still, though nobody is to look at it again."""
        read = and_(PhotoRow.state == PhotoState.READ, PhotoRow.lease_until.is_not(None))
        unwanted = or_(read, PhotoRow.state == PhotoState.CANCELLED)
        rows = select(PhotoRow).where(unwanted, PhotoRow.file.is_not(None)).limit(limit)
        return [photo_of(row) for row in self._session.scalars(rows)]

    def forget_picture(self, photo_id: int) -> None:
        """Keep that a photo's picture was thrown away."""
        self._session.execute(
            update(PhotoRow).where(PhotoRow.id == photo_id).values(file=None, lease_until=None)
        )

    def move(self, case_id: int, *, out_of: Sequence[PhotoState], to: PhotoState) -> int:
        """Move the photos of a case from one state to another; give how many."""
        moved = self._session.execute(
            update(PhotoRow)
            .where(PhotoRow.case_id == case_id, PhotoRow.state.in_(out_of))
            .values(state=to, failure=None, worker=None, lease_until=None, attempts=0)
            .returning(PhotoRow.id)
        )
        return len(moved.all())

    def find_content(self, case_id: int, image_sha256: str, *, not_of: str) -> Photo | None:
        """Find the photo of a case that counts for a content, unless it came in this sending."""
        row = self._first_of(case_id, image_sha256)
        return photo_of(row) if row is not None and row.sending != not_of else None

    def leave_out(self, case_id: int, photo_id: int) -> bool:
        """Count a photo that could not be read no longer; False where it is no such photo."""
        left = self._session.execute(
            update(PhotoRow)
            .where(
                PhotoRow.id == photo_id,
                PhotoRow.case_id == case_id,
                PhotoRow.state == PhotoState.FAILED,
            )
            .values(state=PhotoState.CANCELLED)
            .returning(PhotoRow.id)
        )
        return left.first() is not None

    def count(self, case_id: int) -> dict[PhotoState, int]:
        """Count the photos of a case by state."""
        rows = self._session.execute(
            select(PhotoRow.state, func.count())
            .where(PhotoRow.case_id == case_id)
            .group_by(PhotoRow.state)
        )
        return {PhotoState(state): number for state, number in rows}

    def _next_number(self, case_id: int) -> int:
        """Give the next number of a case's photos; nobody else gets it meanwhile."""
        self._session.execute(select(CaseRow.id).where(CaseRow.id == case_id).with_for_update())
        last = self._session.scalar(
            select(func.max(PhotoRow.number)).where(PhotoRow.case_id == case_id)
        )
        return (last or 0) + 1

    def _first_of(self, case_id: int | None, image_sha256: str) -> PhotoRow | None:
        """Find the photo of a case that counts for a content."""
        if case_id is None:
            return None
        found = select(PhotoRow).where(
            PhotoRow.case_id == case_id,
            PhotoRow.image_sha256 == image_sha256,
            PhotoRow.same_as.is_(None),
            PhotoRow.state != PhotoState.CANCELLED,
        )
        return self._session.scalar(found.order_by(PhotoRow.id).limit(1))

    def _leave(self, photo: Photo, worker: str, state: PhotoState) -> PhotoRow | None:
        """Move a photo out of a worker's hands; None where it is in another's by now."""
        row = self._held(photo, worker)
        if row is not None:
            row.state, row.worker, row.lease_until = state, None, None
        return row

    def _held(self, photo: Photo, worker: str) -> PhotoRow | None:
        """Find a photo in a worker's hands; None where it is in another's by now."""
        return self._session.scalar(
            select(PhotoRow)
            .where(
                PhotoRow.id == photo.id,
                PhotoRow.state == PhotoState.READING,
                PhotoRow.worker == worker,
                PhotoRow.attempts == photo.attempts,
            )
            .with_for_update()
        )


def photo_of(row: PhotoRow) -> Photo:
    """Make a value of a row."""
    return Photo(
        id=row.id,
        case_id=row.case_id,
        number=row.number,
        image_sha256=row.image_sha256,
        width=row.width,
        height=row.height,
        file=row.file,
        same_as=row.same_as,
        state=PhotoState(row.state),
        failure=row.failure,
        attempts=row.attempts,
        sending=row.sending,
    )


def _read_columns(sent: Sent, reading: PhotoReading) -> dict[str, Any]:
    return {
        "image_sha256": sent.image_sha256,
        "bytes": sent.bytes,
        "width": reading.width,
        "height": reading.height,
        "file": sent.file,
        "state": PhotoState.READ,
        "attempts": 1,
        "door": sent.door,
        "sent_by": sent.sent_by,
        "sent_at": sent.sent_at,
    }
