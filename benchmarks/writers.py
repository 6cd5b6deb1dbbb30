"""`python -m benchmarks.writers`: how many readings a second one PostgreSQL takes on record.

Every reading is an event of the audit record, and all events are one chain: whoever writes holds
the lock of the chain until its commit is on the disk. Here 1, 2 and 4 processes record readings as
a web process does, as fast as they can, and each says how long it waited for the lock and how long
it held it. One over the time that it is held, when nothing else disturbs it (the 10th percentile),
is what no number of machines exceeds.

Disks of this machine may answer faster than those of a data centre, so each flush can be made to
take as long as theirs (`--flush-ms`, PostgreSQL's own `commit_delay`).

Ways:
    alone: A transaction a reading, as one request is answered.
    batch N: N readings in a transaction, through `record_readings`.
    event: A transaction with nothing but an event: the chain alone.
    shared flush: An experiment, in no program of ours: the lock is let go before the flush, and
        nobody is answered before it; a flush then serves all who wait.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table
from sqlalchemy import create_engine, event
from tests.databases import Postgres, postgres

from hematovision.cells import Box, CellType, Decision, ModelIdentity, PhotoReading, Reading
from hematovision.services.hands import Hand
from hematovision.services.recording import Noted, Record, record_readings
from hematovision.storage.audit import AuditEvent
from hematovision.storage.database import Database, open_database
from hematovision.storage.files import open_files
from hematovision.storage.sealing import Seal

LOCK = "pg_advisory_xact_lock"
FLUSH = "SELECT pg_logical_emit_message(true, 'audit', '')"
"""A commit of its own with nothing in it: it comes back when all before it is on the disk."""
TABLES = ("photos", "readings", "cells", "photo_measures", "history", "audit_events")
NAMES = ("a second", "p50", "p95", "waited", "held", "undisturbed")
FEWEST = 5
CONSOLE = Console(width=130)


@dataclass(frozen=True, slots=True)
class Task:
    """What writers do.

    Attributes:
        writers: So many processes.
        batch: Readings in a transaction; 0 writes events alone.
        shares_flush: Whether the lock is let go before the flush.
        cells: Of each photo.
        seconds: So long.
    """

    writers: int
    batch: int
    shares_flush: bool
    cells: int
    seconds: float

    @property
    def way(self) -> str:
        """Name it."""
        way = {0: "event", 1: "alone"}.get(self.batch, f"batch {self.batch}")
        return f"{way}, shared flush" if self.shares_flush else way


@dataclass(frozen=True, slots=True)
class Done:
    """What one writer did.

    Attributes:
        records: Readings that it recorded, or events.
        seconds: In so long.
        cpu_seconds: Of the processor for that.
        transactions_ms: How long each took.
        waited_ms: How long each waited for the lock.
        held_ms: How long each held it, its commit within.
        asked: How often the database was asked while it was held, the commit aside.
    """

    records: int
    seconds: float
    cpu_seconds: float
    transactions_ms: Sequence[float]
    waited_ms: Sequence[float]
    held_ms: Sequence[float]
    asked: int


class Watch:
    """Looks when a connection asks for the lock of the chain, and when it has it."""

    def __init__(self, database: Database) -> None:
        """Look from now on."""
        self.asked = self.got = 0.0
        self.since = 0
        event.listen(database.engine, "before_cursor_execute", self._before)
        event.listen(database.engine, "after_cursor_execute", self._after)

    def _before(self, _: object, __: object, statement: str, *___: object) -> None:
        if LOCK in statement:
            self.asked = time.perf_counter()

    def _after(self, _: object, __: object, statement: str, *___: object) -> None:
        self.since += 1
        if LOCK in statement:
            self.got, self.since = time.perf_counter(), 0


def reading(cells: int) -> PhotoReading:
    """Make what a model might say of a photo."""
    probabilities = dict.fromkeys(CellType, 0.01) | {CellType.NEUTROPHIL: 0.94}
    cell = Reading(
        Box(10, 20, 90, 100),
        Decision.NAMED,
        CellType.NEUTROPHIL,
        0.94,
        probabilities,
        (CellType.NEUTROPHIL,),
        known=0.7,
        morphology="segmented nucleus, fine pink granules",
    )
    model = ModelIdentity("blood_cell", "1.0.0", "0" * 64)
    return PhotoReading("1" * 64, 640, 480, model, (cell,) * cells)


def write(database: Database, folder: Path, task: Task) -> Done:
    """Write until the time is up."""
    noted = Noted(reading(task.cells), 30_000, None)
    record = Record(database, open_files("", folder, Seal(b"0" * 32)), keep_pictures=False)

    def once() -> int:
        by = Hand(None, "api", datetime.now(UTC))
        if task.batch:
            return len(record_readings(record, [noted] * task.batch, by=by))
        with database.transaction() as records:
            records.audit.add(AuditEvent(by.now, None, "api", "photo.read", "photo 1"))
        return 1

    waits = _flushes_shared(database) if task.shares_flush else nullcontext(int)
    with waits as flush:
        return _repeat(Watch(database), once, flush, task.seconds)


def _repeat(
    watch: Watch, once: Callable[[], int], flush: Callable[[], object], seconds: float
) -> Done:
    """Do something again and again, and note how long all of it took."""
    process = psutil.Process()
    once()
    before, began = sum(process.cpu_times()[:2]), time.perf_counter()
    records, taken, waited, held = 0, [], [], []
    while (start := time.perf_counter()) < began + seconds or len(taken) < FEWEST:
        records += once()
        kept = time.perf_counter()
        flush()
        taken.append(1000 * (time.perf_counter() - start))
        waited.append(1000 * (watch.got - watch.asked))
        held.append(1000 * (kept - watch.got))
    elapsed, spent = time.perf_counter() - began, sum(process.cpu_times()[:2]) - before
    return Done(records, elapsed, spent, taken, waited, held, watch.since)


@contextmanager
def _flushes_shared(database: Database) -> Iterator[Callable[[], object]]:
    """Let transactions end before they are on the disk; give what waits until they are."""
    event.listen(database.engine, "connect", _let_go_early)
    database.engine.dispose()
    engine = create_engine(database.engine.url, isolation_level="AUTOCOMMIT")
    with closing(engine.connect()) as flusher:
        yield lambda: flusher.exec_driver_sql(FLUSH)
    engine.dispose()


def _let_go_early(connection: Any, _: object) -> None:
    connection.execute("SET synchronous_commit = off")
    connection.commit()


def measure(server: Postgres, task: Task) -> Mapping[str, Any]:
    """Let writers write into a new database; say how it went."""
    address = server.make()
    with TemporaryDirectory() as name, closing(open_database(address, Path(name))) as database:
        with database.transaction() as records:
            records.audit.add(AuditEvent(datetime.now(UTC), None, "api", "begun", "audit"))
        before, log, cpu = _sizes(database), _log(database), _cpu_of(server)
        done = _run(address, name, task)
        written = sum(one.records for one in done)
        held = [took for one in done for took in one.held_ms]
        grown = {table: size - before[table] for table, size in _sizes(database).items()}
        return {
            "way": task.way,
            "writers": task.writers,
            "batch": max(task.batch, 1),
            "records": written,
            "a second": sum(one.records / one.seconds for one in done),
            **_quantiles([took for one in done for took in one.transactions_ms]),
            "waited": statistics.median(took for one in done for took in one.waited_ms),
            "held": statistics.median(held),
            "undisturbed": statistics.quantiles(held, n=10, method="inclusive")[0],
            "asked": max(one.asked for one in done),
            "writer cpu": 1000 * sum(one.cpu_seconds for one in done) / written,
            "database cpu": 1000 * (_cpu_of(server) - cpu) / written,
            "bytes": {table: size / written for table, size in grown.items()},
            "log bytes": (_log(database) - log) / written,
        }


def best(server: Postgres, task: Task, rounds: int) -> Mapping[str, Any]:
    """Give the best of some rounds, which other work on this machine slowed least."""
    return max((measure(server, task) for _ in range(rounds)), key=lambda row: row["a second"])


def _quantiles(times: Sequence[float]) -> Mapping[str, float]:
    cuts = statistics.quantiles(times, n=20, method="inclusive")
    return {"p50": cuts[9], "p95": cuts[18]}


def _run(address: str, folder: str, task: Task) -> Sequence[Done]:
    """Start the processes at once; give what they did."""
    told = json.dumps(asdict(task))
    command = [sys.executable, "-m", "benchmarks.writers", "--write", address, folder, told]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(task.writers)]
    said = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit("A writer failed.")
    return [Done(**json.loads(words)) for words in said]


def _cpu_of(server: Postgres) -> float:
    """Say how many seconds of the processor PostgreSQL took so far."""
    first, spent = psutil.Process(server.pid), 0.0
    for process in (first, *first.children()):
        with suppress(psutil.NoSuchProcess):
            spent += sum(process.cpu_times())
    return spent


def _sizes(database: Database) -> Mapping[str, int]:
    with database.engine.connect() as connection:
        asked = "SELECT pg_total_relation_size('{}')"
        return {
            table: connection.exec_driver_sql(asked.format(table)).scalar_one() for table in TABLES
        }


def _log(database: Database) -> int:
    with database.engine.connect() as connection:
        asked = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"
        return int(connection.exec_driver_sql(asked).scalar_one())


def _flush_for(server: Postgres, flush_ms: float) -> None:
    """Let each flush take so much longer; who waits for the same one waits together."""
    engine = create_engine(server.address.format("postgres"), isolation_level="AUTOCOMMIT")
    with closing(engine.connect()) as connection:
        connection.exec_driver_sql(f"ALTER SYSTEM SET commit_delay = {1000 * flush_ms:.0f}")
        connection.exec_driver_sql("ALTER SYSTEM SET commit_siblings = 0")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
    engine.dispose()


def tasks(given: argparse.Namespace) -> Iterator[Task]:
    """Say what is measured."""
    task = Task(1, 1, shares_flush=False, cells=given.cells, seconds=given.seconds)
    for writers in given.writers:
        yield replace(task, writers=writers, batch=0)
        for batch in given.batches:
            yield replace(task, writers=writers, batch=batch)
        yield replace(task, writers=writers, shares_flush=True)


def largest(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Give the row with the most readings, in which the first pages of a table weigh least."""
    recorded = [row for row in rows if not row["way"].startswith("event")]
    return max(recorded, key=lambda row: row["records"])


