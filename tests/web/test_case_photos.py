import io
import re
import zipfile
from html import unescape
from http import HTTPStatus

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from tests.conftest import StubReader
from tests.databases import counted_queries
from werkzeug.test import TestResponse

from hematovision.cells import RgbImage
from hematovision.config import Settings
from hematovision.people import Role
from hematovision.services.batches import Desk, read_next
from hematovision.services.cases import open_case
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.photos import PhotoState
from hematovision.storage.tables import CaseRow
from hematovision.web import create_app
from hematovision.web.failures import OF_PHOTOS, OURS, words_of

from .conftest import JSON, encode, signed_in
from .test_cases import BY, NOW, post, words


@pytest.fixture
def case(database: Database) -> Case:
    return open_case(database, "26-0837", by=BY)


@pytest.fixture
def desk(app: Flask, database: Database, reader: StubReader) -> Desk:
    return Desk(database, app.extensions["hematovision"].files, reader)


def form(*files: tuple[bytes, str], **fields: object) -> dict[str, object]:
    return fields | {"image": [(io.BytesIO(content), name) for content, name in files]}


def send(client: FlaskClient, *files: tuple[bytes, str], **fields: object) -> TestResponse:
    """Send as the page's script does."""
    return client.post("/cases/1/photos", data=form(*files, **fields), headers=JSON)


def read_all(desk: Desk) -> None:
    while read_next(desk, "a", clock=lambda: NOW):
        pass


def states(database: Database) -> dict[PhotoState, int]:
    with database.reading() as records:
        return records.photos.count(1)


def test_every_file_has_an_answer(client: FlaskClient, case: Case, jpeg: bytes) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("film/1.jpg", jpeg + b"1")
        archive.writestr("film/notes.txt", b"")
    answer = send(client, (jpeg, "0"), (b"no picture", "1"), (buffer.getvalue(), "2"))
    assert answer.status_code == HTTPStatus.OK
    first, bad, packed, other = answer.json["files"]
    assert first == {
        "name": "0",
        "state": "waiting",
        "photo": 1,
        "number": 1,
        "same_as": None,
    }
    assert (bad["name"], bad["error"]["code"]) == ("1", "unsupported_format")
    assert (packed["name"], packed["number"]) == ("film/1.jpg", 2)
    assert other == {"name": "film/notes.txt", "state": "left_out"}
    again = send(client, (jpeg, "0"), (jpeg + b"2", "1"), (jpeg + b"2", "2"))
    assert [file["state"] for file in again.json["files"]] == ["here", "waiting", "same"]


def test_form_without_script_goes_back_to_the_photos(
    client: FlaskClient, case: Case, jpeg: bytes
) -> None:
    answer = post(client, "/cases/1/photos", **form((jpeg, "a.jpg")))
    assert (answer.status_code, answer.location) == (HTTPStatus.SEE_OTHER, "/cases/1")
    again = post(client, "/cases/1/photos", **form((jpeg, "a.jpg")))
    assert again.status_code == HTTPStatus.SEE_OTHER
    assert "1 photo" in client.get("/cases/1").text


def test_form_without_script_says_which_files_were_refused_and_why(
    client: FlaskClient, case: Case, jpeg: bytes, database: Database
) -> None:
    files = (jpeg, "good.jpg"), (b"", "<b>empty.jpg")
    answer = post(client, "/cases/1/photos", **form(*files))
    assert answer.status_code == HTTPStatus.OK
    assert "<b>&lt;b&gt;empty.jpg</b>" in answer.text
    assert "The file is empty." in answer.text
    assert states(database) == {PhotoState.WAITING: 1}
    assert "empty.jpg" not in client.get("/cases/1").text


def test_form_without_files_is_refused(client: FlaskClient, case: Case) -> None:
    answer = post(client, "/cases/1/photos", other="field")
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert "The request carries no picture." in answer.text
    assert send(client).json["code"] == "no_image"


