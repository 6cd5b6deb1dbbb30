import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import pytest
from flask import Flask, abort, redirect
from flask.testing import FlaskClient
from tests.doors import free_port
from werkzeug.wrappers import Response

from hematovision.cells import CellReader
from hematovision.config import Settings
from hematovision.errors import DatabaseAwayError, HematoVisionError
from hematovision.storage.database import Database
from hematovision.web import create_app
from hematovision.web.access import public
from hematovision.web.errors import STATUS_OF, problem_of

from .conftest import JSON, sender_of


def every_failure(base: type[HematoVisionError] = HematoVisionError) -> Iterator[type]:
    for kind in base.__subclasses__():
        yield kind
        yield from every_failure(kind)


def test_every_named_failure_has_a_status() -> None:
    assert set(every_failure()) == set(STATUS_OF)


@pytest.mark.parametrize("kind", STATUS_OF)
def test_every_problem_says_what_is_wrong_and_what_to_do(kind: type[HematoVisionError]) -> None:
    problem = problem_of(kind("It is wrong."))
    assert problem.detail == "It is wrong."
    assert problem.advice
    of_the_server = {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INSUFFICIENT_STORAGE}
    assert problem.status in range(400, 500) or problem.status in of_the_server


@pytest.mark.parametrize(
    ("method", "url", "status", "code"),
    [
        pytest.param("GET", "/no-such-page", 404, "not_found", id="404"),
        pytest.param("GET", "/static/%00", 404, "not_found", id="404 NUL"),
        pytest.param("GET", "/static/../__init__.py", 404, "not_found", id="404 climbs"),
        pytest.param("GET", "/predict", 405, "method_not_allowed", id="405"),
        pytest.param("GET", "/teapot", 418, "bad_request", id="418"),
        pytest.param("GET", "/broken", 500, "internal", id="500"),
    ],
)
def test_every_failure_is_a_page_or_a_problem(
    app: Flask, method: str, url: str, status: int, code: str
) -> None:
    app.add_url_rule("/teapot", view_func=public(lambda: abort(418)), endpoint="teapot")
    app.add_url_rule("/broken", view_func=public(lambda: 1 / 0), endpoint="broken")
    client = app.test_client()
    page = client.open(url, method=method)
    assert page.status_code == status
    assert page.mimetype == "text/html"
    assert 'role="alert"' in page.text
    answer = client.open(url, method=method, headers=JSON)
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    assert list(answer.json) == [
        *("type", "title", "status", "code", "detail", "advice", "request_id")
    ]
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]
    assert answer.json["code"] == code
    assert "ZeroDivision" not in page.text + answer.text


def test_crash_is_logged(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    app.add_url_rule("/broken", view_func=public(lambda: 1 / 0), endpoint="broken")
    app.test_client().get("/broken")
    assert "ZeroDivisionError" in caplog.text


def test_405_says_which_methods_are_taken(client: FlaskClient) -> None:
    assert "POST" in client.get("/predict").headers["Allow"]


def test_redirect_stays_a_redirect(app: Flask) -> None:
    def moved() -> Response:
        abort(redirect("/"))

    app.add_url_rule("/moved", view_func=public(moved), endpoint="moved")
    assert app.test_client().get("/moved").status_code == HTTPStatus.FOUND


def test_every_failure_is_documented_once_with_its_status() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/predict.md").read_text()
    for failure, status in STATUS_OF.items():
        assert f"| `{failure.code()}` | {status.value} |" in page
        assert page.count(f"\n| `{failure.code()}` |") == 1


def test_upload_that_finds_no_room_is_told_and_other_troubles_of_the_system_are_bugs(
    app: Flask,
) -> None:
    def fail(number: int) -> None:
        raise OSError(number, os.strerror(number))

    app.add_url_rule("/fail/<int:number>", view_func=public(fail), endpoint="fail")
    client = app.test_client()
    full = client.get(f"/fail/{errno.ENOSPC}", headers=JSON)
    assert (full.status_code, full.json["code"]) == (507, "storage_full")
    assert client.get(f"/fail/{errno.EACCES}", headers=JSON).json["code"] == "internal"


def test_database_that_is_away_is_told_by_a_page_and_by_a_problem(
    app: Flask, client: FlaskClient
) -> None:
    def ask() -> None:
        raise DatabaseAwayError("The database does not answer.")

    app.before_request_funcs.setdefault(None, []).insert(0, ask)
    page = client.get("/cases")
    assert page.status_code == 503
    assert "does not answer" in page.text
    assert '<a class="btn next" href="">Try again' in page.text
    problem = client.get("/cases", headers=JSON)
    assert problem.json["code"] == "database_away"
    assert int(problem.headers["Retry-After"]) > 0


def test_place_of_pictures_that_is_away_is_told_and_nothing_is_recorded(
    settings: Settings,
    reader: CellReader,
    database: Database,
    jpeg: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("s3fs")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    away = replace(settings, pictures_url="s3://a-bucket-that-is-away/pictures")
    sender = sender_of(create_app(away, reader, database), database)
    answer = sender.program((jpeg, "smear.jpg"))
    assert (answer.status_code, answer.json["code"]) == (503, "pictures_away")
    assert int(answer.headers["Retry-After"]) > 0
    with database.reading() as records:
        assert "photo.read" not in [event.action for event in records.audit.list()]
