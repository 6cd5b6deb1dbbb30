"""Read an archive with Ray Data: a pool of actors, each with a model, on one machine or many."""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
import ray.data
from numpy.typing import NDArray

from hematovision.errors import EngineFailedError, HematoVisionError
from hematovision.services.archive_parts import Job, Part, Plan, Totals
from hematovision.services.archive_reader import PartReader

Batch = dict[str, NDArray[Any]]

ATTEMPTS = 3
"""Ray gives a part whose actor died to another for ever; after so many it is left out."""
STARTS = 2
IN_FLIGHT = 2
"""Parts that an actor has: one that it reads, and one that waits."""


@dataclass(frozen=True, slots=True)
class RayEngine:
    """Reads on the Ray that `RAY_ADDRESS` names, or on one of its own.

    Attributes:
        least: Actors to keep at least.
        most: Actors at most; 0 for as many as there is room for.
        cpus: Cores of an actor.
        gpus: GPUs of an actor.
    """

    least: int = 1
    most: int = 0
    cpus: float = 1.0
    gpus: float = 0.0

    def read(self, job: Job, plan: Plan) -> Iterator[Totals]:
        """Read all parts of a plan; one that actors die of is left out.

        Raises:
            HematoVisionError: If the model cannot be loaded, or a part not be written.
            EngineFailedError: If Ray does not start, or falls apart.
        """
        try:
            with _ray():
                yield from map(_heard, self._stream(job, plan))
        except HematoVisionError:
            raise
        except Exception as error:  # Ray raises much, of which nobody keeps a list.
            words = str(error).strip().splitlines() or [type(error).__name__]
            raise EngineFailedError("Ray stopped: %(why)s", why=words[-1]) from error

    def _stream(self, job: Job, plan: Plan) -> Iterator[Any]:
        """Let Ray list parts and read them, and give what it says of each as it comes."""
        _set_up()
        most = self.most or self._room()
        pool = ray.data.ActorPoolStrategy(
            min_size=min(self.least, most),
            max_size=most,
            initial_size=most,
            max_tasks_in_flight_per_actor=IN_FLIGHT,
        )
        parts = ray.data.from_items([{"plan": 0}]).map_batches(
            list_parts, fn_kwargs={"plan": ray.put(plan)}, num_cpus=0
        )
        said = parts.map_batches(
            Reader,
            fn_constructor_kwargs={
                "job": job,
                "threads": max(int(self.cpus), 1),
                "tally": ray.remote(num_cpus=0, max_restarts=-1)(Tally).remote(),
            },
            batch_size=1,
            compute=pool,
            num_cpus=self.cpus,
            num_gpus=self.gpus or None,
        )
        for batch in said.iter_batches(batch_size=None, prefetch_batches=0):
            yield from batch["said"]

    def _room(self) -> int:
        """Say how many actors the machines have room for."""
        there = ray.cluster_resources()
        rooms = [there.get("CPU", 1) / self.cpus] if self.cpus else []
        rooms += [there.get("GPU", 0) / self.gpus] if self.gpus else []
        return max(int(min(rooms, default=1)), self.least)


def list_parts(batch: Batch, plan: Any) -> Iterator[Batch]:
    """List the parts of a plan; it runs as a task, and no faster than they are read."""
    listed: Plan = ray.get(plan) if isinstance(plan, ray.ObjectRef) else plan
    try:
        for part in listed():
            yield {"part": _one(part.to_json())}
    except HematoVisionError as error:
        yield {"part": _one(error)}


class Tally:
    """An actor that outlives those who read, and counts how often each part was begun."""

    def __init__(self) -> None:
        """Begin with none."""
        self._begun: Counter[str] = Counter()

    def begin(self, part: str) -> int:
        """Count; say how often it was begun until now."""
        self._begun[part] += 1
        return self._begun[part]

    def end(self, part: str) -> None:
        """Forget a part that is written."""
        del self._begun[part]


class Reader:
    """The actor: loads a model once, and reads one part a call."""

    def __init__(self, job: Job, threads: int, tally: Any) -> None:
        """Load the model; what is wrong with it is told at the first part."""
        self._reader: PartReader | None = None
        self._tally = tally
        try:
            self._reader = PartReader(job, threads=threads)
        except HematoVisionError as error:
            self._error = error

    def __call__(self, batch: Batch) -> Batch:
        """Read parts; say what they hold, or why none could be read or written."""
        return {"said": _many([self._say(one) for one in batch["part"]])}

    def _say(self, listed: Any) -> "Totals | HematoVisionError":
        if isinstance(listed, HematoVisionError):
            return listed
        if self._reader is None:
            return self._error
        part = Part.from_json(listed)
        if ray.get(self._tally.begin.remote(part.name)) > ATTEMPTS:
            return Totals()
        try:
            totals = self._reader.read(part)
        except HematoVisionError as error:
            return error
        self._tally.end.remote(part.name)
        return totals


def _heard(said: "Totals | HematoVisionError") -> Totals:
    if isinstance(said, HematoVisionError):
        raise said
    return said


def _one(value: Any) -> NDArray[Any]:
    return _many([value])


def _many(values: list[Any]) -> NDArray[Any]:
    column = np.empty(len(values), object)
    column[:] = values
    return column


def _set_up() -> None:
    """Let every row be a block of its own, so that every part is a task, and say little."""
    context = ray.data.DataContext.get_current()
    context.target_max_block_size = 1
    context.enable_progress_bars = False
    # Parts that are left out are missed at the end, and read once more.
    context.max_errored_blocks = -1
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)


@contextmanager
def _ray() -> Iterator[None]:
    """Join the Ray that runs, or start one for this time."""
    if ray.is_initialized():
        yield
        return
    # It would tell its makers that it was started.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # What it says of actors that die is said by the parts that are missed.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    _start(os.environ.get("RAY_ADDRESS") or "local")
    try:
        yield
    finally:
        ray.shutdown()


def _start(address: str) -> None:
    """Join or start a Ray; on a busy machine its own patience may be too short at first."""
    options: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    for attempt in range(STARTS):
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **options)
        except Exception:
            ray.shutdown()
            if attempt == STARTS - 1:
                raise
        else:
            return
