"""`make load`: many clients at one real server, which may refuse them and must not fail them.

The server is started here, with a folder of its own; pictures are drawn. Each client reads photos,
sends photos of a case, and looks at pages, without a pause to speak of: more than the machine can
read. What is refused by 429 or 503 with `Retry-After` is back-pressure; anything else is a failure.
"""

# Locust comes first, for it changes how this process waits.
from locust import HttpUser, between, task
from locust.env import Environment

# isort: split
import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import gevent
import psutil
import requests
from rich.console import Console
from rich.table import Table

from hematovision.config import Settings
from hematovision.drawing.smears import draw_film
from hematovision.people import Role
from hematovision.services.accounts import add_user
from hematovision.services.cases import open_case
from hematovision.services.hands import Hand
from hematovision.services.tokens import add_token
from hematovision.storage.database import Database, open_database
from hematovision.storage.photos import PhotoState

REFUSALS = (429, 503)
PICTURES = 8
MIX = {"neutrophil": 0.6, "lymphocyte": 0.3, "monocyte": 0.1}
JSON = {"Accept": "application/json"}
LOOK_SECONDS = 2.0
START_SECONDS = 120.0
MB = 2**20

CONSOLE = Console()


@dataclass(slots=True)
class Laboratory:
    """What the clients share.

    Attributes:
        tokens: One a client.
        cases: One a client.
        pictures: What they send.
        paths: Where photos are read.
        read: Photos that were answered.
        refused: What was refused, by status.
        broken: Failures, by what was asked and how it was answered.
    """

    tokens: list[str] = field(default_factory=list)
    cases: list[int] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=lambda: ["/predict"])
    read: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)


LABORATORY = Laboratory()


class Client(HttpUser):
    """Somebody's program and browser in one."""

    wait_time = between(0.1, 0.5)
    number: ClassVar[int] = 0

    def on_start(self) -> None:
        """Take a token and a case."""
        mine = Client.number % len(LABORATORY.tokens)
        Client.number += 1
        self.client.headers["Authorization"] = f"Bearer {LABORATORY.tokens[mine]}"
        self.case = LABORATORY.cases[mine]

    @task(10)
    def read(self) -> None:
        """Have a photo read."""
        path = random.choice(LABORATORY.paths)  # noqa: S311 - no secret
        if self._ask("POST", path, files=self._photo(), headers=JSON):
            LABORATORY.read += 1

    @task(2)
    def send(self) -> None:
        """Send a photo of a case, to be read in the background."""
        path = f"/cases/{self.case}/photos"
        self._ask("POST", path, files=self._photo(), headers=JSON, name="/cases/N/photos")

    @task(3)
    def look_at_cases(self) -> None:
        """Look at what waits."""
        self._ask("GET", "/cases")

    @task(3)
    def look_at_gallery(self) -> None:
        """Look at a case's cells."""
        self._ask("GET", f"/cases/{self.case}/review", name="/cases/N/review")

    @task(3)
    def look_at_progress(self) -> None:
        """Look how far a case is."""
        path = f"/cases/{self.case}/progress"
        self._ask("GET", path, headers=JSON, name="/cases/N/progress")

    @task(2)
    def look_at_history(self) -> None:
        """Look at what was read."""
        self._ask("GET", "/history")

    @task(2)
    def watch(self) -> None:
        """Ask whether the server lives, and whether it can work."""
        self._ask("GET", "/healthz")
        self._ask("GET", "/readyz")

    def _photo(self) -> dict[str, tuple[str, bytes, str]]:
        # Bytes behind the end of a picture are not looked at: no two are the same.
        content = random.choice(LABORATORY.pictures) + random.randbytes(8)  # noqa: S311
        return {"image": ("field.jpg", content, "image/jpeg")}

    def _ask(self, method: str, path: str, **more: Any) -> bool:
        """Ask; tell whether it was answered and not refused."""
        with self.client.request(method, path, catch_response=True, **more) as answer:
            status = answer.status_code
            if status in REFUSALS and answer.headers.get("Retry-After"):
                LABORATORY.refused[status] += 1
                answer.success()
                return False
            if not 200 <= status < 400:
                name = more.get("name", path)
                LABORATORY.broken[f"{method} {name}: {status or answer.error}"] += 1
                answer.failure(f"status {status}")
                return False
            answer.success()
            return True


