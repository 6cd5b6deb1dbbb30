import pytest

from hematovision.errors import PasswordTooWeakError
from hematovision.services.passwords import LONGEST, hash_password, password_fits, renewed_hash

GOOD = "plum orbit walnut canyon"


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        pytest.param("", "no password", id="none"),
        pytest.param("password1", "common", id="common"),
        pytest.param("ines.marin2026", "guessed", id="made of the name"),
        pytest.param("hematovision", "guessed", id="made of our name"),
        pytest.param("qwertyuiop", "common", id="a row of keys"),
        pytest.param("x" * (LONGEST + 1), "more than", id="too long"),
    ],
)
def test_password_that_would_be_guessed_is_refused(password: str, reason: str) -> None:
    with pytest.raises(PasswordTooWeakError, match=reason):
        hash_password(password, name="ines.marin")


def test_password_fits_its_own_hash_alone() -> None:
    hashed = hash_password(GOOD, name="ines")
    assert hashed.startswith("$argon2id$")
    assert GOOD not in hashed
    assert password_fits(GOOD, hashed)
    assert not password_fits(GOOD + " ", hashed)
    assert not password_fits("", hashed)


def test_long_password_counts_to_its_end() -> None:
    long = f"{GOOD} " * 8
    hashed = hash_password(long, name="ines")
    assert password_fits(long, hashed)
    assert not password_fits(long[:-2], hashed)


@pytest.mark.parametrize("nothing", [None, "", "no hash"])
def test_nothing_fits_no_hash(nothing: str | None) -> None:
    assert not password_fits("nobody", nothing)


def test_hash_of_weaker_days_is_renewed() -> None:
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(GOOD)
    renewed = renewed_hash(GOOD, weak)
    assert renewed is not None
    assert password_fits(GOOD, renewed)
    assert renewed_hash(GOOD, renewed) is None


@pytest.mark.parametrize("password", ["x9$Kq!z", "\u65e5\u672cqZ!7", "~`|\\^{}", "Tr0ub4!"])
def test_short_password_is_refused_whatever_it_is_made_of(password: str) -> None:
    assert len(password) < 8
    with pytest.raises(PasswordTooWeakError):
        hash_password(password, name="ines")
