from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyotp
import pytest

from hematovision.errors import (
    HematoVisionError,
    LinkSpentError,
    PasswordTooWeakError,
    SecondFactorThereError,
    SignInFailedError,
    TooManySignInsError,
    WrongCodeError,
    WrongPasswordError,
)
from hematovision.people import Role, User
from hematovision.services.accounts import (
    add_user,
    disable_user,
    enable_user,
    get_user,
    reset_password,
    set_password,
)
from hematovision.services.hands import Hand
from hematovision.services.sign_ins import (
    FREE_TRIES,
    Credentials,
    Stay,
    address_of,
    check_password,
    find_signed_in,
    new_second_factor,
    remove_second_factor,
    set_second_factor,
    sign_in,
    sign_in_by_link,
    sign_out,
    sign_out_elsewhere,
    wait_of,
)
from hematovision.services.tokens import add_token, find_by_token
from hematovision.storage.database import Database
from hematovision.storage.sealing import Seal
from hematovision.storage.users import Attempts

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
BY = Hand(None, "page", NOW)
STAY = Stay(idle=timedelta(minutes=15), longest=timedelta(hours=12))
SEAL = Seal(bytes(32))
GOOD = "plum orbit walnut canyon"

Enter = Callable[..., str]


@pytest.fixture
def ines(database: Database) -> User:
    user = add_user(database, "ines", Role.TECHNOLOGIST, by=BY)
    set_password(database, user, GOOD, by=BY)
    return get_user(database, "ines")


@pytest.fixture
def enter(database: Database, ines: User) -> Enter:
    def enter(
        password: str = GOOD, name: str = "ines", code: str = "", *, now: datetime = NOW
    ) -> str:
        given = Credentials(name, password, code)
        return sign_in(database, given, seal=SEAL, stay=STAY, by=replace(BY, now=now))[1]

    return enter


def test_name_and_password_let_in(database: Database, ines: User, enter: Enter) -> None:
    token = enter(name="INES")
    assert find_signed_in(database, token, stay=STAY, now=NOW) == ines
    with database.reading() as records:
        event = records.audit.list(limit=1)[0]
    assert (event.action, event.actor_id) == ("user.signed_in", ines.id)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        pytest.param("ines", "wrong", id="password"),
        pytest.param("ines", "", id="no password"),
        pytest.param("nobody", GOOD, id="name"),
        pytest.param("", "", id="nothing"),
        pytest.param("ines\x00", GOOD, id="NUL"),
        pytest.param("\ud800", "\ud800", id="no text"),
    ],
)
def test_whatever_is_wrong_is_refused_in_the_same_words(
    enter: Enter, name: str, password: str
) -> None:
    with pytest.raises(SignInFailedError, match=r"do not match. 4 tries are left."):
        enter(password, name)


def test_who_is_shut_out_or_has_no_password_is_refused(
    database: Database, ines: User, enter: Enter
) -> None:
    disable_user(database, ines, by=BY)
    with pytest.raises(SignInFailedError):
        enter()
    enable_user(database, ines, by=BY)
    enter()
    reset_password(database, ines, by=BY)
    with pytest.raises(SignInFailedError):
        enter()


@pytest.mark.parametrize("name", ["ines", "nobody"])
def test_wait_grows_whether_there_is_such_a_name_or_not(enter: Enter, name: str) -> None:
    for _ in range(FREE_TRIES):
        with pytest.raises(SignInFailedError):
            enter("wrong", name)
    with pytest.raises(TooManySignInsError, match="30 s") as refused:
        enter("wrong", name)
    assert refused.value.seconds == 30
    with pytest.raises(SignInFailedError, match="No tries are left"):
        enter("wrong", name, now=NOW + timedelta(seconds=30))
    with pytest.raises(TooManySignInsError, match="1 min 0 s"):
        enter("wrong", name, now=NOW + timedelta(seconds=30))


def test_right_password_waits_as_well_and_then_begins_anew(enter: Enter) -> None:
    for _ in range(FREE_TRIES):
        with pytest.raises(SignInFailedError):
            enter("wrong")
    with pytest.raises(TooManySignInsError):
        enter()
    enter(now=NOW + timedelta(seconds=30))
    with pytest.raises(SignInFailedError, match="4 tries"):
        enter("wrong", now=NOW + timedelta(seconds=31))


