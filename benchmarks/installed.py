"""HematoVision as it is deployed: gunicorn, a database, a token, and readings that are kept."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from benchmarks.servers import BIN, Memory, Program, Server, free_port, running
from tests.databases import Postgres, postgres

from hematovision.people import Role
from hematovision.services.accounts import add_user
from hematovision.services.hands import Hand
from hematovision.services.tokens import add_token
from hematovision.storage.database import Database, open_database
from hematovision.storage.photos import PhotoState

MOST_CLIENTS = 64
"""So many may wait to be read in each process, so that every client is answered."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where an installation keeps what it keeps: the address of its database and a folder."""

    address: str
    folder: Path

    def open(self) -> Database:
        """Open the database beside the server."""
        return open_database(self.address, self.folder)

    def recorded(self) -> int:
        """Count the readings on record."""
        now = datetime.now(UTC)
        with closing(self.open()) as database, database.reading() as records:
            photos = records.census.take(waiting=PhotoState.WAITING, since=now).photos
        return photos.get(PhotoState.READ, 0)

    def let_in(self) -> str:
        """Make a token for the program that asks."""
        by = Hand(None, "terminal", datetime.now(UTC))
        with closing(self.open()) as database:
            return add_token(
                database, add_user(database, "bench", Role.TECHNOLOGIST, by=by), "", by=by
            )


@contextmanager
def databases(*, wanted: bool = True) -> Iterator[Postgres | None]:
    """Start a PostgreSQL that waits for its disk; none where there is none, or none is wanted."""
    try:
        starting = postgres(durable=True) if wanted else nullcontext()
        with starting as server:
            yield server
    except LookupError:
        yield None


@contextmanager
def home(server: Postgres | None) -> Iterator[Home]:
    """Make an empty database and a folder: on PostgreSQL, or in a SQLite file."""
    with TemporaryDirectory(prefix="hematovision-compare-") as folder:
        yield Home(server.make() if server else "", Path(folder))


@contextmanager
def installed(
    place: Home, photo: bytes, *, model: Path, processes: int, settings: Mapping[str, str]
) -> Iterator[Server]:
    """Start HematoVision under gunicorn for as long as it is needed.

    Args:
        place: Where it keeps what it keeps.
        photo: What it is asked first.
        model: The model folder.
        processes: Web processes.
        settings: Further settings, by name.
    """
    port = free_port()
    given = {
        "data_folder": str(place.folder),
        "database_url": place.address,
        "model_folder": str(model),
        "rate_limit": "off",
        "reading_queue": str(MOST_CLIENTS),
        "threads": "1",
    } | dict(settings)
    command = [str(BIN / "gunicorn"), "--config", "deploy/gunicorn.conf.py", "app:app"]
    command += ["--bind", f"127.0.0.1:{port}"]
    settings_of_all = {f"HEMATOVISION_{name.upper()}": value for name, value in given.items()}
    program = Program(
        command,
        port,
        {"WEB_CONCURRENCY": str(processes), **settings_of_all},
        headers={"Authorization": f"Bearer {place.let_in()}"},
    )
    with running(program, photo) as server:
        yield server


def memory_of_database(server: Postgres | None) -> Memory | None:
    """Weigh PostgreSQL with all its processes."""
    if server is None:
        return None
    first = psutil.Process(server.pid)
    return Memory.of([first, *first.children(recursive=True)])
