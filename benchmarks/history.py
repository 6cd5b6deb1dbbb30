"""`make bench`: how long a search among 1,000,000 readings takes, on SQLite and on PostgreSQL.

Cells are left out: no search looks at them. What is searched for is what people search for: each
filter alone, pairs, what is rare, what is not there, and what lies far back.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, insert
from tests.databases import postgres

from hematovision.storage.cases import CaseState
from hematovision.storage.database import Database, open_database
from hematovision.storage.search import Wanted
from hematovision.storage.tables import (
    Base,
    CaseRow,
    HistoryRow,
    PhotoRow,
    ReadingRow,
    UserRow,
)

READINGS = 1_000_000
PAGE = 51
ROUNDS = 7
CHUNK = 10_000
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=1)
PEOPLE = 12
NEWCOMER, IDLE = PEOPLE + 1, PEOPLE + 2
"""One of them sent a few photos at the very beginning, the other none."""
IN_A_CASE = 50
SHARES = {
    "neutrophil": 0.7,
    "lymphocyte": 0.5,
    "unidentified": 0.3,
    "monocyte": 0.2,
    "eosinophil": 0.1,
    "basophil": 0.01,
    "plasma_cell": 0.00005,
}
"""How many of the readings have a cell of a label."""

CONSOLE = Console()


class Times(NamedTuple):
    """Of one search, in milliseconds: the median, and the best, which other work slows least."""

    median: float
    best: float


Rows = list[dict[str, Any]]


def fill(database: Database, readings: int = READINGS) -> None:
    """Write people, cases, photos, readings and their lines as the stores would."""
    chance = random.Random(0)  # noqa: S311 - nobody must be unable to guess it
    with database.engine.begin() as connection:
        _write(connection, UserRow, [_user(number) for number in range(1, IDLE + 1)])
        cases = readings // IN_A_CASE + 1
        _write(connection, CaseRow, [_case(number, cases) for number in range(1, cases + 1)])
        for first in range(1, readings + 1, CHUNK):
            numbers = range(first, min(first + CHUNK, readings + 1))
            facts = [_facts(number, readings, chance) for number in numbers]
            _write(connection, PhotoRow, [_photo(one) for one in facts])
            _write(connection, ReadingRow, [_reading(one) for one in facts])
            lines = [line for one in facts for line in _lines(one, chance)]
            _write(connection, HistoryRow, lines)
    # PostgreSQL does so by itself, minutes later; SQLite is never told how much there is of what.
    if database.engine.dialect.name == "postgresql":
        alone = database.engine.execution_options(isolation_level="AUTOCOMMIT")
        with alone.connect() as connection:
            for table in (UserRow, CaseRow, PhotoRow, ReadingRow):
                name = table.__tablename__
                connection.exec_driver_sql(
                    f"SELECT setval('{name}_id_seq', max(id)) FROM {name}"  # noqa: S608 - our own names
                )
            connection.exec_driver_sql("VACUUM ANALYZE")


def searches(readings: int = READINGS) -> Mapping[str, Wanted]:
    """Say what is searched for, by what it is."""
    middle = BEGIN + STEP * (readings // 2)
    day = Wanted(since=middle, until=middle + timedelta(days=1))
    return {
        "nothing": Wanted(),
        "case": Wanted(accession="26-000"),
        "case, one": Wanted(accession="26-000017"),
        "case, all": Wanted(accession="26-"),
        "case, none": Wanted(accession="99-"),
        "day": day,
        "day, none": Wanted(until=BEGIN),
        "person": Wanted(person=3),
        "person, few and long ago": Wanted(person=NEWCOMER),
        "person, none": Wanted(person=IDLE),
        "class": Wanted(label="neutrophil"),
        "class, rare": Wanted(label="plasma_cell"),
        "class, none": Wanted(label="blast"),
        "class, blind": Wanted(label="neutrophil", blind={3, 4}),
        "unidentified": Wanted(label="unidentified"),
        "state, most": Wanted(state=CaseState.SIGNED),
        "state, few": Wanted(state=CaseState.OPEN),
        "state, none": Wanted(state=CaseState.AMENDED),
        "no case": Wanted(quick=True),
        "model, newest": Wanted(model_version="1.4.0"),
        "model, oldest": Wanted(model_version="1.0.0"),
        "model, none": Wanted(model_version="0.9"),
        "class and person": Wanted(label="basophil", person=3),
        "class and person, none": Wanted(label="neutrophil", person=IDLE),
        "class and person, long ago": Wanted(label="neutrophil", person=NEWCOMER),
        "class and day": replace(day, label="basophil"),
        "class and state": Wanted(label="basophil", state=CaseState.OPEN),
        "class and state, most": Wanted(label="plasma_cell", state=CaseState.SIGNED),
        "class and model": Wanted(label="basophil", model_version="1.0.0"),
        "class and model, none": Wanted(label="neutrophil", model_version="0.9"),
        "class and case": Wanted(label="basophil", accession="26-000"),
        "person and day": replace(day, person=3),
        "person and state": Wanted(person=3, state=CaseState.IN_REVIEW),
        "person and state, long ago": Wanted(person=NEWCOMER, state=CaseState.SIGNED),
        "person and model, none": Wanted(person=NEWCOMER, model_version="1.4.0"),
        "person and model": Wanted(person=3, model_version="1.0.0"),
        "person and case": Wanted(person=3, accession="26-000"),
        "state and model, none": Wanted(state=CaseState.OPEN, model_version="1.0.0"),
        "state and model, most": Wanted(state=CaseState.SIGNED, model_version="1.4.0"),
        "state and day": replace(day, state=CaseState.SIGNED),
        "state and day, none": replace(day, state=CaseState.OPEN),
        "model and day, none": replace(day, model_version="1.0.0"),
        "no case and person, none": Wanted(quick=True, person=IDLE),
        "no case and model": Wanted(quick=True, model_version="1.0.0"),
        "all at once": replace(
            day,
            accession="26-",
            person=3,
            label="basophil",
            state=CaseState.SIGNED,
            model_version="1.2.0",
        ),
    }


def measure(database: Database, readings: int) -> dict[str, Times]:
    """Time each search, with all that its page shows and offers to choose from."""
    result = {}
    for name, wanted in searches(readings).items():
        times = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            with database.reading() as records:
                records.search.find(wanted, limit=PAGE)
                records.search.labels()
                records.search.model_versions()
            times.append(time.perf_counter() - start)
        result[name] = Times(1000 * statistics.median(times), 1000 * min(times))
    return result


def _write(connection: Connection, table: type[Base], rows: Rows) -> None:
    """Write rows; PostgreSQL takes them ten times faster by its own way for many."""
    if connection.dialect.name != "postgresql":
        connection.execute(insert(table), rows)
        return
    dialect, names = connection.dialect, list(rows[0])
    processes = [table.__table__.c[name].type.bind_processor(dialect) for name in names]
    cursor: Any = connection.connection.cursor()
    connection.exec_driver_sql("SET session_replication_role = replica")
    with cursor.copy(f"COPY {table.__tablename__} ({', '.join(names)}) FROM STDIN") as copy:
        for row in rows:
            values = zip(row.values(), processes, strict=True)
            copy.write_row([process(value) if process else value for value, process in values])


def _user(number: int) -> dict[str, Any]:
    name = f"person{number}"
    return {
        "id": number,
        "name": name,
        "folded_name": name,
        "role": "technologist",
        "created_at": BEGIN,
    }


def _case(number: int, cases: int) -> dict[str, Any]:
    """Lay out a case; the newest are open, those before in review."""
    left = (cases - number) / cases
    state = CaseState.OPEN if left < 0.005 else CaseState.IN_REVIEW if left < 0.03 else "signed"
    accession = f"26-{number:06}"
    return {
        "id": number,
        "accession": accession,
        "folded_accession": accession,
        "note": "",
        "state": str(state),
        "version": 1,
        "target": 100,
        "created_at": BEGIN,
    }


def _facts(number: int, readings: int, chance: random.Random) -> dict[str, Any]:
    person = NEWCOMER if number <= 20 else chance.randint(1, PEOPLE)
    return {
        "number": number,
        "at": BEGIN + STEP * number,
        "person": person,
        "version": f"1.{5 * (number - 1) // readings}.0",
        "case": None if chance.random() < 0.1 else number // IN_A_CASE + 1,
    }


def _photo(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": facts["number"],
        "case_id": facts["case"],
        "number": facts["number"] if facts["case"] else None,
        "image_sha256": f"{facts['number']:064x}",
        "bytes": 40_000,
        "width": 640,
        "height": 480,
        "state": "read",
        "attempts": 1,
        "door": "page",
        "sent_by": facts["person"],
        "sent_at": facts["at"],
    }


def _reading(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": facts["number"],
        "photo_id": facts["number"],
        "model_name": "blood_cell",
        "model_version": facts["version"],
        "model_sha256": "0" * 64,
        "read_at": facts["at"],
    }


def _lines(facts: Mapping[str, Any], chance: random.Random) -> Iterator[dict[str, Any]]:
    labels = [label for label, share in SHARES.items() if chance.random() < share]
    for label in ("", *labels):
        yield {
            "label": label,
            "at": facts["at"],
            "reading_id": facts["number"],
            "number": 1 if label else len(labels),
            "sent_by": facts["person"],
            "model_version": facts["version"],
            "case_id": facts["case"],
        }


def _bench(address: str, folder: Path, readings: int) -> dict[str, Times]:
    database = open_database(address, folder)
    start = time.perf_counter()
    fill(database, readings)
    CONSOLE.print(f"Filled in {time.perf_counter() - start:.0f} s")
    result = measure(database, readings)
    database.close()
    return result


def main() -> None:
    """Fill, measure, print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, default=READINGS)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    results = {}
    with TemporaryDirectory() as folder:
        results["SQLite"] = _bench("", Path(folder), options.readings)
        try:
            with postgres() as server:
                results["PostgreSQL"] = _bench(server.make(), Path(folder), options.readings)
        except LookupError as error:
            CONSOLE.print(f"Without PostgreSQL: {error}")
    table = Table(
        "search", *results, title=f"ms among {options.readings:,} readings: median (best)"
    )
    for name in searches(options.readings):
        figures = [result[name] for result in results.values()]
        table.add_row(name, *(f"{one.median:.0f} ({one.best:.0f})" for one in figures))
    CONSOLE.print(table)
    if options.json:
        plain = {
            kind: {name: one._asdict() for name, one in result.items()}
            for kind, result in results.items()
        }
        options.json.write_text(json.dumps(plain, indent=2) + "\n")


if __name__ == "__main__":
    main()
