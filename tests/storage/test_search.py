from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import count

import numpy as np
import pytest
from benchmarks.history import fill, searches
from sqlalchemy import event, text
from tests.conftest import StubReader
from tests.databases import counted_queries

from hematovision.cells import Box, ModelIdentity, PhotoReading
from hematovision.labels import NO_CELL
from hematovision.people import Role
from hematovision.storage import search
from hematovision.storage.cases import Case, CaseState
from hematovision.storage.database import Database
from hematovision.storage.photos import Photo, Sent
from hematovision.storage.search import NOBODY, Line, Mark, Wanted

NOW = datetime(2026, 11, 25, 20, 0, 0, 123456, tzinfo=UTC)
MODEL = ModelIdentity("stub", "0.0.0", "0" * 64)
NEWER = ModelIdentity("stub", "0.1.0", "1" * 64)
READINGS = 1_000
CONTENTS = count()
EVERYTHING = 10 * READINGS


@pytest.fixture
def case(each_database: Database) -> Case:
    with each_database.transaction() as records:
        records.users.add("ines", Role.TECHNOLOGIST, now=NOW)
        return records.cases.add("26-0837", "", by=None, now=NOW)


@pytest.fixture
def photo(each_database: Database, case: Case) -> Photo:
    return read(each_database, case)


def read(database: Database, case: Case, model: ModelIdentity = MODEL) -> Photo:
    """Have a photo of two cells read: a neutrophil, and an unidentified one."""
    cells = tuple(StubReader().read(np.zeros((96, 128, 3), np.uint8)))
    with database.transaction() as records:
        sha256 = f"{next(CONTENTS):064x}"
        records.photos.add(Sent(sha256, 9, "name", "page", 1, NOW), case_id=case.id)
        photo = records.photos.take("worker", now=NOW, until=NOW)
        assert photo is not None
        said = PhotoReading(sha256, 128, 96, model, cells)
        assert records.photos.finish(photo, "worker", said, now=NOW)
    return photo


def find(database: Database, *, limit: int = EVERYTHING, **wanted: object) -> Sequence[Line]:
    with database.reading() as records:
        return records.search.find(Wanted(**wanted), limit=limit)


def say(database: Database, case: Case, place: int, label: str | None) -> None:
    """Say what a cell of the case is."""
    with database.transaction() as records:
        cell = records.cells.list(case.id)[place]
        assert records.cells.review(case.id, cell.id, label, seen=cell.version, by=1, now=NOW)


def test_line_says_all_that_a_list_shows(each_database: Database, case: Case, photo: Photo) -> None:
    (line,) = find(each_database)
    assert line == Line(
        mark=Mark(NOW, line.mark.reading_id),
        photo_id=photo.id,
        read_at=NOW,
        case_id=case.id,
        accession="26-0837",
        state=CaseState.OPEN,
        sender="ines",
        door="page",
        model_version="0.0.0",
        cells=2,
        counts={"neutrophil": 1, "unidentified": 1},
    )


@pytest.mark.usefixtures("photo")
def test_cell_goes_by_what_people_call_it(each_database: Database, case: Case) -> None:
    say(each_database, case, 0, "band")
    assert find(each_database, label="neutrophil") == []
    assert [line.counts for line in find(each_database, label="band")] == [
        {"band": 1, "unidentified": 1}
    ]
    say(each_database, case, 1, "band")
    assert find(each_database, label="unidentified") == []
    say(each_database, case, 0, None)
    say(each_database, case, 1, NO_CELL)
    (line,) = find(each_database, label="neutrophil")
    assert (line.cells, line.counts) == (1, {"neutrophil": 1})
    assert find(each_database, label=NO_CELL) == []


@pytest.mark.usefixtures("photo")
def test_confirmation_changes_no_line(each_database: Database, case: Case) -> None:
    before = find(each_database)
    with counted_queries(each_database) as queries:
        say(each_database, case, 0, "neutrophil")
    assert not any("history" in query for query in queries)
    assert find(each_database) == before


def test_boxed_cell_goes_with_the_newest_reading(
    each_database: Database, case: Case, photo: Photo
) -> None:
    with each_database.transaction() as records:
        records.cells.add(case.id, photo.id, Box(1, 2, 30, 40))
    assert find(each_database)[0].counts == {"unidentified": 2, "neutrophil": 1}
    say(each_database, case, 2, "blast")
    assert [line.photo_id for line in find(each_database, label="blast")] == [photo.id]


def test_case_is_found_by_its_beginning_whatever_its_capitals(
    each_database: Database, case: Case
) -> None:
    with each_database.transaction() as records:
        odd = records.cases.add("AB_1%", "", by=None, now=NOW)
    for one in (case, odd):
        read(each_database, one)
    assert [line.accession for line in find(each_database, accession="ab_")] == ["AB_1%"]
    assert [line.accession for line in find(each_database, accession="26-08")] == ["26-0837"]
    for nothing in ("%", "_", "a%", "ab_1%x", "\\", "26-0837 "):
        assert find(each_database, accession=nothing) == [], nothing


def test_state_is_that_of_the_case_now(each_database: Database, case: Case) -> None:
    read(each_database, case)
    assert len(find(each_database, state=CaseState.OPEN)) == 1
    with each_database.transaction() as records:
        assert records.cases.begin_review(case.id)
    assert find(each_database, state=CaseState.OPEN) == []
    assert find(each_database, state=CaseState.IN_REVIEW)[0].state == CaseState.IN_REVIEW


