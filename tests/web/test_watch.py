import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus

import pytest
from flask import Flask

from hematovision.cells import CellReader
from hematovision.config import Settings
from hematovision.observing.logs import ACCESS, IdFilter, JsonFormatter
from hematovision.people import Role
from hematovision.storage.database import Database
from hematovision.web import create_app
from hematovision.web.access import public

from .conftest import JSON, signed_in


class Lines(logging.Handler):
    """Keeps what is logged, as it would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.addFilter(IdFilter())
        self.text: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.text.append(self.format(record))

    def of(self, logger: str) -> list[dict[str, object]]:
        return [line for line in map(json.loads, self.text) if line["logger"] == logger]


@pytest.fixture
def lines() -> Iterator[Lines]:
    lines, logger = Lines(), logging.getLogger("hematovision")
    before = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
    yield lines
    logger.removeHandler(lines)
    logger.setLevel(before)


@pytest.fixture
def logged(settings: Settings, reader: CellReader, database: Database) -> Flask:
    return create_app(replace(settings, log_format="json"), reader, database)


def test_every_request_has_a_line_that_tells_nothing_of_its_content(
    logged: Flask, database: Database, lines: Lines
) -> None:
    client = signed_in(logged, database, Role.TECHNOLOGIST)
    answer = client.get("/cases/7?q=26-0837", headers={"X-Request-ID": "from-the-proxy.1"})
    (line,) = lines.of(ACCESS)
    assert line.pop("time")
    assert line.pop("seconds") >= 0
    assert isinstance(line.pop("user"), int)
    assert line == {
        "level": "INFO",
        "logger": ACCESS,
        "message": "answered",
        "request_id": "from-the-proxy.1",
        "route": "/cases/<int:case_id>",
        "method": "GET",
        "status": 404,
    }
    assert answer.headers["X-Request-ID"] == "from-the-proxy.1"
    assert "26-0837" not in "".join(lines.text)


def test_request_that_leads_nowhere_leaves_no_address(logged: Flask, lines: Lines) -> None:
    logged.test_client().open("/link/a-token\r\n{}", method="BREW", headers=JSON)
    (line,) = lines.of(ACCESS)
    assert (line["route"], line["method"], line["user"]) == (None, "other", None)
    assert "a-token" not in "".join(lines.text)


def test_people_who_read_the_log_get_no_line_a_request(app: Flask, lines: Lines) -> None:
    app.test_client().get("/healthz")
    assert lines.of(ACCESS) == []


@pytest.mark.parametrize("sent", [None, "two\twords", "x" * 65, "<b>"])
def test_request_gets_an_id_of_its_own(app: Flask, sent: str | None) -> None:
    headers = {} if sent is None else {"X-Request-ID": sent}
    first, second = (app.test_client().get("/healthz", headers=headers) for _ in range(2))
    assert len(first.headers["X-Request-ID"]) == 32
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("url", "status"),
    [
        pytest.param("/nowhere", HTTPStatus.NOT_FOUND, id="nowhere"),
        pytest.param("/cases", HTTPStatus.UNAUTHORIZED, id="closed"),
        pytest.param("/broken", HTTPStatus.INTERNAL_SERVER_ERROR, id="broken"),
    ],
)
def test_failure_tells_its_request(app: Flask, url: str, status: HTTPStatus) -> None:
    app.add_url_rule("/broken", view_func=public(lambda: 1 / 0), endpoint="broken")
    answer = app.test_client().get(url, headers=JSON | {"X-Request-ID": "abc"})
    assert answer.status_code == status
    assert answer.json["request_id"] == answer.headers["X-Request-ID"] == "abc"


def test_page_of_what_nobody_foresaw_tells_its_request(app: Flask) -> None:
    app.add_url_rule("/broken", view_func=public(lambda: 1 / 0), endpoint="broken")
    page = app.test_client().get("/broken", headers={"X-Request-ID": "abc-7"}).text
    assert 'names this request: <code class="id">abc-7</code>' in page
    assert "abc-8" not in app.test_client().get("/x", headers={"X-Request-ID": "abc-8"}).text


def test_what_nobody_foresaw_is_logged_without_the_address(app: Flask, lines: Lines) -> None:
    def break_it(token: str) -> str:
        raise KeyError(token)

    app.add_url_rule("/broken/<token>", view_func=public(break_it), endpoint="broken")
    headers = {"X-Request-ID": "abc"}
    answer = app.test_client().get("/broken/hush-hush?q=26-0837", headers=headers)
    assert answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    (line,) = lines.of("hematovision.web")
    assert line["message"] == "Exception in GET /broken/<token>"
    assert line["request_id"] == "abc"
    assert "KeyError" in line["exception"]
    assert "test_watch.py" in line["exception"]
    assert "hush-hush" not in str(line)
    assert "26-0837" not in str(line)


def test_id_ends_with_its_request(app: Flask, lines: Lines) -> None:
    app.test_client().get("/healthz", headers={"X-Request-ID": "abc"})
    logging.getLogger("hematovision.later").warning("Later")
    (line,) = lines.of("hematovision.later")
    assert "request_id" not in line