def test_photos_stand_in_order_with_what_became_of_each(
    client: FlaskClient, case: Case, jpeg: bytes, desk: Desk
) -> None:
    send(client, (jpeg, "0"), (jpeg[: len(jpeg) // 2], "1"), (jpeg, "2"))
    read_all(desk)
    send(client, (jpeg + b"4", "0"))
    said = words(client.get("/cases/1").text)
    assert "1 2 cells 2 Not readable 3 Same as 1 4 Waiting" in said
    assert "Photo 2 The picture is damaged. It was probably cut off while copying." in said
    assert "Review 2 cells, 1 unidentified" in unescape(client.get("/cases/1").text)
    assert "3 of 4 photos · 2 cells" in said


def test_failed_photo_is_replaced_left_out_or_tried_again(
    client: FlaskClient, case: Case, jpeg: bytes, desk: Desk
) -> None:
    torn = jpeg[: len(jpeg) // 2]
    send(client, *((torn + bytes([number]), str(number)) for number in range(3)))
    read_all(desk)
    assert states(desk.database) == {PhotoState.FAILED: 3}
    assert send(client, (jpeg, "0"), replaces="1").json["files"][0]["state"] == "waiting"
    answer = post(client, "/cases/1/photos/2/leave-out")
    assert (answer.status_code, answer.location) == (HTTPStatus.SEE_OTHER, "/cases/1")
    assert "Try the one that failed again" in client.get("/cases/1").text
    post(client, "/cases/1/retry")
    assert states(desk.database) == {PhotoState.CANCELLED: 2, PhotoState.WAITING: 2}


def test_case_is_paused_resumed_and_cancelled_from_both_pages(
    client: FlaskClient, case: Case, jpeg: bytes, database: Database
) -> None:
    send(client, (jpeg + b"1", "0"), (jpeg + b"2", "1"))
    assert post(client, "/cases/1/pause", back="list").location == "/cases"
    assert states(database) == {PhotoState.PAUSED: 2}
    assert "26-0837 is paused" in client.get("/cases").text
    assert "Reading is paused" in client.get("/cases/1").text
    assert post(client, "/cases/1/resume").location == "/cases/1"
    assert states(database) == {PhotoState.WAITING: 2}
    post(client, "/cases/1/cancel")
    assert states(database) == {PhotoState.CANCELLED: 2}
    assert "Left out" in client.get("/cases/1").text


def test_progress_is_said_again_only_when_it_changed(
    client: FlaskClient, case: Case, jpeg: bytes, desk: Desk
) -> None:
    send(client, (jpeg + b"1", "0"), (jpeg + b"2", "1"))
    first = client.get("/cases/1/progress", headers=JSON)
    assert first.json == {
        "case": 1,
        "state": "open",
        "running": True,
        "photos": 2,
        "done": 0,
        "counts": dict.fromkeys(PhotoState, 0) | {"waiting": 2},
        "cells": 0,
        "unidentified": 0,
        "seconds_left": None,
    }
    known = JSON | {"If-None-Match": first.headers["ETag"]}
    assert client.get("/cases/1/progress", headers=known).status_code == HTTPStatus.NOT_MODIFIED
    read_all(desk)
    later = client.get("/cases/1/progress", headers=known)
    assert (later.status_code, later.json["running"], later.json["cells"]) == (200, False, 4)


def test_page_asks_as_often_however_many_photos_there_are(
    client: FlaskClient, case: Case, jpeg: bytes, desk: Desk
) -> None:
    def asked(address: str) -> int:
        with counted_queries(desk.database) as queries:
            assert client.get(address).status_code == HTTPStatus.OK
        return len(queries)

    send(client, (jpeg, "0"), (jpeg, "1"), (jpeg[:500], "2"))
    read_all(desk)
    few = asked("/cases/1"), asked("/cases/1/progress")
    for number in range(5):
        send(client, (jpeg + bytes([number]), "0"), (jpeg + bytes([number]), "1"))
    read_all(desk)
    assert (asked("/cases/1"), asked("/cases/1/progress")) == few


def test_picture_is_made_anew_from_its_pixels(
    client: FlaskClient, case: Case, photo: RgbImage
) -> None:
    exif = Image.Exif()
    exif[0x010E] = "Ann Example"
    sent = encode(np.tile(photo, (4, 4, 1)), "JPEG", exif=exif)
    send(client, (sent, "0"))
    answer = client.get("/cases/1/photos/1.jpg?size=small")
    assert (answer.status_code, answer.mimetype) == (HTTPStatus.OK, "image/jpeg")
    assert answer.headers["Cache-Control"] == "private, max-age=43200, immutable"
    assert "Cookie" in answer.headers["Vary"]
    assert b"Ann" in sent
    assert b"Ann" not in answer.data
    assert Image.open(io.BytesIO(answer.data)).size == (320, 240)
    whole = client.get("/cases/1/photos/1.jpg")
    assert whole.data != sent
    assert Image.open(io.BytesIO(whole.data)).size == (512, 384)
    known = {"If-None-Match": answer.headers["ETag"]}
    assert client.get("/cases/1/photos/1.jpg?size=small", headers=known).status_code == 304
    assert client.get("/cases/1/photos/1.jpg", headers=known).status_code == 200


def test_picture_that_is_not_there_is_named(
    client: FlaskClient, case: Case, jpeg: bytes, desk: Desk
) -> None:
    assert client.get("/cases/1/photos/1.jpg", headers=JSON).json["code"] == "photo_unknown"
    send(client, (jpeg, "0"))
    with desk.database.reading() as records:
        (photo,) = records.photos.list(1)
    desk.files.delete(photo.file or "")
    answer = client.get("/cases/1/photos/1.jpg", headers=JSON)
    assert (answer.status_code, answer.json["code"]) == (HTTPStatus.GONE, "picture_not_kept")
    assert answer.headers["Cache-Control"] == "no-store"


def test_note_is_kept_and_the_later_of_two_is_told(client: FlaskClient, case: Case) -> None:
    assert post(client, "/cases/1/note", note="first", version="1").location == "/cases/1"
    answer = post(client, "/cases/1/note", note="second", version="1")
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "It says now: first" in words(answer.text)
    assert ">second</textarea>" in answer.text
    assert 'name="version" value="2"' in answer.text
    assert ">first</textarea>" in client.get("/cases/1").text


def test_signed_case_takes_nothing_in(
    client: FlaskClient, case: Case, jpeg: bytes, database: Database
) -> None:
    with database.transaction() as records:
        row = records.session.get(CaseRow, 1)
        assert row is not None
        row.state = "signed"
    page = client.get("/cases/1").text
    assert "This case is signed: no photo can be added." in page
    assert 'type="file"' not in page
    answer = send(client, (jpeg, "0"))
    assert (answer.status_code, answer.json["code"]) == (HTTPStatus.CONFLICT, "case_closed")


def test_viewer_sees_photos_and_can_change_nothing(
    app: Flask, database: Database, client: FlaskClient, case: Case, jpeg: bytes
) -> None:
    send(client, (jpeg, "0"))
    page = signed_in(app, database, Role.VIEWER).get("/cases/1").text
    assert "Waiting" in page
    assert "<form" not in page.partition("<main")[2].partition("</main>")[0]


@pytest.mark.parametrize("address", ["/cases/7", "/cases/7/progress", f"/cases/{'9' * 25}"])
def test_case_that_is_not_there_is_named(client: FlaskClient, address: str) -> None:
    answer = client.get(address, headers=JSON)
    assert (answer.status_code, answer.json["code"]) == (HTTPStatus.NOT_FOUND, "case_unknown")


def test_photos_wait_where_there_is_no_model(
    settings: Settings, database: Database, case: Case, jpeg: bytes
) -> None:
    app = create_app(settings, None, database)
    client = signed_in(app, database, Role.TECHNOLOGIST)
    assert send(client, (jpeg, "0")).json["files"][0]["state"] == "waiting"
    assert "Photos wait, and nothing is guessed." in client.get("/cases/1").text


def test_many_photos_are_shown_sheet_by_sheet(
    client: FlaskClient, case: Case, database: Database
) -> None:
    from hematovision.storage.photos import Sent

    with database.transaction() as records:
        for number in range(301):
            records.photos.add(Sent(str(number), 9, "x", "page", None, NOW), case_id=1)
    page = client.get("/cases/1").text
    assert page.count('class="tile') == 300
    more = re.search(r'href="([^"]+)">More<', page)
    assert more
    rest = client.get(unescape(more[1])).text
    assert rest.count('class="tile') == 1
    assert "To the beginning" in rest


CODES = [*(kind.code() for kind in OF_PHOTOS), *OURS]


@pytest.mark.parametrize("code", [*CODES, "a_code_of_later", None])
def test_every_failure_is_said_in_words(app: Flask, code: str | None) -> None:
    with app.test_request_context():
        said = words_of(code)
        assert str(said.what).endswith(".")
        assert str(said.advice).endswith(".")
