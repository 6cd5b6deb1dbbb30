"""Signing in and out: by name, password and code, or by a link that lets in once."""

import hmac
import logging
import math
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hematovision.errors import (
    LinkSpentError,
    SecondFactorThereError,
    SignInFailedError,
    TooManySignInsError,
    WrongCodeError,
    WrongPasswordError,
)
from hematovision.people import Role, User
from hematovision.services.accounts import TOKEN_BYTES, get_linked
from hematovision.services.hands import Hand
from hematovision.services.passwords import hash_password, password_fits, renewed_hash
from hematovision.services.rotation import insist_on_key
from hematovision.storage.database import Database, Records
from hematovision.storage.sealing import Seal, SealBrokenError
from hematovision.storage.tokens import Token
from hematovision.storage.users import Attempts, Secrets, SignIn

FREE_TRIES = 5
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=15)
FAILURES_KEPT = timedelta(days=1)
SEEN_EVERY = timedelta(minutes=1)
STEP_SECONDS = 30
FAILED = "user.sign_in_failed"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stay:
    """How long somebody stays signed in.

    Attributes:
        idle: Without asking for anything.
        longest: Whatever they do.
    """

    idle: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True)
class Credentials:
    """What somebody typed to sign in.

    Attributes:
        name: Of the user.
        password: Theirs.
        code: Of their authenticator; empty where they use none.
    """

    name: str
    password: str
    code: str = ""


def sign_in(
    database: Database,
    given: Credentials,
    *,
    seal: Seal,
    stay: Stay,
    by: Hand,
    roles: Collection[Role] = tuple(Role),
) -> tuple[User, str]:
    """Sign somebody in.

    A try is counted before it is checked, so that many at once are no way around the wait; hashing
    takes long and happens outside of every transaction.

    Args:
        database: Where accounts are kept.
        given: What they typed.
        seal: Opens second factors.
        stay: How long they stay signed in.
        by: Through which door, and when.
        roles: Of those whom a password lets in.

    Returns:
        Who, and the token that their browser shows from now on.

    Raises:
        SignInFailedError: If name, password and code do not belong together, or they are shut out.
        TooManySignInsError: If the next try under this name must wait.
    """
    user, held = _try(database, given.name, by)
    fits = password_fits(given.password, held.password_hash if held else None)
    is_in = user is not None and not user.is_disabled and user.role in roles
    if user is None or held is None or held.password_hash is None or not fits or not is_in:
        raise _failed(database, given.name, user, by)
    renewed = renewed_hash(given.password, held.password_hash)
    with database.transaction() as records:
        token = None
        if _code_fits(records, user, given.code, seal, by.now):
            records.users.forget_failures(given.name)
            if renewed:
                records.users.set_password_hash(user.id, renewed)
            token = begin_stay(records, user, stay, "user.signed_in", by=by)
    if token is None:
        raise _failed(database, given.name, user, by)
    return user, token


def sign_in_by_link(
    database: Database, token: str, password: str, *, stay: Stay, by: Hand
) -> tuple[User, str]:
    """Let somebody in by a link, which is used up by it.

    Args:
        database: Where accounts are kept.
        token: Of the link.
        password: The one they choose; empty if they choose none now.
        stay: How long they stay signed in.
        by: Through which door, and when.

    Returns:
        Who, and the token that their browser shows from now on.

    Raises:
        LinkSpentError: If it was used before, replaced, or is too old.
        PasswordTooWeakError: If the password would be guessed; the link is good still.
    """
    linked = get_linked(database, token, now=by.now)
    hashed = hash_password(password, name=linked.name) if password else None
    with database.transaction() as records:
        user = records.users.use_link(token, now=by.now)
        if user is None or user.is_disabled:
            raise LinkSpentError("This link lets nobody in any more.")
        by = replace(by, user_id=user.id)
        records.users.forget_failures(user.name)
        if hashed:
            records.users.set_password_hash(user.id, hashed)
            records.users.remove_sign_ins(user.id)
            records.audit.add(by.event("user.password_changed", user))
        return user, begin_stay(records, user, stay, "user.signed_in_by_link", by=by)


def find_signed_in(database: Database, token: str, *, stay: Stay, now: datetime) -> User | None:
    """Find who shows a token, unless they were away for too long, left, or were shut out."""
    with database.reading() as records:
        found = records.users.find_sign_in(token)
    if found is None or found.user.is_disabled:
        return None
    if now >= found.expires_at or now - found.seen_at >= stay.idle:
        return None
    if now - found.seen_at >= SEEN_EVERY:
        with database.transaction() as records:
            records.users.see(token, now=now)
    return found.user


def sign_out(database: Database, token: str, user: User, *, by: Hand) -> None:
    """Sign somebody out at one browser."""
    with database.transaction() as records:
        records.users.remove_sign_in(token)
        records.audit.add(by.event("user.signed_out", user))


def sign_out_elsewhere(database: Database, token: str, user: User, *, by: Hand) -> int:
    """Sign somebody out everywhere but here; give at how many places."""
    with database.transaction() as records:
        number = records.users.remove_sign_ins(user.id, but=token)
        records.audit.add(by.event("user.signed_out_elsewhere", user, {"places": number}))
    return number


def open_account(
    database: Database, user_id: int, *, stay: Stay, now: datetime
) -> tuple[User, Sequence[SignIn], Sequence[Token]]:
    """Give somebody, where they are signed in, and the tokens of their programs."""
    with database.reading() as records:
        user = records.users.get(user_id)
        places = records.users.list_sign_ins(user_id, now=now)
        tokens = records.tokens.list(user_id=user_id, now=now)
    return user, [place for place in places if now - place.seen_at < stay.idle], tokens


