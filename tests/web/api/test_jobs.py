from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask import Flask

from hematovision.people import Right, Role, User
from hematovision.services.erasing import Why, erase_reading
from hematovision.services.hands import Hand
from hematovision.storage.database import Database

from .conftest import Program
from .test_readings import BAD, different


def test_photos_are_read_later_in_the_order_sent(
    program: Program, work: Callable[[], int], jpeg: bytes
) -> None:
    answer = program.send_job(jpeg, BAD, different(jpeg, 1))
    job, url = answer.json, answer.headers["Location"]
    assert answer.status_code == 202
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Preference-Applied"] == "respond-async"
    assert (job["state"], job["total"], job["done"]) == ("waiting", 3, 1)
    first, bad, _second = job["readings"]
    assert first == {"id": first["id"], "state": "waiting"}
    assert bad["error"]["code"] == "unsupported_format"
    assert program.get(url).json == job

    assert work() == 2
    done = program.get(url)
    assert (done.json["state"], done.json["done"]) == ("done", 3)
    assert "Retry-After" not in done.headers
    read = done.json["readings"][0]
    assert program.get(read["url"]).json == read
    assert program.get(url, **{"If-None-Match": done.headers["ETag"]}).status_code == 304
    assert work() == 0


def test_job_says_that_a_photo_is_in_hand(
    program: Program, database: Database, work: Callable[[], int], jpeg: bytes
) -> None:
    url = program.send_job(jpeg).headers["Location"]
    now = datetime.now(UTC)
    with database.transaction() as records:
        assert records.photos.take("worker", now=now, until=now)
    assert program.get(url).json["state"] == "reading"
    # Its lease is over at once: another takes it.
    assert work() == 1
    assert program.get(url).json["state"] == "done"


def test_photo_that_cannot_be_read_is_told_and_not_kept(
    app: Flask, program: Program, work: Callable[[], int], jpeg: bytes
) -> None:
    # The header is that of a picture; what follows is not.
    url = program.send_job(jpeg[: len(jpeg) // 2]).headers["Location"]
    work()
    (entry,) = program.get(url).json["readings"]
    assert entry["error"]["code"] == "unreadable_image"
    assert entry["error"]["advice"]
    wiring = app.extensions["hematovision"]
    assert list(wiring.files.names(before=datetime.max.replace(tzinfo=UTC))) == []


def test_job_refuses_to_explain(program: Program, jpeg: bytes) -> None:
    answer = program.send_job(jpeg, data={"explain": "true"})
    assert answer.status_code == 422
    assert answer.json["errors"][0]["field"] == "explain"


def test_job_of_somebody_else_is_not_there_for_who_sees_no_cases(
    program: Program,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    jpeg: bytes,
    program_of: Callable[[Role], Program],
) -> None:
    url = program.send_job(jpeg).headers["Location"]
    other = program_of(Role.PATHOLOGIST)
    assert other.get(url).status_code == 200
    monkeypatch.setattr(User, "may", lambda _user, right: right is Right.READ_PHOTOS)
    assert program.get(url).status_code == 200
    answer = other.get(url)
    assert (answer.status_code, answer.json["code"]) == (404, "job_unknown")
    assert program.get("/api/v1/jobs/99").json["code"] == "job_unknown"
    assert program.get(f"/api/v1/jobs/{10**30}").json["code"] == "job_unknown"


def test_reading_that_was_erased_is_told(
    app: Flask, program: Program, database: Database, work: Callable[[], int], jpeg: bytes
) -> None:
    answer = program.send_job(jpeg, different(jpeg, 1))
    work()
    photo_id = answer.json["readings"][0]["id"]
    by = Hand(None, "terminal", datetime.now(UTC))
    files = app.extensions["hematovision"].files
    assert erase_reading(database, files, photo_id, Why.OVER, by=by)
    job = program.get(answer.headers["Location"]).json
    assert (job["state"], job["total"]) == ("done", 2)
    assert job["readings"][0]["error"]["code"] == "photo_unknown"
    assert job["readings"][1]["cells"]
