import re
from datetime import timedelta
from http import HTTPStatus

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.services.webhooks import Line, Post
from werkzeug.test import TestResponse

from hematovision.people import Role
from hematovision.services.delivering import Courier
from hematovision.services.webhooks import list_webhooks
from hematovision.storage.database import Database

from .conftest import signed_in

ALL = "/laboratory/webhooks"
FORM = {"url": "https://lis.example.org/told", "description": "The LIS", "events": "case.signed"}


@pytest.fixture
def chief(app: Flask, database: Database) -> FlaskClient:
    return signed_in(app, database, Role.ADMINISTRATOR)


def post(client: FlaskClient, address: str, form: dict[str, str]) -> TestResponse:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(ALL).text)
    assert found
    return client.post(address, data=form | {"csrf_token": found[1]})


def add(client: FlaskClient, **other: str) -> TestResponse:
    return post(client, ALL, FORM | other)


def do(client: FlaskClient, what: str, **form: str) -> TestResponse:
    return post(client, f"{ALL}/1{what}", form)


def deliver(app: Flask, database: Database, *answers: int | None) -> None:
    (webhook,) = list_webhooks(database)
    line = Line([*answers])
    courier = Courier(database, app.extensions["hematovision"].seal, line)
    Post(courier, line, webhook.created_at).deliver(timedelta(hours=1))


def test_webhook_is_added_and_its_secret_shown_once(chief: FlaskClient) -> None:
    assert "None yet. Add one below." in chief.get(ALL).text
    page = add(chief)
    assert page.status_code == HTTPStatus.OK
    secret = re.search(r"whsec_[\w+/=]{44}", page.text)
    assert secret
    assert "Copy the secret now" in page.text
    for url in (ALL, f"{ALL}/1"):
        assert secret[0] not in chief.get(url).text
        assert "The LIS" in chief.get(url).text
    assert "Told nothing yet" in chief.get(ALL).text


def test_address_that_is_refused_is_told_and_what_was_typed_stays(chief: FlaskClient) -> None:
    answer = add(chief, url="https://127.0.0.1/a")
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "This address cannot be told anything." in answer.text
    assert 'value="https://127.0.0.1/a"' in answer.text
    add(chief)
    changed = do(chief, "", **FORM | {"url": "ftp://x", "version": "1"})
    assert changed.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert 'value="ftp://x"' in changed.text


def test_test_is_sent_and_sent_again(app: Flask, database: Database, chief: FlaskClient) -> None:
    add(chief)
    assert do(chief, "/test").location == f"{ALL}/1"
    assert "<b>Waits</b>" in chief.get(f"{ALL}/1").text
    deliver(app, database, 204)
    page = chief.get(f"{ALL}/1").text
    assert "<b>Delivered</b> <code>HTTP 204</code>" in page
    assert "Reached 2" in chief.get(ALL).text
    assert do(chief, "/deliveries/1/again").location == f"{ALL}/1"
    refused = do(chief, "/deliveries/1/again")
    assert refused.status_code == HTTPStatus.CONFLICT
    assert "This is still being sent." in refused.text


def test_failure_says_what_to_look_at(app: Flask, database: Database, chief: FlaskClient) -> None:
    add(chief)
    do(chief, "/test")
    deliver(app, database, None)
    page = chief.get(f"{ALL}/1").text
    assert "<small>not reached</small>" in page
    assert "Check its address, its certificate and its network" in page
    assert "Not reached since" in chief.get(ALL).text


def test_webhook_that_is_gone_is_switched_on_again(
    app: Flask, database: Database, chief: FlaskClient
) -> None:
    add(chief)
    do(chief, "/test")
    deliver(app, database, 410)
    assert "it answered that it is gone for good" in chief.get(ALL).text
    page = chief.get(f"{ALL}/1").text
    assert "Send a test" not in page
    assert "Send again" not in page
    assert do(chief, "/test").status_code == HTTPStatus.CONFLICT
    on = FORM | {"is_on": "on", "version": "2"}
    assert do(chief, "", **on).location == f"{ALL}/1"
    assert do(chief, "", **on).status_code == HTTPStatus.CONFLICT
    assert "Send a test" in chief.get(f"{ALL}/1").text


def test_secret_is_made_anew_and_shown_once(chief: FlaskClient) -> None:
    first = re.search(r"whsec_[\w+/=]{44}", add(chief).text)
    second = re.search(r"whsec_[\w+/=]{44}", do(chief, "/secret").text)
    assert first and second  # noqa: PT018
    assert first[0] != second[0]
    page = chief.get(f"{ALL}/1").text
    assert "Two sign until" in page
    assert "whsec_" not in page


def test_webhook_is_deleted(chief: FlaskClient, database: Database) -> None:
    add(chief)
    assert do(chief, "/remove").location == ALL
    assert list_webhooks(database) == []
    assert chief.get(f"{ALL}/1").status_code == HTTPStatus.NOT_FOUND
    assert do(chief, "/test").status_code == HTTPStatus.NOT_FOUND


def test_administrators_find_the_page(app: Flask, database: Database, chief: FlaskClient) -> None:
    assert f'href="{ALL}"' in chief.get("/users").text
    pathologist = signed_in(app, database, Role.PATHOLOGIST)
    assert pathologist.get(ALL).status_code == HTTPStatus.FORBIDDEN
