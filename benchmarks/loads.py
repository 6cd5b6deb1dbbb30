"""Measures the cases: round by round, in turn, so that a noisy machine favours none."""

import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from benchmarks.asking import Heard
from benchmarks.cases import Case, Running, Stage
from benchmarks.engines import NotThereError
from benchmarks.servers import Memory

from hematovision.machine import cores

WARM_CLIENTS = 8
MOST_WARM_SECONDS = 2.0
QUANTILES = {"p50_ms": 50, "p95_ms": 95, "p99_ms": 99}

Say = Callable[[str], None]


@dataclass(slots=True)
class Found:
    """What was found of one case, round by round.

    Attributes:
        start_s: Seconds until the first photo was answered.
        memory: Of all its processes, after it was asked.
        web_mb: RSS of the largest process that answers, of a server of many.
        engine: Memory of an inference server beside it.
        heard: What clients heard, by how many they were.
        answered: Photos that were answered, those to warm up among them.
        recorded: Readings on record after that; None where none are kept.
    """

    start_s: list[float] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    web_mb: list[float] = field(default_factory=list)
    engine: list[Memory] = field(default_factory=list)
    heard: dict[int, list[Heard]] = field(default_factory=dict)
    answered: int = 0
    recorded: int | None = None

    def document(self) -> dict[str, Any]:
        """Give medians of what was weighed, and what all rounds heard together."""
        return {
            "start_s": round(statistics.median(self.start_s), 2),
            "memory": median_memory(self.memory),
            "web_mb": round(statistics.median(self.web_mb), 1) if self.web_mb else None,
            "engine": median_memory(self.engine) if self.engine else None,
            "answered": self.answered,
            "recorded": self.recorded,
            "loads": {str(clients): load_of(heard) for clients, heard in self.heard.items()},
        }


def median_memory(weighed: Sequence[Memory]) -> dict[str, float]:
    """Give the median of every number."""
    rows = [asdict(one) for one in weighed]
    return {name: round(statistics.median(row[name] for row in rows), 1) for name in rows[0]}


def load_of(rounds: Sequence[Heard]) -> dict[str, Any]:
    """Say what clients heard: of all rounds together, and how far rounds were apart."""
    heard = Heard.together(rounds)
    rates = [one.answered / one.seconds for one in rounds]
    times = heard.times_ms
    waited = {
        name: round(float(np.percentile(times, share)), 1) if times else None
        for name, share in QUANTILES.items()
    }
    return {
        "requests_a_second": round(heard.answered / heard.seconds, 2),
        "lowest_round": round(min(rates), 2),
        "highest_round": round(max(rates), 2),
        **waited,
        "answered": heard.answered,
        "busy": heard.busy,
        "failed": heard.failed,
        "failures": heard.examples,
        "client_share": round(heard.cpu_s / heard.seconds / cores(), 4),
    }


def measure_once(case: Case, stage: Stage, found: Found, *, seconds: float) -> None:
    """Start a case, warm it up, ask it, weigh it and end it."""
    with case.run(stage) as run:
        server = run.server
        warm = min(seconds, MOST_WARM_SECONDS)
        heard = [server.ask(stage.photos, clients=WARM_CLIENTS, seconds=warm)]
        for clients in case.clients:
            heard.append(server.ask(stage.photos, clients=clients, seconds=seconds))
            found.heard.setdefault(clients, []).append(heard[-1])
        found.start_s.append(server.start_s)
        _weigh(run, found)
        found.answered += 1 + sum(one.answered for one in heard)
        if run.recorded:
            found.recorded = (found.recorded or 0) + run.recorded()


def _weigh(run: Running, found: Found) -> None:
    found.memory.append(run.server.memory())
    children = run.server.memory_of_children()
    if children.processes:
        found.web_mb.append(children.largest_mb)
    if run.engine:
        found.engine.append(run.engine())


def measure_all(
    cases: Sequence[Case], stage: Stage, *, seconds: float, rounds: int, say: Say
) -> tuple[Mapping[str, Found], Mapping[str, str]]:
    """Measure every case in every round, every other round from the last to the first.

    Args:
        cases: What stands side by side.
        stage: What they are measured with.
        seconds: How long each number of clients asks.
        rounds: How often all are measured.
        say: Is told what is being measured.

    Returns:
        What was found by name, and why others could not be measured.
    """
    found = {case.name: Found() for case in cases}
    missing: dict[str, str] = {}
    for turn in range(rounds):
        for case in cases if turn % 2 == 0 else reversed(cases):
            if case.name in missing:
                continue
            say(f"round {turn + 1} of {rounds}: {case.title}")
            try:
                measure_once(case, stage, found[case.name], seconds=seconds)
            except NotThereError as error:
                missing[case.name] = str(error)
    return {name: one for name, one in found.items() if one.start_s}, missing


def chosen(cases: Sequence[Case], pattern: str) -> Sequence[Case]:
    """Give the cases whose names a regular expression is found in.

    Raises:
        SystemExit: If there is none.
    """
    some = [case for case in cases if re.search(pattern, case.name)]
    if not some:
        names = ", ".join(case.name for case in cases)
        raise SystemExit(f"No case is called {pattern}; there are {names}.")
    return some
