"""How photos come into a case: one by one, many at once, or packed in a ZIP.

A file that cannot be a picture is refused at once, while its sender still knows its name: names are
never kept.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from hematovision.cells import Queue
from hematovision.errors import HematoVisionError
from hematovision.exchange.archives import Limits, is_archive, read_archive
from hematovision.services.batches import add_photo, insist_on_room
from hematovision.services.cases import the_open_case
from hematovision.services.hands import Hand
from hematovision.services.readings import take_bytes
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.files import Files
from hematovision.storage.photos import Photo, PhotoState
from hematovision.vision.decoders import HERE, Decoder
from hematovision.vision.decoding import MAX_PIXELS

MOST_WAITING = 10_000


@dataclass(frozen=True, slots=True)
class Tray:
    """Where photos come in.

    Attributes:
        database: Keeps their rows.
        files: Keeps the pictures.
        queue: Wakes those who read.
        limits: How large a file may be, and how much of a ZIP is read.
        max_pixels: Larger pictures are refused.
        decoder: Looks at their headers.
        max_waiting: So many photos may wait, of all cases.
    """

    database: Database
    files: Files
    queue: Queue
    limits: Limits
    max_pixels: int = MAX_PIXELS
    decoder: Decoder = HERE
    max_waiting: int = MOST_WAITING


@dataclass(frozen=True, slots=True)
class Sending:
    """What somebody sends.

    Attributes:
        case_id: The case that it is for.
        name: No other sending is called so; one of several requests keeps its name. What came in
            another sending is not even shown twice.
        replaces: A photo that could not be read, and in whose place the first good picture comes.
        claim: Of the one file of a watched folder that is sent, which comes in once.
    """

    case_id: int
    name: str
    replaces: int | None = None
    claim: str | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of a file.

    Attributes:
        name: As its sender, or the ZIP that held it, calls it; never kept.
        photo: The photo that it is now, or was before; None where it was refused or left out.
        was_here: Whether it was sent before, so that nothing new was kept.
        same_as: The number of the photo with this very content that came before.
        failure: Why it was refused; None where it was not, or is no picture and was left out.
    """

    name: str
    photo: Photo | None = None
    was_here: bool = False
    same_as: int | None = None
    failure: HematoVisionError | None = None


def take_in(
    tray: Tray, sending: Sending, incoming: Iterable[tuple[str, IO[bytes]]], *, by: Hand
) -> Iterator[Arrival]:
    """Let pictures wait to be read.

    Args:
        tray: Where they come in.
        sending: What they are for.
        incoming: Names and files; a ZIP stands for the pictures in it.
        by: Who sent them.

    Yields:
        What became of each, in the order they came; one bad file stops no other.

    Raises:
        CaseUnknownError: If there is no such case.
        CaseClosedError: If it is signed.
        AlreadyThereError: If a file that was claimed is on record.
        QueueFullError: If so many photos wait already that none may be added.
    """
    insist_on_room(tray.database, tray.max_waiting)
    with tray.database.reading() as records:
        case = the_open_case(records, sending.case_id)
    intake = _Intake(tray, case, sending.name, sending.replaces, by, sending.claim)
    try:
        for name, stream in incoming:
            for arrival in intake.take(name, stream):
                if arrival.photo and not intake.woken:
                    intake.woken = True
                    tray.queue.wake()
                yield arrival
    finally:
        # Whoever was awake may have found nothing between two photos.
        if intake.woken:
            tray.queue.wake()


@dataclass(slots=True)
class _Intake:
    """One sending under way."""

    tray: Tray
    case: Case
    sending: str
    replaces: int | None
    by: Hand
    claim: str | None = None
    woken: bool = False

    def take(self, name: str, stream: IO[bytes]) -> Iterator[Arrival]:
        """Take a file, or each of a ZIP."""
        try:
            if not is_archive(stream):
                data = take_bytes(stream, max_bytes=self.tray.limits.entry_bytes)
                yield self._keep(name, data)
                return
            for entry in read_archive(stream, self.tray.limits):
                if entry.content is None:
                    yield Arrival(entry.name, failure=entry.failure)
                else:
                    yield self._keep(entry.name, entry.content)
        except HematoVisionError as error:
            yield Arrival(name, failure=_bare(error))

    def _keep(self, name: str, picture: bytes) -> Arrival:
        """Let a picture wait, unless it cannot be one or was sent before."""
        try:
            self.tray.decoder.check(picture, max_pixels=self.tray.max_pixels)
            insist_on_room(self.tray.database, self.tray.max_waiting)
        except HematoVisionError as error:
            return Arrival(name, failure=_bare(error))
        self._make_room()
        photo = self._find(picture) or add_photo(
            self.tray.database,
            self.tray.files,
            self.case,
            picture,
            by=self.by,
            sending=self.sending,
            claim=self.claim,
        )
        if photo.sending != self.sending:
            return Arrival(name, photo, was_here=True, same_as=photo.number)
        return Arrival(name, photo, same_as=self._number_of(photo.same_as))

    def _make_room(self) -> None:
        """Count the photo that is replaced no longer."""
        if self.replaces is not None:
            leave_out(self.tray.database, self.case, self.replaces, by=self.by)
            self.replaces = None

    def _find(self, picture: bytes) -> Photo | None:
        """Find what was sent before, without keeping it again."""
        sha256 = hashlib.sha256(picture).hexdigest()
        with self.tray.database.reading() as records:
            return records.photos.find_content(self.case.id, sha256, not_of=self.sending)

    def _number_of(self, photo_id: int | None) -> int | None:
        if photo_id is None:
            return None
        with self.tray.database.reading() as records:
            photo = records.photos.find(photo_id)
        return photo.number if photo else None


def leave_out(database: Database, case: Case, photo_id: int, *, by: Hand) -> bool:
    """Count a photo that could not be read no longer; False where it is no such photo (any more).

    Raises:
        CaseClosedError: If the case is signed.
    """
    with database.transaction() as records:
        records.cases.hold(case.id)
        the_open_case(records, case.id)
        left = records.photos.leave_out(case.id, photo_id)
        if left:
            details = {"case": case.id, "state": str(PhotoState.CANCELLED)}
            records.audit.add(by.did("photo.left_out", f"photo {photo_id}", details))
    return left


def _bare(error: HematoVisionError) -> HematoVisionError:
    """Give an error anew: the traceback of the first holds the picture."""
    return type(error)(error.template, **error.values)
