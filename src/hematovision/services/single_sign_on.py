"""Signing in by a provider, and confirming there who one is before one signs a case."""

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from hematovision.errors import (
    AccountShutError,
    AnotherPersonError,
    HematoVisionError,
    NotAskedAgainError,
    RoleUnmappedError,
    UserNameTakenError,
)
from hematovision.people import Role, User
from hematovision.services.accounts import (
    FIRST_NAME,
    TOKEN_BYTES,
    enrol,
    is_elsewhere,
    put_role,
)
from hematovision.services.hands import Hand
from hematovision.services.sign_ins import FAILED, Stay, begin_stay, record_failure
from hematovision.services.trust import Trust
from hematovision.storage.database import Database, Records
from hematovision.storage.inserts import AlreadyThereError
from hematovision.storage.users import fold_name

CONFIRMATION = timedelta(minutes=5)
SKEW = timedelta(minutes=1)
"""So much the clocks of two servers differ."""
NAME_LENGTH = 56
"""Leaves room for a number behind it."""
NAMELESS = "person"
PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as a provider describes them, in words that it signed.

    Attributes:
        issuer: The provider.
        subject: What it calls them, and never calls anybody else.
        claims: All that it says of them.
    """

    issuer: str
    subject: str
    claims: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Give the name that an account of theirs gets, without what no name may have."""
        for claim in ("preferred_username", "email", "name"):
            said = self.claims.get(claim)
            name = re.sub(r"[^\w.@-]+", ".", said).strip(".") if isinstance(said, str) else ""
            if name:
                return name[:NAME_LENGTH]
        return NAMELESS

    @property
    def asked_at(self) -> datetime | None:
        """Say when the provider last asked them who they are; None where it does not say."""
        said = self.claims.get("auth_time")
        if isinstance(said, bool) or not isinstance(said, int | float):
            return None
        try:
            return datetime.fromtimestamp(said, UTC)
        except (OverflowError, OSError, ValueError):
            return None


def sign_in_by_provider(
    database: Database, person: Person, trust: Trust, *, stay: Stay, by: Hand
) -> tuple[User, str]:
    """Sign in whom a provider vouches for; whoever comes first gets an account.

    What they are here is what the provider says now, at every sign-in. Nobody is ever taken for
    somebody who has the same name or address.

    Args:
        database: Where accounts are kept.
        person: Whom the provider vouches for.
        trust: What its people are here.
        stay: How long they stay signed in.
        by: Through which door, and when.

    Returns:
        Who, and the token that their browser shows from now on.

    Raises:
        RoleUnmappedError: If nothing makes them something here; then nothing is made.
        AccountShutError: If they are shut out here.
        LastAdministratorError: If they are no administrator any more, and there is no other.
    """
    try:
        try:
            return _sign_in(database, person, trust, stay, by)
        except (AlreadyThereError, UserNameTakenError):
            # They came twice at once, or somebody took the name meanwhile.
            return _sign_in(database, person, trust, stay, by)
    except HematoVisionError as error:
        user = find_person(database, person)
        record_failure(database, FAILED, user, error.code(), by)
        raise


def find_person(database: Database, person: Person) -> User | None:
    """Find the account of whom a provider describes."""
    with database.reading() as records:
        return _find(records, person)


def is_of_provider(database: Database, user: User) -> bool:
    """Tell whether somebody is signed in by a provider, and has no password here."""
    with database.reading() as records:
        return is_elsewhere(records, user)


def list_of_provider(database: Database) -> frozenset[int]:
    """Give the numbers of all accounts that a provider may sign in, also of those shut out here."""
    with database.reading() as records:
        return records.identities.list_users()


def confirm(
    database: Database, user: User, person: Person, what: str, *, began_at: datetime, by: Hand
) -> str:
    """Keep that somebody proved anew at their provider who they are.

    Args:
        database: Keeps it.
        user: Who is signed in here.
        person: Whom the provider asked.
        what: The one thing for which it is good.
        began_at: When the provider was asked.
        by: They, through which door, when.

    Returns:
        A token, good once, for five minutes and for this.

    Raises:
        AnotherPersonError: If the provider asked somebody else.
        NotAskedAgainError: If it asked before, or does not say when.
    """
    found, asked_at = find_person(database, person), person.asked_at
    if found is None or found.id != user.id:
        raise _refused(database, user, by, AnotherPersonError("Somebody else was signed in."))
    if asked_at is None or not began_at - SKEW <= asked_at <= by.now + SKEW:
        raise _refused(
            database, user, by, NotAskedAgainError("You were not asked again who you are.")
        )
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with database.transaction() as records:
        until = by.now + CONFIRMATION
        records.identities.confirm(token, user.id, what, now=by.now, until=until)
        records.audit.add(by.event("user.confirmed", user))
    return token


def is_confirmed(database: Database, user: User, token: str, what: str, *, now: datetime) -> bool:
    """Tell whether somebody proved anew who they are, for one thing."""
    with database.reading() as records:
        return bool(token) and records.identities.is_confirmed(token, user.id, what, now=now)


def _sign_in(
    database: Database, person: Person, trust: Trust, stay: Stay, by: Hand
) -> tuple[User, str]:
    role = trust.role_of(person.claims)
    if role is None:
        raise RoleUnmappedError("None of your groups at %(name)s has a role here.", name=trust.name)
    with database.transaction() as records:
        user = _find(records, person) or _welcome(records, person, role, by)
        if user.is_disabled:
            raise AccountShutError("You are shut out here.")
        if user.role is not role:
            put_role(records, user, role, by=replace(by, user_id=user.id), why=PROVIDER)
        token = begin_stay(records, user, stay, "user.signed_in_by_provider", by=by)
        return records.users.get(user.id), token


def _find(records: Records, person: Person) -> User | None:
    user_id = records.identities.find_user(person.issuer, person.subject)
    return None if user_id is None else records.users.get(user_id)


def _welcome(records: Records, person: Person, role: Role, by: Hand) -> User:
    """Make an account for somebody who comes the first time."""
    name = next(name for name in _names(person.name) if _is_free(records, name))
    user = enrol(records, name, role, by=by)
    records.identities.add(person.issuer, person.subject, user.id, now=by.now)
    return user


def _is_free(records: Records, name: str) -> bool:
    """Tell whether somebody may be called so; never like the first administrator."""
    return fold_name(name) != FIRST_NAME and records.users.find(name) is None


def _names(name: str) -> Iterator[str]:
    """Give a name, and then others like it."""
    yield name
    for number in count(2):
        yield f"{name}-{number}"


def _refused(
    database: Database, user: User, by: Hand, error: HematoVisionError
) -> HematoVisionError:
    record_failure(database, "user.confirmation_refused", user, error.code(), by)
    return error
