"""A watched folder: each file that was dropped is read once, whatever is killed meanwhile.

What a file became is written in one transaction with its claim. So of a file that was in hand when
somebody was killed, the record tells whether it is still to be read or only to be moved.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Self

from hematovision.cells import CellReader, PhotoReading
from hematovision.errors import (
    PASSING,
    AccessionTakenError,
    CaseUnknownError,
    HematoVisionError,
    InferenceAwayError,
    KeyOutdatedError,
)
from hematovision.exchange.inbox import DONE, FAILED, Inbox, NoFileError, Taken
from hematovision.services.cases import find_case, open_case
from hematovision.services.hands import Hand
from hematovision.services.intake import Sending, Tray, take_in
from hematovision.services.readings import read_image
from hematovision.services.recording import Noted, Record, record_readings
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.inserts import AlreadyThereError

MOST_ATTEMPTS = 3
REPORT = "Keep it, and report it together with what the log says."


class Fate(StrEnum):
    """What became of a file."""

    READ = "read"
    WAITING = "waiting"
    """It is a photo of a case, which a worker reads."""
    SAME = "same"
    """The case has its content already."""
    RECORDED = "recorded"
    """It was put on record before, by somebody who was killed before the file was moved."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Settled:
    """A file of which there is nothing more to do.

    Attributes:
        taken: The file.
        fate: What became of it.
        place: Where it is now; None where another moved it.
        photo_id: Of its photo.
        reading: What was said of it, where it was read.
        accession: Of the case it is for.
        why: Why it failed, and what to do.
    """

    taken: Taken
    fate: Fate
    place: Path | None = None
    photo_id: int | None = None
    reading: PhotoReading | None = None
    accession: str | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """Where files arrive, and where they go.

    Attributes:
        inbox: Where they arrive.
        record: Keeps readings of no case.
        tray: Where photos of cases come in.
        reader: Gives the reader of the model that reads now.
        by_case: Whether the first folder that a file is in names its case.
    """

    inbox: Inbox
    record: Record
    tray: Tray
    reader: Callable[[], CellReader]
    by_case: bool = False


class _RefusedError(Exception):
    """A file is not read, however often it is tried."""

    @classmethod
    def by(cls, error: HematoVisionError) -> Self:
        """Say what is wrong, then what to do."""
        return cls(f"{error.message} {error.advice}")


def work_up(watch: Watch, taken: Taken, *, by: Hand) -> Settled:
    """Read a file that was taken, or let it wait in its case; then move it to where it stays.

    Args:
        watch: Where it came from.
        taken: The file.
        by: Through which door, and when.

    Raises:
        FileNotFoundError: If another has settled it.
        OSError: If it is locked or changes, or something cannot be written; it is to be tried
            again, as after every other failure.
        KeyOutdatedError: If this machine was not given the key that holds.
        ModelMissingError: If there is no model that reads.
        ModelDamagedError: If the model is not the one that was shipped.
    """
    settled = _put_on_record(watch, taken, by)
    into = FAILED if settled.fate is Fate.FAILED else DONE
    return replace(settled, place=watch.inbox.settle(taken, into, settled.why))


def _put_on_record(watch: Watch, taken: Taken, by: Hand) -> Settled:
    """Do what is to be done with a file, unless that was done before."""
    with watch.record.database.reading() as records:
        if records.claims.has(taken.claim):
            return Settled(taken, Fate.RECORDED)
    try:
        data = _take_bytes(watch, taken)
        if watch.by_case and taken.folder is not None:
            return _send(watch, taken, taken.folder, data, by)
        return _read(watch, taken, data, by)
    except AlreadyThereError:
        # Another had it in hand as well, and was faster.
        return Settled(taken, Fate.RECORDED)
    except _RefusedError as error:
        return Settled(taken, Fate.FAILED, why=str(error))


def _take_bytes(watch: Watch, taken: Taken) -> bytes:
    """Give the bytes of a file."""
    try:
        return watch.inbox.read(taken, max_bytes=watch.tray.limits.entry_bytes)
    except PASSING:
        raise
    except HematoVisionError as error:
        raise _RefusedError.by(error) from error
    except NoFileError as error:
        raise _RefusedError(str(error)) from error


@contextmanager
def _attempt(watch: Watch, taken: Taken) -> Iterator[None]:
    """Look into a picture; one at which the program ends again and again is refused.

    Only what the picture itself can do is counted: not that a disk or a database was away.
    """
    attempts = watch.inbox.begin(taken)
    if attempts >= MOST_ATTEMPTS:
        raise _RefusedError(f"Reading it ended in a fault {attempts} times. {REPORT}")
    try:
        yield
    except PASSING as error:
        if isinstance(error, InferenceAwayError):
            watch.inbox.give_back(taken)
        raise
    except HematoVisionError as error:
        raise _RefusedError.by(error) from error
    watch.inbox.give_back(taken)


def _read(watch: Watch, taken: Taken, data: bytes, by: Hand) -> Settled:
    """Read a photo of no case."""
    reader, record = watch.reader(), watch.record
    with _attempt(watch, taken):
        photo = read_image(
            data, reader=reader, max_pixels=watch.tray.max_pixels, decoder=record.decoder
        )
        noted = Noted.of(
            photo,
            data,
            keep_picture=record.keep_pictures,
            decoder=record.decoder,
            claim=taken.claim,
        )
    (photo_id,) = record_readings(record, [noted], by=by)
    return Settled(taken, Fate.READ, photo_id=photo_id, reading=photo.reading)


def _send(watch: Watch, taken: Taken, accession: str, data: bytes, by: Hand) -> Settled:
    """Let a photo wait in its case."""
    with _attempt(watch, taken):
        # Nor does a ZIP come in, of which more than one photo would be made.
        watch.tray.decoder.check(data, max_pixels=watch.tray.max_pixels)
    try:
        case = _keep_case(watch.record.database, accession, by)
        sending = Sending(case.id, taken.claim, claim=taken.claim)
        (arrival,) = take_in(watch.tray, sending, [("", io.BytesIO(data))], by=by)
    except PASSING:
        raise
    except HematoVisionError as error:
        raise _RefusedError.by(error) from error
    if isinstance(arrival.failure, (KeyOutdatedError, *PASSING)):
        raise arrival.failure
    if arrival.photo is None:
        raise _RefusedError.by(arrival.failure or CaseUnknownError("There is no such case."))
    fate = Fate.SAME if arrival.same_as else Fate.WAITING
    return Settled(taken, fate, photo_id=arrival.photo.id, accession=case.accession)


def _keep_case(database: Database, accession: str, by: Hand) -> Case:
    """Find a case, or make it."""
    with suppress(AccessionTakenError):
        return find_case(database, accession) or open_case(database, accession, by=by)
    # Somebody else made it just now.
    found = find_case(database, accession)
    if found is None:
        raise CaseUnknownError("There is no such case.")
    return found