def test_reading_that_nobody_sent_is_found(each_database: Database, case: Case) -> None:
    read(each_database, case)
    assert len(find(each_database, person=1)) == 1
    assert find(each_database, person=NOBODY) == []


def test_models_and_labels_are_those_that_there_are(each_database: Database, case: Case) -> None:
    with each_database.reading() as records:
        assert records.search.model_versions() == []
        assert records.search.labels() == []
    read(each_database, case, MODEL)
    read(each_database, case, NEWER)
    with each_database.reading() as records, counted_queries(each_database) as queries:
        assert records.search.model_versions() == ["0.0.0", "0.1.0"]
        assert records.search.labels() == ["neutrophil", "unidentified"]
    assert len(queries) == 2


@pytest.fixture
def filled(each_database: Database) -> Database:
    fill(each_database, READINGS)
    return each_database


def fits(line: Line, wanted: Wanted) -> bool:
    """Tell in the plainest way whether a reading is wanted."""
    return (
        (line.accession or "").startswith(wanted.accession)
        and (wanted.since is None or line.read_at >= wanted.since)
        and (wanted.until is None or line.read_at < wanted.until)
        and (wanted.person is None or line.sender == f"person{wanted.person}")
        and (not wanted.label or wanted.label in line.counts)
        and (not wanted.label or line.case_id not in wanted.blind)
        and (wanted.state is None or line.state == wanted.state)
        and (not wanted.quick or line.case_id is None)
        and (not wanted.model_version or line.model_version == wanted.model_version)
    )


@pytest.mark.parametrize("many", [5_000, 10], ids=["few cases", "many cases"])
def test_every_search_finds_what_is_wanted_and_nothing_else(
    filled: Database, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(search, "MANY_CASES", many)
    everything = find(filled)
    assert len(everything) == READINGS
    assert list(everything) == sorted(
        everything, key=lambda line: (line.read_at, line.mark.reading_id), reverse=True
    )
    for name, wanted in searches(READINGS).items():
        expected = [line for line in everything if fits(line, wanted)]
        for limit in (3, 51):
            with filled.reading() as records:
                assert records.search.find(wanted, limit=limit) == expected[:limit], name


def test_pages_follow_each_other_while_new_readings_come(filled: Database) -> None:
    everything = [line.mark.reading_id for line in find(filled, label="neutrophil")]
    seen: list[int] = []
    before = None
    with filled.transaction() as records:
        case = records.cases.add("new", "", by=None, now=NOW)
    for _ in range(len(everything) // 300 + 1):
        with filled.reading() as records:
            page = records.search.find(Wanted(label="neutrophil"), before=before, limit=300)
        seen += [line.mark.reading_id for line in page]
        before = page[-1].mark
        read(filled, case)
    assert seen == everything


def test_readings_of_one_moment_are_all_on_some_page(each_database: Database, case: Case) -> None:
    for _ in range(5):
        read(each_database, case)
    seen: list[int] = []
    before = None
    for _ in range(5):
        with each_database.reading() as records:
            (line,) = records.search.find(Wanted(), before=before, limit=1)
        seen.append(line.mark.reading_id)
        before = line.mark
    assert len(set(seen)) == 5
    with each_database.reading() as records:
        assert records.search.find(Wanted(), before=before, limit=1) == []


def test_number_of_queries_does_not_grow(filled: Database) -> None:
    numbers = set()
    for limit in (1, 51):
        with filled.reading() as records, counted_queries(filled) as queries:
            records.search.find(Wanted(accession="26-"), limit=limit)
        numbers.add(len(queries))
    assert numbers <= {4, 5}


def statements(database: Database, ask: Callable[[], object]) -> Iterator[tuple[str, object]]:
    """Give every statement that is asked, with its values."""
    asked: list[tuple[str, object]] = []

    def note(_: object, __: object, statement: str, values: object, *___: object) -> None:
        asked.append((statement, values))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
    return iter(asked)


def plan_of(database: Database, statement: str, values: object) -> str:
    """Say how the database would answer."""
    word = "EXPLAIN QUERY PLAN" if database.engine.dialect.name == "sqlite" else "EXPLAIN"
    with database.engine.connect() as connection:
        if word == "EXPLAIN":
            # Among so few rows PostgreSQL would rather read them all.
            connection.execute(text("SET enable_seqscan = off"))
        rows = connection.exec_driver_sql(f"{word} {statement}", values)
        return "\n".join(str(row[-1]) for row in rows)


@pytest.mark.parametrize("many", [5_000, 10], ids=["few cases", "many cases"])
def test_every_search_walks_an_index(
    filled: Database, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(search, "MANY_CASES", many)

    def ask() -> None:
        for wanted in searches(READINGS).values():
            with filled.reading() as records:
                records.search.find(wanted, limit=51)
        with filled.reading() as records:
            before = records.search.find(Wanted(), limit=51)[-1].mark
            records.search.find(Wanted(), before=before, limit=51)
            records.search.model_versions()
            records.search.labels()

    for statement, values in statements(filled, ask):
        if "history" not in statement:
            continue
        plan = plan_of(filled, statement, values)
        assert "SCAN history" not in plan, plan
        assert "Seq Scan on history" not in plan, plan
        assert "history" in plan
