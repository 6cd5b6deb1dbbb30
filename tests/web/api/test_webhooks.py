from datetime import timedelta
from http import HTTPStatus

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.services.webhooks import Line, Post
from tests.web.conftest import bearer

from hematovision.people import Role
from hematovision.services.delivering import Courier
from hematovision.storage.database import Database

ALL = "/api/v1/webhooks"
WANTED = {"url": "https://lis.example.org/told", "events": ["case.signed"]}


@pytest.fixture
def program(app: Flask, database: Database) -> FlaskClient:
    """Give a program of an administrator."""
    client = app.test_client()
    token = bearer(database, Role.ADMINISTRATOR)["Authorization"]
    client.environ_base["HTTP_AUTHORIZATION"] = token
    return client


@pytest.fixture
def made(program: FlaskClient) -> dict[str, object]:
    answer = program.post(ALL, json=WANTED)
    assert answer.status_code == HTTPStatus.CREATED
    return dict(answer.json or {})


def post_of(app: Flask, database: Database, *answers: int) -> Post:
    line = Line([*answers])
    seal = app.extensions["hematovision"].seal
    with database.reading() as records:
        (webhook,) = records.webhooks.list()
    return Post(Courier(database, seal, line), line, webhook.created_at)


def test_secret_is_shown_when_it_is_made_and_never_again(program: FlaskClient) -> None:
    answer = program.post(ALL, json=WANTED | {"description": "The LIS"})
    assert answer.status_code == HTTPStatus.CREATED
    assert answer.location == f"{ALL}/1"
    assert answer.json["secret"].startswith("whsec_")
    shown = program.get(answer.location)
    assert shown.json == {
        "id": 1,
        "url": WANTED["url"],
        "description": "The LIS",
        "events": ["case.signed"],
        "enabled": True,
        "disabled_at": None,
        "disabled_because": None,
        "former_secret_until": None,
        "created_at": answer.json["created_at"],
    }
    listed = program.get(ALL)
    assert listed.json == {"items": [shown.json], "next": None}
    assert answer.json["secret"] not in listed.text

    rotated = program.post(f"{ALL}/1/rotate-secret")
    assert rotated.json["secret"] not in {answer.json["secret"], None}
    assert rotated.json["former_secret_until"]
    assert "secret" not in program.get(f"{ALL}/1").json


def test_webhook_is_changed_as_it_was_seen(program: FlaskClient, made: object) -> None:
    seen = program.get(f"{ALL}/1").headers["ETag"]
    unconditional = program.patch(f"{ALL}/1", json={"enabled": False})
    assert unconditional.status_code == HTTPStatus.PRECONDITION_REQUIRED
    match = {"If-Match": seen}
    changed = program.patch(f"{ALL}/1", json={"enabled": False}, headers=match)
    assert changed.status_code == HTTPStatus.OK
    assert (changed.json["enabled"], changed.json["disabled_because"]) == (False, "by_hand")
    assert changed.json["url"] == WANTED["url"]
    outdated = program.patch(f"{ALL}/1", json={"enabled": True}, headers=match)
    assert outdated.status_code == HTTPStatus.PRECONDITION_FAILED
    refused = program.post(f"{ALL}/1/test")
    assert (refused.status_code, refused.json["code"]) == (409, "webhook_off")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param({"url": "http://lis.example.org/"}, "webhook_invalid", id="plain"),
        pytest.param({"url": "https://[::ffff:127.0.0.1]/"}, "webhook_invalid", id="mapped"),
        pytest.param({"events": []}, "fields_invalid", id="no event"),
        pytest.param({"events": ["webhook.test"]}, "fields_invalid", id="test"),
        pytest.param({"secret": "mine"}, "fields_invalid", id="unknown field"),
        pytest.param({"description": "x" * 201}, "fields_invalid", id="long"),
    ],
)
def test_what_cannot_be_is_refused(
    program: FlaskClient, body: dict[str, object], code: str
) -> None:
    answer = program.post(ALL, json=WANTED | body)
    assert (answer.status_code, answer.json["code"]) == (422, code)
    assert program.get(ALL).json["items"] == []


def test_what_was_told_is_listed_and_sent_again(
    app: Flask, database: Database, program: FlaskClient, made: object
) -> None:
    waits = program.post(f"{ALL}/1/test")
    assert waits.status_code == HTTPStatus.ACCEPTED
    assert (waits.json["state"], waits.json["attempts"]) == ("waiting", 0)
    again = f"{ALL}/1/deliveries/{waits.json['id']}/send-again"
    assert program.post(again).json["code"] == "delivery_waits"
    post_of(app, database, 204).deliver(timedelta(hours=1))
    told = program.get(f"{ALL}/1/deliveries").json["items"]
    assert len(told) == 1
    assert told[0] == waits.json | {
        "state": "delivered",
        "attempts": 1,
        "status": 204,
        "tried_at": told[0]["tried_at"],
        "next_at": None,
    }
    resent = program.post(again)
    assert resent.status_code == HTTPStatus.ACCEPTED
    assert (resent.json["state"], resent.json["event_id"]) == ("waiting", told[0]["event_id"])


def test_lists_go_on(program: FlaskClient, made: object) -> None:
    program.post(ALL, json=WANTED)
    for _ in range(3):
        program.post(f"{ALL}/1/test")
    for url, numbers in ((ALL, [1, 2]), (f"{ALL}/1/deliveries", [3, 2, 1])):
        seen, following = [], f"{url}?limit=1"
        while following:
            page = program.get(following)
            seen += [one["id"] for one in page.json["items"]]
            following = page.json["next"]
        assert seen == numbers


def test_webhook_is_deleted(program: FlaskClient, made: object) -> None:
    program.post(f"{ALL}/1/test")
    assert program.delete(f"{ALL}/1").status_code == HTTPStatus.NO_CONTENT
    for method, url in (
        ("GET", f"{ALL}/1"),
        ("DELETE", f"{ALL}/1"),
        ("GET", f"{ALL}/1/deliveries"),
        ("POST", f"{ALL}/1/test"),
        ("POST", f"{ALL}/1/deliveries/1/send-again"),
    ):
        answer = program.open(url, method=method)
        assert (answer.status_code, answer.json["code"]) == (404, "webhook_unknown")


def test_refusal_says_which_setting_opens_a_network(program: FlaskClient) -> None:
    answer = program.post(ALL, json=WANTED | {"url": "http://10.1.2.3/"})
    assert "HEMATOVISION_WEBHOOK_NETWORKS" in answer.json["advice"]
