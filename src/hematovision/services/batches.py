"""Many photos at once: they come in, wait, and are read one by one, whatever is killed meanwhile.

The database is the truth: a photo is a row with a state, and whoever reads it holds a lease. The
lease of a worker that is lost runs out, and another takes the photo; what the lost one says
afterwards is not kept. A lease is short, so that a kill does not hold a batch up for long, and is
renewed for as long as the photo is being read. One that runs out too early, as of a machine that
slept, costs time and nothing else.

A picture is kept until its photo is read, and afterwards where the installation keeps pictures. One
that could not be read is kept in either case: it is needed to try again. Of one that was read
nothing is kept but its pixels: no camera, no date, no place.
"""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hematovision.cells import CellReader, PhotoReading, RgbImage
from hematovision.errors import (
    HematoVisionError,
    PicturesAwayError,
    QueueFullError,
    StorageFullError,
)
from hematovision.observing.signals import Signal, Stage, happened, stage
from hematovision.services.cases import the_open_case
from hematovision.services.hands import Hand
from hematovision.services.readings import ReadPhoto, read_image
from hematovision.services.retention import Policy
from hematovision.services.rotation import insist_on_key
from hematovision.storage.audit import AuditEvent
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.files import Files, PictureGoneError
from hematovision.storage.photos import Photo, PhotoState, Sent
from hematovision.storage.sealing import SealBrokenError
from hematovision.vision.decoders import HERE, Decoder
from hematovision.vision.decoding import MAX_PIXELS
from hematovision.vision.stripping import strip

LEASE = timedelta(seconds=20)
MOST_ATTEMPTS = 3
AT_ONCE = 100
GONE = "picture_gone"
INTERNAL = "internal"

log = logging.getLogger(__name__)


