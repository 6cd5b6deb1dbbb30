"""Cases: films that somebody reads; each has an accession number and a state."""

import re
from dataclasses import replace

from hematovision.errors import (
    AccessionInvalidError,
    AccessionTakenError,
    CaseClosedError,
    CaseUnknownError,
    ChangedMeanwhileError,
)
from hematovision.services.hands import Hand
from hematovision.storage.cases import Case, CaseState
from hematovision.storage.database import Database, Records
from hematovision.storage.inserts import AlreadyThereError

ACCESSION = re.compile(r"[\w](?:[\w ./-]{0,62}[\w])?")
NOTE_LENGTH = 4000
CHANGED = ("note", "target", "white_count", "age_band")
"""What people change of a case."""
CLOSED = frozenset({CaseState.SIGNED, CaseState.AMENDED})


def open_case(database: Database, accession: str, note: str = "", *, by: Hand) -> Case:
    """Make a case.

    Raises:
        AccessionInvalidError: If the number cannot be told apart, shown or typed.
        AccessionTakenError: If a case has it, whatever its capitals.
    """
    accession = " ".join(accession.split())
    if not ACCESSION.fullmatch(accession):
        raise AccessionInvalidError("This cannot be a case's number.")
    with database.transaction() as records:
        try:
            case = records.cases.add(accession, _written(note), by=by.user_id, now=by.now)
        except AlreadyThereError as error:
            raise AccessionTakenError(
                "There is a case %(accession)s.", accession=accession
            ) from error
        # Accession number and note go with the case; the event outlives it.
        after = {"accession": case.accession, "note": case.note}
        records.audit.add(by.did("case.opened", f"case {case.id}", after=after))
    return case


def find_case(database: Database, accession: str) -> Case | None:
    """Find a case by its accession number, as somebody typed it."""
    with database.reading() as records:
        return records.cases.find(" ".join(accession.split()))


def get_case(database: Database, case_id: int) -> Case:
    """Give a case.

    Raises:
        CaseUnknownError: If there is none.
    """
    with database.reading() as records:
        return the_case(records, case_id)


def the_case(records: Records, case_id: int) -> Case:
    """Give a case within a transaction.

    Raises:
        CaseUnknownError: If there is none.
    """
    case = records.cases.find_by_id(case_id)
    if case is None:
        raise CaseUnknownError("There is no such case.")
    return case


def the_open_case(records: Records, case_id: int) -> Case:
    """Give a case that may still be changed, within a transaction.

    Raises:
        CaseUnknownError: If there is none.
        CaseClosedError: If it is signed.
    """
    case = the_case(records, case_id)
    if case.state in CLOSED:
        raise CaseClosedError("This case is signed.")
    return case


def _written(note: str) -> str:
    """Take over what a person can write and read; a database knows no NUL."""
    return "".join(sign for sign in note if sign.isprintable() or sign == "\n")[:NOTE_LENGTH]


def change_note(database: Database, case: Case, note: str, *, by: Hand) -> Case:
    """Write something else beside a case.

    Raises:
        CaseClosedError: If it is signed.
        ChangedMeanwhileError: If somebody else changed the case since it was looked at.
    """
    return change_case(database, replace(case, note=_written(note)), "note_changed", by=by)


def change_case(database: Database, case: Case, action: str, *, by: Hand) -> Case:
    """Keep a changed case.

    Args:
        database: Keeps it.
        case: As it is to be, with the version that was looked at.
        action: What was done, such as `note_changed`.
        by: Who did it.

    Returns:
        The case with its new version.

    Raises:
        CaseUnknownError: If there is none.
        CaseClosedError: If it is signed.
        ChangedMeanwhileError: If somebody else changed the case since it was looked at.
    """
    with database.transaction() as records:
        before = the_open_case(records, case.id)
        if not records.cases.change(case, seen=case.version):
            raise ChangedMeanwhileError("Somebody else changed this case meanwhile.")
        changed = [name for name in CHANGED if getattr(before, name) != getattr(case, name)]
        event = by.did(
            f"case.{action}",
            f"case {case.id}",
            before={name: getattr(before, name) for name in changed},
            after={name: getattr(case, name) for name in changed},
        )
        records.audit.add(event)
    return replace(case, version=case.version + 1)


def move_case(records: Records, case: Case, state: CaseState) -> Case:
    """Sign a case, or open it again, within a transaction.

    Raises:
        ChangedMeanwhileError: If somebody else changed it since it was looked at.
    """
    moved = replace(case, state=state)
    if not records.cases.change(moved, seen=case.version):
        raise ChangedMeanwhileError("Somebody else changed this case meanwhile.")
    return replace(moved, version=case.version + 1)
