import re
from datetime import UTC, datetime
from http import HTTPStatus

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient

from hematovision.people import Role, User
from hematovision.services.accounts import get_user, set_password
from hematovision.services.hands import Hand
from hematovision.storage.database import Database

from .conftest import Sender, signed_in
from .test_sign_in import post

BY = Hand(None, "terminal", datetime.now(UTC))
GOOD = "plum orbit walnut canyon"
NEW = "willow comet basin thirty"


@pytest.fixture
def owner(client: FlaskClient, database: Database) -> User:
    """Give whoever is signed in a password, and keep them signed in."""
    user = get_user(database, Role.TECHNOLOGIST)
    with client.session_transaction() as session:
        set_password(database, user, GOOD, by=BY, keep=session["sign_in"])
    return user


def test_password_is_changed_and_other_places_are_out(
    app: Flask, database: Database, client: FlaskClient, owner: User
) -> None:
    elsewhere = signed_in(app, database, Role.TECHNOLOGIST)
    assert "At 2 places." in client.get("/account").text
    answer = post(client, "/account/password", on="/account", present=GOOD, password=NEW)
    assert answer.location == "/account?done=password"
    assert "The password is changed." in client.get(answer.location).text
    assert elsewhere.get("/").location == "/sign-in"
    fresh = app.test_client()
    form = {"name": owner.name, "password": NEW, "code": ""}
    assert post(fresh, "/sign-in", **form).status_code == HTTPStatus.SEE_OTHER


@pytest.mark.parametrize(
    ("present", "password", "said"),
    [
        pytest.param("other", NEW, "present password is another", id="present"),
        pytest.param(GOOD, "technologist1", "would be guessed", id="weak"),
    ],
)
def test_password_that_is_refused_stays(
    client: FlaskClient, owner: User, present: str, password: str, said: str
) -> None:
    fields = {"present": present, "password": password}
    answer = post(client, "/account/password", on="/account", **fields)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert said in answer.text
    assert password not in answer.text


def test_who_came_by_a_link_chooses_a_first_password(
    client: FlaskClient, database: Database
) -> None:
    assert "You have none yet" in client.get("/account").text
    post(client, "/account/password", on="/account", password=NEW)
    assert get_user(database, Role.TECHNOLOGIST).has_password


def test_authenticator_is_set_up_asked_for_and_removed(
    app: Flask, client: FlaskClient, owner: User
) -> None:
    post(client, "/account/second-factor/new", on="/account")
    page = client.get("/account").text
    secret = re.search(r'<code class="secret">([A-Z2-7]{32})</code>', page)
    assert secret
    assert "data:image/svg+xml" in page
    shown = pyotp.TOTP(secret[1])
    wrong = post(client, "/account/second-factor", on="/account", code="12")
    assert wrong.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert secret[1] in wrong.text
    done = post(client, "/account/second-factor", on="/account", code=shown.now())
    assert done.location == "/account?done=second-factor"
    assert secret[1] not in client.get("/account").text

    fresh = app.test_client()
    form = {"name": owner.name, "password": GOOD}
    assert post(fresh, "/sign-in", **form).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    entered = post(fresh, "/sign-in", **form, code=shown.now())
    assert entered.status_code == HTTPStatus.SEE_OTHER

    kept = post(client, "/account/second-factor/remove", on="/account", present="other")
    assert kept.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    post(client, "/account/second-factor/remove", on="/account", present=GOOD)
    assert "Set up an authenticator" in client.get("/account").text


def test_second_factor_that_was_never_shown_is_not_set(client: FlaskClient, owner: User) -> None:
    answer = post(client, "/account/second-factor", on="/account", code="123456")
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


def test_signing_out_elsewhere_leaves_this_place(
    app: Flask, database: Database, client: FlaskClient
) -> None:
    elsewhere = signed_in(app, database, Role.TECHNOLOGIST)
    post(client, "/account/elsewhere", on="/account")
    assert elsewhere.get("/").location == "/sign-in"
    assert "Here only." in client.get("/account").text


def test_token_is_shown_once_works_and_is_removed(
    visitor: FlaskClient, client: FlaskClient, jpeg: bytes
) -> None:
    page = post(client, "/account/tokens", on="/account", label="night script").text
    token = re.search(r'<code class="secret">([\w-]{43})</code>', page)
    assert token
    listed = client.get("/account").text
    assert "night script" in listed
    assert token[1] not in listed
    program = Sender(visitor)
    header = {"Authorization": f"Bearer {token[1]}"}
    assert program.program((jpeg, "a.jpg"), **header).status_code == HTTPStatus.OK
    remove = re.search(r'action="(/account/tokens/\d+/remove)"', listed)
    assert remove
    post(client, remove[1], on="/account")
    assert program.program((jpeg, "a.jpg"), **header).status_code == HTTPStatus.UNAUTHORIZED
