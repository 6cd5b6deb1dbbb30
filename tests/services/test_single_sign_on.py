from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from hematovision.errors import (
    AccountShutError,
    AnotherPersonError,
    ConfirmationSpentError,
    HematoVisionError,
    NotAskedAgainError,
    RoleUnmappedError,
)
from hematovision.people import Role, User
from hematovision.services.accounts import (
    add_user,
    disable_user,
    list_users,
    set_password,
    take_first_password,
)
from hematovision.services.hands import Hand
from hematovision.services.sign_ins import Stay, find_signed_in
from hematovision.services.signing import open_desk, what_is_confirmed
from hematovision.services.single_sign_on import (
    CONFIRMATION,
    Person,
    confirm,
    is_confirmed,
    is_of_provider,
    list_of_provider,
    sign_in_by_provider,
)
from hematovision.services.trust import Trust
from hematovision.storage.database import Database

from .cases import NOW
from .signatures import hand_of, ready_case, sign

BY = Hand(None, "page", NOW)
STAY = Stay(timedelta(minutes=15), timedelta(hours=12))
ISSUER = "https://id.lab.example"
TRUST = Trust(ISSUER, "Lab ID", "groups", {"path": Role.PATHOLOGIST, "admin": Role.ADMINISTRATOR})


def person(subject: str = "1", issuer: str = ISSUER, **claims: Any) -> Person:
    said = {"groups": ["path"], "preferred_username": "rosa", "auth_time": NOW.timestamp()}
    return Person(issuer, subject, said | claims)


def enter(database: Database, who: Person | None = None, by: Hand = BY) -> User:
    return sign_in_by_provider(database, who or person(), TRUST, stay=STAY, by=by)[0]


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        pytest.param({}, "rosa", id="as they are called"),
        pytest.param({"preferred_username": "Rosa Okafor, MD"}, "Rosa.Okafor.MD", id="spaces"),
        pytest.param({"preferred_username": "LAB\\rosa"}, "LAB.rosa", id="domain"),
        pytest.param(
            {"preferred_username": "\u202e..", "email": "r@x.y"}, "r@x.y", id="nothing left"
        ),
        pytest.param({"preferred_username": 7, "name": "Inés"}, "Inés", id="not a text"),
        pytest.param({"preferred_username": ""}, "person", id="none"),
        pytest.param({"preferred_username": "a" * 300}, "a" * 56, id="long"),
    ],
)
def test_account_is_called_by_what_a_name_may_have(claims: dict[str, Any], name: str) -> None:
    assert person(**claims).name == name


@pytest.mark.parametrize("said", [None, "now", True, 1e300, float("nan"), [1]])
def test_moment_that_is_none_counts_as_not_said(said: object) -> None:
    assert person(auth_time=said).asked_at is None


def test_person_of_another_provider_is_another(each_database: Database) -> None:
    first = enter(each_database)
    assert enter(each_database) == first
    other = enter(each_database, person(issuer="https://other.example"))
    assert (first.name, other.name) == ("rosa", "rosa-2")
    assert enter(each_database, person("2", preferred_username="ROSA")).name == "ROSA-3"


def test_nobody_of_a_provider_becomes_the_first_administrator(database: Database) -> None:
    first = enter(database, person(preferred_username="Administrator"))
    admin = enter(database, person("2", groups=["admin"]))
    assert first.name == "Administrator-2"
    assert take_first_password(database, "plum orbit walnut canyon", by=BY)
    with database.reading() as records:
        people = records.users.list()
    with_password = [user.name for user in people if user.has_password]
    assert with_password == ["administrator"]
    assert admin.name not in with_password


def test_whoever_comes_twice_at_once_gets_one_account(each_database: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: enter(each_database), range(4)))
    assert len({user.id for user in found}) == 1
    assert [user.name for user in list_users(each_database)] == ["rosa"]


