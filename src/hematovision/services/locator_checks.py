"""The daily check of the locator: people count what it missed in photos that nobody picked."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone

from hematovision.cells import Box
from hematovision.errors import (
    ChangedMeanwhileError,
    CheckInvalidError,
    NotSignedInError,
    PhotoUnknownError,
    PictureNotKeptError,
)
from hematovision.services.hands import Hand
from hematovision.services.shares import Part
from hematovision.storage.database import Database, Records
from hematovision.storage.inserts import AlreadyThereError
from hematovision.storage.locator_checks import Candidate, LocatorCheck

SAMPLE = 10
"""Photos of a day that are shown."""

MOST = 999
"""Nobody counts more cells in a photo."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A photo with the boxes that were found in it.

    Attributes:
        photo_id: The photo.
        case_id: The case it belongs to, if any.
        width: Pixels across the photo.
        height: Pixels down the photo.
        boxes: Those that were found.
    """

    photo_id: int
    case_id: int | None
    width: int
    height: int
    boxes: Sequence[Box]


@dataclass(frozen=True, slots=True)
class Round:
    """The check of a day.

    Attributes:
        day: The last one at which photos were read; None where none ever was.
        photos: How many of its photos are to be looked at.
        done: Of these, how many were.
        shown: The one that is next; None where all are done.
    """

    day: date | None
    photos: int
    done: int
    shown: Shown | None


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted in photos.

    Attributes:
        photos: How many.
        missed: White cells without a box, of all that are there.
        wrong: Boxes without a white cell, of all that were shown.
    """

    photos: int
    missed: Part
    wrong: Part


def counted(checks: Sequence[LocatorCheck]) -> Counted:
    """Add up what was counted."""
    return Counted(
        len(checks),
        Part.sum(Part(check.missed, check.found - check.wrong + check.missed) for check in checks),
        Part.sum(Part(check.wrong, check.found) for check in checks),
    )


def round_of(database: Database, *, ahead: timedelta) -> Round:
    """Say how far the check of the newest day is, and which photo is next.

    Args:
        database: Has the photos.
        ahead: How far the laboratory's clock is ahead of UTC; its days begin by it.
    """
    zone = timezone(ahead)
    with database.reading() as records:
        newest = records.locator_checks.newest_reading()
        if newest is None:
            return Round(None, 0, 0, None)
        day = newest.astimezone(zone).date()
        begin = datetime.combine(day, time(), zone).astimezone(UTC)
        some = sample(records.locator_checks.candidates(begin, begin + timedelta(days=1)), day)
        left = [one for one in some if not one.is_checked]
        shown = _shown(records, left[0].photo_id) if left else None
    return Round(day, len(some), len(some) - len(left), shown)


def sample(candidates: Sequence[Candidate], day: date) -> Sequence[Candidate]:
    """Draw photos of a day: the same at every look, so that nobody can look for an easier one."""

    def lot(candidate: Candidate) -> bytes:
        return hashlib.sha256(f"{day} {candidate.photo_id}".encode()).digest()

    return sorted(candidates, key=lot)[:SAMPLE]


def get_shown(database: Database, photo_id: int) -> Shown:
    """Give a photo with the boxes that were found in it.

    Raises:
        PhotoUnknownError: If there is none, or nobody read it.
    """
    with database.reading() as records:
        return _shown(records, photo_id)


def check_photo(
    database: Database, photo_id: int, *, missed: int | None, wrong: int | None, by: Hand
) -> None:
    """Keep what somebody counted in a photo.

    Args:
        database: Keeps it.
        photo_id: The photo that they were shown.
        missed: White cells without a box; None where it is no number.
        wrong: Boxes without a white cell; None where it is no number.
        by: Who counted.

    Raises:
        CheckInvalidError: If a number cannot be.
        PhotoUnknownError: If there is no such photo, or nobody read it.
        PictureNotKeptError: If it cannot be looked at.
        ChangedMeanwhileError: If somebody else counted in it before; theirs stays.
    """
    if by.user_id is None:
        raise NotSignedInError("Nobody is signed in.")
    with database.transaction() as records:
        shown = _shown(records, photo_id)
        found = len(shown.boxes)
        if missed is None or missed > MOST:
            raise CheckInvalidError("How many white cells have no box is a number of 0 to 999.")
        if wrong is None or wrong > found:
            raise CheckInvalidError(
                "How many boxes hold no white cell is a number of 0 to %(found)s.", found=found
            )
        try:
            records.locator_checks.add(
                LocatorCheck(photo_id, found, missed, wrong, by.user_id, by.now)
            )
        except AlreadyThereError as error:
            raise ChangedMeanwhileError("Somebody else checked this photo.") from error
        details = {"case": shown.case_id, "found": found, "missed": missed, "wrong": wrong}
        records.audit.add(by.did("locator.checked", f"photo {photo_id}", details))


def _shown(records: Records, photo_id: int) -> Shown:
    kept = records.readings.find(photo_id)
    if kept is None:
        raise PhotoUnknownError("There is no such photo.")
    if kept.file is None:
        raise PictureNotKeptError("This picture is not kept.")
    reading = kept.reading
    boxes = [cell.box for cell in reading.cells]
    return Shown(photo_id, kept.case_id, reading.width, reading.height, boxes)
