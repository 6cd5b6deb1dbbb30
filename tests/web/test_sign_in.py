import re
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from hematovision.people import Role, User
from hematovision.services.accounts import (
    add_user,
    get_user,
    open_first_door,
    reset_password,
    set_password,
)
from hematovision.services.hands import Hand
from hematovision.services.sign_ins import FREE_TRIES
from hematovision.storage.database import Database

from .conftest import signed_in

BY = Hand(None, "terminal", datetime.now(UTC))
GOOD, NEW, WEAK = "plum orbit walnut canyon", "willow comet basin thirty", "password1"


@pytest.fixture
def ines(database: Database) -> User:
    user = add_user(database, "ines", Role.ADMINISTRATOR, by=BY)
    set_password(database, user, GOOD, by=BY)
    return get_user(database, "ines")


def post(client: FlaskClient, url: str, *, on: str | None = None, **fields: str) -> TestResponse:
    """Send a form as the page does that it stands on."""
    page = client.get(on or url).text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    return client.post(url, data=fields | {"csrf_token": token[1]})


def enter(client: FlaskClient, password: str = GOOD, url: str = "/sign-in") -> TestResponse:
    return post(client, url, name="ines", password=password, code="")


def test_person_signs_in_and_out(visitor: FlaskClient, ines: User) -> None:
    answer = enter(visitor)
    assert (answer.status_code, answer.location) == (HTTPStatus.SEE_OTHER, "/")
    page = visitor.get("/")
    assert "Account of ines" in page.text
    assert visitor.get("/sign-in").location == "/"
    answer = post(visitor, "/sign-out", on="/")
    assert answer.location == "/sign-in"
    assert answer.headers["Clear-Site-Data"] == '"cache"'
    assert visitor.get("/").location == "/sign-in"


def test_old_cookie_is_worth_nothing_after_signing_out(app: Flask, ines: User) -> None:
    client, thief = app.test_client(), app.test_client()
    enter(client)
    cookie = client.get_cookie("hematovision")
    assert cookie is not None
    post(client, "/sign-out", on="/")
    thief.set_cookie("hematovision", cookie.value)
    assert thief.get("/").location == "/sign-in"


def test_wrong_password_is_told_beside_the_form(visitor: FlaskClient, ines: User) -> None:
    answer = enter(visitor, "wrong")
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "do not match. 4 tries are left." in answer.text
    assert 'value="ines"' in answer.text
    assert "wrong" not in answer.text.replace('class="field wrong"', "")


def test_wait_is_told_with_its_seconds(visitor: FlaskClient, ines: User) -> None:
    for _ in range(FREE_TRIES):
        enter(visitor, "wrong")
    answer = enter(visitor)
    assert answer.status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert "Too many sign-ins failed." in answer.text
    assert int(answer.headers["Retry-After"]) in range(1, 31)


@pytest.mark.parametrize(
    ("wanted", "led"),
    [
        pytest.param("/model", "/model", id="ours"),
        pytest.param("/model?a=b", "/model?a=b", id="with a query"),
        pytest.param("//evil.example", "/", id="another host"),
        pytest.param("/\\evil.example", "/", id="backslash"),
        pytest.param("https://evil.example", "/", id="another site"),
        pytest.param("javascript:alert(1)", "/", id="script"),
        pytest.param("/a\r\nSet-Cookie: x=y", "/", id="two lines"),
        pytest.param("", "/", id="nothing"),
    ],
)
def test_way_back_never_leaves_us(visitor: FlaskClient, ines: User, wanted: str, led: str) -> None:
    page = visitor.get("/sign-in", query_string={"next": wanted}).text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    form = {"name": "ines", "password": GOOD, "csrf_token": token[1]}
    answer = visitor.post("/sign-in", query_string={"next": wanted}, data=form)
    assert answer.location == led


def test_session_of_before_is_left_behind(visitor: FlaskClient, ines: User) -> None:
    visitor.get("/sign-in")
    with visitor.session_transaction() as session:
        session["planted"] = "by another"
        before = session["csrf_token"]
    enter(visitor)
    visitor.get("/")
    with visitor.session_transaction() as session:
        assert "planted" not in session
        assert session["csrf_token"] != before


def test_form_of_another_site_signs_nobody_in(visitor: FlaskClient, ines: User) -> None:
    answer = visitor.post("/sign-in", data={"name": "ines", "password": GOOD})
    assert answer.status_code == HTTPStatus.BAD_REQUEST


def test_looking_at_a_link_does_not_use_it_up(app: Flask, database: Database) -> None:
    # It holds for a quarter of an hour, and a run may last longer.
    token = open_first_door(database, by=replace(BY, now=datetime.now(UTC)))
    for _ in range(2):
        page = app.test_client().get(f"/link/{token}")
        assert page.status_code == HTTPStatus.OK
        assert "Welcome, administrator" in page.text
    client = app.test_client()
    answer = post(client, f"/link/{token}", password="")
    assert answer.location == "/"
    assert client.get("/users").status_code == HTTPStatus.OK
    again = app.test_client().get(f"/link/{token}")
    assert again.status_code == HTTPStatus.GONE
    assert "lets nobody in any more" in again.text


def test_link_asks_for_a_password_once_there_is_an_administrator(
    app: Flask, database: Database, ines: User
) -> None:
    user = add_user(database, "new", Role.VIEWER, by=BY)
    link = f"/link/{reset_password(database, user, by=BY)}"
    client = app.test_client()
    none = post(client, link, password="")
    assert none.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "Choose a password" in none.text
    weak = post(client, link, password=WEAK)
    assert weak.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "would be guessed" in weak.text
    assert post(client, link, password=NEW).location == "/"
    assert get_user(database, "new").has_password


def test_link_signs_in_whom_it_names_whoever_was_here(
    app: Flask, database: Database, ines: User
) -> None:
    user = add_user(database, "new", Role.VIEWER, by=BY)
    link = f"/link/{reset_password(database, user, by=BY)}"
    client = signed_in(app, database, Role.ADMINISTRATOR)
    post(client, link, password=NEW)
    assert "Account of new" in client.get("/").text


def test_first_start_says_how_to_come_in(visitor: FlaskClient) -> None:
    assert "prints a link" in visitor.get("/sign-in").text


def test_no_page_of_an_account_stays_in_a_cache(visitor: FlaskClient) -> None:
    assert visitor.get("/sign-in").headers["Cache-Control"] == "no-store"


def test_password_is_hidden_and_managers_know_which_it_is(
    visitor: FlaskClient, database: Database, ines: User
) -> None:
    link = f"/link/{reset_password(database, add_user(database, 'n', Role.VIEWER, by=BY), by=BY)}"
    pages = [visitor.get("/sign-in").text, visitor.get(link).text]
    enter(visitor)
    pages.append(visitor.get("/account").text)
    fields = [field for page in pages for field in re.findall(r"<input[^>]*password[^>]*>", page)]
    assert len(fields) >= 4
    for field in fields:
        assert 'type="password"' in field
        assert re.search(r'autocomplete="(current|new)-password"', field)
        assert "onpaste" not in field
