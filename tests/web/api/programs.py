"""Programs of other systems, as tests send their requests."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Flask
from tests.web.conftest import File, bearer
from werkzeug.test import TestResponse

from hematovision.people import Role
from hematovision.storage.database import Database

V1 = "/api/v1"


@dataclass(frozen=True, slots=True)
class Program:
    """A program whose owner has a role."""

    app: Flask
    headers: dict[str, str]

    def get(self, address: str, **headers: str) -> TestResponse:
        """Ask for something under `/api/v1`, or for an address as the API gave it."""
        return self.app.test_client().get(_whole(address), headers=self.headers | headers)

    def post(self, address: str, sent: Any, **headers: str) -> TestResponse:
        client = self.app.test_client()
        return client.post(_whole(address), json=sent, headers=self.headers | headers)

    def send(self, address: str, *files: File) -> TestResponse:
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


def program_of(app: Flask, database: Database, role: Role = Role.TECHNOLOGIST) -> Program:
    """Give a program whose owner has a role, and is called as the role."""
    return Program(app, bearer(database, role))


def _whole(address: str) -> str:
    return address if address.startswith("/api/") else V1 + address
