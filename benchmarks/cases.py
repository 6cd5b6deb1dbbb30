"""What stands side by side: each case starts a program, and says what it is."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.engines import ray_engine
from benchmarks.installed import home, installed
from benchmarks.servers import BIN, ROOT, Memory, Program, Server, free_port, running
from tests.databases import Postgres

CLIENTS = (1, 8, 64)
AT_EIGHT = (8,)
"""Where only growth is asked for."""

PLAIN = ROOT / "benchmarks/plain"


@dataclass(slots=True)
class Stage:
    """What all cases are measured with.

    Attributes:
        photo: What each program is asked first.
        photos: The folder of all that it is asked.
        folder: For what is made on the way.
        database: PostgreSQL, where there is one.
    """

    photo: bytes
    photos: Path
    folder: Path
    database: Postgres | None


@dataclass(slots=True)
class Running:
    """A case that runs.

    Attributes:
        server: What is asked.
        engine: Memory of an inference server beside it; None where there is none.
        recorded: Counts its readings on record; None where none are kept.
    """

    server: Server
    engine: Callable[[], Memory] | None = None
    recorded: Callable[[], int] | None = None


@dataclass(frozen=True, slots=True)
class Plain:
    """The plain Flask program, started as people start it, or under gunicorn.

    Attributes:
        name: Of its place in the JSON.
        title: For people.
        clients: How many ask at once, one number after another.
        gunicorn: Whether gunicorn runs it, with one process that answers one after another.
    """

    name: str = "plain"
    title: str = "plain Flask program"
    clients: Sequence[int] = CLIENTS
    gunicorn: bool = False

    @contextmanager
    def run(self, stage: Stage) -> Iterator[Running]:
        """Start it; its model is made at the first time."""
        model = stage.folder / "plain.h5"
        if not model.exists():
            made = [sys.executable, str(PLAIN / "make_model.py"), str(model)]
            subprocess.run(made, check=True, capture_output=True)
        port = free_port()
        command = [sys.executable, str(PLAIN / "app.py")]
        if self.gunicorn:
            command = [str(BIN / "gunicorn"), "--chdir", str(PLAIN), "--workers", "1"]
            command += ["--bind", f"127.0.0.1:{port}", "app:app"]
        given = {"PLAIN_MODEL": str(model), "PLAIN_PORT": str(port)}
        with running(Program(command, port, given), stage.photo) as server:
            yield Running(server)


@dataclass(frozen=True, slots=True)
class Ours:
    """HematoVision as it is deployed.

    Attributes:
        name: Of its place in the JSON.
        title: For people.
        label: What the model is called here.
        model: Its folder.
        processes: Web processes.
        replicas: Of the engine on Ray Serve; 0 reads in the web processes.
        clients: How many ask at once, one number after another.
        settings: Further settings, by name.
    """

    name: str
    title: str
    label: str
    model: Path
    processes: int = 1
    replicas: int = 0
    clients: Sequence[int] = CLIENTS
    settings: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def run(self, stage: Stage) -> Iterator[Running]:
        """Start it, and its engine first where that is elsewhere.

        Raises:
            NotThereError: If there is no such engine.
        """
        if not self.replicas:
            with self._web(stage, {}) as running_here:
                yield running_here
            return
        with (
            ray_engine(self.model, self.replicas) as (settings, weigh),
            self._web(stage, settings) as running_here,
        ):
            running_here.engine = weigh
            yield running_here

    @contextmanager
    def _web(self, stage: Stage, settings: Mapping[str, str]) -> Iterator[Running]:
        given = {**self.settings, **settings}
        with (
            home(stage.database) as place,
            installed(
                place, stage.photo, model=self.model, processes=self.processes, settings=given
            ) as server,
        ):
            yield Running(server, recorded=place.recorded)


Case = Plain | Ours


def all_cases(models: Mapping[str, Path]) -> Sequence[Case]:
    """List what stands side by side.

    Args:
        models: Folders by what each is called.
    """
    cases: list[Case] = [
        Plain(),
        Plain("plain-gunicorn", "plain, gunicorn with 1 process", gunicorn=True),
    ]
    for label, model in models.items():
        cases += [
            Ours(
                f"web-{count}-{label}", f"HematoVision, {_web(count)}, {label}", label, model, count
            )
            for count in (1, 2)
        ]
    label, model = next(iter(models.items()))
    cases += [
        Ours(
            f"one-slot-{count}-{label}",
            f"HematoVision, {_web(count)}, one photo at a time in each, {label}",
            label,
            model,
            count,
            clients=AT_EIGHT,
            settings={"reading_slots": "1"},
        )
        for count in (1, 2)
    ]
    cases += [
        Ours(
            f"ray-{count}-{label}",
            f"HematoVision, 1 web process, {_replicas(count)} on Ray Serve, {label}",
            label,
            model,
            1,
            count,
        )
        for count in (1, 2)
    ]
    return cases


def _web(count: int) -> str:
    return f"{count} web process{'es' if count > 1 else ''}"


def _replicas(count: int) -> str:
    return f"{count} replica{'s' if count > 1 else ''}"
