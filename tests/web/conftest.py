"""An application with a stub reader, and a client that sends forms as a browser does."""

import io
import re
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.test import TestResponse

from hematovision.cells import CellReader, RgbImage
from hematovision.config import Settings
from hematovision.web import create_app

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
def app(settings: Settings, reader: CellReader) -> Flask:
    return create_app(settings, reader)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def sender(client: FlaskClient) -> Sender:
    return Sender(client)


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
