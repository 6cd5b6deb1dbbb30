"""Programs of other systems, as tests send their requests."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from tests.web.conftest import File, bearer
from werkzeug.test import TestResponse

from hematovision.cells import CellReader
from hematovision.people import Role
from hematovision.services.batches import Desk, read_next
from hematovision.storage.database import Database
from hematovision.web.wiring import Wiring

V1 = "/api/v1"
JSON_SENT = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class System:
    """A system whose owner has a role."""

    app: Flask
    headers: dict[str, str]

    def get(self, address: str, **headers: str) -> TestResponse:
        """Ask for something under `/api/v1`, or for an address as the API gave it."""
        return self.app.test_client().get(_whole(address), headers=self.headers | headers)

    def post(self, address: str, sent: Any, **headers: str) -> TestResponse:
        """Send a JSON document, whatever it is."""
        return self.post_text(address, json.dumps(sent), **headers)

    def post_text(self, address: str, sent: str, **headers: str) -> TestResponse:
        """Send what is called JSON, whatever it is."""
        client, headers = self.app.test_client(), self.headers | headers | JSON_SENT
        return client.post(_whole(address), data=sent, headers=headers)

    def send(self, address: str, *files: File) -> TestResponse:
        """Send files as a form."""
        form = {"image": [(io.BytesIO(content), name) for content, name in files]}
        return self.app.test_client().post(_whole(address), data=form, headers=self.headers)

    def walk(self, address: str) -> Iterator[Any]:
        """Give all entries of a list, page by page."""
        following: str | None = address
        while following:
            answer = self.get(following)
            page = answer.get_json()
            yield from page["items"]
            following = page["next"]
            assert answer.headers.get("Link") == (following and f'<{following}>; rel="next"')


def system_of(app: Flask, database: Database, role: Role = Role.TECHNOLOGIST) -> System:
    """Give a system whose owner has a role, and is called as the role."""
    return System(app, bearer(database, role))


def read_all(app: Flask, reader: CellReader) -> None:
    """Read what waits, as a worker does."""
    wiring: Wiring = app.extensions["hematovision"]
    desk = Desk(wiring.database, wiring.files, reader)
    while read_next(desk, "worker", clock=lambda: datetime.now(UTC)):
        pass


def _whole(address: str) -> str:
    return address if address.startswith("/api/") else V1 + address
