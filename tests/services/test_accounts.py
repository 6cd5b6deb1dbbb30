from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from hematovision.errors import (
    LastAdministratorError,
    LinkSpentError,
    PasswordTooWeakError,
    UserNameInvalidError,
    UserNameTakenError,
    UserUnknownError,
)
from hematovision.people import Role, User
from hematovision.services.accounts import (
    FIRST_NAME,
    add_user,
    disable_user,
    enable_user,
    get_linked,
    get_user,
    has_administrator,
    open_first_door,
    reset_password,
    set_password,
    set_role,
    take_first_password,
)
from hematovision.services.hands import Hand
from hematovision.services.tokens import add_token, find_by_token
from hematovision.storage.database import Database

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
BY = Hand(None, "terminal", NOW)
GOOD = "plum orbit walnut canyon"


@pytest.fixture
def ines(database: Database) -> User:
    return add_user(database, "ines", Role.TECHNOLOGIST, by=BY)


@pytest.fixture
def chief(database: Database) -> User:
    user = add_user(database, "chief", Role.ADMINISTRATOR, by=BY)
    set_password(database, user, GOOD, by=BY)
    return get_user(database, "chief")


def actions(database: Database) -> list[str]:
    """Give what was recorded, oldest first."""
    with database.reading() as records:
        return [event.action for event in reversed(records.audit.list())]


@pytest.mark.parametrize("name", ["", " ", "a b", "a\n", "x" * 65, "<b>", "a/b", "\u202eabc"])
def test_name_that_cannot_be_told_apart_is_refused(database: Database, name: str) -> None:
    with pytest.raises(UserNameInvalidError):
        add_user(database, name, Role.VIEWER, by=BY)
    assert actions(database) == []


@pytest.mark.parametrize("name", ["ines", "INES"])
def test_name_is_given_once(database: Database, ines: User, name: str) -> None:
    with pytest.raises(UserNameTakenError):
        add_user(database, name, Role.VIEWER, by=BY)
    assert actions(database) == ["user.added"]


def test_nobody_is_named(database: Database) -> None:
    with pytest.raises(UserUnknownError, match="nobody"):
        get_user(database, "nobody")


def test_every_change_is_recorded_with_it(database: Database, ines: User, chief: User) -> None:
    by = Hand(chief.id, "page", NOW)
    set_role(database, ines, Role.PATHOLOGIST, by=by)
    disable_user(database, ines, by=by)
    enable_user(database, ines, by=by)
    add_token(database, ines, " my \n script ", by=by)
    reset_password(database, ines, by=by)
    with database.reading() as records:
        events = [event for event in records.audit.list() if event.actor_id == chief.id]
    assert [event.action for event in reversed(events)] == [
        "user.role_changed",
        "user.disabled",
        "user.enabled",
        "token.added",
        "user.password_reset",
    ]
    assert {event.subject for event in events} == {f"user {ines.id}"}
    assert events[-1].details == {"from": "technologist", "to": "pathologist"}
    assert events[1].details["label"] == "my script"


def test_shutting_out_ends_every_way_in(database: Database, ines: User) -> None:
    token = add_token(database, ines, "script", by=BY)
    with database.transaction() as records:
        records.users.add_sign_in("browser", ines.id, now=NOW, expires_at=NOW + timedelta(hours=1))
    link = reset_password(database, ines, by=BY)
    disable_user(database, ines, by=BY)
    with database.reading() as records:
        assert records.users.find_sign_in("browser") is None
    assert find_by_token(database, token, now=NOW) is None
    with pytest.raises(LinkSpentError):
        get_linked(database, link, now=NOW)


def test_last_administrator_stays(database: Database, chief: User) -> None:
    for leave in (
        lambda: disable_user(database, chief, by=BY),
        lambda: set_role(database, chief, Role.VIEWER, by=BY),
    ):
        with pytest.raises(LastAdministratorError):
            leave()
    # One who has no password yet cannot take over.
    second = add_user(database, "second", Role.ADMINISTRATOR, by=BY)
    with pytest.raises(LastAdministratorError):
        disable_user(database, chief, by=BY)
    set_password(database, second, GOOD, by=BY)
    disable_user(database, chief, by=BY)
    assert get_user(database, "chief").is_disabled


def test_weak_password_changes_nothing(database: Database, chief: User) -> None:
    before = actions(database)
    with pytest.raises(PasswordTooWeakError):
        set_password(database, chief, "chief", by=BY)
    assert actions(database) == before


def test_new_password_signs_out_everywhere_but_here(database: Database, chief: User) -> None:
    end = NOW + timedelta(hours=1)
    with database.transaction() as records:
        for place in ("here", "there"):
            records.users.add_sign_in(place, chief.id, now=NOW, expires_at=end)
    set_password(database, chief, f"{GOOD} too", by=BY, keep="here")
    with database.reading() as records:
        assert records.users.find_sign_in("here") is not None
        assert records.users.find_sign_in("there") is None


def test_first_door_opens_until_an_administrator_has_a_password(database: Database) -> None:
    first = open_first_door(database, by=BY)
    second = open_first_door(database, by=BY)
    assert first is not None
    assert second is not None
    with pytest.raises(LinkSpentError):
        get_linked(database, first, now=NOW)
    who = get_linked(database, second, now=NOW + timedelta(minutes=14))
    assert (who.name, who.role) == (FIRST_NAME, Role.ADMINISTRATOR)
    with pytest.raises(LinkSpentError):
        get_linked(database, second, now=NOW + timedelta(minutes=15))
    assert not has_administrator(database)
    set_password(database, who, GOOD, by=BY)
    assert has_administrator(database)
    assert open_first_door(database, by=BY) is None


def test_first_door_is_for_an_administrator_who_is_there(database: Database, ines: User) -> None:
    waiting = add_user(database, "waiting", Role.ADMINISTRATOR, by=BY)
    token = open_first_door(database, by=BY)
    assert token is not None
    assert get_linked(database, token, now=NOW).id == waiting.id


def test_first_password_is_taken_once(database: Database) -> None:
    assert take_first_password(database, GOOD, by=BY)
    assert not take_first_password(database, f"{GOOD} other", by=BY)
    assert get_user(database, FIRST_NAME).has_password


def test_of_two_administrators_who_leave_at_once_one_stays(database: Database, chief: User) -> None:
    second = add_user(database, "second", Role.ADMINISTRATOR, by=BY)
    set_password(database, second, GOOD, by=BY)

    def leave(user: User) -> bool:
        try:
            disable_user(database, user, by=BY)
        except LastAdministratorError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(leave, (chief, second))) == [False, True]
    assert has_administrator(database)


def test_link_made_before_somebody_was_shut_out_lets_nobody_in(
    database: Database, ines: User
) -> None:
    link = reset_password(database, ines, by=BY)
    disable_user(database, ines, by=BY)
    enable_user(database, ines, by=BY)
    with pytest.raises(LinkSpentError):
        get_linked(database, link, now=NOW)