def test_many_tries_at_once_are_no_way_around_the_wait(enter: Enter) -> None:
    def guess(_: int) -> type[HematoVisionError]:
        try:
            enter("wrong")
        except HematoVisionError as error:
            return type(error)
        raise AssertionError

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(guess, range(12)))
    assert said.count(SignInFailedError) == FREE_TRIES
    assert said.count(TooManySignInsError) == 12 - FREE_TRIES


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(0, 0), (4, 0), (5, 30), (6, 60), (9, 480), (10, 900), (10_000, 900)],
)
def test_wait_doubles_to_a_quarter_of_an_hour(failures: int, seconds: int) -> None:
    assert wait_of(Attempts(failures, NOW), NOW) == seconds
    assert wait_of(Attempts(failures, NOW), NOW + timedelta(seconds=seconds)) == 0


def test_nobody_stays_longer_than_allowed(database: Database, enter: Enter) -> None:
    token = enter()

    def is_in(**later: int) -> bool:
        now = NOW + timedelta(**later)
        return find_signed_in(database, token, stay=STAY, now=now) is not None

    assert is_in(minutes=14)
    assert is_in(minutes=28)
    assert not is_in(minutes=28 + 15)
    for minutes in range(40, 12 * 60, 14):
        with database.transaction() as records:
            records.users.see(token, now=NOW + timedelta(minutes=minutes))
    assert is_in(hours=11, minutes=59)
    assert not is_in(hours=12)


def test_who_is_shut_out_is_out_at_once(database: Database, ines: User, enter: Enter) -> None:
    token, program = enter(), add_token(database, ines, "script", by=BY)
    assert find_by_token(database, program, now=NOW) is not None
    disable_user(database, ines, by=BY)
    enable_user(database, ines, by=BY)
    assert find_signed_in(database, token, stay=STAY, now=NOW) is None
    assert find_by_token(database, program, now=NOW) is None


def test_signing_out_ends_here_or_elsewhere(database: Database, ines: User, enter: Enter) -> None:
    here, there = enter(), enter()
    assert sign_out_elsewhere(database, here, ines, by=BY) == 1
    assert find_signed_in(database, there, stay=STAY, now=NOW) is None
    assert find_signed_in(database, here, stay=STAY, now=NOW) == ines
    sign_out(database, here, ines, by=BY)
    assert find_signed_in(database, here, stay=STAY, now=NOW) is None


def test_link_lets_in_once_with_the_password_that_is_chosen(
    database: Database, ines: User, enter: Enter
) -> None:
    link = reset_password(database, ines, by=BY)
    with pytest.raises(PasswordTooWeakError):
        sign_in_by_link(database, link, "ines", stay=STAY, by=BY)
    user, token = sign_in_by_link(database, link, "willow comet basin thirty", stay=STAY, by=BY)
    assert user.id == ines.id
    assert find_signed_in(database, token, stay=STAY, now=NOW) is not None
    with pytest.raises(LinkSpentError):
        sign_in_by_link(database, link, "", stay=STAY, by=BY)
    enter("willow comet basin thirty")


def test_reset_forgets_the_wait(database: Database, ines: User, enter: Enter) -> None:
    for _ in range(FREE_TRIES):
        with pytest.raises(SignInFailedError):
            enter("wrong")
    link = reset_password(database, ines, by=BY)
    sign_in_by_link(database, link, GOOD, stay=STAY, by=BY)
    enter()


def test_present_password_is_checked(database: Database, ines: User) -> None:
    check_password(database, ines, GOOD, by=BY)
    with pytest.raises(WrongPasswordError):
        check_password(database, ines, "other", by=BY)


def failures(database: Database) -> list[tuple[str, str, object]]:
    with database.reading() as records:
        events = [event for event in records.audit.list() if "why" in event.details]
    return [(event.action, event.subject, event.details["why"]) for event in reversed(events)]


def test_what_failed_is_on_record_without_the_name_that_was_typed(
    database: Database, ines: User, enter: Enter
) -> None:
    for name in ("ines", GOOD):
        with pytest.raises(SignInFailedError):
            sign_in(database, Credentials(name, "other"), seal=SEAL, stay=STAY, by=BY)
    with pytest.raises(WrongPasswordError):
        check_password(database, ines, "other", by=BY)
    assert failures(database) == [
        ("user.sign_in_failed", f"user {ines.id}", "mismatch"),
        ("user.sign_in_failed", "user unknown", "mismatch"),
        ("password.refused", f"user {ines.id}", "password"),
    ]
    with database.reading() as records:
        assert GOOD not in repr(records.audit.list())


