"""An application with a stub reader, and a client that sends forms as a browser does."""

import io
import re
import secrets
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.conftest import skip_or_fail
from werkzeug.test import TestResponse

from hematovision.cells import CellReader, RgbImage
from hematovision.config import Settings
from hematovision.people import Role
from hematovision.services.hands import Hand
from hematovision.services.tokens import add_token
from hematovision.storage.database import Database
from hematovision.web import create_app
from hematovision.web.access import SIGN_IN

JSON = {"Accept": "application/json"}
File = tuple[bytes, str]


class Sender:
    """Sends pictures to `/predict`: as a page does, and as a program does."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def token(self) -> str:
        page = self.client.get("/").text
        found = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert found
        return found[1]

    def page(self, *files: File, **fields: str) -> TestResponse:
        form = _form(files) | fields | {"csrf_token": self.token()}
        return self.client.post("/predict", data=form)

    def program(self, *files: File, **headers: str) -> TestResponse:
        return self.client.post("/predict", data=_form(files), headers=JSON | headers)


def _form(files: Sequence[File]) -> dict[str, object]:
    return {"image": [(io.BytesIO(content), name) for content, name in files]}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        model_folder=tmp_path / "no-model",
        data_folder=tmp_path / "data",
        max_file_bytes=2**17,
        max_files=3,
        max_pixels=1_000_000,
    )


@pytest.fixture
def app(settings: Settings, reader: CellReader, database: Database) -> Flask:
    return create_app(settings, reader, database)


@pytest.fixture
def visitor(app: Flask) -> FlaskClient:
    """Give a browser at which nobody is signed in."""
    return app.test_client()


@pytest.fixture
def client(app: Flask, database: Database) -> FlaskClient:
    """Give a browser at which a technologist is signed in."""
    return signed_in(app, database, Role.TECHNOLOGIST)


def signed_in(app: Flask, database: Database, role: Role) -> FlaskClient:
    """Give a browser at which somebody of a role is signed in, who is called as the role."""
    now, token = datetime.now(UTC), secrets.token_urlsafe()
    with database.transaction() as records:
        user = records.users.find(role) or records.users.add(role, role, now=now)
        records.users.add_sign_in(token, user.id, now=now, expires_at=now + timedelta(hours=1))
    client = app.test_client()
    with client.session_transaction() as session:
        session[SIGN_IN] = token
    return client


def bearer(database: Database, role: Role) -> dict[str, str]:
    """Give the header of a program whose owner has a role, and all that a token may carry."""
    by = Hand(None, "terminal", datetime.now(UTC))
    with database.transaction() as records:
        user = records.users.find(role) or records.users.add(role, role, now=by.now)
    token = add_token(database, user, "program", by=by)
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def sender(client: FlaskClient) -> Sender:
    return Sender(client)


def sender_of(app: Flask, database: Database) -> Sender:
    """Give what a technologist sends to an application."""
    return Sender(signed_in(app, database, Role.TECHNOLOGIST))


def encode(photo: RgbImage, kind: str, **options: object) -> bytes:
    """Write a photo as a file of one kind."""
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, kind, **options)
    return buffer.getvalue()


def announce_png(width: int, height: int) -> bytes:
    """Write the header of a PNG and no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = b"IEND"
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in (header, end)
    )


EXPECTED = "Failed to load resource|Clear-Site-Data header on "
"""What Chromium says of a refusal, and of the cache that is emptied at the sign-out."""
COOKIES: list[str] = []
"""Of whoever is signed in at the server that runs; `open_page` takes it along."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        skip_or_fail("there is no chromium")
    # Servers, workers and browsers share this machine with whatever else is tested.
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open pages whose console must stay silent, but for the refusals that the network names."""
    said: list[str] = []
    contexts = []

    def listen(page: Page) -> None:
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))

    def open_one(
        *,
        size: tuple[int, int] = (1440, 900),
        signed_in: bool = True,
        cookie: str = "",
        **options: object,
    ) -> Page:
        width, height = size
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.on("page", listen)
        contexts.append(context)
        for shown in ([cookie] if cookie else COOKIES) if signed_in else ():
            address = "http://127.0.0.1"
            context.add_cookies([{"name": "hematovision", "value": shown, "url": address}])
        return context.new_page()

    yield open_one
    for context in contexts:
        context.close()
    assert [text for text in said if not re.match(EXPECTED, text)] == []
