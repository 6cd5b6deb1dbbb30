import re
from http import HTTPStatus

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from hematovision.people import Role
from hematovision.storage.database import Database

from .conftest import Sender, signed_in


@pytest.fixture
def photo_id(sender: Sender, jpeg: bytes) -> int:
    """Let a photo be read in which the stub finds two cells; give its number."""
    answer = sender.program((jpeg, "a.jpg"))
    return int(answer.headers["Content-Location"].rpartition("/")[2])


def send(client: FlaskClient, photo_id: int, **fields: str) -> TestResponse:
    form = fields | {"csrf_token": Sender(client).token()}
    return client.post(f"/quality/locator/{photo_id}", data=form)


def test_photo_is_shown_with_its_boxes(client: FlaskClient, photo_id: int) -> None:
    page = client.get("/quality/locator").text
    assert "Photo 1 of 1" in page
    assert len(re.findall('<rect class="edge"', page)) == 2
    assert f'src="/quality/locator/{photo_id}.jpg"' in page
    picture = client.get(f"/quality/locator/{photo_id}.jpg")
    assert (picture.status_code, picture.mimetype) == (HTTPStatus.OK, "image/jpeg")


def test_what_was_counted_is_kept_and_the_next_photo_is_shown(
    client: FlaskClient, photo_id: int
) -> None:
    answer = send(client, photo_id, missed="1", wrong="2")
    assert (answer.status_code, answer.location) == (HTTPStatus.SEE_OTHER, "/quality/locator")
    assert "The photo of" in client.get("/quality/locator").text
    page = client.get("/quality").text
    assert "of 1 white cell was missed" in page
    assert "100.0 % of the boxes hold none" in page


def test_number_that_cannot_be_is_refused_and_stays_to_be_mended(
    client: FlaskClient, photo_id: int
) -> None:
    answer = send(client, photo_id, missed="12", wrong="3")
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "is a number of 0 to 2" in answer.text
    assert 'value="12"' in answer.text
    assert send(client, photo_id, missed="-1", wrong="0").status_code == answer.status_code


def test_who_counts_later_is_told_and_takes_no_number_to_the_next_photo(
    client: FlaskClient, app: Flask, database: Database, sender: Sender, jpeg: bytes, photo_id: int
) -> None:
    sender.program((jpeg, "b.jpg"))
    other = signed_in(app, database, Role.PATHOLOGIST)
    page = other.get("/quality/locator").text
    shown = int(re.findall(r"/quality/locator/(\d+)\.jpg", page)[0])
    assert send(other, shown, missed="0", wrong="0").status_code == HTTPStatus.SEE_OTHER
    answer = send(client, shown, missed="77", wrong="0")
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "Somebody else checked this photo." in answer.text
    assert "Photo 2 of 2" in answer.text
    assert "77" not in answer.text


def test_page_says_so_where_no_picture_is_there(
    client: FlaskClient, database: Database, sender: Sender, jpeg: bytes
) -> None:
    assert "No photo was read yet" in client.get("/quality/locator").text
    number = sender.program((jpeg, "a.jpg")).headers["Content-Location"].rpartition("/")[2]
    with database.transaction() as records:
        records.photos.forget_picture(int(number))
    assert "is kept" in client.get("/quality/locator").text
    assert client.get(f"/quality/locator/{number}.jpg").status_code == HTTPStatus.GONE
    assert client.get("/quality/locator/99.jpg").status_code == HTTPStatus.NOT_FOUND
