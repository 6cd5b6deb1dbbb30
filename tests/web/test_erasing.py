from http import HTTPStatus
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.films import FilmReader, make_case, picture

from hematovision.config import Settings
from hematovision.people import Role
from hematovision.storage.cases import Case
from hematovision.storage.database import Database

from .conftest import Sender, signed_in


@pytest.fixture
def case(app: Flask, database: Database) -> Case:
    files = app.extensions["hematovision"].files
    return make_case(database, files, FilmReader(3), [picture(1)])


@pytest.fixture
def administrator(app: Flask, database: Database) -> FlaskClient:
    return signed_in(app, database, Role.ADMINISTRATOR)


def send(client: FlaskClient, case: Case, **typed: str) -> tuple[int, str]:
    token = Sender(client).token()
    answer = client.post(f"/cases/{case.id}/erase", data=typed | {"csrf_token": token})
    return answer.status_code, answer.location or answer.text


def test_page_says_what_goes_and_asks_again(administrator: FlaskClient, case: Case) -> None:
    page = administrator.get(f"/cases/{case.id}/erase").text
    for words in ("Erase case 26-0837", "1 photo, 3 cells,", "The patient asked for it"):
        assert words in page
    assert "This case is signed" not in page


def test_case_that_is_confirmed_is_gone(
    administrator: FlaskClient, database: Database, case: Case, settings: Settings
) -> None:
    assert send(administrator, case, accession="26-0837", why="asked") == (303, "/cases/erased")
    assert "The case is erased" in administrator.get("/cases/erased").text
    assert administrator.get(f"/cases/{case.id}").status_code == HTTPStatus.NOT_FOUND
    assert administrator.get(f"/cases/{case.id}/erase").status_code == HTTPStatus.NOT_FOUND
    pictures = Path(settings.data_folder) / "pictures"
    assert not [path for path in pictures.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        pytest.param({"accession": "26-0838", "why": "asked"}, "not the one", id="number"),
        pytest.param({"accession": "26-0837", "why": ""}, "not said why", id="reason"),
    ],
)
def test_case_that_is_not_confirmed_stays(
    administrator: FlaskClient, database: Database, case: Case, typed: dict[str, str], said: str
) -> None:
    status, page = send(administrator, case, **typed)
    assert (status, said in page) == (HTTPStatus.UNPROCESSABLE_ENTITY, True)
    assert administrator.get(f"/cases/{case.id}").status_code == HTTPStatus.OK


def test_only_who_may_erase_is_offered_it(app: Flask, database: Database, case: Case) -> None:
    offered = {
        role: "Erase this case" in signed_in(app, database, role).get(f"/cases/{case.id}").text
        for role in Role
    }
    assert offered == {role: role is Role.ADMINISTRATOR for role in Role}
