"""Cases that go back: signed ones to be amended, others to be looked at again; and versions."""

from collections.abc import Sequence

from hematovision.errors import NotSignedError, NotSignedInError, ReasonMissingError
from hematovision.services.cases import CLOSED, move_case, the_case, the_open_case
from hematovision.services.contents import Difference, compare, the_content
from hematovision.services.differential import the_sheet
from hematovision.services.hands import Hand
from hematovision.services.telling import Event, tell
from hematovision.storage.cases import Case, CaseState
from hematovision.storage.database import Database, Records
from hematovision.storage.signatures import Signature

LEAST_REASON = 3
REASON_LENGTH = 1000


def amend_case(database: Database, case_id: int, reason: str, *, by: Hand) -> Case:
    """Open a signed case again; what was signed stays readable.

    Args:
        database: Keeps it.
        case_id: The case.
        reason: Why it must be changed.
        by: Who does it.

    Raises:
        ReasonMissingError: If there is none.
        CaseUnknownError: If there is no such case.
        NotSignedError: If it is not signed.
        ChangedMeanwhileError: If somebody else changed it at this moment.
    """
    reason, user_id = read_reason(reason), _whose(by)
    with database.transaction() as records:
        records.cases.hold(case_id)
        case = the_case(records, case_id)
        if case.state not in CLOSED:
            raise NotSignedError("This case is not signed.")
        signed = records.signatures.newest(case_id)
        version = signed.version if signed else 0
        records.returns.add(case_id, version, reason, by=user_id, now=by.now)
        reopened = move_case(records, case, CaseState.IN_REVIEW)
        details = {"case": case_id, "version": version}
        records.audit.add(by.did("case.reopened", f"case {case_id}", details))
        if signed:
            tell(records, Event.CASE_AMENDMENT_OPENED, signed, now=by.now)
    return reopened


def send_back(database: Database, case_id: int, reason: str, *, by: Hand) -> None:
    """Ask that a case be looked at again before it is signed.

    Raises:
        ReasonMissingError: If nobody says what is to be looked at.
        CaseUnknownError: If there is no such case.
        CaseClosedError: If it is signed.
    """
    reason, user_id = read_reason(reason), _whose(by)
    with database.transaction() as records:
        records.cases.hold(case_id)
        the_open_case(records, case_id)
        records.returns.add(case_id, 0, reason, by=user_id, now=by.now)
        records.audit.add(by.did("case.sent_back", f"case {case_id}"))


def answer(database: Database, case_id: int, *, by: Hand) -> None:
    """Say that somebody has looked again at a case that was sent back.

    Raises:
        CaseUnknownError: If there is no such case.
        CaseClosedError: If it is signed.
    """
    with database.transaction() as records:
        records.cases.hold(case_id)
        the_open_case(records, case_id)
        if records.returns.close(case_id, now=by.now):
            records.audit.add(by.did("case.looked_again", f"case {case_id}"))


def get_versions(database: Database, case_id: int) -> tuple[Case, Sequence[Signature]]:
    """Give a case and all that was signed of it, the oldest first.

    Raises:
        CaseUnknownError: If there is no such case.
    """
    with database.reading() as records:
        return the_case(records, case_id), records.signatures.list(case_id)


def get_version(database: Database, case_id: int, version: int) -> Signature:
    """Give a version of a case, as it was signed.

    Raises:
        CaseUnknownError: If there is no such case.
        NotSignedError: If it has no such version.
    """
    with database.reading() as records:
        the_case(records, case_id)
        return _version(records, case_id, version)


def compare_versions(
    database: Database, case_id: int, version: int, other: int | None
) -> Difference:
    """Say what a signed version and another say otherwise.

    Args:
        database: Keeps them.
        case_id: The case.
        version: The older.
        other: The newer; None for the case as it stands now.

    Raises:
        CaseUnknownError: If there is no such case.
        NotSignedError: If it has no such version.
    """
    with database.reading() as records:
        sheet = the_sheet(records, case_id)
        older = _version(records, case_id, version).content
        if other is None:
            return compare(older, the_content(records, sheet))
        return compare(older, _version(records, case_id, other).content)


def read_reason(text: str) -> str:
    """Read why something is so.

    Raises:
        ReasonMissingError: If it says nothing.
    """
    reason = " ".join("".join(filter(str.isprintable, " ".join(text.split()))).split())
    if len(reason) < LEAST_REASON:
        raise ReasonMissingError("There is no reason.")
    return reason[:REASON_LENGTH]


def _version(records: Records, case_id: int, version: int) -> Signature:
    signature = records.signatures.find(case_id, version)
    if signature is None:
        raise NotSignedError("There is no version %(version)s of this case.", version=version)
    return signature


def _whose(by: Hand) -> int:
    if by.user_id is None:
        raise NotSignedInError("Nobody is signed in.")
    return by.user_id
