"""Jobs: photos of no case that are read later, by the workers that read those of cases."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO

from hematovision.cells import PhotoReading, Queue
from hematovision.errors import PASSING, HematoVisionError, JobUnknownError, PhotoUnknownError
from hematovision.people import Right, User
from hematovision.services.batches import insist_on_room
from hematovision.services.hands import Hand
from hematovision.services.intake import MOST_WAITING
from hematovision.services.readings import take_bytes
from hematovision.services.repeats import find_done
from hematovision.services.rotation import insist_on_key
from hematovision.storage.database import Database, Records
from hematovision.storage.files import Files
from hematovision.storage.inserts import AlreadyThereError
from hematovision.storage.jobs import JobEntry, JobRecord
from hematovision.storage.photos import PhotoState, Sent
from hematovision.vision.decoders import HERE, Decoder
from hematovision.vision.decoding import MAX_PIXELS


@dataclass(frozen=True, slots=True)
class JobTray:
    """Where photos come in that are to be read later.

    Attributes:
        database: Keeps their rows.
        files: Keeps the pictures.
        queue: Wakes those who read.
        max_bytes: Larger files are refused.
        max_pixels: Larger pictures are refused.
        decoder: Looks at their headers.
        max_waiting: So many photos may wait, with those of all cases.
    """

    database: Database
    files: Files
    queue: Queue
    max_bytes: int
    max_pixels: int = MAX_PIXELS
    decoder: Decoder = HERE
    max_waiting: int = MOST_WAITING


@dataclass(frozen=True, slots=True)
class JobPart:
    """How far one file of a job is; it waits where there is neither reading nor failure.

    Attributes:
        photo_id: The photo that it is; None where it was refused.
        state: Of the photo; None where there is none.
        reading: What was said of it.
        failure: The code of why it was refused or could not be read.
    """

    photo_id: int | None
    state: PhotoState | None = None
    reading: PhotoReading | None = None
    failure: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether nothing more becomes of it."""
        return self.reading is not None or self.failure is not None


@dataclass(frozen=True, slots=True)
class Job:
    """A job and how far it is.

    Attributes:
        id: Its number.
        sent_at: When it was sent, UTC.
        parts: Its files, in the order they came.
    """

    id: int
    sent_at: datetime
    parts: Sequence[JobPart]

    @property
    def done(self) -> int:
        """How many files need not be waited for."""
        return sum(part.is_done for part in self.parts)

    @property
    def is_begun(self) -> bool:
        """Whether a worker had any of its photos in hand."""
        return any(part.photo_id and part.state is not PhotoState.WAITING for part in self.parts)


def send_job(
    tray: JobTray, streams: Iterable[IO[bytes]], *, by: Hand, claim: str | None = None
) -> int:
    """Let pictures wait to be read, all of them or none; give the number to ask under.

    A file that cannot be a picture is refused at once, and stops no other. The pictures are kept
    before their rows are: who is killed between leaves pictures that nothing speaks of.

    Args:
        tray: Where they come in.
        streams: The files as they were sent.
        by: Who sent them.
        claim: Under which they are sent once; None where they may be again.

    Raises:
        KeyOutdatedError: If this machine was not given the key that holds.
        QueueFullError: If so many photos wait already that none may be added.
        DatabaseAwayError: If the database does not answer.
        StorageFullError: If there is no room for them.
    """
    done = find_done(tray.database, claim)
    if done is not None:
        return done
    insist_on_room(tray.database, tray.max_waiting)
    try:
        return _send(tray, streams, by, claim)
    except AlreadyThereError:
        # Whoever worked on the request before was slow, not gone.
        done = find_done(tray.database, claim)
        if done is None:
            raise
        return done


def _send(tray: JobTray, streams: Iterable[IO[bytes]], by: Hand, claim: str | None) -> int:
    arrived: list[Sent | str] = []
    try:
        for stream in streams:
            arrived.append(_take(tray, stream, by))
        with tray.database.transaction() as records:
            insist_on_key(records, tray.files.seal)
            job_id = _keep(records, arrived, by)
            if claim is not None:
                records.claims.add(claim, now=by.now, became=job_id)
    except BaseException:
        # No row speaks of them.
        for sent in arrived:
            if isinstance(sent, Sent) and sent.file:
                tray.files.discard(sent.file)
        raise
    tray.queue.wake()
    return job_id


def get_job(database: Database, job_id: int, *, user: User) -> Job:
    """Say how far a job is.

    Args:
        database: Keeps it.
        job_id: Its number.
        user: Who asks.

    Raises:
        JobUnknownError: If there is none, or it is of somebody else and they may not see cases.
    """
    with database.reading() as records:
        job = records.jobs.find(job_id)
        if job is None or not (job.sent_by == user.id or user.may(Right.SEE_CASES)):
            raise JobUnknownError("There is no such job.")
        return Job(job.id, job.sent_at, _parts(records, job))


def _take(tray: JobTray, stream: IO[bytes], by: Hand) -> Sent | str:
    """Keep a picture; give the code of the failure where it cannot be one."""
    try:
        data = take_bytes(stream, max_bytes=tray.max_bytes)
        tray.decoder.check(data, max_pixels=tray.max_pixels)
    except PASSING:
        raise
    except HematoVisionError as error:
        return error.code()
    sha256 = hashlib.sha256(data).hexdigest()
    return Sent(sha256, len(data), tray.files.put(data), by.door, by.user_id, by.now)


def _keep(records: Records, arrived: Sequence[Sent | str], by: Hand) -> int:
    kept: list[int | str] = []
    for what in arrived:
        if isinstance(what, str):
            kept.append(what)
            continue
        photo = records.photos.add(what, case_id=None)
        details = {"sha256": what.image_sha256, "state": str(photo.state)}
        records.audit.add(by.did("photo.sent", f"photo {photo.id}", details))
        kept.append(photo.id)
    job_id = records.jobs.add(kept, sent_by=by.user_id, now=by.now)
    refused = sum(isinstance(what, str) for what in arrived)
    numbers = {"photos": len(arrived) - refused, "refused": refused}
    records.audit.add(by.did("job.sent", f"job {job_id}", numbers))
    return job_id


def _parts(records: Records, job: JobRecord) -> Sequence[JobPart]:
    entries = {entry.number: entry for entry in job.entries}
    return [_part(records, entries.get(number)) for number in range(1, job.total + 1)]


def _part(records: Records, entry: JobEntry | None) -> JobPart:
    if entry is None:
        # Erased since, with its reading.
        return JobPart(None, failure=PhotoUnknownError.code())
    if entry.failure or entry.photo_id is None:
        return JobPart(entry.photo_id, entry.state, failure=entry.failure)
    kept = records.readings.find(entry.photo_id)
    return JobPart(entry.photo_id, entry.state, kept.reading if kept else None)
