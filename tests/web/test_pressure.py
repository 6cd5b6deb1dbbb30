import io
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import pytest
from flask import Flask

from hematovision.cells import CellReader
from hematovision.config import Settings
from hematovision.errors import BusyError
from hematovision.people import Role
from hematovision.storage.database import Database
from hematovision.web import create_app
from hematovision.web.pressure import KEY, Gate

from .conftest import bearer, sender_of, signed_in

LONG = 60.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Guests:
    """Threads that go through a gate and note when they are in."""

    def __init__(self, gate: Gate) -> None:
        self.gate, self.inside, self.refused = gate, [], []
        self.threads: list[threading.Thread] = []

    def send(self, name: str) -> None:
        thread = threading.Thread(target=self._pass, args=(name,))
        self.threads.append(thread)
        thread.start()

    def _pass(self, name: str) -> None:
        try:
            with self.gate.slot():
                self.inside.append(name)
        except BusyError:
            self.refused.append(name)

    def join(self) -> None:
        for thread in self.threads:
            thread.join(LONG)


def until_waits(gate: Gate, number: int) -> None:
    while len(gate._waiting) < number:
        threading.Event().wait(0.01)


def test_who_comes_first_reads_first() -> None:
    gate = Gate(1, 3, LONG)
    guests = Guests(gate)
    with gate.slot():
        for place, name in enumerate(("first", "second", "third"), start=1):
            guests.send(name)
            until_waits(gate, place)
        assert guests.inside == []
    guests.join()
    assert guests.inside == ["first", "second", "third"]


def test_no_more_wait_than_may() -> None:
    gate = Gate(1, 1, LONG)
    guests = Guests(gate)
    with gate.slot():
        guests.send("waits")
        until_waits(gate, 1)
        with pytest.raises(BusyError, match="Too many photos are being read"), gate.slot():
            raise AssertionError
    guests.join()
    assert guests.inside == ["waits"]


def test_nobody_waits_without_an_end() -> None:
    gate = Gate(1, 5, 0.01)
    with gate.slot(), pytest.raises(BusyError), gate.slot():
        raise AssertionError
    with gate.slot():
        assert len(gate._waiting) == 0


def test_place_is_given_back_by_who_fails() -> None:
    gate = Gate(1, 0, LONG)
    for _ in range(3):
        with pytest.raises(ValueError, match="wrong"), gate.slot():
            raise ValueError("wrong")
    with gate.slot():
        pass


@pytest.fixture
def small(settings: Settings, reader: CellReader, database: Database) -> Iterator[Flask]:
    """Give an application that reads one photo at once, all of whose places are taken."""
    app = create_app(replace(settings, reading_slots=1, reading_queue=0), reader, database)
    with ExitStack() as stack:
        stack.enter_context(app.extensions[KEY].slot())
        app.stack = stack
        yield app


def test_reading_is_refused_with_when_to_come_again(
    small: Flask, database: Database, jpeg: bytes
) -> None:
    sender = sender_of(small, database)
    answer = sender.program((jpeg, "a.jpg"))
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert answer.headers["Retry-After"] == "5"
    assert answer.json["code"] == "busy"
    page = sender.page((jpeg, "a.jpg"))
    assert page.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert "Too many photos are being read right now." in page.text
    with database.reading() as records:
        assert records.census.take(waiting="waiting", since=EPOCH).photos == {}
    small.stack.close()
    assert sender.program((jpeg, "a.jpg")).status_code == HTTPStatus.OK


def test_light_pages_answer_while_all_places_are_taken(small: Flask, database: Database) -> None:
    client = signed_in(small, database, Role.TECHNOLOGIST)
    for address in ("/", "/cases", "/healthz", "/readyz", "/history"):
        assert client.get(address).status_code == HTTPStatus.OK, address


@pytest.mark.parametrize("address", ["/predict", "/api/v1/readings"])
def test_place_is_not_taken_while_photos_still_come(
    settings: Settings, reader: CellReader, database: Database, address: str
) -> None:
    """Whoever sends slowly keeps nobody else from reading, where no proxy takes in the whole."""
    app = create_app(replace(settings, reading_slots=1, reading_queue=0), reader, database)
    free: list[int] = []

    class Slow(io.BytesIO):
        def readinto(self, buffer: Any) -> int:
            free.append(app.extensions[KEY]._free)
            return super().readinto(buffer)

    part = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
    body = part + b"no picture\r\n--x--\r\n"
    app.test_client().post(
        address,
        input_stream=Slow(body),
        content_type="multipart/form-data; boundary=x",
        content_length=len(body),
        headers=bearer(database, Role.TECHNOLOGIST) | {"Accept": "application/json"},
    )
    assert free
    assert set(free) == {1}
