"""A real server with its worker, and a program that may do all that programs may."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.web.conftest import bearer

from hematovision.client import Client, ClientError
from hematovision.people import Role

from .installations import Installation, installation


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that runs.

    Attributes:
        url: Of the server.
        token: Of an administrator's program.
        home: Its processes and its database.
    """

    url: str
    token: str = field(repr=False)
    home: Installation

    def client(self) -> Client:
        return Client(self.url, self.token)


@contextmanager
def serving(folder: Path, **given: str) -> Iterator[Serving]:
    """Start a server for as long as it is needed.

    Args:
        folder: Empty.
        given: Settings; without a model folder, two tiny networks read.
    """
    with installation(folder, threads="1", **given) as home:
        token = bearer(home.database, Role.ADMINISTRATOR)["Authorization"].split()[1]
        with socket.create_server(("127.0.0.1", 0)) as found:
            port = found.getsockname()[1]
        server = home.start("serve", "--port", str(port))
        served = Serving(f"http://127.0.0.1:{port}", token, home)

        def answers() -> bool:
            assert server.poll() is None, home.log
            try:
                with Client(served.url, retries=0, timeout=30) as client:
                    return client.health()
            except ClientError:
                time.sleep(0.1)
                return False

        home.until(answers, 120)
        yield served
