"""Accounts: who has one, and what each role makes of it; every change is recorded with it."""

import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from hematovision.errors import (
    LastAdministratorError,
    LinkSpentError,
    PasswordElsewhereError,
    UserNameInvalidError,
    UserNameTakenError,
    UserUnknownError,
)
from hematovision.people import Role, User
from hematovision.services.hands import Hand
from hematovision.services.passwords import hash_password
from hematovision.storage.database import Database, Records
from hematovision.storage.inserts import AlreadyThereError

FIRST_NAME = "administrator"
FIRST_LINK = timedelta(minutes=15)
LINK = timedelta(hours=24)
TOKEN_BYTES = 32
NAME = re.compile(r"[\w.@-]{1,64}")


def add_user(database: Database, name: str, role: Role, *, by: Hand) -> User:
    """Make an account, as yet without a password.

    Raises:
        UserNameInvalidError: If the name cannot be told apart, shown or typed.
        UserNameTakenError: If somebody has it.
    """
    if not NAME.fullmatch(name):
        raise UserNameInvalidError("This cannot be a user's name.")
    with database.transaction() as records:
        return enrol(records, name, role, by=by)


def enrol(records: Records, name: str, role: Role, *, by: Hand) -> User:
    """Make an account within a transaction.

    Raises:
        UserNameTakenError: If somebody has the name.
    """
    try:
        user = records.users.add(name, role, now=by.now)
    except AlreadyThereError as error:
        raise UserNameTakenError("There is a user %(name)s.", name=name) from error
    records.audit.add(by.event("user.added", user, {"name": name, "role": str(role)}))
    return user


def get_user(database: Database, name: str) -> User:
    """Give somebody by name.

    Raises:
        UserUnknownError: If nobody has it.
    """
    with database.reading() as records:
        user = records.users.find(name)
    if user is None:
        raise UserUnknownError("There is no user %(name)s.", name=name)
    return user


def get_user_by_id(database: Database, user_id: int) -> User:
    """Give somebody by number.

    Raises:
        UserUnknownError: If nobody has it.
    """
    found = next((user for user in list_users(database) if user.id == user_id), None)
    if found is None:
        raise UserUnknownError("There is no user with the number %(number)s.", number=user_id)
    return found


def list_users(database: Database) -> Sequence[User]:
    """List everybody by name."""
    with database.reading() as records:
        return records.users.list()


def set_role(database: Database, user: User, role: Role, *, by: Hand) -> None:
    """Change what somebody is.

    Raises:
        LastAdministratorError: If nobody could manage users any more.
    """
    with database.transaction() as records:
        put_role(records, user, role, by=by)


def put_role(records: Records, user: User, role: Role, *, by: Hand, why: str = "") -> None:
    """Change what somebody is within a transaction; a reason goes on record with it.

    Raises:
        LastAdministratorError: If nobody could manage users any more.
    """
    if role is not Role.ADMINISTRATOR:
        _keep_an_administrator(records, user)
    before = records.users.get(user.id).role
    records.users.set_role(user.id, role)
    details = {"from": str(before), "to": str(role)} | ({"why": why} if why else {})
    records.audit.add(by.event("user.role_changed", user, details))


def disable_user(database: Database, user: User, *, by: Hand) -> None:
    """Shut somebody out at once, everywhere, their programs as well.

    Raises:
        LastAdministratorError: If nobody could manage users any more.
    """
    with database.transaction() as records:
        _keep_an_administrator(records, user)
        records.users.set_disabled(user.id, by.now)
        _shut_out(records, user)
        records.audit.add(by.event("user.disabled", user))


def enable_user(database: Database, user: User, *, by: Hand) -> None:
    """Let somebody in again who was shut out."""
    with database.transaction() as records:
        records.users.set_disabled(user.id, None)
        records.audit.add(by.event("user.enabled", user))


def set_password(
    database: Database,
    user: User,
    password: str,
    *,
    by: Hand,
    keep: str = "",
    end_programs: bool = False,
) -> None:
    """Give somebody a new password, and sign them out where they are signed in.

    Args:
        database: Where accounts are kept.
        user: Whose password.
        password: As typed.
        by: Who does it.
        keep: The token of the sign-in that stays.
        end_programs: Whether the tokens of their programs end as well.

    Raises:
        PasswordTooWeakError: If it would be guessed.
        PasswordElsewhereError: If a provider signs them in, and they choose one by themselves: it
            would let them in after the provider no longer does.
    """
    hashed = hash_password(password, name=user.name)
    with database.transaction() as records:
        if by.user_id == user.id and is_elsewhere(records, user):
            raise PasswordElsewhereError("Another server signs you in.")
        records.users.set_password_hash(user.id, hashed)
        records.users.remove_sign_ins(user.id, but=keep)
        records.users.forget_failures(user.name)
        ended = records.tokens.remove_all(user.id) if end_programs else 0
        details = {"tokens_ended": ended} if end_programs else {}
        records.audit.add(by.event("user.password_changed", user, details))


