import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from threading import Event

import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient
from sqlalchemy import event, text
from werkzeug.test import TestResponse

from hematovision.errors import AccessionTakenError
from hematovision.people import Right, Role
from hematovision.storage.database import Database
from hematovision.web import create_app
from hematovision.web.access import needs, public
from hematovision.web.api.document import document
from hematovision.web.uploads import get_uploads

from .conftest import bearer


@dataclass
class Works:
    """What a view did, time after time, and how it is to end."""

    done: list[str] = field(default_factory=list)
    ends: Callable[[], Response | str] = lambda: "done"
    begun: Event = field(default_factory=Event)
    go_on: Event = field(default_factory=Event)

    def view(self) -> Response | str:
        read = [upload.stream.read().decode() for upload in get_uploads()] if request.files else []
        self.done.append(" ".join([request.get_data(as_text=True), *read]).strip())
        return self.ends()


@pytest.fixture
def works(app: Flask) -> Works:
    works = Works()
    view = needs(Right.REVIEW)(lambda: works.view())
    app.add_url_rule("/api/v1/works", "works", view, methods=["POST", "PUT"])
    app.add_url_rule("/elsewhere", "elsewhere", view, methods=["POST"])
    app.add_url_rule("/api/v1/open", "open", public(lambda: works.view()), methods=["POST"])
    return works


@pytest.fixture
def program(app: Flask, database: Database) -> FlaskClient:
    client = app.test_client()
    header = bearer(database, Role.TECHNOLOGIST)["Authorization"]
    client.environ_base["HTTP_AUTHORIZATION"] = header
    return client


def send(client: FlaskClient, key: str = "a-key", body: str = "1", **more: object) -> TestResponse:
    options = {"data": body, "content_type": "application/json"} | more
    headers = {"Idempotency-Key": key} | dict(options.pop("headers", {}))
    return client.post("/api/v1/works", headers=headers, **options)


def form(*files: tuple[str, str, str], **fields: str) -> dict[str, object]:
    """Give the options of a form, whose boundary is another each time."""
    sent = {name: (io.BytesIO(content.encode()), called) for name, called, content in files}
    return {"data": fields | sent, "content_type": "multipart/form-data"}


def test_work_is_done_once_and_answered_alike(program: FlaskClient, works: Works) -> None:
    kept = {"Location": "/api/v1/works/1", "ETag": '"e"', "Content-Type": "application/json"}
    works.ends = lambda: Response('{"id": 1}', HTTPStatus.CREATED, kept | {"X-Other": "x"})
    first, second = send(program), send(program)
    assert works.done == ["1"]
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert (second.status_code, second.data) == (HTTPStatus.CREATED, first.data)
    assert {name: second.headers[name] for name in kept} == kept
    assert "X-Other" not in second.headers
    assert "Content-Security-Policy" in second.headers


def test_keys_fill_no_database_where_nothing_is(program: FlaskClient, database: Database) -> None:
    for url in ("/api/v1/nowhere", "/api/v1/model"):
        answer = program.post(url, headers={"Idempotency-Key": "a-key"})
        assert answer.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
    with database.reading() as records:
        assert not records.answers.are_there(before=datetime.now(UTC) + timedelta(days=1))


def test_without_a_key_work_is_done_each_time(program: FlaskClient, works: Works) -> None:
    for _ in range(2):
        assert program.post("/api/v1/works", data="1").text == "done"
    assert len(works.done) == 2


@pytest.mark.parametrize(
    ("url", "method"),
    [
        pytest.param("/elsewhere", "POST", id="pages"),
        pytest.param("/api/v1/works", "PUT", id="another method"),
        pytest.param("/api/v1/open", "POST", id="visitors"),
    ],
)
def test_key_means_nothing_elsewhere(
    app: Flask, program: FlaskClient, works: Works, url: str, method: str
) -> None:
    headers = {"Idempotency-Key": "a-key", "Accept": "application/json"}
    for _ in range(2):
        client = app.test_client() if "open" in url else program
        assert client.open(url, method=method, headers=headers).status_code == HTTPStatus.OK
    assert len(works.done) == 2


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"body": "2"}, id="body"),
        pytest.param({"query_string": "explain=true"}, id="query"),
        pytest.param({"headers": {"Prefer": "respond-async"}}, id="preference"),
        pytest.param(form(), id="form"),
    ],
)
def test_another_request_under_the_same_key_is_refused(
    program: FlaskClient, works: Works, other: dict[str, object]
) -> None:
    send(program)
    answer = send(program, **other)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert answer.json["code"] == "idempotency_key_reused"
    assert works.done == ["1"]


def test_same_form_in_other_parts_is_the_same_request(program: FlaskClient, works: Works) -> None:
    for _ in range(2):
        answer = send(program, **form(("image", "a.jpg", "content"), explain="true"))
        assert answer.text == "done"
    # What was read to tell requests apart is read again by the view.
    assert works.done == ["content"]
    for other in (
        form(("image", "a.jpg", "other"), explain="true"),
        form(("image", "b.jpg", "content"), explain="true"),
        form(("image", "a.jpg", "content"), explain="false"),
    ):
        assert send(program, **other).status_code == HTTPStatus.UNPROCESSABLE_ENTITY


@pytest.mark.parametrize("key", ["", "x" * 256, "clé", "a\tb"])
def test_key_that_is_none_is_refused(program: FlaskClient, works: Works, key: str) -> None:
    answer = send(program, key)
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert answer.json["code"] == "idempotency_key_invalid"
    assert works.done == []


