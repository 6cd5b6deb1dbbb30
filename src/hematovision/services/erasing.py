"""Erase for good: a case, or a reading of none, with its pictures and all that was said of it.

The record of changes keeps that something was erased, when, by whom and why; not what it held.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from hematovision.errors import NotConfirmedError
from hematovision.services.cases import the_case
from hematovision.services.hands import Hand
from hematovision.storage.belongings import CASES, PHOTOS, Erased
from hematovision.storage.database import Database, Records
from hematovision.storage.files import Files
from hematovision.storage.users import fold_name

SETTLED = timedelta(minutes=10)
"""After so long nobody is at work any more on a file that must go."""
AT_ONCE = 100


class Why(StrEnum):
    """Why something is erased; words of one's own could tell of a patient for ever."""

    ASKED = "asked"
    """The patient, or whoever speaks for them, asked for it."""
    MISTAKE = "mistake"
    """It should never have been here, or stands under a wrong number."""
    TRIAL = "trial"
    """It was a trial."""
    OVER = "over"
    """It was kept for as long as it is to be kept."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What somebody says who wants a case to be erased.

    Attributes:
        accession: The case's number, typed again.
        why: One of `Why`.
    """

    accession: str
    why: str


def erase_case(
    database: Database, files: Files, case_id: int, confirmed: Confirmation, *, by: Hand
) -> Erased:
    """Erase a case for good, whatever its state.

    Whoever reads one of its photos meanwhile keeps nothing of it.

    Args:
        database: Keeps it.
        files: Keeps its pictures.
        case_id: The case.
        confirmed: Its number again, and why.
        by: Who erases it.

    Returns:
        What was erased.

    Raises:
        CaseUnknownError: If there is no such case.
        NotConfirmedError: If the number is another's, or no reason is given.
    """
    with database.reading() as records:
        case = the_case(records, case_id)
    typed = " ".join(confirmed.accession.split())
    if fold_name(typed) != fold_name(case.accession):
        raise NotConfirmedError("The number that was typed is not the one of this case.")
    if confirmed.why not in set(Why):
        raise NotConfirmedError("It is not said why the case is erased.")
    erased = erase_unasked(database, files, case_id, Why(confirmed.why), by=by)
    database.forget_deleted()
    return erased


def erase_unasked(database: Database, files: Files, case_id: int, why: Why, *, by: Hand) -> Erased:
    """Erase a case for good; give what was erased. `forget_deleted` is to follow.

    Raises:
        CaseUnknownError: If there is no such case.
    """
    with database.transaction() as records:
        records.belongings.hold(case_id)
        the_case(records, case_id)
        erased = _erase(records, CASES, case_id, by)
        details = {"photos": erased.rows.get(PHOTOS, 0), "why": str(why)}
        records.audit.add(by.did("case.erased", f"case {case_id}", details))
        records.audit.forget(case_id)
    for name in erased.files:
        files.discard(name)
    return erased


def erase_reading(
    database: Database, files: Files, photo_id: int, why: Why, *, by: Hand
) -> Erased | None:
    """Erase the reading of a photo that belongs to no case; None where it does, or is not there.

    `forget_deleted` is to follow.
    """
    with database.transaction() as records:
        if not records.photos.hold_caseless(photo_id):
            return None
        erased = _erase(records, PHOTOS, photo_id, by)
        records.audit.add(by.did("photo.erased", f"photo {photo_id}", {"why": str(why)}))
    for name in erased.files:
        files.discard(name)
    return erased


def _erase(records: Records, root: str, number: int, by: Hand) -> Erased:
    erased = records.belongings.erase(root, number)
    records.answers.forget_caseless()
    records.discards.add(erased.files, now=by.now)
    return erased


def sweep(database: Database, files: Files, *, by: Hand) -> int:
    """Delete files once more that had to go some minutes ago; give how many.

    Whoever was killed had not deleted them yet; whoever was at work on one has put it back.
    """
    with database.reading() as records:
        names = records.discards.list(before=by.now - SETTLED, limit=AT_ONCE)
    for name in names:
        files.delete(name)
    if names:
        with database.transaction() as records:
            records.discards.remove(names)
    return len(names)
