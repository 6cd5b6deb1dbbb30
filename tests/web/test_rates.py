from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.conftest import skip_or_fail
from tests.databases import redis
from tests.listening import listening

from hematovision.cells import CellReader
from hematovision.config import Settings
from hematovision.observing.signals import Signal
from hematovision.people import Role
from hematovision.services.accounts import get_user
from hematovision.services.tokens import add_token
from hematovision.storage.database import Database
from hematovision.web import create_app
from hematovision.web.rates import by_address

from .conftest import JSON, bearer, signed_in
from .test_access import BY
from .test_sign_in import post

MakeApp = Callable[..., Flask]
OK, MANY = HTTPStatus.OK, HTTPStatus.TOO_MANY_REQUESTS
UNKNOWN = JSON | {"Authorization": "Bearer hv_made_up"}


@pytest.fixture
def make(settings: Settings, reader: CellReader, database: Database) -> MakeApp:
    """Give an application that lets everybody ask three times an hour, or as is said."""

    def make(**given: str) -> Flask:
        rates = {"rate_limit": "3 per hour", "rate_limit_visitors": "3 per hour"}
        return create_app(replace(settings, **(rates | given)), reader, database)

    return make


def program(app: Flask, database: Database, role: Role = Role.TECHNOLOGIST) -> FlaskClient:
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = bearer(database, role)["Authorization"]
    return client


def statuses(client: FlaskClient, number: int = 4, url: str = "/api/v1/model") -> list[int]:
    return [client.get(url, headers=JSON).status_code for _ in range(number)]


def test_program_that_asks_too_often_is_told_when_to_come_back(
    make: MakeApp, database: Database
) -> None:
    client = program(make(), database)
    first = client.get("/api/v1/model")
    assert first.status_code == OK
    assert first.headers["RateLimit-Policy"] == '"asker";q=3;w=3600'
    assert first.headers["RateLimit"].startswith('"asker";r=2;t=')
    assert "Retry-After" not in first.headers
    with listening() as heard:
        assert statuses(client, 3) == [OK, OK, MANY]
    assert heard == [Signal.TOO_OFTEN]
    answer = client.get("/api/v1/model")
    assert answer.mimetype == "application/problem+json"
    assert answer.json["code"] == "too_many_requests"
    seconds = int(answer.headers["Retry-After"])
    assert 3000 < seconds <= 3600
    assert answer.headers["RateLimit"] == f'"asker";r=0;t={seconds}'


def test_each_person_and_the_programs_of_each_have_a_limit_of_their_own(
    make: MakeApp, database: Database
) -> None:
    app = make()
    first, person = program(app, database), signed_in(app, database, Role.TECHNOLOGIST)
    assert statuses(first) == [OK, OK, OK, MANY]
    # Another token of theirs is no way around it; one of somebody else is not hindered.
    assert statuses(program(app, database), 1) == [MANY]
    assert statuses(program(app, database, Role.VIEWER), 1) == [OK]
    # Their own programs lock nobody out of the pages.
    assert statuses(person, url="/history") == [OK, OK, OK, MANY]
    assert statuses(signed_in(app, database, Role.VIEWER), 1, "/history") == [OK]


def test_person_is_refused_with_a_page(make: MakeApp, database: Database) -> None:
    client = signed_in(make(rate_limit="1 per hour"), database, Role.TECHNOLOGIST)
    client.get("/history")
    answer = client.get("/history")
    assert answer.status_code == MANY
    assert "Too many requests." in answer.text
    assert "Retry-After" in answer.headers
    assert "RateLimit" not in client.get("/health").headers


def test_pictures_and_files_of_the_page_are_not_counted(make: MakeApp, database: Database) -> None:
    client = signed_in(make(rate_limit="1 per hour"), database, Role.TECHNOLOGIST)
    for url in ("/cases/1/cells/1.jpg?side=64", "/static/none.css", "/health", "/nowhere"):
        assert MANY not in statuses(client, 3, url)
    with client.get("/static/style.css") as answer:
        assert answer.status_code == OK
    assert statuses(client, 2, "/history") == [OK, MANY]


def test_unknown_tokens_are_counted_by_address_before_they_fill_the_record(
    make: MakeApp, database: Database
) -> None:
    client = make().test_client()
    found = [client.get("/api/v1/model", headers=UNKNOWN).status_code for _ in range(5)]
    assert found == [HTTPStatus.UNAUTHORIZED] * 3 + [MANY] * 2
    with database.reading() as records:
        refused = [one for one in records.audit.list() if one.action == "access.refused"]
    assert [one.subject for one in refused] == ["token"] * 3


