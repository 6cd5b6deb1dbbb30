"""A program with a token, and the worker that reads what it sends to be read later."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.conftest import StubReader
from tests.web.conftest import bearer
from werkzeug.test import TestResponse

from hematovision.people import Role
from hematovision.services.batches import Desk, read_next
from hematovision.storage.database import Database


@dataclass
class Program:
    """Asks for addresses of the API with a token."""

    client: FlaskClient
    headers: Mapping[str, str]

    def get(self, url: str, **headers: str) -> TestResponse:
        return self.client.get(url, headers={**self.headers, **headers})

    def post(self, url: str, **given: Any) -> TestResponse:
        return self.client.post(url, headers={**self.headers, **given.pop("headers", {})}, **given)

    def send(self, *pictures: bytes, **given: Any) -> TestResponse:
        form = {"image": [(io.BytesIO(one), "a.jpg") for one in pictures], **given.pop("data", {})}
        return self.post("/api/v1/readings", data=form, **given)

    def send_job(self, *pictures: bytes, **given: Any) -> TestResponse:
        return self.send(*pictures, headers={"Prefer": "respond-async"}, **given)


@pytest.fixture
def program_of(app: Flask, database: Database) -> Callable[[Role], Program]:
    """Give the program of somebody of a role, with all that a token may carry."""
    return lambda role: Program(app.test_client(), bearer(database, role))


@pytest.fixture
def program(program_of: Callable[[Role], Program]) -> Program:
    return program_of(Role.TECHNOLOGIST)


@pytest.fixture
def work(app: Flask, reader: StubReader) -> Callable[[], int]:
    """Read all that waits, as a worker does; give how much there was."""
    wiring = app.extensions["hematovision"]
    desk = Desk(wiring.database, wiring.files, reader, wiring.settings.keep_pictures)

    def read_all() -> int:
        number = 0
        while read_next(desk, "worker", clock=lambda: datetime.now(UTC)):
            number += 1
        return number

    return read_all