def show(rows: Sequence[Mapping[str, Any]], flush_ms: float, cells: int) -> None:
    """Print a table."""
    disk = f"each flush {flush_ms:g} ms longer" if flush_ms else "this machine's disk"
    heads = ("a second", "p50 ms", "p95 ms", "waited ms", "held ms", "p10", "chain's bound/s")
    table = Table("way", "writers", *heads, "writer CPU ms", "database CPU ms", title=disk)
    for row in rows:
        numbers = [row[name] for name in NAMES]
        numbers += [
            1000 * row["batch"] / row["undisturbed"],
            row["writer cpu"],
            row["database cpu"],
        ]
        words = [f"{number:.0f}" if number >= 100 else f"{number:.2f}" for number in numbers]
        table.add_row(row["way"], str(row["writers"]), *words)
    CONSOLE.print(table)
    last = largest(rows)
    each = ", ".join(f"{table} {size:.0f}" for table, size in last["bytes"].items())
    CONSOLE.print(
        f"With {cells} cells a reading takes {sum(last['bytes'].values()):.0f} bytes with its "
        f"indexes ({each}) and {last['log bytes']:.0f} bytes of PostgreSQL's log. While the lock "
        f"is held, the database is asked {last['asked']} times and told to commit."
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.writers", description=__doc__)
    parser.add_argument("--writers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--cells", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--flush-ms", type=float, nargs="+", default=[0, 1], help="0: as it is")
    parser.add_argument("--json", type=Path, help="where to write what was measured as well")
    parser.add_argument("--write", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.write:
        _write_as_told(*given.write)
        return
    found: list[Mapping[str, Any]] = []
    with postgres(durable=True) as server:
        for flush_ms in given.flush_ms:
            _flush_for(server, flush_ms)
            rows = [best(server, task, given.rounds) for task in tasks(given)]
            show(rows, flush_ms, given.cells)
            found += [{"flush_ms": flush_ms, "cells": given.cells, **row} for row in rows]
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


def _write_as_told(address: str, folder: str, told: str) -> None:
    with closing(open_database(address, Path(folder))) as database:
        done = write(database, Path(folder), Task(**json.loads(told)))
    sys.stdout.write(json.dumps(asdict(done)))


if __name__ == "__main__":
    main()
