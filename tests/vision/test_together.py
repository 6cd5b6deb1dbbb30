import asyncio
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hematovision.vision.bundle import read_bundle
from hematovision.vision.served import Served, open_served
from hematovision.vision.together import Answer, Job, Together, run_together

from .fronts import run_apart
from .networks import write_whole_model


class Held:
    """A network whose first run goes on until it is let go."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self.started, self.go = threading.Event(), threading.Event()
        self.shapes: list[tuple[int, ...]] = []

    def __call__(
        self, pictures: NDArray[np.uint8], *, outputs: Sequence[int]
    ) -> list[NDArray[np.float32]]:
        self.shapes.append(pictures.shape)
        self.started.set()
        assert self.go.wait(10)
        answers: list[NDArray[np.float32]] = self._network(pictures, outputs=outputs)
        return answers


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Served, Served]:
    folder: Path = tmp_path_factory.mktemp("together") / "model"
    return open_served(read_bundle(write_whole_model(folder)))


def pictures(seed: int, number: int, height: int = 32, width: int = 32) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (number, height, width, 3), np.uint8)


def run_behind_one(
    network: Served, jobs: Sequence[Job], *, pixels: int = 2**20
) -> tuple[list[Answer | BaseException], Held, Together]:
    """Let one job hold the engine while the others come; give the answers of the others."""
    held = Held(network.network)

    async def ask() -> list[Answer | BaseException]:
        with ThreadPoolExecutor(1) as pool:
            engine.append(Together(network._replace(network=held), pool, pixels=pixels))
            outputs = (network.outputs[0].name,)
            first = asyncio.create_task(engine[0](Job(pictures(0, 1), outputs)))
            await asyncio.to_thread(held.started.wait, 10)
            rest = [asyncio.create_task(engine[0](job)) for job in jobs]
            await asyncio.sleep(0)
            held.go.set()
            await first
            return await asyncio.gather(*rest, return_exceptions=True)

    engine: list[Together] = []
    return run_apart(ask()), held, engine[0]


def check(network: Served, job: Job, answer: Any) -> None:
    """Compare with what the network says of the job alone."""
    assert tuple(answer) == job.outputs
    names = [output.name for output in network.outputs]
    for name, found in answer.items():
        (alone,) = network.network(job.pictures, outputs=[names.index(name)])
        np.testing.assert_allclose(found, alone, atol=1e-5)


def test_what_waits_is_run_together_and_answered_apart(networks: tuple[Served, Served]) -> None:
    classifier, _ = networks
    jobs = [
        Job(pictures(1, 2), ("logits", "features")),
        Job(pictures(2, 1), ("heat",)),
        Job(pictures(3, 3), ("morphology", "logits")),
    ]
    answers, held, engine = run_behind_one(classifier, jobs)
    for job, answer in zip(jobs, answers, strict=True):
        check(classifier, job, answer)
    assert [shape[0] for shape in held.shapes] == [1, 6]
    assert engine.runs == Counter({1: 1, 6: 1})
    assert engine.seconds > 0


def test_views_of_other_sizes_are_run_apart(networks: tuple[Served, Served]) -> None:
    _, locator = networks
    jobs = [
        Job(pictures(1, 1, 64, 96), ("heat", "boxes")),
        Job(pictures(2, 1, 96, 64), ("heat",)),
        Job(pictures(3, 2, 64, 96), ("boxes",)),
    ]
    answers, held, _ = run_behind_one(locator, jobs)
    for job, answer in zip(jobs, answers, strict=True):
        check(locator, job, answer)
    assert held.shapes[1:] == [(3, 64, 96, 3), (1, 96, 64, 3)]


def test_run_has_so_many_pixels_at_most(networks: tuple[Served, Served]) -> None:
    classifier, _ = networks
    jobs = [Job(pictures(seed, 2), ("logits",)) for seed in range(3)]
    answers, held, _ = run_behind_one(classifier, jobs, pixels=4 * 32 * 32)
    for job, answer in zip(jobs, answers, strict=True):
        check(classifier, job, answer)
    assert [shape[0] for shape in held.shapes] == [1, 4, 2]


def test_one_who_went_away_costs_no_run(networks: tuple[Served, Served]) -> None:
    classifier, _ = networks
    held = Held(classifier.network)

    async def ask() -> None:
        with ThreadPoolExecutor(1) as pool:
            engine = Together(classifier._replace(network=held), pool, pixels=2**20)
            first = asyncio.create_task(engine(Job(pictures(0, 1), ("logits",))))
            await asyncio.to_thread(held.started.wait, 10)
            gone = asyncio.create_task(engine(Job(pictures(1, 5), ("logits",))))
            await asyncio.sleep(0)
            gone.cancel()
            first.cancel()
            stays = asyncio.create_task(engine(Job(pictures(2, 2), ("logits",))))
            await asyncio.sleep(0)
            held.go.set()
            await stays

    run_apart(ask())
    assert [shape[0] for shape in held.shapes] == [1, 2]


def test_failure_reaches_those_of_the_run_and_no_others(networks: tuple[Served, Served]) -> None:
    classifier, _ = networks

    def fail(*_: object, **__: object) -> list[NDArray[np.float32]]:
        if not failed:
            failed.append(True)
            raise MemoryError("too many")
        return classifier.network(pictures(1, 1), outputs=[0])

    failed: list[bool] = []

    async def ask() -> None:
        with ThreadPoolExecutor(1) as pool:
            engine = Together(classifier._replace(network=fail), pool, pixels=1)  # type: ignore[arg-type]
            job = Job(pictures(1, 1), ("logits",))
            given_up = asyncio.create_task(engine(job))
            after = asyncio.create_task(engine(job))
            with pytest.raises(MemoryError, match="too many"):
                await given_up
            check(classifier, job, await after)
            assert engine.runs == Counter({1: 1})

    run_apart(ask())


def test_failure_of_a_run_that_nobody_waits_for_is_no_noise(
    networks: tuple[Served, Served],
) -> None:
    classifier, _ = networks
    started, go = threading.Event(), threading.Event()

    def fail(*_: object, **__: object) -> list[NDArray[np.float32]]:
        started.set()
        assert go.wait(10)
        raise MemoryError("too many")

    async def ask() -> None:
        with ThreadPoolExecutor(1) as pool:
            engine = Together(classifier._replace(network=fail), pool, pixels=1)  # type: ignore[arg-type]
            gone = asyncio.create_task(engine(Job(pictures(1, 1), ("logits",))))
            await asyncio.to_thread(started.wait, 10)
            gone.cancel()
            go.set()
            with pytest.raises(asyncio.CancelledError):
                await gone

    run_apart(ask())


def test_outputs_that_nobody_wants_are_not_asked_for(networks: tuple[Served, Served]) -> None:
    classifier, _ = networks
    asked: list[Sequence[int]] = []

    def note(some: NDArray[np.uint8], *, outputs: Sequence[int]) -> list[NDArray[np.float32]]:
        asked.append(outputs)
        return classifier.network(some, outputs=outputs)

    jobs = [Job(pictures(1, 1), ("morphology",)), Job(pictures(2, 1), ("logits",))]
    run_together(classifier._replace(network=note), jobs)  # type: ignore[arg-type]
    assert asked == [[0, 3]]


class Later(Executor):
    """Runs nothing before it is let go; then at once, in the thread that lets it go."""

    def __init__(self) -> None:
        self._held: list[tuple[Future[Any], Any]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        self._held.append((future, lambda: fn(*args, **kwargs)))
        return future

    def go(self) -> None:
        for future, run in self._held:
            future.set_result(run())
        self._held.clear()


@pytest.mark.parametrize("turns", range(6))
def test_one_who_asks_just_as_the_last_is_answered_does_not_wait_for_ever(
    networks: tuple[Served, Served], turns: int
) -> None:
    classifier, _ = networks

    async def ask() -> Answer:
        pool = Later()
        engine = Together(classifier, pool, pixels=2**20)
        first = asyncio.create_task(engine(Job(pictures(0, 1), ("logits",))))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        pool.go()
        for _ in range(turns):
            await asyncio.sleep(0)
        second = asyncio.create_task(engine(Job(pictures(1, 1), ("logits",))))
        await first
        for _ in range(4):
            await asyncio.sleep(0)
            pool.go()
        return await asyncio.wait_for(second, 10)

    assert tuple(run_apart(ask())) == ("logits",)
