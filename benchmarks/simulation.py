"""Queues and batches of a web tier, simulated with SimPy: what `benchmarks.capacity` predicts with.

Times are milliseconds. A machine has cores that are shared in turns; a Python process has one lock
that its own code holds while it runs, and native code (decoder, networks) does not; a process reads
so many photos at once, and who comes later waits in a row; events of the audit record are written
one after another, whoever writes them.
"""

import random
import statistics
from collections.abc import Callable, Generator
from dataclasses import astuple, dataclass, field
from functools import partial
from typing import Any

import simpy

TURN_MS = 5.0
"""So long a thread keeps a core, or Python's lock, while others wait."""

Process = Generator[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Costs:
    """What one photo takes, in milliseconds.

    Attributes:
        client: Of the client's processor, on the same machine; 0 where it is elsewhere.
        decode: Bytes to pixels.
        python: Our own code in the web process: request, glass, cut, what is said, answer.
        native: The part of that which holds no lock: numpy, digest, sealing.
        locator: The locator network, a view alone.
        classifier: The classifier network, the cells of a photo.
        record: Our own code that records.
        database: PostgreSQL's processor, before the lock of the audit record.
        chain: Work while that lock is held.
        flush: Of the disk, while it is held; it takes no core.
    """

    client: float = 0.0
    decode: float = 0.0
    python: float = 0.0
    native: float = 0.0
    locator: float = 0.0
    classifier: float = 0.0
    record: float = 0.0
    database: float = 0.0
    chain: float = 0.0
    flush: float = 0.0

    @property
    def processor(self) -> float:
        """Give the milliseconds of a core that a photo takes, the client's among them."""
        return sum(astuple(self)) - self.flush


@dataclass(frozen=True, slots=True)
class Layout:
    """What runs where.

    Attributes:
        cores: Of the machine.
        processes: Web processes.
        slots: Photos that each reads at once.
        gathered: Readings of one process that come at once and are recorded in one transaction, at
            most.
    """

    cores: int = 2
    processes: int = 1
    slots: int = 2
    gathered: int = 32


@dataclass(slots=True)
class Seen:
    """What a simulation has shown.

    Attributes:
        times: From the first byte sent to the answer, of every request that ended in time.
        seconds: So long was looked.
        inside: Requests under way, on average.
    """

    times: list[float] = field(default_factory=list)
    seconds: float = 0.0
    inside: float = 0.0

    @property
    def rate(self) -> float:
        """Give the requests a second."""
        return len(self.times) / self.seconds

    @property
    def mean(self) -> float:
        """Give the mean time."""
        return statistics.fmean(self.times)

    def quantile(self, share: float) -> float:
        """Give the time within which a share of the requests was answered."""
        ordered = sorted(self.times)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


class Station:
    """A number of servers before one row; whoever is served long goes back to its end in turns."""

    def __init__(self, env: simpy.Environment, servers: int, turn: float = TURN_MS) -> None:
        """Open it.

        Args:
            env: Where time passes.
            servers: So many are served at once.
            turn: So long at a time.
        """
        self._env, self._turn = env, turn
        self.servers = simpy.Resource(env, servers)

    def work(self, took: float) -> Process:
        """Take a server for some time, turn by turn."""
        while took > 0:
            turn = min(took, self._turn)
            with self.servers.request() as place:
                yield place
                yield self._env.timeout(turn)
            took -= turn


class Batcher:
    """Puts what comes into batches, as an inference server does.

    A batch goes when it is full, or when its first has waited for the delay and the engine is free.

    Attributes:
        sizes: Of the batches so far.
        waits: How long the first of each batch waited while the engine was free.
    """

    def __init__(
        self,
        env: simpy.Environment,
        run: Callable[[int], Process],
        *,
        most: int,
        delay: float,
        engines: int = 1,
    ) -> None:
        """Open it.

        Args:
            env: Where time passes.
            run: Does the work of so many together.
            most: Never more in a batch.
            delay: So long the first of a batch waits for others.
            engines: So many batches run at once.
        """
        self._env, self._run, self._most, self._delay = env, run, most, delay
        self._row: list[tuple[float, simpy.Event]] = []
        self._came = env.event()
        self.sizes: list[int] = []
        self.waits: list[float] = []
        for _ in range(engines):
            env.process(self._serve())

    def ask(self) -> simpy.Event:
        """Join the row; the event happens when the answer is there."""
        done = self._env.event()
        self._row.append((self._env.now, done))
        self._came.succeed()
        self._came = self._env.event()
        return done

    def _serve(self) -> Process:
        while True:
            while not self._row:
                yield self._came
            free = self._env.now
            end = self._row[0][0] + self._delay
            while 0 < len(self._row) < self._most and self._env.now < end:
                yield self._came | self._env.timeout(end - self._env.now)
            batch, self._row = self._row[: self._most], self._row[self._most :]
            if not batch:
                continue
            self.sizes.append(len(batch))
            self.waits.append(self._env.now - max(free, batch[0][0]))
            yield from self._run(len(batch))
            for _, done in batch:
                done.succeed()


class Web:
    """Web processes on one machine with their clients, their database and its one chain."""

    def __init__(self, env: simpy.Environment, costs: Costs, layout: Layout, seed: int) -> None:
        """Start them."""
        self._env, self._costs = env, costs
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._cores = Station(env, layout.cores)
        self._locks = [Station(env, 1) for _ in range(layout.processes)]
        self._slots = [simpy.Resource(env, layout.slots) for _ in range(layout.processes)]
        self._clients = Station(env, 1)
        self._chain = simpy.Resource(env, 1)
        self._recorders = [
            Batcher(env, partial(self._record, lock), most=layout.gathered, delay=0)
            for lock in self._locks
        ]

    def photo(self, process: int) -> Process:
        """Send a photo to a process and have it read."""
        costs, lock = self._costs, self._locks[process]
        yield from self._locked(self._clients, costs.client)
        with self._slots[process].request() as place:
            yield place
            yield from self._cores.work(self._about(costs.decode))
            yield from self._locked(lock, costs.python / 2)
            yield from self._cores.work(self._about(costs.locator))
            yield from self._cores.work(self._about(costs.native))
            yield from self._cores.work(self._about(costs.classifier))
            yield from self._locked(lock, costs.python / 2)
            yield self._recorders[process].ask()

    def _record(self, lock: Station, readings: int) -> Process:
        """Record readings of one process in one transaction."""
        costs = self._costs
        yield from self._locked(lock, readings * costs.record)
        yield from self._cores.work(self._about(readings * costs.database))
        with self._chain.request() as turn:
            yield turn
            yield from self._cores.work(costs.chain)
            yield self._env.timeout(costs.flush)

    def _about(self, took: float) -> float:
        """Let no two photos take the same: a fifth more or less."""
        return max(0.0, self._chance.gauss(took, took / 5))

    def _locked(self, lock: Station, took: float) -> Process:
        """Hold a lock of Python, turn by turn, and work meanwhile."""
        took = self._about(took)
        while took > 0:
            turn = min(took, TURN_MS)
            with lock.servers.request() as place:
                yield place
                yield from self._cores.work(turn)
            took -= turn


def closed(
    costs: Costs, layout: Layout, clients: int, *, seconds: float = 60.0, seed: int = 1
) -> Seen:
    """Let clients ask, each again as soon as it is answered.

    Connections stay open, so a client stays with the process that took its connection; which one
    that is, is chance.
    """
    env = simpy.Environment()
    web, seen = Web(env, costs, layout, seed), Seen(seconds=seconds)
    chance = random.Random(seed)  # noqa: S311 - no secret
    warm = 1000 * seconds / 10

    def client() -> Process:
        process = chance.randrange(layout.processes)
        while True:
            began = env.now
            yield from web.photo(process)
            if env.now >= warm:
                seen.times.append(env.now - began)

    for _ in range(clients):
        env.process(client())
    env.run(until=warm + 1000 * seconds)
    seen.inside = float(clients)
    return seen


def opened(
    serve: Callable[[simpy.Environment], Callable[[], Process]],
    rate: float,
    *,
    seconds: float = 60.0,
    seed: int = 1,
) -> Seen:
    """Let requests come by chance, so many a second on average, whatever becomes of those before.

    Args:
        serve: Makes what serves one request.
        rate: Requests a second.
        seconds: So long.
        seed: Of the chance.
    """
    env = simpy.Environment()
    one, seen = serve(env), Seen(seconds=seconds)
    chance = random.Random(seed)  # noqa: S311 - no secret
    area = [0.0, 0.0, 0.0]

    def count(change: int) -> None:
        area[0] += area[2] * (env.now - area[1])
        area[1], area[2] = env.now, area[2] + change

    def request() -> Process:
        began = env.now
        count(1)
        yield from one()
        count(-1)
        seen.times.append(env.now - began)

    def arrivals() -> Process:
        while True:
            yield env.timeout(chance.expovariate(rate / 1000))
            env.process(request())

    env.process(arrivals())
    env.run(until=1000 * seconds)
    count(0)
    seen.inside = area[0] / (1000 * seconds)
    return seen


def paused(
    serve: Callable[[simpy.Environment], Callable[[], Process]],
    clients: int,
    pause: float,
    *,
    seconds: float = 60.0,
    seed: int = 1,
) -> Seen:
    """Let clients ask, and wait by chance before they ask again.

    Args:
        serve: Makes what serves one request.
        clients: So many.
        pause: Milliseconds between an answer and the next question, on average.
        seconds: So long.
        seed: Of the chance.
    """
    env = simpy.Environment()
    one, seen = serve(env), Seen(seconds=seconds)
    chance = random.Random(seed)  # noqa: S311 - no secret

    def client() -> Process:
        while True:
            yield env.timeout(chance.expovariate(1 / pause))
            began = env.now
            yield from one()
            seen.times.append(env.now - began)

    for _ in range(clients):
        env.process(client())
    env.run(until=1000 * seconds)
    return seen


def station(took: Callable[[random.Random], float], servers: int = 1, seed: int = 2) -> Any:
    """Make a row before servers; for `opened`.

    Args:
        took: Draws how long one is served.
        servers: So many are served at once.
        seed: Of the chance.
    """

    def serve(env: simpy.Environment) -> Callable[[], Process]:
        chance = random.Random(seed)  # noqa: S311 - no secret
        place = Station(env, servers, turn=float("inf"))
        return lambda: place.work(took(chance))

    return serve


def engine(
    first: float, each: float, *, most: int, delay: float, engines: int = 1
) -> tuple[Any, list[Batcher]]:
    """Make an engine that works in batches; for `opened`.

    Args:
        first: Milliseconds that a batch takes, however small.
        each: Milliseconds more for each in it.
        most: Never more in a batch.
        delay: So long the first of a batch waits for others.
        engines: So many batches run at once.

    Returns:
        What serves, and a list that the batcher is put into.
    """
    made: list[Batcher] = []

    def serve(env: simpy.Environment) -> Callable[[], Process]:
        def run(size: int) -> Process:
            yield env.timeout(first + each * size)

        made.append(Batcher(env, run, most=most, delay=delay, engines=engines))

        def ask() -> Process:
            yield made[0].ask()

        return ask

    return serve, made
