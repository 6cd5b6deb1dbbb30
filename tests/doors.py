"""The door of a real server, as programs and browsers come in by it, also while it is killed."""

import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests

from hematovision.people import Role
from hematovision.services.hands import Hand
from hematovision.services.tokens import add_token
from hematovision.storage.database import Database

from .services.signatures import PASSWORD, add_person

JSON = {"Accept": "application/json"}
SECONDS = 30


def free_port() -> int:
    """Find a port at which nobody listens, for a server that is started again and again."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def token_of(database: Database, name: str = "rosa", role: Role = Role.PATHOLOGIST) -> str:
    """Let a program in for somebody, who can sign in with `PASSWORD` as well."""
    user = add_person(database, name, role)
    return add_token(database, user, "faults", by=Hand(user.id, "terminal", datetime.now(UTC)))


@dataclass(slots=True)
class Door:
    """A program that asks a server.

    Attributes:
        url: Of the first page, without a slash at the end.
        token: What the program shows.
    """

    url: str
    token: str
    browser: requests.Session = field(default_factory=requests.Session)

    def ask(self, method: str, path: str, **given: Any) -> requests.Response:
        """Ask once."""
        headers = JSON | {"Authorization": f"Bearer {self.token}"} | given.pop("headers", {})
        return requests.request(method, self.url + path, headers=headers, timeout=SECONDS, **given)

    def read(self, picture: bytes) -> requests.Response:
        """Have a picture read."""
        return self.ask("POST", "/predict", files={"image": ("smear.png", picture)})

    def wait(self, seconds: float = 60) -> None:
        """Wait until the server answers."""
        end = time.monotonic() + seconds
        while True:
            try:
                if self.ask("GET", "/health").ok:
                    return
            except requests.RequestException:
                pass
            assert time.monotonic() < end, "The server does not answer."
            time.sleep(0.05)

    def sign_in(self, name: str = "rosa") -> None:
        """Come in as a browser does."""
        self.send("/sign-in", self.form_of("/sign-in") | {"name": name, "password": PASSWORD})

    def form_of(self, path: str) -> dict[str, str]:
        """Give what the form of a page hides."""
        page = self.browser.get(self.url + path, timeout=SECONDS).text
        return dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))

    def send(self, path: str, form: Mapping[str, str]) -> requests.Response:
        """Send the form of a page."""
        headers = {"Referer": self.url + path}
        return self.browser.post(self.url + path, data=form, headers=headers, timeout=SECONDS)