def test_program_is_counted_at_pictures_of_the_page(make: MakeApp, database: Database) -> None:
    found = statuses(program(make(), database), url="/cases/1/cells/1.jpg?side=64")
    assert found == [HTTPStatus.NOT_FOUND] * 3 + [MANY]


def test_unknown_token_at_a_picture_is_counted(make: MakeApp) -> None:
    client = make(rate_limit_visitors="1 per hour").test_client()
    url = "/cases/1/cells/1.jpg?side=64"
    assert client.get(url, headers=UNKNOWN).status_code == HTTPStatus.UNAUTHORIZED
    assert client.get(url, headers=UNKNOWN).status_code == MANY


def test_who_has_a_token_is_not_hindered_by_who_guesses(make: MakeApp, database: Database) -> None:
    app = make()
    guesser = app.test_client()
    for _ in range(5):
        guesser.get("/api/v1/model", headers=UNKNOWN)
    assert statuses(program(app, database), 1) == [OK]


def test_sign_ins_and_links_are_counted_by_address(make: MakeApp) -> None:
    client = make().test_client()
    typed = {"name": "nobody", "password": "x"}
    assert post(client, "/sign-in", **typed).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert client.get("/link/made-up").status_code == HTTPStatus.GONE
    assert client.get("/link/made-up").status_code == HTTPStatus.GONE
    assert post(client, "/sign-in", **typed).status_code == MANY
    assert client.get("/link/made-up").status_code == MANY
    elsewhere = {"REMOTE_ADDR": "10.0.0.2"}
    assert client.get("/link/made-up", environ_base=elsewhere).status_code == HTTPStatus.GONE


def test_who_is_signed_in_guesses_no_faster(make: MakeApp, database: Database) -> None:
    client = signed_in(make(rate_limit="off"), database, Role.VIEWER)
    found = statuses(client, 5, "/link/made-up")
    assert found == [HTTPStatus.GONE] * 3 + [MANY] * 2


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        pytest.param("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True, id="one house"),
        pytest.param("2001:db8:1:2::1", "2001:db8:1:3::1", False, id="two houses"),
        pytest.param("10.0.0.1", "10.0.0.2", False, id="IPv4"),
        pytest.param("::ffff:10.0.0.1", "::ffff:10.0.0.2", False, id="IPv4 within IPv6"),
        pytest.param("::ffff:10.0.0.1", "10.0.0.1", True, id="one address in two forms"),
        pytest.param("", "a.socket", False, id="no address"),
    ],
)
def test_house_of_an_address_is_counted(make: MakeApp, first: str, second: str, same: bool) -> None:
    app = make(rate_limit_visitors="1 per hour")
    app.add_url_rule("/guess", "guess", by_address(lambda: "no"), methods=["POST"])
    app.view_functions["guess"].is_public = True  # type: ignore[attr-defined]

    def guess(address: str) -> int:
        environ = {"REMOTE_ADDR": address}
        return app.test_client().post("/guess", environ_base=environ, headers=JSON).status_code

    assert guess(first) == OK
    assert guess(first) == MANY
    assert (guess(second) == MANY) == same


def test_off_is_no_limit(make: MakeApp, database: Database) -> None:
    app = make(rate_limit="off", rate_limit_visitors="off")
    assert statuses(program(app, database), 5) == [OK] * 5
    client = app.test_client()
    assert {client.get("/api/v1/model", headers=UNKNOWN).status_code for _ in range(5)} == {401}


def test_servers_count_together_in_redis(
    make: MakeApp, database: Database, redis_address: str
) -> None:
    first, second = (make(queue_url=redis_address) for _ in range(2))
    token = add_token(database, get_user(database, owner(first, database)), "x", by=BY)
    asked = []
    for app in (first, second, first, second):
        headers = {"Authorization": f"Bearer {token}"}
        asked.append(app.test_client().get("/api/v1/model", headers=headers).status_code)
    assert asked == [OK, OK, OK, MANY]


def owner(app: Flask, database: Database) -> str:
    """Make somebody whose programs may look; give their name."""
    signed_in(app, database, Role.VIEWER)
    return Role.VIEWER


@pytest.mark.parametrize("address", ["redis://127.0.0.1:1/0", "unix:///nowhere/socket"])
def test_without_redis_each_server_counts_by_itself(
    make: MakeApp, database: Database, address: str
) -> None:
    assert statuses(program(make(queue_url=address), database)) == [OK, OK, OK, MANY]


def test_redis_that_goes_away_breaks_nothing(make: MakeApp, database: Database) -> None:
    try:
        with redis() as server:
            client = program(make(queue_url=server.address), database)
            assert statuses(client, 2) == [OK, OK]
    except LookupError as error:
        skip_or_fail(str(error))
    assert statuses(client) == [OK, OK, OK, MANY]
    assert client.get("/api/v1/model").headers["Retry-After"]
