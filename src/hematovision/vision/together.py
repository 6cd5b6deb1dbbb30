"""Requests that wait for one network are run together, as soon as the engine is free."""

import asyncio
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from time import perf_counter_ns
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hematovision.vision.served import Served

Answer = Mapping[str, NDArray[np.float32]]


class Job(NamedTuple):
    """What one request wants of a network.

    Attributes:
        pictures: Shape (N, height, width, 3), RGB, uint8.
        outputs: The names of the outputs that are wanted.
    """

    pictures: NDArray[np.uint8]
    outputs: tuple[str, ...]

    @property
    def pixels(self) -> int:
        """How many pixels it has, all pictures together."""
        return self.pictures.size // 3


Waiting: TypeAlias = "tuple[Job, asyncio.Future[Answer]]"


class Together:
    """Runs the jobs of one network.

    A job that finds the engine free is run at once. Those that come meanwhile wait, and the next
    run takes all of them that show pictures of one size, up to a number of pixels.

    Attributes:
        runs: How many runs had so many pictures.
        seconds: That the engine took for all runs.
    """

    def __init__(self, network: Served, pool: Executor, *, pixels: int, at_once: int = 1) -> None:
        """Take a network.

        Args:
            network: What is run.
            pool: Threads for it; several networks may share one.
            pixels: The most of one run; a job with more is run alone.
            at_once: Runs at the same time.
        """
        self.network = network
        self.runs: Counter[int] = Counter()
        self.seconds = 0.0
        self._pool, self._pixels, self._at_once = pool, pixels, at_once
        self._waiting: deque[Waiting] = deque()
        self._running: set[asyncio.Task[None] | None] = set()

    async def __call__(self, job: Job) -> Answer:
        """Run a job with others; give the outputs that it wants, by name."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, answer))
        if len(self._running) < self._at_once:
            self._running.add(asyncio.create_task(self._drain()))
        return await answer

    async def _drain(self) -> None:
        """Run whatever waits, until nothing does."""
        try:
            while some := self._take():
                await self._run(some)
        finally:
            # A callback of the task would come later: who asks before it would wait for nobody.
            self._running.discard(asyncio.current_task())

    async def _run(self, some: "Sequence[Waiting]") -> None:
        """Run jobs together, and tell each what became of it."""
        started = perf_counter_ns()
        jobs = [job for job, _ in some]
        try:
            answers = await asyncio.get_running_loop().run_in_executor(
                self._pool, run_together, self.network, jobs
            )
        except Exception as error:
            for _, answer in some:
                if not answer.done():
                    answer.set_exception(error)
            return
        self.seconds += (perf_counter_ns() - started) / 1e9
        self.runs[sum(len(job.pictures) for job in jobs)] += 1
        for (_, answer), found in zip(some, answers, strict=True):
            if not answer.done():
                answer.set_result(found)

    def _take(self) -> "Sequence[Waiting]":
        """Take the job that waits longest, and those that can be run with it."""
        taken: list[Waiting] = []
        left: deque[Waiting] = deque()
        pixels = 0
        for job, answer in self._waiting:
            if answer.done():
                continue
            fits = not taken or (
                job.pictures.shape[1:] == taken[0][0].pictures.shape[1:]
                and pixels + job.pixels <= self._pixels
            )
            if fits:
                taken.append((job, answer))
                pixels += job.pixels
            else:
                left.append((job, answer))
        self._waiting = left
        return taken


def run_together(network: Served, jobs: Sequence[Job]) -> list[Answer]:
    """Run jobs whose pictures have one size, and give each the outputs that it wants, by name."""
    wanted = {name for job in jobs for name in job.outputs}
    places = [place for place, one in enumerate(network.outputs) if one.name in wanted]
    pictures = (
        jobs[0].pictures if len(jobs) == 1 else np.concatenate([job.pictures for job in jobs])
    )
    outputs = network.network(pictures, outputs=places)
    found = {
        network.outputs[place].name: output for place, output in zip(places, outputs, strict=True)
    }
    ends = np.cumsum([len(job.pictures) for job in jobs])
    return [
        {name: found[name][end - len(job.pictures) : end] for name in job.outputs}
        for job, end in zip(jobs, ends, strict=True)
    ]
