import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hematovision.client import ApiError, Cell, ClientError, ConflictError, Job, Reading, Review

from .servers import CASE, CASE_CELL, CELL, READING, Answer, fake, page, problem

PROBLEM = problem(415, "unsupported_format").document


def readings(*entries: object) -> Answer:
    return Answer(document={"readings": list(entries)})


def job(state: str, *entries: object) -> Answer:
    document = {
        "id": 5,
        "state": state,
        "created_at": "2026-11-26T10:00:00Z",
        "total": len(entries),
        "done": sum("state" not in str(entry) for entry in entries),
        "readings": list(entries),
    }
    return Answer(202, document)


def test_photo_is_read() -> None:
    with fake(readings(READING)) as server, server.client() as client:
        reading = client.read(b"a photo")
    assert (reading.id, reading.sha256, reading.width, reading.height) == (7, "a" * 64, 640, 480)
    assert reading.counts == {"neutrophil": 1}
    assert reading.model.version == "1.1.0"
    (cell,) = reading.cells
    assert (cell.box, cell.cell_type, cell.prediction_set) == (
        (1, 2, 30, 40),
        "neutrophil",
        ("neutrophil",),
    )
    assert reading.document["of_a_newer_server"] is True
    assert "explain" not in str(server.asked[0].body)


def test_photo_is_explained_where_somebody_asks() -> None:
    heat = CELL | {"heat": [[0.0, 1.0]], "heat_type": "neutrophil", "heat_box": [0, 0, 9, 9]}
    with fake(readings(READING | {"cells": [heat]})) as server, server.client() as client:
        (cell,) = client.read(b"a photo", explain=True).cells
    assert (cell.heat, cell.heat_type, cell.heat_box) == (([0.0, 1.0],), "neutrophil", (0, 0, 9, 9))
    assert b'name="explain"\r\n\r\ntrue' in server.asked[0].body


def test_name_of_a_file_is_not_sent_with_a_photo(tmp_path: Path) -> None:
    (tmp_path / "jane-doe.jpg").write_bytes(b"a photo")
    with fake(readings(READING)) as server, server.client() as client:
        client.read(tmp_path / "jane-doe.jpg")
    assert b"jane" not in server.asked[0].body


def test_photo_that_cannot_be_read_raises() -> None:
    with (
        fake(readings({"error": PROBLEM})) as server,
        server.client() as client,
        pytest.raises(ApiError) as raised,
    ):
        client.read(b"no photo")
    assert raised.value.code == "unsupported_format"


def test_answer_for_another_number_of_photos_is_not_believed() -> None:
    with (
        fake(readings()) as server,
        server.client() as client,
        pytest.raises(ClientError, match="another number"),
    ):
        client.read(b"a photo")


def test_photos_that_are_read_later_are_waited_for() -> None:
    waits = {"id": 7, "state": "waiting"}
    answers = job("waiting", waits, waits), job("reading", READING, waits)
    done = job("done", READING, {"error": PROBLEM})
    with fake(*answers, done) as server, server.client() as client:
        sent = client.submit(b"one", b"two")
        assert (sent.is_done, sent.readings) == (False, (None, None))
        assert sent.created_at == datetime(2026, 11, 26, 10, 0, tzinfo=UTC)
        read = client.wait(sent, timeout=600)
    assert server.asked[0].headers["Prefer"] == "respond-async"
    assert [asked.path for asked in server.asked[1:]] == ["/api/v1/jobs/5"] * 2
    assert isinstance(read.readings[0], Reading)
    assert isinstance(read.readings[1], ApiError)
    assert server.waited == [1.0]


def test_nobody_waits_longer_than_they_said() -> None:
    with (
        fake(job("waiting", {"id": 7, "state": "waiting"})) as server,
        server.client() as client,
        pytest.raises(TimeoutError, match="0 of 1"),
    ):
        client.wait(5, timeout=0)
    with (
        fake(Answer(document=CASE)) as server,
        server.client() as client,
        pytest.raises(TimeoutError),
    ):
        client.wait_for_case(3, timeout=0)


def test_readings_are_found_by_what_is_asked() -> None:
    line = {
        "id": 7,
        "url": "/api/v1/readings/7",
        "read_at": "2026-11-26T10:00:00Z",
        "case": None,
        "accession": None,
        "state": None,
        "sender": "ines",
        "door": "api",
        "model_version": "1.1.0",
        "total": 1,
        "counts": {"neutrophil": 1},
    }
    since = datetime(2026, 11, 1, tzinfo=UTC)
    with fake(page([line])) as server, server.client() as client:
        (found,) = client.readings(since=since, quick=True, label=None)
        assert (found.sender, found.counts) == ("ines", {"neutrophil": 1})
    assert server.asked[0].query == "since=2026-11-01T00%3A00%3A00%2B00%3A00&quick=true"


