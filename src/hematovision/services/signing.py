"""Signing a case: exactly what was seen, by somebody who proves again who they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hematovision.errors import (
    ChangedMeanwhileError,
    ChecksOpenError,
    ConfirmationSpentError,
    NotAllowedError,
    PasswordMissingError,
    Phrase,
    WrongPasswordError,
)
from hematovision.people import Right, User
from hematovision.services.amending import read_reason
from hematovision.services.cases import move_case, the_case, the_open_case
from hematovision.services.checks import Check
from hematovision.services.contents import digest_of, the_content
from hematovision.services.differential import Sheet, the_sheet
from hematovision.services.hands import Hand
from hematovision.services.printed_names import keep_printed_name, printed_name_of, read_name
from hematovision.services.sign_ins import check_password
from hematovision.services.single_sign_on import is_confirmed, is_of_provider
from hematovision.services.telling import Event, tell
from hematovision.services.vouching import action_of, statement_of, subject_of
from hematovision.storage.cases import Case, CaseState
from hematovision.storage.database import Database, Records
from hematovision.storage.signatures import Signature

MEANINGS = (
    "I reviewed these cells and confirm this differential.",
    "I approve this differential, which others reviewed.",
)
"""What a signature says; it is kept in English, and pages translate it."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What somebody sees who is about to sign.

    Attributes:
        sheet: The case and its differential.
        seen: The digest of all that is signed.
        printed_name: Their full name, as they wrote it last; empty where they never did.
        amends: Why the version before is amended; empty for the first.
        versions: What was signed before, the oldest first.
    """

    sheet: Sheet
    seen: str
    printed_name: str
    amends: str
    versions: Sequence[Signature]


@dataclass(frozen=True, slots=True)
class Signing:
    """What somebody gives who signs.

    Attributes:
        seen: The digest of what they saw.
        password: Theirs, typed again.
        meaning: One of `MEANINGS`.
        printed_name: Their full name.
        reasons: Why checks are left open, by their codes.
        confirmation: In the place of a password, that they proved at their provider who they are.
    """

    seen: str
    password: str = field(repr=False)
    meaning: str
    printed_name: str
    reasons: Mapping[str, str]
    confirmation: str = field(default="", repr=False)


def open_desk(database: Database, case_id: int, user: User) -> Desk:
    """Show what somebody is about to sign.

    Raises:
        CaseUnknownError: If there is no such case.
    """
    with database.reading() as records:
        sheet, amends = the_sheet(records, case_id), _amends(records, case_id)
        return Desk(
            sheet=sheet,
            seen=_seen(sheet, the_content(records, sheet), amends),
            printed_name=printed_name_of(records, user.id),
            amends=amends,
            versions=records.signatures.list(case_id),
        )


def sign_case(
    database: Database, user: User, case_id: int, signing: Signing, *, by: Hand
) -> Signature:
    """Sign a case, exactly as it was seen; from then on it is read-only.

    The password is asked for again, so that it is they who sign and not whoever finds the browser
    open; the second factor was asked for when they signed in, and is not again. Whom a provider
    signs in proves it there instead, for this case as it was seen and no other.

    Args:
        database: Keeps it.
        user: Who signs.
        case_id: The case.
        signing: What they give.
        by: They, through which door, when.

    Raises:
        NameMissingError: If there is no name to print.
        PasswordMissingError: If they have no password.
        WrongPasswordError: If it is not theirs.
        ConfirmationSpentError: If they did not prove it, or for something else, or long ago.
        TooManySignInsError: If so many tries failed that the next must wait.
        CaseUnknownError: If there is no such case.
        CaseClosedError: If it is signed: of two at once the later is told.
        ChangedMeanwhileError: If anything in it changed since it was looked at.
        NotAllowedError: If they may not sign any more.
        ChecksOpenError: If something is to be done first that cannot be left.
        ReasonMissingError: If a check is left open without a reason.
    """
    name = read_name(signing.printed_name)
    _prove(database, user, case_id, signing, by)
    with database.transaction() as records:
        records.cases.hold(case_id)
        case = the_open_case(records, case_id)
        if signing.confirmation and not records.identities.use_confirmation(signing.confirmation):
            raise ConfirmationSpentError("This was confirmed for another signature.")
        signer = records.users.get(user.id)
        if not signer.may(Right.SIGN):
            raise NotAllowedError("A %(role)s may not do this.", role=Phrase(signer.role))
        sheet, amends = the_sheet(records, case_id), _amends(records, case_id)
        content = the_content(records, sheet)
        if _seen(sheet, content, amends) != signing.seen:
            raise ChangedMeanwhileError("Something in this case changed since you looked at it.")
        overrides = _overrides(sheet.open_checks, signing.reasons)
        signature = Signature(
            id=0,
            case_id=case_id,
            version=sheet.signed + 1,
            meaning=signing.meaning,
            printed_name=name,
            signed_by=user.id,
            signed_at=by.now,
            reason=amends,
            overrides=overrides,
            content=content,
        )
        return _keep(records, case, signature, by)


def _seen(sheet: Sheet, content: Mapping[str, Any], amends: str) -> str:
    """Give the digest of what is signed: the content, as which version, and why it is amended."""
    return digest_of({"content": content, "version": sheet.signed + 1, "amends": amends})


def what_is_confirmed(case_id: int, seen: str) -> str:
    """Say for what somebody proves who they are: to sign a case exactly as they saw it."""
    return f"sign case {case_id} as {seen}"


def _prove(database: Database, user: User, case_id: int, signing: Signing, by: Hand) -> None:
    """Insist that it is they who sign; that it was somebody else is recorded."""
    try:
        if signing.confirmation:
            what = what_is_confirmed(case_id, signing.seen)
            if not is_confirmed(database, user, signing.confirmation, what, now=by.now):
                raise ConfirmationSpentError("You confirmed something else, or too long ago.")
        elif user.has_password:
            check_password(database, user, signing.password, by=by)
        elif is_of_provider(database, user):
            raise ConfirmationSpentError("You did not confirm who you are.")
        else:
            raise PasswordMissingError("You have no password.")
    except (WrongPasswordError, ConfirmationSpentError) as error:
        with database.transaction() as records:
            the_case(records, case_id)
            records.audit.add(
                by.did("case.signing_refused", f"case {case_id}", {"why": error.code()})
            )
        raise


def _overrides(checks: Sequence[Check], reasons: Mapping[str, str]) -> dict[str, str]:
    """Read why each open check is left open."""
    stuck = [check for check in checks if not check.is_leavable]
    if stuck:
        raise ChecksOpenError("This case cannot be signed yet.")
    return {check.code: read_reason(reasons.get(check.code, "")) for check in checks}


def _keep(records: Records, case: Case, signature: Signature, by: Hand) -> Signature:
    kept = records.signatures.add(signature)
    is_first = kept.version == 1
    move_case(records, case, CaseState.SIGNED if is_first else CaseState.AMENDED)
    records.returns.close(case.id, now=by.now)
    if not printed_name_of(records, kept.signed_by):
        keep_printed_name(records, kept.signed_by, kept.printed_name)
    details: dict[str, Any] = {"case": case.id, "version": kept.version}
    said = by.did(action_of(kept), subject_of(kept), details, after=statement_of(kept))
    records.audit.add(said)
    tell(records, Event.CASE_SIGNED if is_first else Event.CASE_AMENDED, kept, now=by.now)
    return kept


def _amends(records: Records, case_id: int) -> str:
    """Say why the newest version is amended; nothing where none is signed."""
    asked = records.returns.of_amendment(case_id, records.signatures.count(case_id))
    return asked.reason if asked else ""
