"""`make bench`: how long the proof of 1,000,000 events takes, and what writing one costs.

Events are written by our own program, thousands in a transaction; every tenth says what was there
before and after. Then the record is proved and exported, and single corrections are written.
"""

import argparse
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from tests.databases import postgres

from hematovision.services.handing_out import Export
from hematovision.services.proving import prove
from hematovision.storage.audit import AuditEvent
from hematovision.storage.database import Database, open_database

EVENTS = 1_000_000
CHUNK = 5_000
SINGLE = 200
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
STEP = timedelta(milliseconds=30)
CASES = 5_000

CONSOLE = Console()


def events(number: int) -> Iterator[AuditEvent]:
    """Give events such as a laboratory's: looks, readings, and every tenth a correction."""
    for one in range(number):
        at, case = BEGIN + one * STEP, one % CASES + 1
        if one % 10:
            yield AuditEvent(at, None, "page", "case.seen", f"case {case}", address="192.0.2.17")
            continue
        yield AuditEvent(
            at,
            None,
            "page",
            "cell.named",
            f"cell {one}",
            {"case": case, "number": one % 90},
            {"label": "lymphocyte"},
            {"label": "reactive_lymphocyte"},
            address="192.0.2.17",
        )


def fill(database: Database, number: int) -> None:
    """Write events, many in a transaction."""
    waiting = events(number)
    while some := list(islice(waiting, CHUNK)):
        with database.transaction() as records:
            for event in some:
                records.audit.add(event)


def write_single(database: Database) -> list[float]:
    """Write corrections in transactions of their own; give the milliseconds of each."""
    taken = []
    for event in (event for event in events(10 * SINGLE) if event.before):
        start = time.perf_counter()
        with database.transaction() as records:
            records.audit.add(event)
        taken.append(1000 * (time.perf_counter() - start))
    return taken


def measure(address: str, folder: Path, number: int) -> None:
    """Fill a database and say how long everything takes."""
    database = open_database(address, folder)
    kind, start = database.engine.dialect.name, time.perf_counter()
    fill(database, number)
    filled = time.perf_counter()
    database.checkpoint()
    proof = prove(database)
    if proof.findings or proof.proved != number + 1:
        raise SystemExit(f"The record is not whole: {proof}")
    proved = time.perf_counter()
    size = sum(map(len, Export(database).lines())) / 2**20
    exported = time.perf_counter()
    median, late = np.percentile(write_single(database), [50, 95])
    database.close()
    CONSOLE.print(
        f"{kind}, {number:,} events: written in {filled - start:.1f} s, "
        f"proved in {proved - filled:.1f} s, exported in {exported - proved:.1f} s "
        f"({size:.0f} MB); a correction alone: median {median:.1f} ms, p95 {late:.1f} ms"
    )


def main() -> None:
    """Measure SQLite, and PostgreSQL where there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    number = parser.parse_args().events
    with TemporaryDirectory() as folder:
        measure("", Path(folder), number)
    try:
        with postgres() as server, TemporaryDirectory() as folder:
            measure(server.make(), Path(folder), number)
    except LookupError as error:
        CONSOLE.print(f"Without PostgreSQL: {error}")


if __name__ == "__main__":
    main()
