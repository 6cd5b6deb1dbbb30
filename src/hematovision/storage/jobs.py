"""Jobs: photos of no case that were sent together, to be read later."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from hematovision.storage.photos import PhotoState
from hematovision.storage.tables import LARGEST_KEY, JobEntryRow, JobRow, PhotoRow


@dataclass(frozen=True, slots=True)
class JobEntry:
    """What became of one file of a job.

    Attributes:
        number: Counts the files from one, in the order they came.
        photo_id: The photo that it is; None where it was refused.
        state: How far the photo is; None where the file was refused.
        failure: The code of why the file was refused, or why the photo could not be read.
    """

    number: int
    photo_id: int | None
    state: PhotoState | None
    failure: str | None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as it is kept.

    Attributes:
        id: Never given to another.
        sent_by: The user who asked.
        sent_at: When, UTC.
        total: How many files came.
        entries: What became of each, but for photos that were erased since.
    """

    id: int
    sent_by: int | None
    sent_at: datetime
    total: int
    entries: Sequence[JobEntry]


class JobStore:
    """Keeps jobs; the photos themselves wait where all others do."""

    def __init__(self, session: Session) -> None:
        """Work within a transaction."""
        self._session = session

    def add(self, arrived: Sequence[int | str], *, sent_by: int | None, now: datetime) -> int:
        """Keep a job; give its id.

        Args:
            arrived: Of each file the id of its photo, or the code of why it was refused.
            sent_by: Who asked.
            now: When, UTC.
        """
        row = JobRow(sent_by=sent_by, sent_at=now, total=len(arrived))
        self._session.add(row)
        self._session.flush()
        for number, what in enumerate(arrived, 1):
            entry = JobEntryRow(job_id=row.id, number=number)
            if isinstance(what, str):
                entry.failure = what
            else:
                entry.photo_id = what
            self._session.add(entry)
        self._session.flush()
        return row.id

    def find(self, job_id: int) -> JobRecord | None:
        """Find a job and what became of its files."""
        row = self._session.get(JobRow, job_id) if job_id <= LARGEST_KEY else None
        if row is None:
            return None
        found = self._session.execute(
            select(JobEntryRow, PhotoRow.state, PhotoRow.failure)
            .outerjoin(PhotoRow, PhotoRow.id == JobEntryRow.photo_id)
            .where(JobEntryRow.job_id == job_id)
            .order_by(JobEntryRow.number)
        )
        entries = [
            JobEntry(
                entry.number,
                entry.photo_id,
                None if state is None else PhotoState(state),
                entry.failure or failure,
            )
            for entry, state, failure in found
        ]
        return JobRecord(row.id, row.sent_by, row.sent_at, row.total, entries)

    def forget(self, *, before: datetime) -> int:
        """Forget jobs that were sent before a moment; photos stay. Give how many there were."""
        old = select(JobRow.id).where(JobRow.sent_at < before)
        self._session.execute(delete(JobEntryRow).where(JobEntryRow.job_id.in_(old)))
        gone = delete(JobRow).where(JobRow.sent_at < before).returning(JobRow.id)
        return len(self._session.execute(gone).all())
