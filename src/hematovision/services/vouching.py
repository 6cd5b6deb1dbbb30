"""Whether what is kept is still what was signed: the audit record vouches for each signature."""

from collections.abc import Sequence
from typing import Any

from hematovision.errors import SignatureBrokenError
from hematovision.services.contents import digest_of
from hematovision.storage.audit_values import ERASED
from hematovision.storage.chain import StoredEvent
from hematovision.storage.database import Database, Records
from hematovision.storage.sealing import SealBrokenError
from hematovision.storage.signatures import Signature

SIGNED, AMENDED = "case.signed", "case.amended"
"""The events of the first signature of a case, and of each one after it."""
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, OverflowError)
"""What is raised by a row that somebody wrote by hand."""


def statement_of(signature: Signature) -> dict[str, Any]:
    """Say all of a signature that its event keeps: what was signed stands there as its SHA-256."""
    return {
        "case": signature.case_id,
        "version": signature.version,
        "content": digest_of(signature.content),
        "meaning": signature.meaning,
        "printed_name": signature.printed_name,
        "signed_by": signature.signed_by,
        "signed_at": signature.signed_at.isoformat(),
        "reason": signature.reason,
        "overrides": signature.overrides,
    }


def action_of(signature: Signature) -> str:
    """Say what signing it was."""
    return SIGNED if signature.version == 1 else AMENDED


def event_of(records: Records, signature: Signature) -> StoredEvent | None:
    """Find the event that says that a version was signed."""
    return records.audit.find(action=action_of(signature), subject=subject_of(signature))


def subject_of(signature: Signature) -> str:
    """Say what the event of a signature is about."""
    return f"signature {signature.id}"


def vouches(database: Database, signature: Signature) -> bool:
    """Tell whether the audit record vouches for a signature."""
    with database.reading() as records:
        return is_as_signed(records, signature)


def is_as_signed(records: Records, signature: Signature) -> bool:
    """Tell whether a signature is the very one of which the audit record tells."""
    event = event_of(records, signature)
    return event is not None and _fits(records, signature, event.id)


def insist_as_signed(records: Records, signature: Signature) -> None:
    """Insist that a signature is the one of which the audit record tells.

    Raises:
        SignatureBrokenError: If it is another.
    """
    if not is_as_signed(records, signature):
        raise SignatureBrokenError(
            "Version %(version)s is not what was signed.", version=signature.version
        )


def check_signatures(records: Records) -> tuple[Sequence[int], Sequence[int]]:
    """Look at every signature there is.

    Returns:
        The events whose signature is another now, or gone though its case was not erased; and the
        numbers of the signatures of which no event tells.
    """
    told = {done.subject: done for done in records.audit.list_done(SIGNED, AMENDED)}
    broken, untold = [], []
    for number in records.signatures.numbers():
        done = told.pop(f"signature {number}", None)
        if done is None:
            untold.append(number)
        elif not _is_kept(records, number, done.id):
            broken.append(done.id)
    erased = {done.case_id for done in records.audit.list_done(ERASED)}
    gone = (done.id for done in told.values() if done.case_id not in erased)
    return sorted([*broken, *gone]), untold


def _is_kept(records: Records, number: int, event_id: int) -> bool:
    """Tell whether a signature is still the one of an event; what cannot be read is not."""
    try:
        signature = records.signatures.get(number)
    except UNREADABLE:
        return False
    return signature is not None and _fits(records, signature, event_id)


def _fits(records: Records, signature: Signature, event_id: int) -> bool:
    """Compare a signature with what its event says of it."""
    try:
        values = records.audit.values.open(event_id)
    except SealBrokenError:
        return False
    return values is not None and values.after == statement_of(signature)
