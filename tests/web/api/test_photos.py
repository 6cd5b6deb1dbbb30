import io
import zipfile
from http import HTTPStatus

import pytest
from flask import Flask
from PIL import Image
from tests.conftest import StubReader
from tests.services.cases import make_case

from hematovision.cells import CellType
from hematovision.people import Role
from hematovision.storage.cases import Case
from hematovision.storage.database import Database

from .systems import System, read_all, system_of


@pytest.fixture
def system(app: Flask, database: Database) -> System:
    return system_of(app, database)


@pytest.fixture
def case(database: Database) -> Case:
    return make_case(database)


def zipped(*files: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files:
            archive.writestr(name, content)
    return packed.getvalue()


def test_photos_wait_and_are_read(
    app: Flask, system: System, case: Case, jpeg: bytes, reader: StubReader
) -> None:
    sent = system.send(f"/cases/{case.id}/photos", (jpeg, "1.jpg"), (jpeg + b"2", "2.jpg"))
    assert sent.status_code == HTTPStatus.ACCEPTED
    assert sent.headers["Location"] == f"/api/v1/cases/{case.id}/photos"
    first, second = sent.get_json()["photos"]
    assert first == {
        "name": "1.jpg",
        "id": 1,
        "number": 1,
        "state": "waiting",
        "was_here": False,
        "same_as": None,
    }
    assert (second["id"], second["number"]) == (2, 2)
    (waiting, _) = system.walk(f"/cases/{case.id}/photos?limit=1")
    assert (waiting["state"], waiting["width"], waiting["cells"]) == ("waiting", None, 0)
    read_all(app, reader)
    read = system.get(f"/cases/{case.id}/photos/1").get_json()
    assert read == waiting | {"state": "read", "width": 128, "height": 96, "cells": 2}


def test_each_file_of_a_zip_has_its_answer(system: System, case: Case, jpeg: bytes) -> None:
    packed = zipped(("film/1.jpg", jpeg), ("notes.txt", b"Hello."), ("2.jpg", b"\xff\xd8 broken"))
    answer = system.send(f"/cases/{case.id}/photos", (packed, "film.zip"))
    assert answer.status_code == HTTPStatus.ACCEPTED
    found = {one["name"]: one for one in answer.get_json()["photos"]}
    assert found["film/1.jpg"]["state"] == "waiting"
    assert found["notes.txt"] == {"name": "notes.txt", "state": "left_out"}
    assert found["2.jpg"]["error"]["code"] == "unsupported_format"
    assert "2.jpg" not in found["2.jpg"]["error"]["detail"]


def test_request_that_is_sent_again_adds_nothing(system: System, case: Case, jpeg: bytes) -> None:
    for was_here in (False, True):
        answer = system.send(f"/cases/{case.id}/photos", (jpeg, "1.jpg"))
        (photo,) = answer.get_json()["photos"]
        assert (photo["number"], photo["was_here"]) == (1, was_here)
    assert len(list(system.walk(f"/cases/{case.id}/photos"))) == 1


def test_content_that_comes_twice_in_a_request_is_counted_once(
    system: System, case: Case, jpeg: bytes
) -> None:
    answer = system.send(f"/cases/{case.id}/photos", (jpeg, "1.jpg"), (jpeg, "2.jpg"))
    assert answer.get_json()["photos"][1]["same_as"] == 1
    (first, second) = system.walk(f"/cases/{case.id}/photos")
    assert (first["same_as"], second["same_as"], second["state"]) == (None, 1, "same")
    pictures = [system.get(f"/cases/{case.id}/photos/{number}/image").data for number in (1, 2)]
    assert pictures[0] == pictures[1]


def test_file_that_is_refused_alone_is_the_answer(system: System, case: Case) -> None:
    answer = system.send(f"/cases/{case.id}/photos", (b"Hello.", "name of somebody.txt"))
    assert (answer.status_code, answer.get_json()["code"]) == (415, "unsupported_format")
    assert "somebody" not in answer.text


def test_request_without_a_file_is_refused(system: System, case: Case) -> None:
    for answer in (
        system.send(f"/cases/{case.id}/photos"),
        system.post(f"/cases/{case.id}/photos", {"image": "x"}),
    ):
        assert (answer.status_code, answer.get_json()["code"]) == (400, "no_image")


def test_walk_gives_every_photo_once(system: System, database: Database) -> None:
    case = make_case(database, *([[CellType.NEUTROPHIL]] * 5))
    found = [one["number"] for one in system.walk(f"/cases/{case.id}/photos?limit=2")]
    assert found == [1, 2, 3, 4, 5]


def test_picture_is_made_anew_and_sent_once(system: System, case: Case, jpeg: bytes) -> None:
    system.send(f"/cases/{case.id}/photos", (jpeg, "1.jpg"))
    address = f"/cases/{case.id}/photos/1/image"
    answer = system.get(address)
    assert (answer.status_code, answer.mimetype) == (HTTPStatus.OK, "image/jpeg")
    assert answer.data != jpeg
    assert Image.open(io.BytesIO(answer.data)).size == (128, 96)
    tag = {"If-None-Match": answer.headers["ETag"]}
    assert system.get(address, **tag).status_code == HTTPStatus.NOT_MODIFIED
    assert system.get(f"{address}?size=small").status_code == HTTPStatus.OK
    assert system.get(f"{address}?size=huge").status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    photo = f"/cases/{case.id}/photos/1"
    tag = {"If-None-Match": system.get(photo).headers["ETag"]}
    assert system.get(photo, **tag).status_code == HTTPStatus.NOT_MODIFIED


def test_look_at_a_picture_is_on_record(
    system: System, database: Database, case: Case, jpeg: bytes
) -> None:
    system.send(f"/cases/{case.id}/photos", (jpeg, "1.jpg"))
    system.get(f"/cases/{case.id}/photos/1/image")
    with database.reading() as records:
        event = records.audit.find(action="photo.seen", subject="photo 1")
    assert event is not None
    assert (event.door, event.details["case"]) == ("api", case.id)


def test_picture_that_is_not_kept_is_gone(system: System, database: Database) -> None:
    case = make_case(database, [CellType.NEUTROPHIL])
    answer = system.get(f"/cases/{case.id}/photos/1/image")
    assert (answer.status_code, answer.get_json()["code"]) == (410, "picture_not_kept")


def test_photo_that_is_none_is_not_found(system: System, database: Database) -> None:
    case = make_case(database, [CellType.NEUTROPHIL])
    for number in (0, 2, 2**31, 2**63, 10**30):
        for behind in ("", "/image"):
            answer = system.get(f"/cases/{case.id}/photos/{number}{behind}")
            assert (answer.status_code, answer.get_json()["code"]) == (404, "photo_unknown")


def test_case_that_is_none_takes_no_photos(system: System, jpeg: bytes) -> None:
    assert system.get("/cases/9/photos").status_code == HTTPStatus.NOT_FOUND
    assert system.get("/cases/9/photos/1").status_code == HTTPStatus.NOT_FOUND
    answer = system.send("/cases/9/photos", (jpeg, "1.jpg"))
    assert (answer.status_code, answer.get_json()["code"]) == (404, "case_unknown")


def test_viewer_sends_no_photos(app: Flask, database: Database, case: Case, jpeg: bytes) -> None:
    viewer = system_of(app, database, Role.VIEWER)
    answer = viewer.send(f"/cases/{case.id}/photos", (jpeg, "1.jpg"))
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert list(viewer.walk(f"/cases/{case.id}/photos")) == []