def test_sign_in_that_must_wait_is_on_record(database: Database, ines: User, enter: Enter) -> None:
    for _ in range(FREE_TRIES):
        with pytest.raises(SignInFailedError):
            enter("wrong")
    with pytest.raises(TooManySignInsError):
        enter()
    assert failures(database)[-1] == ("user.sign_in_failed", f"user {ines.id}", "wait")


@pytest.fixture
def authenticator(database: Database, ines: User) -> pyotp.TOTP:
    secret = new_second_factor()
    shown = pyotp.TOTP(secret)
    set_second_factor(database, ines, secret, shown.at(NOW), seal=SEAL, by=BY)
    return shown


def test_code_is_asked_for_and_counts_once(enter: Enter, authenticator: pyotp.TOTP) -> None:
    code = authenticator.at(NOW)
    for wrong in ("", "000000" if code != "000000" else "111111", "١٢٣٤٥٦"):
        with pytest.raises(SignInFailedError):
            enter(code=wrong)
    enter(code=f"{code[:3]} {code[3:]}")
    with pytest.raises(SignInFailedError):
        enter(code=code)


@pytest.mark.parametrize(("seconds", "fits"), [(-30, True), (0, True), (30, True), (90, False)])
def test_clocks_may_differ_by_one_step(
    enter: Enter, authenticator: pyotp.TOTP, seconds: int, fits: bool
) -> None:
    code = authenticator.at(NOW + timedelta(seconds=seconds))
    if fits:
        enter(code=code)
    else:
        with pytest.raises(SignInFailedError):
            enter(code=code)


def test_secret_is_sealed_in_the_database(database: Database, ines: User) -> None:
    secret = new_second_factor()
    assert f"secret={secret}" in address_of(secret, ines)
    set_second_factor(database, ines, secret, pyotp.TOTP(secret).at(NOW), seal=SEAL, by=BY)
    with database.reading() as records:
        kept = records.users.secrets_of(ines.id).second_factor
    assert kept is not None
    assert secret.encode() not in kept


def test_authenticator_that_was_not_set_up_is_not_asked_for(
    database: Database, ines: User, enter: Enter
) -> None:
    with pytest.raises(WrongCodeError):
        set_second_factor(database, ines, new_second_factor(), "123", seal=SEAL, by=BY)
    enter()


def test_code_is_no_longer_asked_for(
    database: Database, ines: User, enter: Enter, authenticator: pyotp.TOTP
) -> None:
    remove_second_factor(database, ines, by=BY)
    enter()


def test_each_sign_in_forgets_those_that_are_over(database: Database, enter: Enter) -> None:
    token = enter()
    enter(now=NOW + timedelta(days=2))
    with database.reading() as records:
        assert records.users.find_sign_in(token) is None


def test_lost_data_key_lets_nobody_in_without_their_code(
    database: Database, ines: User, authenticator: pyotp.TOTP, caplog: pytest.LogCaptureFixture
) -> None:
    given = Credentials("ines", GOOD, authenticator.at(NOW))
    with pytest.raises(SignInFailedError):
        sign_in(database, given, seal=Seal(bytes([1]) * 32), stay=STAY, by=BY)
    assert "The data_key is not the one" in caplog.text


def test_present_password_is_not_guessed_any_faster_than_at_the_door(
    database: Database, ines: User, enter: Enter
) -> None:
    for _ in range(5):
        with pytest.raises(WrongPasswordError):
            check_password(database, ines, "other", by=BY)
    with pytest.raises(TooManySignInsError):
        check_password(database, ines, GOOD, by=BY)
    with pytest.raises(TooManySignInsError):
        enter()
    check_password(database, ines, GOOD, by=replace(BY, now=NOW + timedelta(minutes=1)))
    enter(now=NOW + timedelta(minutes=1))


def test_authenticator_takes_no_others_place_unasked(
    database: Database, ines: User, enter: Enter, authenticator: pyotp.TOTP
) -> None:
    other = new_second_factor()
    with pytest.raises(SecondFactorThereError):
        set_second_factor(database, ines, other, pyotp.TOTP(other).at(NOW), seal=SEAL, by=BY)
    enter(code=authenticator.at(NOW))
