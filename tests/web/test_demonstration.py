from datetime import UTC, datetime

import pytest
from flask import Flask

from hematovision.cells import CellReader
from hematovision.config import Settings
from hematovision.people import Role
from hematovision.services.demonstrations import begin
from hematovision.services.hands import Hand
from hematovision.storage.database import Database
from hematovision.web import create_app

from .conftest import signed_in

BANNER = '<aside class="demo"'
PAGES = ["/", "/cases", "/history", "/model", "/users", "/laboratory/ranges", "/no-such-page"]


@pytest.fixture
def demonstration(settings: Settings, reader: CellReader, database: Database) -> Flask:
    begin(database, by=Hand(None, "terminal", datetime.now(UTC)))
    return create_app(settings, reader, database)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_of_a_demonstration_says_so(
    demonstration: Flask, database: Database, page: str
) -> None:
    client = signed_in(demonstration, database, Role.ADMINISTRATOR)
    assert client.get(page).text.count(BANNER) == 1


def test_sign_in_page_of_a_demonstration_says_so(demonstration: Flask) -> None:
    assert BANNER in demonstration.test_client().get("/sign-in").text


@pytest.mark.parametrize("page", PAGES)
def test_no_page_of_a_real_laboratory_does(app: Flask, database: Database, page: str) -> None:
    client = signed_in(app, database, Role.ADMINISTRATOR)
    assert BANNER not in client.get(page).text