def test_stay_ends_as_that_of_everybody(database: Database) -> None:
    user, token = sign_in_by_provider(database, person(), TRUST, stay=STAY, by=BY)
    assert find_signed_in(database, token, stay=STAY, now=NOW + timedelta(minutes=14)) == user
    assert find_signed_in(database, token, stay=STAY, now=NOW + timedelta(hours=13)) is None


def test_refusal_is_on_record_and_changes_nothing(database: Database) -> None:
    rosa = enter(database)
    with pytest.raises(RoleUnmappedError):
        enter(database, person(groups=["none"]))
    disable_user(database, rosa, by=BY)
    with pytest.raises(AccountShutError):
        enter(database, person(groups=["admin"]))
    with database.reading() as records:
        last = records.audit.list()
        assert records.users.get(rosa.id).role is Role.PATHOLOGIST
    refused = [(event.subject, event.details) for event in last if event.action.endswith("failed")]
    subject = f"user {rosa.id}"
    assert refused == [(subject, {"why": "account_shut"}), (subject, {"why": "role_unmapped"})]


def test_account_is_of_the_provider_until_it_gets_a_password(database: Database) -> None:
    rosa, ines = enter(database), add_user(database, "ines", Role.VIEWER, by=BY)
    assert is_of_provider(database, rosa)
    assert list_of_provider(database) == {rosa.id}
    assert not is_of_provider(database, ines)
    set_password(database, rosa, "plum orbit walnut canyon", by=BY)
    assert not is_of_provider(database, rosa)


def proof(
    database: Database, user: User, what: str, who: Person | None = None, **at: datetime
) -> str:
    by = hand_of(user)
    return confirm(database, user, who or person(), what, began_at=at.get("began_at", NOW), by=by)


def test_confirmation_is_for_one_person_one_thing_and_five_minutes(database: Database) -> None:
    rosa = enter(database)
    other = enter(database, person("2"))
    token = proof(database, rosa, "this")
    good = {"now": NOW + CONFIRMATION - timedelta(seconds=1)}
    assert is_confirmed(database, rosa, token, "this", **good)
    assert not is_confirmed(database, rosa, token, "that", **good)
    assert not is_confirmed(database, other, token, "this", **good)
    assert not is_confirmed(database, rosa, "", "this", **good)
    assert not is_confirmed(database, rosa, token, "this", now=NOW + CONFIRMATION)


@pytest.mark.parametrize(
    ("who", "failure"),
    [
        pytest.param(person("2"), AnotherPersonError, id="another who has an account"),
        pytest.param(person("3"), AnotherPersonError, id="another who has none"),
        pytest.param(person(auth_time=NOW.timestamp() - 90), NotAskedAgainError, id="before"),
        pytest.param(person(auth_time=None), NotAskedAgainError, id="not said"),
    ],
)
def test_what_does_not_prove_who_sits_there_confirms_nothing(
    database: Database, who: Person, failure: type[HematoVisionError]
) -> None:
    rosa = enter(database)
    enter(database, person("2"))
    with pytest.raises(failure):
        proof(database, rosa, "this", who)
    with database.reading() as records:
        event = records.audit.list()[0]
    assert (event.action, event.subject) == ("user.confirmation_refused", f"user {rosa.id}")


def test_confirmation_signs_once_and_only_what_was_seen(database: Database) -> None:
    rosa = enter(database)
    case, other = ready_case(database), ready_case(database, "26-9")
    seen = open_desk(database, case.id, rosa).seen
    with pytest.raises(ConfirmationSpentError):
        sign(database, case, rosa)
    token = proof(database, rosa, what_is_confirmed(case.id, seen))
    for wrong, digest in ((other, seen), (case, "b" * 64)):
        with pytest.raises(ConfirmationSpentError):
            sign(database, wrong, rosa, seen=digest, confirmation=token)
    assert sign(database, case, rosa, confirmation=token).version == 1
    assert not is_confirmed(database, rosa, token, what_is_confirmed(case.id, seen), now=NOW)
    with database.reading() as records:
        refused = [event for event in records.audit.list() if event.action.endswith("refused")]
    assert {event.details["why"] for event in refused} == {"confirmation_spent"}
