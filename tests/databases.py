"""Databases for tests: SQLite files, and real servers of Debian's packages."""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

from sqlalchemy import create_engine, event, make_url

from hematovision.storage.connections import FILE
from hematovision.storage.database import Database, open_database

NUMBERS = count(1)
OWNER = "postgres"
"""PostgreSQL refuses to run as root; the package made this user."""


MEMORY = Path("/dev/shm")  # noqa: S108 - the folder made in it is one's own
ROOM = 2 * 2**30


class Postgres:
    """A server of its own, on a socket of its own."""

    def __init__(self, binaries: Path, folder: Path, *, durable: bool = False) -> None:
        self._binaries, self._folder = binaries, folder
        self._durable = durable
        self._template = ""

    @property
    def pid(self) -> int:
        return int((self._folder / "data/postmaster.pid").read_text().split()[0])

    @property
    def address(self) -> str:
        return f"postgresql+psycopg://{OWNER}@/{{}}?host={self._folder}"

    def call(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), "-D", str(self._folder / "data"), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", OWNER, "--", *command]
        done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs
            command, cwd=self._folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        fsync = "on" if self._durable else "off"
        options = f"-c listen_addresses= -c fsync={fsync} -k {self._folder}"
        self.call("pg_ctl", "start", "-w", "-o", options, "-l", str(self._folder / "log"))

    def stop(self) -> None:
        """End it at once, as a machine that loses its power does."""
        self.call("pg_ctl", "stop", "-m", "immediate")

    def make_bare(self) -> str:
        """Make a database without tables; give its address."""
        name = f"bare_{next(NUMBERS)}"
        self._execute(f"CREATE DATABASE {name}")
        return self.address.format(name)

    def make(self) -> str:
        """Make a database with all tables and nobody in it; give its address."""
        if not self._template:
            self._execute("CREATE DATABASE empty")
            self._template = "empty"
            open_database(self.address.format("empty"), self._folder).close()
        name = f"test_{next(NUMBERS)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY file_copy")
        return self.address.format(name)

    def drop(self, address: str) -> None:
        """Take a database away, with whoever is still connected."""
        self._execute(f"DROP DATABASE {make_url(address).database} WITH (FORCE)")

    def _execute(self, words: str) -> None:
        engine = create_engine(self.address.format("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(words)
        engine.dispose()


def memory_folder() -> Path | None:
    """Find a folder in memory: every database has 300 files, and some disks take long to forget."""
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM
    return MEMORY if has_room else None


@contextmanager
def postgres(*, durable: bool = False) -> Iterator[Postgres]:
    """Start a PostgreSQL for as long as it is needed.

    Args:
        durable: Whether it waits for the disk, as one that is in use does.

    Raises:
        LookupError: If there is none.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[-2]))
    if not found:
        raise LookupError("there is no PostgreSQL: apt-get install postgresql")
    # The path of a socket has at most 107 bytes, so not pytest's long ones.
    folder = Path(mkdtemp(prefix="postgres-", dir=None if durable else memory_folder()))
    if os.geteuid() == 0:
        owner = pwd.getpwnam(OWNER)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    server = Postgres(found[-1], folder, durable=durable)
    try:
        server.call("initdb", "-U", OWNER, "--auth=trust", "--no-sync", "-E", "UTF8")
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


class Redis:
    """A server of its own, on a socket of its own, that keeps nothing."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._folder, self._socket = program, folder, folder / "socket"
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"unix://{self._socket}"

    def start(self) -> None:
        command = [self._program, "--port", "0", "--unixsocket", str(self._socket), "--save", ""]
        log = self._folder / "log"
        with log.open("w") as said:
            self._server = subprocess.Popen(  # noqa: S603 - Redis itself
                command, cwd=self._folder, stdout=said
            )
        while not self._socket.exists():
            assert self._server.poll() is None, log.read_text()
            time.sleep(0.01)

    def stop(self) -> None:
        assert self._server is not None
        self._server.kill()
        self._server.wait()
        self._socket.unlink(missing_ok=True)


@contextmanager
def redis() -> Iterator[Redis]:
    """Start a Redis for as long as it is needed.

    Raises:
        LookupError: If there is none.
    """
    program = shutil.which("redis-server")
    if program is None:
        raise LookupError("there is no Redis: apt-get install redis-server")
    folder = Path(mkdtemp(prefix="redis-"))
    server = Redis(program, folder)
    try:
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def open_copy(empty: Path, folder: Path) -> Database:
    """Open a copy of a SQLite database that is made already."""
    folder.mkdir()
    shutil.copyfile(empty, folder / FILE)
    return open_database("", folder)


@contextmanager
def counted_queries(database: Database) -> Iterator[list[str]]:
    """Give a list that every statement is written into which the database is asked meanwhile."""
    statements: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")):
            statements.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
