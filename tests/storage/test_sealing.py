import pytest

from hematovision.storage.sealing import Seal, SealBrokenError, mark_of

SEAL = Seal(bytes(range(32)))


def test_what_is_sealed_opens_for_its_purpose() -> None:
    sealed = SEAL.seal(b"secret", "user 1")
    assert b"secret" not in sealed
    assert SEAL.open(sealed, "user 1") == b"secret"


def test_nothing_is_sealed_alike_twice() -> None:
    assert SEAL.seal(b"secret", "user 1") != SEAL.seal(b"secret", "user 1")


@pytest.mark.parametrize(
    ("seal", "purpose", "change"),
    [
        pytest.param(SEAL, "user 2", lambda sealed: sealed, id="another purpose"),
        pytest.param(Seal(bytes(32)), "user 1", lambda sealed: sealed, id="another key"),
        pytest.param(SEAL, "user 1", lambda sealed: sealed[:-1] + b"x", id="changed"),
        pytest.param(SEAL, "user 1", lambda sealed: sealed[:5], id="torn"),
        pytest.param(SEAL, "user 1", lambda _: b"", id="empty"),
    ],
)
def test_what_is_not_ours_does_not_open(seal: Seal, purpose: str, change: object) -> None:
    sealed = change(SEAL.seal(b"secret", "user 1"))
    with pytest.raises(SealBrokenError):
        seal.open(sealed, purpose)


def test_key_is_not_shown() -> None:
    assert "key" not in repr(SEAL)


OLD, NEW = bytes(range(32)), bytes(range(1, 33))


def test_two_keys_open_and_the_newest_seals() -> None:
    both = Seal(NEW, OLD)
    assert both.open(Seal(OLD).seal(b"secret", "user 1"), "user 1") == b"secret"
    assert Seal(NEW).open(both.seal(b"secret", "user 1"), "user 1") == b"secret"


def test_only_what_an_older_key_sealed_is_sealed_anew() -> None:
    both = Seal(NEW, OLD)
    renewed = both.renew(Seal(OLD).seal(b"secret", "user 1"), "user 1")
    assert renewed is not None
    assert Seal(NEW).open(renewed, "user 1") == b"secret"
    assert both.renew(renewed, "user 1") is None
    with pytest.raises(SealBrokenError):
        both.renew(Seal(bytes(32)).seal(b"secret", "user 1"), "user 1")


def test_keys_that_changed_are_taken_up_before_anything_is_sealed() -> None:
    changes = iter([None, [NEW, OLD], None])
    seal = Seal(OLD, changed=lambda: next(changes, None))
    assert Seal(OLD).open(seal.seal(b"first", "user 1"), "user 1") == b"first"
    assert Seal(NEW).open(seal.seal(b"second", "user 1"), "user 1") == b"second"


def test_mark_tells_keys_apart_and_tells_no_key() -> None:
    assert mark_of(OLD) == mark_of(OLD) != mark_of(NEW)
    assert len(mark_of(OLD)) == 16
    assert mark_of(OLD) not in OLD.hex()