def check_password(database: Database, user: User, password: str, *, by: Hand) -> None:
    """Insist that whoever sits there is the one who signed in.

    A try counts as one to sign in does, so that nobody guesses here what they cannot guess there.

    Raises:
        WrongPasswordError: If it is not their password.
        TooManySignInsError: If so many tries failed that the next must wait.
    """
    _, held = _try(database, user.name, by)
    hashed = held.password_hash if held else None
    # Whoever had one a moment ago proves nothing where it was taken from them meanwhile.
    if (hashed or user.has_password) and not password_fits(password, hashed):
        record_failure(database, "password.refused", user, "password", by)
        raise WrongPasswordError("The present password is another.")
    with database.transaction() as records:
        records.users.forget_failures(user.name)


def new_second_factor() -> str:
    """Make the secret of an authenticator (RFC 6238), in base32 as it is typed."""
    import pyotp

    return pyotp.random_base32()


def address_of(secret: str, user: User) -> str:
    """Give what an authenticator reads out of a QR code."""
    import pyotp

    return pyotp.TOTP(secret).provisioning_uri(name=user.name, issuer_name="HematoVision")


def set_second_factor(
    database: Database, user: User, secret: str, code: str, *, seal: Seal, by: Hand
) -> None:
    """Ask for a code of an authenticator from now on.

    Raises:
        WrongCodeError: If the authenticator does not show this code: it was not set up.
        SecondFactorThereError: If they have an authenticator; it goes for a password alone.
        KeyOutdatedError: If this machine was not given the key that holds.
    """
    if not secret or _step_of(secret, code, by.now) is None:
        raise WrongCodeError("The authenticator shows another code now.")
    with database.transaction() as records:
        insist_on_key(records, seal)
        if records.users.secrets_of(user.id).second_factor is not None:
            raise SecondFactorThereError("There is an authenticator already.")
        records.users.set_second_factor(user.id, seal.seal(secret.encode(), _purpose(user)))
        records.audit.add(by.event("user.second_factor_set", user))


def remove_second_factor(database: Database, user: User, *, by: Hand) -> None:
    """Ask for no code any more."""
    with database.transaction() as records:
        records.users.set_second_factor(user.id, None)
        records.audit.add(by.event("user.second_factor_removed", user))


def wait_of(attempts: Attempts | None, now: datetime) -> int:
    """Say for how many seconds no sign-in under a name is tried; it doubles with every failure."""
    if attempts is None or attempts.failures < FREE_TRIES:
        return 0
    doubled = min(attempts.failures - FREE_TRIES, 10)
    until = attempts.last_at + min(FIRST_WAIT * (1 << doubled), LONGEST_WAIT)
    return max(0, math.ceil((until - now).total_seconds()))


def _try(database: Database, name: str, by: Hand) -> tuple[User | None, Secrets | None]:
    """Count a try, then look who has the name."""
    with database.transaction() as records:
        wait = wait_of(records.users.hold_attempts(name, now=by.now), by.now)
        if not wait:
            records.users.count_failure(name, now=by.now)
        user = records.users.find(name)
        held = records.users.secrets_of(user.id) if user else None
    if wait:
        record_failure(database, FAILED, user, "wait", by)
        raise TooManySignInsError.until(wait)
    return user, held


def record_failure(database: Database, action: str, user: User | None, why: str, by: Hand) -> None:
    """Put a try on record that failed; never the name that was typed: it may be a password."""
    subject = f"user {user.id}" if user else "user unknown"
    with database.transaction() as records:
        records.audit.add(by.did(action, subject, {"why": why}))


def _failed(database: Database, name: str, user: User | None, by: Hand) -> SignInFailedError:
    """Say that it failed, in the same words whatever was wrong, and how many tries are left."""
    record_failure(database, FAILED, user, "mismatch", by)
    with database.reading() as records:
        attempts = records.users.find_attempts(name)
    left = max(0, FREE_TRIES - (attempts.failures if attempts else 0))
    if left == 1:
        return SignInFailedError("Name, password and code do not match. 1 try is left.")
    if not left:
        return SignInFailedError("Name, password and code do not match. No tries are left.")
    return SignInFailedError(
        "Name, password and code do not match. %(left)s tries are left.", left=left
    )


def begin_stay(records: Records, user: User, stay: Stay, action: str, *, by: Hand) -> str:
    """Sign somebody in within a transaction; give the token that their browser shows."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    records.users.sweep(now=by.now, failures_before=by.now - FAILURES_KEPT)
    records.tokens.sweep(now=by.now)
    records.users.add_sign_in(token, user.id, now=by.now, expires_at=by.now + stay.longest)
    records.audit.add(replace(by, user_id=user.id).event(action, user))
    return token


def _code_fits(records: Records, user: User, code: str, seal: Seal, now: datetime) -> bool:
    """Tell whether a code fits, and use it up; whoever has no authenticator needs none."""
    held = records.users.secrets_of(user.id)
    if held.second_factor is None:
        return True
    try:
        secret = seal.open(held.second_factor, _purpose(user)).decode()
    except SealBrokenError:
        log.error("The data_key is not the one that sealed the second factor of user %d", user.id)
        return False
    step = _step_of(secret, code, now)
    return step is not None and records.users.take_step(user.id, step)


def _step_of(secret: str, code: str, now: datetime) -> int | None:
    """Find the time step of a code: this one, the one before, or the next, for clocks differ."""
    import pyotp

    code = "".join(code.split())
    current = math.floor(now.timestamp() / STEP_SECONDS)
    one_time = pyotp.TOTP(secret)
    for step in (current, current - 1, current + 1):
        if code.isascii() and hmac.compare_digest(one_time.at(step * STEP_SECONDS), code):
            return step
    return None


def _purpose(user: User) -> str:
    return f"second factor of user {user.id}"
