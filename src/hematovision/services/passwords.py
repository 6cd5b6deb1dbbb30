"""Passwords: whether one would be guessed, its hash, and whether one fits a hash."""

from functools import cache
from typing import TYPE_CHECKING

from hematovision.errors import PasswordTooWeakError, Phrase

if TYPE_CHECKING:
    from argon2 import PasswordHasher

LEAST_SCORE = 3
"""Of zxcvbn (Wheeler, USENIX Security 2016), 0-4: more than 10^8 guesses."""
LONGEST = 1024
JUDGED = 72
"""So much is judged; zxcvbn takes long over long ones, and what follows makes none weaker."""
WARNINGS = (
    "straight rows of keys are easy to guess",
    "short keyboard patterns are easy to guess",
    'repeats like "aaa" are easy to guess',
    'repeats like "abcabcabc" are only slightly harder to guess than "abc"',
    'sequences like "abc" or "6543" are easy to guess',
    "recent years are easy to guess",
    "dates are often easy to guess",
    "this is a top-10 common password",
    "this is a top-100 common password",
    "this is a very common password",
    "this is similar to a commonly used password",
    "a word by itself is easy to guess",
    "names and surnames by themselves are easy to guess",
    "common names and surnames are easy to guess",
)
"""What zxcvbn says of a password that would be guessed, as a part of a sentence."""


@cache
def _hasher() -> "PasswordHasher":
    """Make argon2id with the parameters that the library recommends (RFC 9106)."""
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _hash_of_nothing() -> str:
    """Give the hash that a sign-in is checked against where nobody has the name."""
    return _hasher().hash("nobody")


def hash_password(password: str, *, name: str) -> str:
    """Give the hash of a new password.

    Args:
        password: As typed.
        name: Whose it will be; a password must not be made of it.

    Raises:
        PasswordTooWeakError: If it would be guessed.
    """
    from zxcvbn import zxcvbn

    if len(password) > LONGEST:
        raise PasswordTooWeakError(
            "The password has more than %(longest)s characters.", longest=LONGEST
        )
    if not password:
        raise PasswordTooWeakError("There is no password.")
    judged = zxcvbn(password[:JUDGED], user_inputs=[name, "hematovision"])
    if judged["score"] < LEAST_SCORE:
        raise _guessed(str(judged["feedback"]["warning"]).rstrip("."))
    return _hasher().hash(_bytes(password))


def password_fits(password: str, password_hash: str | None) -> bool:
    """Tell whether a password is the one of a hash; it takes as long where there is no hash."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        known = _hash_of_nothing() if password_hash is None else password_hash
        _hasher().verify(known, _bytes(password[: LONGEST + 1]))
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def renewed_hash(password: str, password_hash: str) -> str | None:
    """Hash a password that fits anew where its hash is weaker than those made now."""
    if _hasher().check_needs_rehash(password_hash):
        return _hasher().hash(_bytes(password))
    return None


def _guessed(warning: str) -> PasswordTooWeakError:
    """Say that a password would be guessed, and why where that is known."""
    if not warning:
        return PasswordTooWeakError("This password would be guessed.")
    why = Phrase(f"{warning[0].lower()}{warning[1:]}")
    return PasswordTooWeakError("This password would be guessed: %(why)s.", why=why)


def _bytes(password: str) -> bytes:
    """Code a password; what is no text counts as it was sent."""
    return password.encode("utf-8", "surrogatepass")
