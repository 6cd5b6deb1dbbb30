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
    page = post(
        client,
        "/account/tokens",
        on="/account",
        label="night script",
        scope="read_photos",
        days="7",
    ).text
    token = re.search(r'<code class="secret">(hv_[\w-]{43})</code>', page)
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


def made(client: FlaskClient, **fields: str) -> str:
    """Make a token on the page."""
    fields = {"label": "script", "scope": "read_photos", "days": "90"} | fields
    answer = post(client, "/account/tokens", on="/account", **fields)
    shown = re.search(r'class="secret">(hv_[\w-]{43})<', answer.text)
    assert shown, answer.status_code
    return shown[1]


def test_page_offers_what_the_role_has_and_chooses_little(client: FlaskClient) -> None:
    page = client.get("/account").text
    offered = re.findall(r'name="scope" value="(\w+)"( checked)?', page)
    assert [scope for scope, _ in offered] == [
        "see_model",
        "read_photos",
        "see_cases",
        "review",
        "export",
        "see_quality",
    ]
    assert [scope for scope, checked in offered if checked] == ["read_photos"]


def test_token_says_what_it_carries_and_where_it_was_used(
    visitor: FlaskClient, client: FlaskClient
) -> None:
    token = made(client, scope="see_cases")
    assert "never used" in client.get("/account").text
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    assert visitor.get("/cases", headers=headers).status_code == HTTPStatus.OK
    assert "from 127.0.0.1" in client.get("/account").text


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        pytest.param({"scope": "sign"}, HTTPStatus.UNPROCESSABLE_ENTITY, id="of people"),
        pytest.param({"scope": "see_audit"}, HTTPStatus.UNPROCESSABLE_ENTITY, id="another role's"),
        pytest.param({"days": "7"}, HTTPStatus.UNPROCESSABLE_ENTITY, id="nothing"),
        pytest.param({"scope": "made_up"}, HTTPStatus.BAD_REQUEST, id="no right"),
        pytest.param({"scope": "export", "days": "9999"}, HTTPStatus.BAD_REQUEST, id="long"),
        pytest.param({"scope": "export", "days": "x"}, HTTPStatus.BAD_REQUEST, id="no number"),
    ],
)
def test_token_that_is_not_offered_is_not_made(
    client: FlaskClient, fields: dict[str, str], status: HTTPStatus
) -> None:
    answer = post(client, "/account/tokens", on="/account", label="script", **fields)
    assert answer.status_code == status
    assert 'class="secret"' not in answer.text
    assert "/remove" not in client.get("/account").text


def test_new_password_ends_the_tokens_of_programs_if_asked(
    visitor: FlaskClient, client: FlaskClient, owner: User
) -> None:
    headers = {
        "Authorization": f"Bearer {made(client, scope='see_cases')}",
        "Accept": "application/json",
    }
    fields = {"present": GOOD, "password": NEW}
    post(client, "/account/password", on="/account", **fields)
    assert visitor.get("/cases", headers=headers).status_code == HTTPStatus.OK
    fields = {"present": NEW, "password": GOOD, "end_programs": "1"}
    post(client, "/account/password", on="/account", **fields)
    assert visitor.get("/cases", headers=headers).status_code == HTTPStatus.UNAUTHORIZED
