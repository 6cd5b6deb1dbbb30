"""Read an archive with all cores of this machine: a process a core, each with one thread."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from hematovision.errors import EngineFailedError, HematoVisionError
from hematovision.services.archive_parts import Job, Part, Plan, Totals
from hematovision.services.archive_reader import PartReader


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """Reads with processes of this machine.

    Attributes:
        readers: How many.
        work: What each of them does.
    """

    readers: int
    work: Callable[[Connection, Job], None] = field(default_factory=lambda: read_parts)

    def read(self, job: Job, plan: Plan) -> Iterator[Totals]:
        """Read all parts of a plan; one that a process dies of is left out.

        Raises:
            HematoVisionError: If the model cannot be loaded, or a part not be written.
            EngineFailedError: If a process does not start.
        """
        parts = plan()
        workers: list[Worker] = []
        try:
            start = partial(_start, job, self.work)
            for _ in range(self.readers):
                workers.append(start())
            while workers:
                for worker in _heard(workers):
                    yield from _serve(worker, workers, parts, start)
        finally:
            for worker in workers:
                worker.end()


@dataclass(slots=True, eq=False)
class Worker:
    """A process that reads parts.

    Attributes:
        process: It.
        connection: To it; it breaks when either end dies, however that was.
        is_ready: Whether it has loaded the model.
    """

    process: BaseProcess
    connection: Connection
    is_ready: bool = False

    def end(self) -> None:
        """End it; what it has not written is read again."""
        self.process.kill()
        self.process.join()
        self.connection.close()


def _start(job: Job, work: Callable[[Connection, Job], None]) -> Worker:
    # Not fork: threads of this process hold locks that nobody would let go of in the other.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, job), daemon=True)
    process.start()
    theirs.close()
    return Worker(process, ours)


def _heard(workers: Sequence[Worker]) -> Sequence[Worker]:
    """Wait until somebody says something, or dies."""
    said = wait([worker.connection for worker in workers])
    return [worker for worker in workers if worker.connection in said]


def _serve(
    worker: Worker,
    workers: list[Worker],
    parts: Iterator[Part],
    start: Callable[[], Worker],
) -> Iterator[Totals]:
    """Hear what a worker has done, and give it more; who has nothing left to do ends."""
    try:
        answer = worker.connection.recv()
    except (EOFError, OSError) as error:
        workers.remove(worker)
        worker.end()
        if not worker.is_ready:
            raise EngineFailedError("A process that reads photos does not start.") from error
        workers.append(start())
        return
    if isinstance(answer, HematoVisionError):
        raise answer
    worker.is_ready = True
    if answer is not None:
        yield answer
    part = next(parts, None)
    if part is None:
        workers.remove(worker)
        worker.end()
        return
    with suppress(OSError):
        # Who died just now is found out when it is next heard.
        worker.connection.send(part)


def read_parts(connection: Connection, job: Job) -> None:
    """Read what comes until the other end is gone."""
    with suppress(ValueError):
        # Ctrl+C is for the process that gives the parts out; in a thread there are no signals.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        reader = PartReader(job)
        connection.send(None)
        while True:
            connection.send(reader.read(connection.recv()))
    except HematoVisionError as error:
        connection.send(error)
    except (EOFError, BrokenPipeError):
        # Nobody is there any more who would want more.
        return
