import re
from datetime import UTC, datetime
from http import HTTPStatus

import pytest
from flask import Flask
from flask.testing import FlaskClient

from hematovision.people import Right, Role, User
from hematovision.services.accounts import add_user, get_user, set_password
from hematovision.services.hands import Hand
from hematovision.services.tokens import add_token
from hematovision.storage.database import Database

from .conftest import signed_in
from .test_sign_in import post

BY = Hand(None, "terminal", datetime.now(UTC))
GOOD, NEW = "plum orbit walnut canyon", "willow comet basin thirty"


@pytest.fixture
def chief(app: Flask, database: Database) -> FlaskClient:
    """Give the browser of an administrator with a password."""
    client = signed_in(app, database, Role.ADMINISTRATOR)
    user = get_user(database, Role.ADMINISTRATOR)
    with client.session_transaction() as session:
        set_password(database, user, GOOD, by=BY, keep=session["sign_in"])
    return client


@pytest.fixture
def ines(database: Database) -> User:
    return add_user(database, "ines", Role.TECHNOLOGIST, by=BY)


def from_provider(database: Database, user: User) -> None:
    with database.transaction() as records:
        records.identities.add("https://id.lab.example", "1", user.id, now=BY.now)


def test_who_has_no_password_is_told_from_who_needs_none(
    database: Database, chief: FlaskClient, ines: User
) -> None:
    assert "no password yet" in chief.get("/users").text
    from_provider(database, ines)
    page = chief.get("/users").text
    assert "single sign-on" in page
    assert "no password yet" not in page


def test_somebody_is_added_with_a_link(app: Flask, database: Database, chief: FlaskClient) -> None:
    page = post(chief, "/users", name=" new.one ", role="pathologist").text
    link = re.search(r"http://localhost(/link/[\w-]{43})", page)
    assert link
    assert "Give new.one this link." in page
    assert link[1] not in chief.get("/users").text
    fresh = app.test_client()
    assert post(fresh, link[1], password=NEW).location == "/"
    user = get_user(database, "new.one")
    assert (user.role, user.has_password) == (Role.PATHOLOGIST, True)
    with database.reading() as records:
        added = [event for event in records.audit.list() if event.subject == f"user {user.id}"]
    assert added[-1].actor_id == get_user(database, Role.ADMINISTRATOR).id
    assert added[-1].door == "page"


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        pytest.param("INES", HTTPStatus.CONFLICT, "There is a user INES.", id="taken"),
        pytest.param("<b>", HTTPStatus.UNPROCESSABLE_ENTITY, "cannot be a user", id="no name"),
    ],
)
def test_name_that_is_refused_is_told(
    chief: FlaskClient, ines: User, name: str, status: HTTPStatus, said: str
) -> None:
    answer = post(chief, "/users", name=name, role="viewer")
    assert answer.status_code == status
    assert said in answer.text
    assert "<b>&lt;" not in answer.text
    assert 'value="<b>"' not in answer.text


def test_role_is_changed(database: Database, chief: FlaskClient, ines: User) -> None:
    answer = post(chief, f"/users/{ines.id}/role", on="/users", role="pathologist")
    assert answer.location == "/users"
    assert get_user(database, "ines").role is Role.PATHOLOGIST
    unknown = post(chief, f"/users/{ines.id}/role", on="/users", role="god")
    assert unknown.status_code == HTTPStatus.BAD_REQUEST


def test_somebody_is_shut_out_and_let_in(
    app: Flask, database: Database, chief: FlaskClient
) -> None:
    client = signed_in(app, database, Role.VIEWER)
    viewer = get_user(database, Role.VIEWER)
    post(chief, f"/users/{viewer.id}/disable", on="/users")
    assert "shut out" in chief.get("/users").text
    assert client.get("/").location == "/sign-in"
    post(chief, f"/users/{viewer.id}/enable", on="/users")
    assert not get_user(database, Role.VIEWER).is_disabled


def test_new_link_takes_the_password_away(
    database: Database, chief: FlaskClient, ines: User
) -> None:
    set_password(database, ines, GOOD, by=BY)
    page = post(chief, f"/users/{ines.id}/reset", on="/users").text
    assert "Give ines this link." in page
    assert not get_user(database, "ines").has_password


def test_last_administrator_is_kept(database: Database, chief: FlaskClient) -> None:
    own = get_user(database, Role.ADMINISTRATOR)
    answer = post(chief, f"/users/{own.id}/disable", on="/users")
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "is the last administrator" in answer.text
    assert not get_user(database, Role.ADMINISTRATOR).is_disabled


@pytest.mark.parametrize("action", ["role", "disable", "enable", "reset"])
def test_nobody_has_this_number(chief: FlaskClient, action: str) -> None:
    answer = post(chief, f"/users/4711/{action}", on="/users", role="viewer")
    assert answer.status_code == HTTPStatus.NOT_FOUND


def test_administrator_ends_the_tokens_of_others(
    visitor: FlaskClient, chief: FlaskClient, database: Database, ines: User
) -> None:
    token = add_token(database, ines, "night script", scopes={Right.SEE_MODEL}, by=BY)
    page = chief.get("/users").text
    assert "night script" in page
    assert token not in page
    remove = re.search(r'action="(/users/tokens/\d+/remove)"', page)
    assert remove
    assert post(chief, remove[1], on="/users").location == "/users#tokens"
    assert "night script" not in chief.get("/users").text
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    assert visitor.get("/model", headers=headers).status_code == HTTPStatus.UNAUTHORIZED
