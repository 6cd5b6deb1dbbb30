"""How long pictures and cases are kept: what is over is deleted, and each deletion is recorded."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hematovision.errors import CaseUnknownError
from hematovision.services.erasing import Why, erase_reading, erase_unasked, sweep
from hematovision.services.hands import Hand
from hematovision.storage.aging import OldPicture
from hematovision.storage.database import Database
from hematovision.storage.files import Files

FRESH = timedelta(days=1)
"""A picture that no row speaks of may be one that is just being sent."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How long something is kept.

    Attributes:
        picture_days: Pictures, from the day they were sent; zero for ever.
        case_days: Whole cases, from the day something was last done in them, and readings of no
            case; zero for ever.
    """

    picture_days: int = 0
    case_days: int = 0


@dataclass(frozen=True, slots=True)
class Due:
    """What is over.

    Attributes:
        pictures: Pictures whose readings stay.
        cases: Whole cases.
        readings: Photos of no case, with all that was said of them.
        strays: Names of pictures that nothing speaks of.
    """

    pictures: Sequence[OldPicture] = ()
    cases: Sequence[int] = ()
    readings: Sequence[int] = ()
    strays: Sequence[str] = ()


def find_due(database: Database, policy: Policy, *, now: datetime) -> Due:
    """Find what is over; nothing is deleted."""
    pictures: Sequence[OldPicture] = ()
    cases: Sequence[int] = ()
    readings: Sequence[int] = ()
    with database.reading() as records:
        if policy.case_days:
            before = now - timedelta(days=policy.case_days)
            cases = records.aging.cases(before=before)
            readings = records.aging.readings(before=before)
        if policy.picture_days:
            pictures = records.aging.pictures(before=now - timedelta(days=policy.picture_days))
    whole, alone = {*cases}, {*readings}
    rest = [one for one in pictures if one.case_id not in whole and one.photo_id not in alone]
    return Due(rest, cases, readings)


def find_strays(database: Database, files: Files, *, now: datetime) -> Due:
    """Find pictures that nothing speaks of, as of somebody who was killed while sending."""
    names = set(files.names(before=now - FRESH))
    with database.reading() as records:
        return Due(strays=records.aging.strays(names))


def delete_due(database: Database, files: Files, due: Due, policy: Policy, *, by: Hand) -> int:
    """Delete what is over; give how much there was.

    Of two who do so at once each thing is deleted, and recorded, by one.

    Args:
        database: Keeps rows.
        files: Keeps pictures.
        due: What is over.
        policy: Why it is.
        by: Who deletes it.
    """
    erased = sum(_erase_case(database, files, case_id, by) for case_id in due.cases)
    for photo_id in due.readings:
        erased += erase_reading(database, files, photo_id, Why.OVER, by=by) is not None
    if erased:
        database.forget_deleted()
    deleted = sum(_delete(database, files, one, policy, by) for one in due.pictures)
    for name in due.strays:
        files.delete(name)
    if due.strays:
        with database.transaction() as records:
            records.audit.add(by.did("strays.deleted", "pictures", {"files": len(due.strays)}))
    _forget_jobs(database, policy, by)
    sweep(database, files, by=by)
    return erased + deleted + len(due.strays)


def _erase_case(database: Database, files: Files, case_id: int, by: Hand) -> bool:
    try:
        erase_unasked(database, files, case_id, Why.OVER, by=by)
    except CaseUnknownError:
        return False
    return True


def _forget_jobs(database: Database, policy: Policy, by: Hand) -> None:
    """Forget numbers under which nobody asks any more: the photos behind them are erased."""
    if not policy.case_days:
        return
    with database.transaction() as records:
        jobs = records.jobs.forget(before=by.now - timedelta(days=policy.case_days))
        if jobs:
            records.audit.add(by.did("jobs.forgotten", "jobs", {"jobs": jobs}))


def _delete(database: Database, files: Files, old: OldPicture, policy: Policy, by: Hand) -> bool:
    """Delete a picture; what was said of it stays."""
    with database.transaction() as records:
        file = records.aging.take_picture(old.photo_id)
        if file is None:
            return False
        records.discards.add([file], now=by.now)
        details = {"case": old.case_id, "days": policy.picture_days}
        records.audit.add(by.did("picture.deleted", f"photo {old.photo_id}", details))
    files.discard(file)
    return True
