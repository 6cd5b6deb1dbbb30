"""Programs under measurement: how each is started, asked for the first time, weighed and ended."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Self

import psutil
from benchmarks.asking import USUAL, Heard, Order, body_of

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
START_SECONDS = 180.0
END_SECONDS = 30.0
CHILDREN_SECONDS = 1.0
STEP_SECONDS = 0.02
SETTINGS_OF_OTHERS = ("HEMATOVISION_", "PYTHONDONTWRITEBYTECODE", "PYTHONWARNINGS", "RAY_")
"""By what the variables begin that no program is to be measured with."""
MB = 1e6
SAID = 2000
"""Characters of its last words that are shown of a program that does not start."""


@dataclass(frozen=True, slots=True)
class Program:
    """How a server is started.

    Attributes:
        command: What starts it.
        port: Where it listens, on this machine.
        environment: Variables beside those of this process.
        path: Where it takes photos.
        headers: What it wants to be shown with every photo.
    """

    command: Sequence[str]
    port: int
    environment: Mapping[str, str] = field(default_factory=dict)
    path: str = "/predict"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Memory:
    """What processes take of the memory.

    Attributes:
        processes: How many they are.
        rss_mb: The sum of what each has; what they share counts as often.
        pss_mb: The sum of their parts of what they share and all that is theirs alone.
        largest_mb: RSS of the largest of them.
    """

    processes: int
    rss_mb: float
    pss_mb: float
    largest_mb: float

    @classmethod
    def of(cls, processes: Sequence[psutil.Process]) -> Self:
        """Weigh processes; those that ended meanwhile weigh nothing."""
        weights = []
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                weights.append(process.memory_full_info())
        rss = [weight.rss / MB for weight in weights]
        pss = [getattr(weight, "pss", weight.rss) / MB for weight in weights]
        return cls(len(rss), sum(rss), sum(pss), max(rss, default=0.0))


@dataclass(frozen=True, slots=True)
class Server:
    """A program that runs and has answered.

    Attributes:
        program: How it was started.
        process: The first of its processes.
        start_s: Seconds from its start until it had answered a photo.
    """

    program: Program
    process: psutil.Popen
    start_s: float

    def memory(self) -> Memory:
        """Weigh it with all its processes."""
        return Memory.of([self.process, *self.process.children(recursive=True)])

    def memory_of_children(self) -> Memory:
        """Weigh the processes that it started itself: those that answer, of a server of many."""
        return Memory.of(self.process.children())

    def ask(self, photos: Path, *, clients: int, seconds: float) -> Heard:
        """Let clients in a process of their own ask for some time."""
        program = self.program
        order = Order(program.port, program.path, program.headers, str(photos), clients, seconds)
        return ask_elsewhere(order)


def ask_elsewhere(order: Order) -> Heard:
    """Let clients ask, in a process of their own; the order, with its token, goes by a pipe."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.asking"],
        input=json.dumps(asdict(order)),
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
        check=True,
    )
    return Heard.parse(done.stdout)


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(program: Program, photo: bytes) -> Iterator[Server]:
    """Start a program for as long as it is needed; it has answered a photo when it is given.

    Args:
        program: How it is started.
        photo: What it is asked first.

    Raises:
        SystemExit: If it ends, or does not answer for three minutes.
    """
    begin = time.perf_counter()
    with started(program.command, program.environment, lambda: _answers(program, photo)) as process:
        yield Server(program, process, time.perf_counter() - begin)


@contextmanager
def started(
    command: Sequence[str], environment: Mapping[str, str], answers: Callable[[], bool]
) -> Iterator[psutil.Popen]:
    """Start a program for as long as it is needed; it answers when it is given.

    Args:
        command: What starts it.
        environment: Variables beside those of this process.
        answers: Asks it, and tells whether it has answered.

    Raises:
        SystemExit: If it ends, or does not answer for three minutes.
    """
    with tempfile.TemporaryFile() as log:
        process = psutil.Popen(
            command,
            env=_environment() | dict(environment),
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        # Whoever dies while it starts leaves children that are nobody's.
        family: set[psutil.Process] = set()
        try:
            begin = time.perf_counter()
            while not answers():
                family |= _children(process)
                if process.poll() is not None or time.perf_counter() - begin > START_SECONDS:
                    log.seek(0)
                    said = log.read().decode(errors="replace")[-SAID:]
                    raise SystemExit(f"{' '.join(command)} does not answer:\n{said}")
                time.sleep(STEP_SECONDS)
            yield process
        finally:
            end(process, family)


def end(process: psutil.Popen, family: Collection[psutil.Process] = ()) -> None:
    """End a program, with all that it has started.

    Args:
        process: The program.
        family: What it is known to have started.
    """
    started_by_it = {*family, *_children(process)}
    with suppress(psutil.NoSuchProcess):
        process.terminate()
    try:
        process.wait(END_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait()
    _, left = psutil.wait_procs(started_by_it, timeout=CHILDREN_SECONDS)
    for child in left:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(left, timeout=CHILDREN_SECONDS)


def _children(process: psutil.Process) -> set[psutil.Process]:
    try:
        return set(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return set()


def _environment() -> dict[str, str]:
    """Give this process's variables, without settings that somebody has made for their own."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(SETTINGS_OF_OTHERS)
    }


def _answers(program: Program, photo: bytes) -> bool:
    connection = HTTPConnection("127.0.0.1", program.port, timeout=START_SECONDS)
    try:
        connection.request("POST", program.path, body_of(photo), USUAL | dict(program.headers))
        return connection.getresponse().status < 300
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