class NoQueue:
    """Wakes nobody: those who read photos look by themselves every few seconds."""

    def wake(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a worker reads.

    Attributes:
        database: Says what waits, and keeps what was said.
        files: Has the pictures.
        reader: Finds and names the cells.
        keep_pictures: Whether a picture stays once it was read.
        max_pixels: Larger pictures are refused.
        shadow: Reads each photo after the reader did; what it says is kept, and not shown.
        policy: How long pictures and cases are kept.
        decoder: Turns the bytes of pictures into pixels.
    """

    database: Database
    files: Files
    reader: CellReader
    keep_pictures: bool = True
    max_pixels: int = MAX_PIXELS
    shadow: CellReader | None = None
    policy: Policy = field(default_factory=Policy)
    decoder: Decoder = HERE


def add_photo(
    database: Database,
    files: Files,
    case: Case,
    picture: bytes,
    *,
    by: Hand,
    sending: str | None = None,
    claim: str | None = None,
) -> Photo:
    """Let a picture wait to be read.

    The picture is kept before its row is: who is killed between leaves a picture that nothing
    speaks of, never a row without its picture. Of pictures with the same content one is kept.

    Args:
        database: Keeps the row.
        files: Keeps the picture.
        case: The one it belongs to.
        picture: The file as it was sent; what it is shows when it is read.
        by: Who sent it, through which door, when.
        sending: With what else; None where that does not matter.
        claim: Of a file of a watched folder, which comes in once.

    Returns:
        The photo; where the case has its content from another sending, the one that it became then.

    Raises:
        CaseUnknownError: If the case was erased.
        CaseClosedError: If the case is signed.
        KeyOutdatedError: If this machine was not given the key that holds.
        AlreadyThereError: If a file that was claimed is on record.
    """
    sha256 = hashlib.sha256(picture).hexdigest()
    name = files.put(picture)
    sent = Sent(sha256, len(picture), name, by.door, by.user_id, by.now, sending)
    photo = None
    try:
        with database.transaction() as records:
            # Whoever signs or erases the case waits, or has done so.
            records.cases.hold(case.id)
            the_open_case(records, case.id)
            insist_on_key(records, files.seal)
            if claim is not None:
                records.claims.add(claim, now=by.now)
            added = records.photos.add(sent, case_id=case.id)
            if added.sending == sending:
                details = {"case": case.id, "state": str(added.state)}
                # The hash tells of the picture, so it goes with the case.
                event = by.did("photo.sent", f"photo {added.id}", details, after={"sha256": sha256})
                records.audit.add(event)
        photo = added
    finally:
        if photo is None or photo.file != name:
            # No row speaks of it: the case has it already, or takes no more.
            files.discard(name)
    return photo


def insist_on_room(database: Database, most: int) -> None:
    """Insist that another photo may wait: no more do than may.

    Of several who send at once each may add one more; what matters is that there is an end.

    Raises:
        QueueFullError: If as many wait as may.
    """
    with database.reading() as records:
        waiting = records.census.count_waiting(PhotoState.WAITING, most=most)
    if waiting >= most:
        happened(Signal.FULL)
        raise QueueFullError("%(number)s photos wait to be read; no more may.", number=most)


def read_next(desk: Desk, worker: str, *, clock: Callable[[], datetime]) -> bool:
    """Read the photo that waits longest; tell whether there was one."""
    photo = take_next(desk.database, worker, now=clock())
    if photo is None:
        return False
    read_photo(desk, photo, worker, clock=clock)
    return True


def take_next(database: Database, worker: str, *, now: datetime) -> Photo | None:
    """Take the photo that waits longest, so that no other worker does.

    Args:
        database: Says what waits.
        worker: Who takes it; no other is called so.
        now: When, UTC.
    """
    with database.transaction() as records:
        return records.photos.take(worker, now=now, until=now + LEASE)


def hold(database: Database, photo: Photo, worker: str, *, now: datetime) -> bool:
    """Keep a photo in hand for longer; False where it was cancelled, or another has it."""
    with database.transaction() as records:
        return records.photos.renew(photo, worker, until=now + LEASE)


def give_back(database: Database, photo: Photo, worker: str) -> bool:
    """Let a photo in hand wait again; False where it was read meanwhile, or another has it."""
    with database.transaction() as records:
        return records.photos.give_back(photo, worker)


@stage(Stage.PHOTO)
def read_photo(desk: Desk, photo: Photo, worker: str, *, clock: Callable[[], datetime]) -> None:
    """Read a photo that was taken, and keep what is said of it, or why nothing can be.

    What nobody foresaw leaves it in hand: when its lease is over it is tried again,
    `MOST_ATTEMPTS` times in all.

    Args:
        desk: Where it is read.
        photo: As it was taken.
        worker: Who took it.
        clock: Tells the time, UTC.

    Raises:
        DatabaseAwayError: If the database does not answer.
        PicturesAwayError: If the place of the pictures does not answer.
        StorageFullError: If there is no room for what is to be kept.
    """
    by = Hand(None, "worker", clock())
    if photo.attempts > MOST_ATTEMPTS:
        _fail(desk, photo, worker, INTERNAL, by)
        return
    try:
        picture = desk.files.get(photo.file or "")
        read = read_image(
            picture, reader=desk.reader, max_pixels=desk.max_pixels, decoder=desk.decoder
        )
        _strip(desk, photo, picture, read)
    except (PicturesAwayError, StorageFullError):
        # It is no fault of the photo; whoever reads it waits until it is over.
        give_back(desk.database, photo, worker)
        raise
    except HematoVisionError as error:
        _fail(desk, photo, worker, error.code(), by)
    except (PictureGoneError, SealBrokenError) as error:
        log.error("%s", error)
        _fail(desk, photo, worker, GONE, by)
    except Exception:
        log.exception("Photo %d could not be read (attempt %d)", photo.id, photo.attempts)
    else:
        if _finish(desk, photo, worker, read.reading, replace(by, now=clock())):
            _read_in_shadow(desk, photo, read.photo, clock)


def throw_away(desk: Desk) -> int:
    """Throw away pictures that are not to be kept and are there still, as after a kill.

    Returns:
        How many there were, `AT_ONCE` at most; none where pictures are kept.
    """
    if desk.keep_pictures:
        return 0
    with desk.database.reading() as records:
        unwanted = records.photos.list_unwanted(limit=AT_ONCE)
    for photo in unwanted:
        _throw_away(desk, photo)
    return len(unwanted)


def pause(database: Database, case: Case, *, by: Hand) -> int:
    """Let nothing more of a case be read for now; give how many photos wait.

    Raises:
        CaseClosedError: If the case is signed.
    """
    return _move(database, case, "paused", (PhotoState.WAITING,), PhotoState.PAUSED, by)


def resume(database: Database, case: Case, *, by: Hand) -> int:
    """Let the photos of a case be read again; give how many wait.

    Raises:
        CaseClosedError: If the case is signed.
    """
    return _move(database, case, "resumed", (PhotoState.PAUSED,), PhotoState.WAITING, by)


def cancel(database: Database, case: Case, *, by: Hand) -> int:
    """Read nothing more of a case; what was read stays. Give how many photos are not read.

    Raises:
        CaseClosedError: If the case is signed.
    """
    waiting = (PhotoState.WAITING, PhotoState.PAUSED, PhotoState.READING)
    return _move(database, case, "cancelled", waiting, PhotoState.CANCELLED, by)


def retry(database: Database, case: Case, *, by: Hand) -> int:
    """Let what could not be read be tried again; give how many photos.

    Raises:
        CaseClosedError: If the case is signed.
    """
    return _move(database, case, "retried", (PhotoState.FAILED,), PhotoState.WAITING, by)


def _move(
    database: Database,
    case: Case,
    action: str,
    out_of: tuple[PhotoState, ...],
    to: PhotoState,
    by: Hand,
) -> int:
    with database.transaction() as records:
        records.cases.hold(case.id)
        the_open_case(records, case.id)
        number = records.photos.move(case.id, out_of=out_of, to=to)
        if number:
            records.audit.add(by.did(f"case.{action}", f"case {case.id}", {"photos": number}))
    return number


def _strip(desk: Desk, photo: Photo, picture: bytes, read: ReadPhoto) -> None:
    """Let a picture that stays be its pixels alone.

    It comes before the reading is kept: whoever reads the photo again after a kill finds the very
    same pixels, and no picture that was read is left with its metadata.
    """
    if desk.keep_pictures and photo.file:
        stripped = strip(picture, read.photo, desk.decoder)
        if stripped != picture:
            desk.files.put_again(photo.file, stripped)


def _finish(desk: Desk, photo: Photo, worker: str, reading: PhotoReading, by: Hand) -> bool:
    with stage(Stage.RECORD), desk.database.transaction() as records:
        kept = records.photos.finish(
            photo, worker, reading, now=by.now, keep_picture=desk.keep_pictures
        )
        if kept:
            details = {"cells": len(reading.cells), "model": reading.model.sha256}
            records.audit.add(_event(by, "photo.read", photo, details))
    if not kept:
        _leave_nothing(desk, photo)
    elif not desk.keep_pictures:
        _throw_away(desk, photo)
    return kept


def _read_in_shadow(
    desk: Desk, photo: Photo, pixels: RgbImage, clock: Callable[[], datetime]
) -> None:
    """Let another model read a photo that was read; whatever it does, the reading stands."""
    if desk.shadow is None or desk.shadow.model == desk.reader.model:
        return
    try:
        keep_shadow(desk.database, photo.id, desk.shadow, pixels, clock)
    except Exception:
        log.exception("Photo %d could not be read in the shadow", photo.id)


def keep_shadow(
    database: Database,
    photo_id: int,
    reader: CellReader,
    pixels: RgbImage,
    clock: Callable[[], datetime],
    door: str = "worker",
) -> None:
    """Read a photo with another model, and keep what it says beside what is shown."""
    cells = reader.read(pixels)
    by = Hand(None, door, clock())
    with database.transaction() as records:
        if records.models.keep_shadow(photo_id, reader.model.sha256, cells, now=by.now):
            details = {"cells": len(cells), "model": reader.model.sha256}
            records.audit.add(by.did("photo.shadowed", f"photo {photo_id}", details))


def _leave_nothing(desk: Desk, photo: Photo) -> None:
    """Throw away what was put back of a photo that was erased while it was read."""
    with desk.database.reading() as records:
        is_gone = records.photos.find(photo.id) is None
    if is_gone and photo.file:
        desk.files.delete(photo.file)


def _throw_away(desk: Desk, photo: Photo) -> None:
    """Throw a picture away first and say so then: who is killed between does it again."""
    if photo.file:
        desk.files.delete(photo.file)
    with desk.database.transaction() as records:
        records.photos.forget_picture(photo.id)


def _fail(desk: Desk, photo: Photo, worker: str, failure: str, by: Hand) -> None:
    log.warning("Photo %d cannot be read: %s", photo.id, failure)
    with desk.database.transaction() as records:
        failed = records.photos.fail(photo, worker, failure)
        if failed:
            records.audit.add(_event(by, "photo.failed", photo, {"failure": failure}))
        # Of no case, it can neither be looked at nor tried again.
        useless = photo.file if failed and photo.case_id is None else None
        if useless:
            records.discards.add([useless], now=by.now)
            records.photos.forget_picture(photo.id)
    if useless:
        desk.files.discard(useless)


def _event(by: Hand, action: str, photo: Photo, details: dict[str, object]) -> AuditEvent:
    return by.did(action, f"photo {photo.id}", details, case_id=photo.case_id)