def test_refusal_is_given_again(program: FlaskClient, works: Works) -> None:
    def refuse() -> Response:
        raise AccessionTakenError("A case has this number.")

    works.ends = refuse
    for _ in range(2):
        answer = send(program)
        assert answer.status_code == HTTPStatus.CONFLICT
        assert answer.mimetype == "application/problem+json"
    assert len(works.done) == 1


@pytest.mark.parametrize("status", [500, 503, 429])
def test_work_that_may_succeed_later_is_tried_again(
    program: FlaskClient, works: Works, status: int
) -> None:
    works.ends = lambda: Response("later", status)
    assert send(program).status_code == status
    works.ends = lambda: "done"
    assert send(program).text == "done"
    assert send(program).headers["Idempotency-Replayed"] == "true"


def test_work_that_fails_by_a_bug_is_tried_again(
    app: Flask, program: FlaskClient, works: Works
) -> None:
    def stumble() -> Response:
        raise ZeroDivisionError

    works.ends = stumble
    app.config["PROPAGATE_EXCEPTIONS"] = False
    assert send(program).status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    works.ends = lambda: "done"
    assert send(program).text == "done"


def test_of_two_at_once_one_works_and_the_other_waits(
    app: Flask, program: FlaskClient, works: Works
) -> None:
    def wait() -> str:
        works.begun.set()
        assert works.go_on.wait(30)
        return "done"

    works.ends = wait
    other = app.test_client()
    other.environ_base.update(program.environ_base)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(send, program)
        assert works.begun.wait(30)
        answer = send(other)
        works.go_on.set()
        assert first.result().text == "done"
    assert answer.status_code == HTTPStatus.CONFLICT
    assert answer.json["code"] == "idempotency_key_busy"
    assert int(answer.headers["Retry-After"]) > 0
    assert send(other).text == "done"
    assert len(works.done) == 1


def test_other_server_gives_the_same_answer(
    app: Flask, program: FlaskClient, works: Works, database: Database
) -> None:
    send(program)
    second = create_app(app.extensions["hematovision"].settings, None, database)
    view = needs(Right.REVIEW)(lambda: works.view())
    second.add_url_rule("/api/v1/works", "works", view, methods=["POST"])
    other = second.test_client()
    other.environ_base.update(program.environ_base)
    assert send(other).headers["Idempotency-Replayed"] == "true"
    assert works.done == ["1"]


def test_who_may_not_do_it_is_not_told_what_was_answered(
    app: Flask, program: FlaskClient, works: Works, database: Database
) -> None:
    send(program)
    other = app.test_client()
    other.environ_base["HTTP_AUTHORIZATION"] = bearer(database, Role.VIEWER)["Authorization"]
    assert send(other).status_code == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("made", [True, False], ids=["that it makes", "of its address"])
def test_answer_is_kept_with_the_case_it_tells_of(
    app: Flask, program: FlaskClient, works: Works, database: Database, made: bool
) -> None:
    view = needs(Right.REVIEW)(lambda case_id: works.view())
    app.add_url_rule("/api/v1/cases/<int:case_id>/works", "of", view, methods=["POST"])
    with database.transaction() as records:
        case = records.cases.add("26-0837", "", by=1, now=records.users.get(1).created_at)
    address = f"/api/v1/cases/{case.id}"
    if made:
        works.ends = lambda: Response("made", 201, {"Location": address})
    url = "/api/v1/works" if made else f"{address}/works"
    program.post(url, headers={"Idempotency-Key": "a-key"})
    with database.engine.connect() as connection:
        found = connection.execute(text("SELECT case_id FROM idempotency_keys")).all()
    assert found == [(case.id,)]


def test_answer_that_cannot_be_kept_is_given_all_the_same(
    program: FlaskClient, works: Works, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*asked: object) -> None:
        if "UPDATE idempotency_keys" in str(asked[2]):
            raise OSError("the disk is full")

    event.listen(database.engine, "before_cursor_execute", refuse)
    answer = send(program)
    event.remove(database.engine, "before_cursor_execute", refuse)
    assert answer.text == "done"
    assert "could not be kept" in caplog.text
    assert send(program).status_code == HTTPStatus.CONFLICT


def test_request_that_cannot_be_let_go_of_is_answered(
    program: FlaskClient, works: Works, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*asked: object) -> None:
        if "UPDATE idempotency_keys" in str(asked[2]) and works.done:
            raise OSError("the database is gone")

    works.ends = lambda: Response("later", HTTPStatus.SERVICE_UNAVAILABLE)
    event.listen(database.engine, "before_cursor_execute", refuse)
    answer = send(program)
    event.remove(database.engine, "before_cursor_execute", refuse)
    assert (answer.status_code, answer.text) == (HTTPStatus.SERVICE_UNAVAILABLE, "later")
    assert "could not be let go of" in caplog.text


def test_replay_of_a_document_is_a_document(program: FlaskClient, works: Works) -> None:
    works.ends = lambda: Response(json.dumps({"a": "ñ"}), mimetype="application/json")
    assert send(program).json == send(program).json == {"a": "ñ"}


def test_document_says_so_of_every_request_that_makes_something(app: Flask) -> None:
    with app.app_context():
        paths = document()["paths"].values()
    makers = [path["post"] for path in paths if "post" in path]
    for maker in makers:
        assert "Idempotency-Key" in {parameter["name"] for parameter in maker["parameters"]}
        assert "idempotency_key_busy" in maker["responses"]["409"]["description"]