def test_case_is_made_found_and_waited_for() -> None:
    with fake(Answer(201, CASE)) as server, server.client() as client:
        case = client.make_case("26-0837", "a note")
        assert json.loads(server.asked[0].body) == {"accession": "26-0837", "note": "a note"}
        assert (case.id, case.created_at.microsecond, case.is_read) == (3, 250_000, False)
        server.answers = [page([CASE | {"accession": "26-08371", "id": 4}, CASE])]
        assert client.find_case(" 26-0837 ") == case
        assert client.find_case("26-08") is None
        server.answers = [Answer(document=CASE), Answer(document=CASE | {"photos": {"read": 1}})]
        assert client.wait_for_case(case).photos == {"read": 1}


def test_photos_come_into_a_case(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a photo")
    arrivals = [
        {"name": "a.jpg", "id": 9, "number": 1, "state": "waiting", "same_as": None},
        {"name": "photo", "error": PROBLEM},
    ]
    with fake(Answer(202, {"photos": arrivals})) as server, server.client() as client:
        kept, refused = client.add_photos(3, tmp_path / "a.jpg", b"no photo")
    assert server.asked[0].path == "/api/v1/cases/3/photos"
    assert (kept.name, kept.number, kept.error) == ("a.jpg", 1, None)
    assert refused.error
    assert refused.error.code == "unsupported_format"


def test_cells_are_reviewed() -> None:
    with fake(page([CASE_CELL])) as server, server.client() as client:
        (cell,) = client.cells(3)
        assert (cell.id, cell.called, cell.label) == (412, "neutrophil", None)
        after = CASE_CELL | {"label": "band", "called": "band", "version": 1}
        server.answers = [Answer(document={"reviews": [{"stored": True, "cell": after}]})]
        (outcome,) = client.review(3, Review.of(cell, "band"))
        assert (outcome.stored, outcome.cell.called) == (True, "band")
    assert json.loads(server.asked[1].body) == {
        "reviews": [{"cell": 412, "label": "band", "seen": 0}]
    }


def test_reviewer_is_told_what_somebody_else_said_meanwhile() -> None:
    conflict = problem(409, "changed_meanwhile")
    conflict.document["reviews"] = [{"stored": False, "cell": CASE_CELL | {"label": "blast"}}]
    with fake(conflict) as server, server.client() as client:
        with pytest.raises(ConflictError) as raised:
            client.review(3, Review(412, "band", 0))
        server.answers = [problem(409, "case_closed")]
        with pytest.raises(ApiError) as other:
            client.review(3, Review(412, "band", 0))
    (outcome,) = raised.value.outcomes
    assert (outcome.stored, outcome.cell.label) == (False, "blast")
    assert not isinstance(other.value, ConflictError)


def test_report_is_there_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "report.pdf"
    with fake(Answer(content=b"%PDF")) as server, server.client(retries=0) as client:
        assert client.report(3, target, version=0) == target
        assert target.read_bytes() == b"%PDF"
        server.answers = [problem(409, "not_signed")]
        with pytest.raises(ApiError):
            client.report(3, target)
        server.answers = [Answer(content=b"%P", headers={"Content-Length": "9"})]
        with pytest.raises(ClientError):
            client.save(3, "cells.csv", target)
    assert target.read_bytes() == b"%PDF"
    assert list(tmp_path.iterdir()) == [target]
    assert (server.asked[0].path, server.asked[0].query) == (
        "/api/v1/cases/3/report.pdf",
        "version=0",
    )


def test_webhook_has_its_secret_once() -> None:
    webhook = {
        "id": 2,
        "url": "https://lis.example/",
        "description": "",
        "events": ["case.signed"],
        "enabled": True,
        "created_at": "2026-11-26T10:00:00Z",
    }
    with fake(Answer(201, webhook | {"secret": "whsec_x"})) as server, server.client() as client:
        added = client.add_webhook("https://lis.example/")
        assert added.secret == "whsec_x"  # noqa: S105 - made up
        assert "whsec_x" not in repr(added)
        server.answers = [page([webhook]), Answer(202, {})]
        assert [one.secret for one in client.webhooks()] == [None]
        client.test_webhook(added)
    assert server.asked[-1].path == "/api/v1/webhooks/2/test"


def test_server_says_whether_it_answers() -> None:
    with fake(Answer(document={"status": "ok"})) as server, server.client() as client:
        assert client.health()


def test_values_are_frozen_and_compare_by_what_was_said() -> None:
    cell = Cell.of(CASE_CELL)
    assert cell == Cell.of(CASE_CELL | {"of_a_newer_server": 1})
    with pytest.raises(AttributeError):
        cell.label = "band"  # type: ignore[misc]
    assert Job.of(job("done").document).readings == ()