def is_elsewhere(records: Records, user: User) -> bool:
    """Tell whether a provider signs somebody in, and no password of ours does."""
    hashed = records.users.secrets_of(user.id).password_hash
    return hashed is None and records.identities.has(user.id)


def reset_password(database: Database, user: User, *, by: Hand) -> str:
    """Take password, second factor and tokens away; give a link's token that lets in once.

    Returns:
        The token; nobody can be told it a second time.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with database.transaction() as records:
        records.users.set_password_hash(user.id, None)
        records.users.set_second_factor(user.id, None)
        records.users.forget_failures(user.name)
        _shut_out(records, user)
        records.users.add_link(token, user.id, expires_at=by.now + LINK)
        records.audit.add(by.event("user.password_reset", user))
    return token


def open_first_door(database: Database, *, by: Hand) -> str | None:
    """Let the first administrator in, while none has a password.

    Returns:
        The token of a link, good once and for 15 minutes; None where an administrator has a
        password.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with database.transaction() as records:
        if records.users.count_administrators(with_password=True):
            return None
        user = _first_administrator(records, by)
        records.users.add_link(token, user.id, expires_at=by.now + FIRST_LINK)
        records.audit.add(by.event("user.first_link_made", user))
    return token


def take_first_password(database: Database, password: str, *, by: Hand) -> bool:
    """Give the first administrator a password, while none has one.

    Returns:
        Whether it was taken.

    Raises:
        PasswordTooWeakError: If it would be guessed.
    """
    hashed = hash_password(password, name=FIRST_NAME)
    try:
        return _give_first(database, hashed, by)
    except UserNameTakenError:
        # Of servers that start at once another has made the first administrator just now.
        return _give_first(database, hashed, by)


def _give_first(database: Database, hashed: str, by: Hand) -> bool:
    with database.transaction() as records:
        if records.users.count_administrators(with_password=True):
            return False
        user = _first_administrator(records, by)
        records.users.set_password_hash(user.id, hashed)
        records.audit.add(by.event("user.password_changed", user))
    return True


def has_administrator(database: Database) -> bool:
    """Tell whether an administrator has a password."""
    with database.reading() as records:
        return records.users.count_administrators(with_password=True) > 0


def get_linked(database: Database, token: str, *, now: datetime) -> User:
    """Say whom a link would let in.

    Raises:
        LinkSpentError: If it was used, replaced, or is too old.
    """
    with database.reading() as records:
        user = records.users.find_link(token, now=now)
    if user is None or user.is_disabled:
        raise LinkSpentError("This link lets nobody in any more.")
    return user


def _first_administrator(records: Records, by: Hand) -> User:
    """Find the administrator who is to be the first, or make one."""
    for user in records.users.list():
        # Whom a provider signs in must not get a password that somebody else knows.
        is_ours = not records.identities.has(user.id)
        if user.role is Role.ADMINISTRATOR and not user.is_disabled and is_ours:
            return user
    found = records.users.find(FIRST_NAME)
    if found is None:
        return enrol(records, FIRST_NAME, Role.ADMINISTRATOR, by=by)
    # Somebody of that name was shut out, or made something else, and no administrator is left.
    records.users.set_disabled(found.id, None)
    records.users.set_role(found.id, Role.ADMINISTRATOR)
    records.audit.add(by.event("user.role_changed", found, {"to": str(Role.ADMINISTRATOR)}))
    return found


def _keep_an_administrator(records: Records, user: User) -> None:
    records.users.hold_administrators()
    now = records.users.get(user.id)
    if now.role is not Role.ADMINISTRATOR or now.is_disabled:
        return
    if records.users.count_administrators(with_password=False) == 1:
        raise LastAdministratorError("%(name)s is the last administrator.", name=user.name)
    if now.has_password and records.users.count_administrators(with_password=True) == 1:
        raise LastAdministratorError(
            "%(name)s is the last administrator with a password.", name=user.name
        )


def _shut_out(records: Records, user: User) -> None:
    records.users.remove_link(user.id)
    records.users.remove_sign_ins(user.id)
    records.tokens.remove_all(user.id)
