"""`make capacity`: what the simulation predicts beside what was measured, and the plan beyond.

What a photo takes comes from docs/performance.json (`make bench-compare`), what the record takes
from docs/writers.json (`python -m benchmarks.writers --json docs/writers.json`), what a GPU does
from docs/cuda.json (`benchmarks/cuda.py`), how requests meet in batches from docs/batching.json
(`python -m benchmarks.ray_batching --json docs/batching.json`). Two numbers are not among them and
are fitted, each to one measured number: how much of our own code holds Python's lock, to the
pipeline's rate in as many threads as cores; and what a request takes beside the pipeline, to the
median of one client at one process. All other points are predicted. The tables go into
docs/scaling.md, the plots beside it.
"""

import argparse
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.plan import LEVELS, Assumptions, Known, plan
from benchmarks.scaling_plots import draw_check, draw_plan
from benchmarks.simulation import Costs, Layout, Seen, closed, engine, paused
from rich.console import Console

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
FIT_STEPS = 8
CONSOLE = Console(soft_wrap=True)

Table = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Point:
    """Requests a second and times, measured and predicted.

    Attributes:
        processes: Web processes.
        clients: Clients that ask at once.
        measured: Requests a second, median and 95th percentile in milliseconds.
        predicted: The same.
    """

    processes: int
    clients: int
    measured: tuple[float, float, float]
    predicted: tuple[float, float, float]

    @property
    def errors(self) -> tuple[float, ...]:
        """Say by which part of what was measured each prediction is off."""
        pairs = zip(self.predicted, self.measured, strict=True)
        return tuple(predicted / measured - 1 for predicted, measured in pairs)


def costs_of(parts: Mapping[str, float], record: Mapping[str, Any], *, share: float) -> Costs:
    """Say what a photo takes, from what was measured of the pipeline and of the record.

    Args:
        parts: Milliseconds by part, as in docs/performance.json.
        record: How one writer records readings alone, as in docs/writers.json.
        share: The part of our own code that holds Python's lock.
    """
    own = sum(max(0.0, parts[name]) for name in ("glass", "locate", "cut", "say", "rest"))
    there_and_back = max(0.0, parts["decode"] - parts["decode_here"])
    chain, database = (
        record["undisturbed"],
        max(0.0, record["database cpu"] - record["undisturbed"] / 2),
    )
    return Costs(
        decode=parts["decode_here"] + there_and_back / 2,
        python=share * own + there_and_back / 2,
        native=(1 - share) * own,
        locator=parts["locator_network"],
        classifier=parts["classifier_network"],
        record=max(0.0, parts["record"] - chain - database),
        database=database,
        chain=chain,
    )


