"""Machines that share nothing but PostgreSQL, Redis, a store of objects and a folder of keys."""

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
import requests

from hematovision.client import Client
from hematovision.config import Settings
from hematovision.people import Role
from hematovision.storage.database import Database, open_database
from hematovision.storage.keys import KEY_FILES, new_key, place_private

from .databases import Postgres, redis
from .doors import Door, free_port, token_of
from .objects import objects
from .vision.networks import write_tiny_model

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 120


@dataclass(slots=True)
class Machine:
    """A machine with a disk of its own.

    Attributes:
        folder: Its disk, empty at the start.
        environment: Of its processes.
        port: Where its server listens, if it has one.
        process: What runs on it.
    """

    folder: Path
    environment: Mapping[str, str]
    port: int
    process: psutil.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> Settings:
        return Settings.from_environment(self.environment)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def start(self, *command: str) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = psutil.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT,
                env=os.environ | self.environment,
                stdout=log,
                stderr=log,
            )

    def serve(self) -> None:
        self.start(
            *("gunicorn", "--config", "deploy/gunicorn.conf.py", "--no-control-socket"),
            *("--bind", f"127.0.0.1:{self.port}", "app:app"),
        )

    def wait(self) -> None:
        """Wait until its server is ready."""
        end = time.monotonic() + SECONDS
        while True:
            assert self.process is not None
            assert self.process.poll() is None, self.log
            with contextlib.suppress(requests.ConnectionError):
                if requests.get(f"{self.url}/readyz", timeout=SECONDS).ok:
                    return
            assert time.monotonic() < end, self.log
            time.sleep(0.1)

    def kill(self) -> None:
        """End everything on it at once, as a machine that loses its power does."""
        if self.process is None or self.process.poll() is not None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            for one in [*self.process.children(recursive=True), self.process]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def vanish(self) -> None:
        """Lose the disk as well."""
        self.kill()
        shutil.rmtree(self.folder / "private")


@dataclass(slots=True)
class Cluster:
    """What all machines share, and the machines.

    Attributes:
        folder: Of the test.
        keys: Of the installation.
        shared: How each machine reaches what is shared.
        database: Theirs, as a test looks at it.
    """

    folder: Path
    keys: Path
    shared: Mapping[str, str]
    database: Database
    machines: list[Machine] = field(default_factory=list)

    def machine(self, name: str) -> Machine:
        """Add a machine with an empty disk."""
        folder = self.folder / name
        folder.mkdir()
        own = {"HEMATOVISION_DATA_FOLDER": str(folder / "private")}
        made = Machine(folder, {**self.shared, **own}, free_port())
        self.machines.append(made)
        return made

    def client(self, machine: Machine, name: str = "rosa") -> Client:
        """Give a program of somebody that asks a machine."""
        return Client(machine.url, self.token(name))

    def token(self, name: str, role: Role = Role.PATHOLOGIST) -> str:
        return token_of(self.database, name, role)

    def door(self, machine: Machine, browser: requests.Session) -> Door:
        return Door(machine.url, "", browser)


@contextmanager
def cluster(folder: Path, postgres_server: Postgres) -> Iterator[Cluster]:
    """Set up what machines share, for as long as it is needed.

    Raises:
        LookupError: If a server is missing.
    """
    with ExitStack() as stack:
        bucket = stack.enter_context(objects())
        queue = stack.enter_context(redis())
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in bucket.environment.items():
            environment.setenv(name, value)
        keys = folder / "keys"
        place_private(keys, {name: new_key().hex() for name in KEY_FILES})
        (folder / "password").write_text("plum orbit walnut canyon of the first\n")
        given = {
            "model_folder": write_tiny_model(folder / "model"),
            "keys_folder": keys,
            "database_url": postgres_server.make_bare(),
            "queue_url": queue.address,
            "pictures_url": bucket.make_bucket() + "/pictures",
            "admin_password_file": folder / "password",
            "threads": 1,
            "decoders": 1,
            "drain_seconds": 1,
        }
        shared = {f"HEMATOVISION_{name.upper()}": str(value) for name, value in given.items()}
        made = Cluster(folder, keys, shared, None)
        try:
            yield made
        finally:
            for machine in made.machines:
                machine.kill()
            if made.database:
                made.database.close()


def look_at(settings: Settings) -> Database:
    """Open the database as a machine does."""
    return open_database(
        settings.database_url,
        settings.data_folder,
        keys=settings.keys,
        checkpoints=settings.checkpoints,
    )
