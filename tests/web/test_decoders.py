"""Pictures that are sent to a server whose decoders are processes of their own."""

import re
import sys
from collections.abc import Iterator

import pytest
from flask import Flask

from hematovision.cells import CellReader
from hematovision.config import Settings
from hematovision.storage.database import Database
from hematovision.vision.decoders import Decoder
from hematovision.web import create_app

from .conftest import Sender, sender_of

if sys.platform != "linux":
    pytest.skip("decodes in the process itself", allow_module_level=True)

from hematovision.vision.decoder_pool import DecoderPool

CRASHES = """
import socket, struct, sys
channel = socket.socket(fileno=0)
channel.sendall(struct.pack("<cII", b"h", 0, 0))
channel.recv(17)
"""


@pytest.fixture(scope="module")
def decoders() -> Iterator[DecoderPool]:
    decoders = DecoderPool(1, seconds=120)
    yield decoders
    decoders.close()


@pytest.fixture
def app(settings: Settings, reader: CellReader, database: Database, decoders: DecoderPool) -> Flask:
    return create_app(settings, reader, database, decoder=decoders)


def sender_with(
    decoder: Decoder, settings: Settings, reader: CellReader, database: Database
) -> Sender:
    return sender_of(create_app(settings, reader, database, decoder=decoder), database)


def test_picture_is_read_kept_and_shown_again(app: Flask, database: Database, jpeg: bytes) -> None:
    sender = sender_of(app, database)
    answer = sender.program((jpeg, "photo.jpg"))
    assert answer.status_code == 200
    shown = sender.client.get(answer.headers["Content-Location"])
    assert re.search("data:image/jpeg;base64", shown.text)


def test_refusal_has_its_own_name(app: Flask, database: Database, jpeg: bytes) -> None:
    answer = sender_of(app, database).program((jpeg[:300], "photo.jpg"))
    assert (answer.status_code, answer.json["code"]) == (422, "unreadable_image")


def test_picture_that_kills_its_decoder_is_refused_however_often_it_comes(
    settings: Settings, reader: CellReader, database: Database, jpeg: bytes
) -> None:
    deadly = DecoderPool(1, command=(sys.executable, "-c", CRASHES))
    try:
        sender = sender_with(deadly, settings, reader, database)
        for _ in range(2):
            answer = sender.program((jpeg, "photo.jpg"))
            assert (answer.status_code, answer.json["code"]) == (422, "decoder_crashed")
    finally:
        deadly.close()


def test_busy_decoders_say_when_to_come_again(
    settings: Settings, reader: CellReader, database: Database, jpeg: bytes
) -> None:
    none_free = DecoderPool(0, wait_seconds=0)
    answer = sender_with(none_free, settings, reader, database).program((jpeg, "photo.jpg"))
    assert (answer.status_code, answer.json["code"]) == (503, "decoders_busy")
    assert answer.headers["Retry-After"] == "10"