def bisect(rises: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    """Find where something that rises reaches a number; an end where it does not."""
    for _ in range(FIT_STEPS):
        middle = (low + high) / 2
        if rises(middle) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def fit(
    parts: Mapping[str, float], record: Mapping[str, Any], alone: Mapping[str, float], cores: int
) -> Costs:
    """Fit the two numbers that no part was measured of.

    Args:
        parts: Milliseconds by part; `together` is the rate of as many threads as cores.
        record: How one writer records readings alone.
        alone: One client at one process.
        cores: Of the machine.
    """

    def reading(share: float) -> float:
        costs = replace(costs_of(parts, record, share=share), record=0.0, database=0.0, chain=0.0)
        return -closed(costs, Layout(cores, 1, cores), cores, seconds=10).rate

    costs = costs_of(parts, record, share=bisect(reading, -parts["together"], 0.0, 1.0))
    client = 1000 * cores * alone["client_share"] / alone["requests_a_second"]
    costs = replace(costs, client=client)

    def median(beside: float) -> float:
        more = replace(costs, python=costs.python + beside)
        return closed(more, Layout(cores, 1, cores), 1, seconds=10).quantile(0.5)

    return replace(costs, python=costs.python + bisect(median, alone["p50_ms"], 0.0, 200.0))


def cases_of(performance: Mapping[str, Any], label: str) -> Mapping[int, Mapping[str, Any]]:
    """Give what was measured of web processes that read by themselves, by their number."""
    return {
        case["processes"]: case["loads"]
        for case in performance["cases"]
        if re.fullmatch(rf"web-\d+-{re.escape(label)}", case["name"])
    }


def check(
    costs: Costs, cases: Mapping[int, Mapping[str, Any]], cores: int, *, seconds: float = 60
) -> Iterator[Point]:
    """Predict every point that was measured, from so many simulated seconds."""
    for processes, loads in sorted(cases.items()):
        for clients, load in loads.items():
            seen = closed(costs, Layout(cores, processes, cores), int(clients), seconds=seconds)
            measured = (load["requests_a_second"], load["p50_ms"], load["p95_ms"])
            yield Point(processes, int(clients), measured, _three(seen))


def _three(seen: Seen) -> tuple[float, float, float]:
    return seen.rate, seen.quantile(0.5), seen.quantile(0.95)


def check_table(points: Sequence[Point]) -> Table:
    """Lay out predicted against measured."""
    heads = ["web processes", "clients"]
    for name in ("requests/s", "p50 ms", "p95 ms"):
        heads += [f"{name}: measured", "predicted", "error"]
    rows = []
    for point in points:
        row = [str(point.processes), str(point.clients)]
        for measured, predicted, error in zip(
            point.measured, point.predicted, point.errors, strict=True
        ):
            row += [f"{measured:.1f}", f"{predicted:.1f}", f"{error:+.0%}"]
        rows.append(row)
    return [heads, *rows]


def batches_table(measured: Mapping[str, Any], *, seconds: float) -> Table:
    """Lay out predicted against measured of an engine that works in batches; nothing is fitted.

    Args:
        measured: As `benchmarks.ray_batching` writes it.
        seconds: Simulated for each number of clients.
    """
    heads = ["clients"]
    for name in ("requests/s", "in a batch", "p50 ms", "p99 ms"):
        heads += [f"{name}: measured", "predicted"]
    rows = []
    took = measured["milliseconds"]
    for row in measured["rows"]:
        if row["way"] != "together":
            continue
        serve, made = engine(took["run"], took["picture"], most=measured["most"], delay=0)
        seen = paused(serve, row["clients"], took["pause"], seconds=seconds)
        mean = sum(made[0].sizes) / len(made[0].sizes)
        predicted = (seen.rate, mean, seen.quantile(0.5), seen.quantile(0.99))
        names = ("a second", "together", "p50", "p99")
        laid = [str(row["clients"])]
        for name, number in zip(names, predicted, strict=True):
            laid += [f"{row[name]:.1f}", f"{number:.1f}"]
        rows.append(laid)
    return [heads, *rows]


def writers_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Lay out what writers did."""
    heads = ["flush", "way", "writers", "readings/s", "p50 ms", "p95 ms", "lock waited for, ms"]
    heads += ["held, ms", "p10", "chain's bound/s", "writer CPU ms", "PostgreSQL CPU ms"]
    names = (
        "a second",
        "p50",
        "p95",
        "waited",
        "held",
        "undisturbed",
        "bound",
        "writer cpu",
        "database cpu",
    )
    laid = [heads]
    for row in rows:
        numbers = {**row, "bound": 1000 * row["batch"] / row["undisturbed"]}
        flush = f"+{row['flush_ms']:g} ms" if row["flush_ms"] else "this disk"
        words = [f"{numbers[name]:.{0 if numbers[name] >= 100 else 1}f}" for name in names]
        laid.append([flush, row["way"], str(row["writers"]), *words])
    return laid


def costs_table(costs: Costs) -> Table:
    """Lay out what a photo takes in the simulation."""
    names = [*costs.__dataclass_fields__]
    return [names, [f"{getattr(costs, name):.1f}" for name in names]]


def markdown(table: Table) -> str:
    """Write a table."""
    head, *rows = ["| " + " | ".join(row) + " |" for row in table]
    return "\n".join([head, "|" + "---|" * len(table[0]), *rows])


def put(page: str, name: str, text: str) -> str:
    """Put what was computed between its marks on the page."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"docs/scaling.md has no place for {name}.")
    return f"{before}{begin}\n{text}\n{end}{after}"


def read(path: Path) -> Any:
    """Read what was measured; None where there is none."""
    return json.loads(path.read_text()) if path.exists() else None


def tables(given: argparse.Namespace) -> tuple[Mapping[str, Table], Sequence[Point], Any]:
    """Compute all that goes on the page: the tables by their marks, the points and the plan."""
    performance, writers = read(given.performance), read(given.writers)
    cores = performance["machine"]["cores"]
    parts, cases = performance["pipeline"][given.model], cases_of(performance, given.model)
    record = next(row for row in writers if row["way"] == "alone" and row["writers"] == 1)
    costs = fit(parts, record, cases[1]["1"], cores)
    points = list(check(costs, cases, cores, seconds=given.seconds))
    known = Known.of(costs, writers, read(given.cuda))
    levels = [plan(level, known, Assumptions()) for level in LEVELS]
    laid = {
        "costs": costs_table(costs),
        "check": check_table(points),
        "batches": batches_table(read(given.batching), seconds=given.seconds),
        "writers": writers_table(writers),
        "plan": [["", *(f"{level.photos:,}/s" for level in levels)], *_turned(levels)],
        "assumptions": Assumptions().table(),
    }
    return laid, points, levels


def _turned(levels: Sequence[Any]) -> Table:
    rows = [level.lines() for level in levels]
    return [[name, *(row[name] for row in rows)] for name in rows[0]]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read what is asked for."""
    parser = argparse.ArgumentParser(prog="make capacity", description=__doc__)
    parser.add_argument("--performance", type=Path, default=DOCS / "performance.json")
    parser.add_argument("--writers", type=Path, default=DOCS / "writers.json")
    parser.add_argument("--cuda", type=Path, default=DOCS / "cuda.json")
    parser.add_argument("--batching", type=Path, default=DOCS / "batching.json")
    parser.add_argument("--model", default="float32", help="as it is called in performance.json")
    parser.add_argument("--seconds", type=float, default=60, help="simulated for each point")
    parser.add_argument("--page", type=Path, default=DOCS / "scaling.md")
    parser.add_argument("--plots", type=Path, default=DOCS / "images")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what is computed, and put it on the page."""
    given = parse(arguments)
    laid, points, levels = tables(given)
    page = given.page.read_text()
    for name, table in laid.items():
        CONSOLE.print(f"\n{name}\n{markdown(table)}", markup=False, highlight=False)
        page = put(page, name, markdown(table))
    given.page.write_text(page)
    draw_check(points, given.plots / "scaling-check.png")
    draw_plan(levels, given.plots / "scaling-plan.png")


if __name__ == "__main__":
    main()