@dataclass(slots=True)
class Server:
    """The server under load and its workers.

    Attributes:
        process: The server's.
        address: Where it answers.
        log: What it says.
        memory: Bytes of all its processes, time by time.
    """

    process: psutil.Popen
    address: str
    log: Path
    memory: list[int] = field(default_factory=list)

    def look(self) -> None:
        """Note how much memory its processes have."""
        processes = [self.process, *self.process.children(recursive=True)]
        self.memory.append(sum(_memory_of(process) for process in processes))

    @property
    def growth(self) -> float:
        """Say by how many MB memory grew from the third quarter of the time to the last."""
        quarter = max(len(self.memory) // 4, 1)
        third, last = self.memory[-2 * quarter : -quarter], self.memory[-quarter:]
        return (statistics.median(last) - statistics.median(third or last)) / MB

    def complaints(self) -> list[str]:
        """Give what it logged as an error."""
        said = [json.loads(line) for line in self.log.read_text().splitlines() if line[:1] == "{"]
        return [f"{line['logger']}: {line['message']}" for line in said if line["level"] == "ERROR"]


def _memory_of(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def prepare(settings: Settings, users: int) -> Database:
    """Make accounts, tokens, cases and pictures."""
    database = open_database(settings.database_url, settings.data_folder)
    by = Hand(None, "terminal", datetime.now(UTC))
    for number in range(users):
        user = add_user(database, f"client.{number}", Role.TECHNOLOGIST, by=by)
        LABORATORY.tokens.append(add_token(database, user, "load", by=by))
        LABORATORY.cases.append(open_case(database, f"LOAD-{number}", by=by).id)
    LABORATORY.pictures = [smear.picture for smear in draw_film(MIX, fields=PICTURES, seed=1)]
    return database


def start(settings: Settings, workers: int) -> Server:
    """Start a server; come back when it is ready."""
    with closing(socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    log = settings.data_folder / "log"
    ours = {
        "HEMATOVISION_DATA_FOLDER": str(settings.data_folder),
        "HEMATOVISION_LOG_FORMAT": "json",
    }
    command = ["serve", "--port", str(port), "--workers", str(workers)]
    with log.open("wb") as said:
        process = psutil.Popen(
            [sys.executable, "-m", "hematovision", *command],
            env=os.environ | ours,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
    server = Server(process, f"http://127.0.0.1:{port}", log)
    end = time.monotonic() + START_SECONDS
    while not _is_ready(server):
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            raise SystemExit(f"The server does not come up:\n{log.read_text()}")
        time.sleep(0.2)
    return server


def _is_ready(server: Server) -> bool:
    try:
        return requests.get(f"{server.address}/readyz", timeout=10).ok
    except requests.RequestException:
        return False


def find_api(server: Server) -> None:
    """Have photos read by the API as well, where there is one."""
    head = {"Authorization": f"Bearer {LABORATORY.tokens[0]}"} | JSON
    path = "/api/v1/readings"
    if requests.post(f"{server.address}{path}", headers=head, timeout=60).status_code != 404:
        LABORATORY.paths.append(path)


def press(server: Server, users: int, seconds: float) -> Environment:
    """Let all clients ask for some time."""
    environment = Environment(user_classes=[Client], host=server.address)
    runner = environment.create_local_runner()
    runner.start(users, spawn_rate=16)
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.process.poll() is None:
        server.look()
        gevent.sleep(LOOK_SECONDS)
    environment.stop_timeout = 60
    runner.quit()
    return environment


def recover(server: Server, most: float) -> float:
    """Say after how many seconds a photo is read again; more than `most` if it is not."""
    began = time.monotonic()
    head = {"Authorization": f"Bearer {LABORATORY.tokens[0]}"} | JSON
    files = {"image": ("field.jpg", LABORATORY.pictures[0], "image/jpeg")}
    while time.monotonic() - began <= most:
        answer = requests.post(f"{server.address}/predict", headers=head, files=files, timeout=most)
        if answer.ok:
            LABORATORY.read += 1
            break
        time.sleep(0.5)
    return time.monotonic() - began


def count_readings(database: Database) -> int:
    """Count the readings on record that belong to no case; those of cases are the workers'."""
    with database.reading() as records:
        photos = records.census.take(waiting=PhotoState.WAITING, since=datetime.now(UTC)).photos
        of_cases: Counter[str] = Counter()
        for case_id in LABORATORY.cases:
            of_cases.update(records.photos.count(case_id))
    return photos.get(PhotoState.READ, 0) - of_cases[PhotoState.READ]


def report(server: Server, environment: Environment, seconds: float) -> None:
    """Show how many asked for what, and how long they waited."""
    table = Table("asked for", "requests", "failed", "p50 ms", "p95 ms", "p99 ms")
    stats = environment.stats
    for entry in [*sorted(stats.entries.values(), key=lambda one: one.name), stats.total]:
        times = [entry.get_response_time_percentile(share) for share in (0.5, 0.95, 0.99)]
        numbers = [entry.num_requests, entry.num_failures, *times]
        table.add_row(f"{entry.method or ''} {entry.name}", *(f"{one:.0f}" for one in numbers))
    CONSOLE.print(table)
    memory = [server.memory[place] / MB for place in (0, len(server.memory) // 2, -1)]
    total = stats.total.num_requests
    CONSOLE.print(
        f"{total} requests in {seconds:.0f} s, {total / seconds:.1f} a second; "
        f"{LABORATORY.read} photos read, {LABORATORY.read / seconds:.2f} a second.\n"
        f"Refused with Retry-After: {dict(LABORATORY.refused)}.\n"
        f"Memory of server and workers: {memory[0]:.0f} MB at the start, {memory[1]:.0f} in the "
        f"middle, {memory[2]:.0f} at the end; {server.growth:+.0f} MB from the third quarter to "
        "the last."
    )


def judge(server: Server, recovery: float, recorded: int, limits: argparse.Namespace) -> list[str]:
    """Say what is not as it must be."""
    complaints = server.complaints()
    checks = {
        f"requests failed: {dict(LABORATORY.broken)}": bool(LABORATORY.broken),
        f"the server logged errors, as {complaints[:3]}": bool(complaints),
        f"memory grew by {server.growth:.0f} MB": server.growth > limits.flat_mb,
        f"no photo was read {limits.recovery_s:.0f} s after": recovery > limits.recovery_s,
        f"{LABORATORY.read} readings were answered, {recorded} are on record": (
            # Of those who were still asking when time was up nobody heard the answer.
            not LABORATORY.read <= recorded <= LABORATORY.read + limits.users
        ),
    }
    return [what for what, is_wrong in checks.items() if is_wrong]


def main(arguments: Sequence[str] | None = None) -> int:
    """Press, and say how it went; 1 where something is not as it must be."""
    parser = argparse.ArgumentParser(prog="make load", description=__doc__)
    parser.add_argument("--users", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--workers", type=int, default=1, help="processes that read cases")
    parser.add_argument("--flat-mb", type=float, default=64, help="most growth of memory")
    parser.add_argument("--recovery-s", type=float, default=60)
    given = parser.parse_args(arguments)
    with TemporaryDirectory(prefix="hematovision-load-") as folder:
        settings = Settings(data_folder=Path(folder))
        with closing(prepare(settings, given.users)) as database:
            server = start(settings, given.workers)
            try:
                find_api(server)
                environment = press(server, given.users, given.seconds)
                recovery = recover(server, given.recovery_s)
                recorded = count_readings(database)
            finally:
                server.process.send_signal(signal.SIGTERM)
                server.process.wait(60)
            report(server, environment, given.seconds)
            CONSOLE.print(f"A photo is read {recovery:.1f} s after the load is gone.")
            wrong = judge(server, recovery, recorded, given)
    for what in wrong:
        CONSOLE.print(f"[red]Not well:[/red] {what}.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
