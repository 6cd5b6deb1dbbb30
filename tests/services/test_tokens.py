from datetime import UTC, datetime, timedelta

import pytest

from hematovision.errors import ScopeInvalidError
from hematovision.people import OF_PEOPLE_ALONE, RIGHTS_OF, Right, Role, User, rights_of_programs
from hematovision.services.accounts import add_user, set_password, set_role
from hematovision.services.hands import Hand
from hematovision.services.tokens import (
    USED_EVERY,
    add_token,
    find_by_token,
    list_tokens,
    remove_token,
    remove_token_of_anybody,
)
from hematovision.storage.database import Database

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
BY = Hand(None, "terminal", NOW)


@pytest.fixture
def ines(database: Database) -> User:
    return add_user(database, "ines", Role.TECHNOLOGIST, by=BY)


def test_program_may_what_its_token_carries_and_no_more(database: Database, ines: User) -> None:
    token = add_token(database, ines, "script", scopes={Right.READ_PHOTOS}, by=BY)
    assert token.startswith("hv_")
    found = find_by_token(database, token, now=NOW)
    assert found
    assert (found.id, found.name) == (ines.id, "ines")
    assert [right for right in Right if found.may(right)] == [Right.READ_PHOTOS]


def test_role_that_shrinks_shrinks_the_token(database: Database, ines: User) -> None:
    token = add_token(database, ines, "script", scopes={Right.EXPORT, Right.SEE_CASES}, by=BY)
    set_role(database, ines, Role.VIEWER, by=BY)
    found = find_by_token(database, token, now=NOW)
    assert found
    assert [right for right in Right if found.may(right)] == [Right.SEE_CASES]


@pytest.mark.parametrize("role", Role)
def test_no_program_signs_erases_or_manages_users(database: Database, role: Role) -> None:
    user = add_user(database, "robot", role, by=BY)
    found = find_by_token(database, add_token(database, user, "all", by=BY), now=NOW)
    assert found
    may = {right for right in Right if found.may(right)}
    assert may == set(rights_of_programs(role)) == RIGHTS_OF[role] - OF_PEOPLE_ALONE


@pytest.mark.parametrize(
    ("scopes", "said"),
    [
        pytest.param([], "nothing", id="nothing"),
        pytest.param([Right.SEE_CASES, Right.SIGN], "No token may carry “sign”", id="of people"),
        pytest.param([Right.SET_LABORATORY], "has no “set_laboratory”", id="of another role"),
    ],
)
def test_scopes_that_no_token_of_theirs_has_are_refused(
    database: Database, ines: User, scopes: list[Right], said: str
) -> None:
    with pytest.raises(ScopeInvalidError, match=said):
        add_token(database, ines, "script", scopes=scopes, by=BY)
    assert list_tokens(database, now=NOW) == []


def test_token_ends_after_its_days(database: Database, ines: User) -> None:
    token = add_token(database, ines, "script", days=7, by=BY)
    end = NOW + timedelta(days=7)
    assert find_by_token(database, token, now=end - timedelta(seconds=1))
    assert find_by_token(database, token, now=end) is None


def test_use_is_shown_with_its_address(database: Database, ines: User) -> None:
    token = add_token(database, ines, "script", by=BY)
    for later, address in ((timedelta(), "10.0.0.1"), (USED_EVERY / 2, "10.0.0.2")):
        find_by_token(database, token, now=NOW + later, address=address)
        (kept,) = list_tokens(database, now=NOW)
        assert (kept.used_at, kept.used_from) == (NOW, "10.0.0.1")
    find_by_token(database, token, now=NOW + USED_EVERY, address="10.0.0.2")
    (kept,) = list_tokens(database, now=NOW)
    assert kept.used_from == "10.0.0.2"
    assert kept.fingerprint not in token
    assert len(kept.fingerprint) == 8


def test_token_of_another_is_removed_by_an_administrator_alone(
    database: Database, ines: User
) -> None:
    chief = add_user(database, "chief", Role.ADMINISTRATOR, by=BY)
    token = add_token(database, ines, "", by=BY)
    (kept,) = list_tokens(database, now=NOW)
    assert kept.label == "program"
    remove_token(database, chief, kept.id, by=BY)
    assert find_by_token(database, token, now=NOW)
    by = Hand(chief.id, "page", NOW)
    for _ in range(2):
        remove_token_of_anybody(database, kept.id, by=by)
    assert find_by_token(database, token, now=NOW) is None
    with database.reading() as records:
        (event,) = [one for one in records.audit.list() if one.action == "token.removed"]
    assert (event.actor_id, event.subject) == (chief.id, f"user {ines.id}")
    assert event.details == {"token": kept.id}


def test_what_a_token_carries_stands_in_the_record(database: Database, ines: User) -> None:
    add_token(database, ines, "script", scopes={Right.EXPORT}, days=30, by=BY)
    (kept,) = list_tokens(database, now=NOW)
    with database.reading() as records:
        event = records.audit.list()[0]
    details = {"label": "script", "token": kept.id, "scopes": ["export"], "days": 30}
    assert event.details == details


@pytest.mark.parametrize("ends", [False, True])
def test_new_password_ends_tokens_where_that_is_asked_for(
    database: Database, ines: User, ends: bool
) -> None:
    token = add_token(database, ines, "script", by=BY)
    set_password(database, ines, "plum orbit walnut canyon", end_programs=ends, by=BY)
    assert (find_by_token(database, token, now=NOW) is None) == ends
    remove_token(database, ines, 1, by=BY)
