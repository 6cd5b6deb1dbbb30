from datetime import UTC, datetime

import pytest
from tests.conftest import StubReader
from tests.databases import counted_queries

from hematovision.cells import Box, ModelIdentity, PhotoReading
from hematovision.people import Role
from hematovision.storage.cases import Case, CaseState
from hematovision.storage.cells import Cell, Tally
from hematovision.storage.database import Database
from hematovision.storage.photos import Sent

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
MODEL = ModelIdentity("stub", "0.0.0", "0" * 64)


@pytest.fixture
def case(each_database: Database, reader: StubReader) -> Case:
    """Make a case with a photo of two cells: a neutrophil, and an unidentified one."""
    import numpy as np

    with each_database.transaction() as records:
        records.users.add("ines", Role.TECHNOLOGIST, now=NOW)
        case = records.cases.add("26-0837", "", by=None, now=NOW)
        records.photos.add(Sent("a" * 64, 9, "name", "page", None, NOW), case_id=case.id)
        photo = records.photos.take("worker", now=NOW, until=NOW)
        assert photo is not None
        cells = tuple(reader.read(np.zeros((96, 128, 3), np.uint8)))
        said = PhotoReading("a" * 64, 128, 96, MODEL, cells)
        assert records.photos.finish(photo, "worker", said, now=NOW)
    return case


def cells_of(database: Database, case: Case) -> list[Cell]:
    with database.reading() as records:
        return list(records.cells.list(case.id))


def say(database: Database, cell: Cell, label: str | None, *, seen: int, case: Case) -> bool:
    with database.transaction() as records:
        ines = records.users.find("ines")
        assert ines is not None
        return records.cells.review(case.id, cell.id, label, seen=seen, by=ines.id, now=NOW)


def test_cells_are_numbered_and_say_what_the_model_said(
    each_database: Database, case: Case
) -> None:
    first, second = cells_of(each_database, case)
    assert (first.number, first.cell_type, first.model_version) == (1, "neutrophil", "0.0.0")
    assert (second.number, second.decision, second.cell_type) == (2, "unidentified", None)
    assert second.answer["prediction_set"] == ["monocyte", "lymphocyte"]
    assert (first.photo_number, first.label, first.version, first.reviewed_by) == (1, None, 0, None)


def test_what_is_said_stands_beside_the_machines_answer(
    each_database: Database, case: Case
) -> None:
    cell = cells_of(each_database, case)[0]
    assert say(each_database, cell, "band", seen=0, case=case)
    assert say(each_database, cell, None, seen=1, case=case)
    after = cells_of(each_database, case)[0]
    assert (after.label, after.version, after.reviewed_by) == (None, 2, "ines")
    assert (after.cell_type, after.answer) == (cell.cell_type, cell.answer)
    with each_database.reading() as records:
        said = [(one.number, one.label, one.by) for one in records.cells.history(cell.id)]
        kept = records.cases.find_by_id(case.id)
    assert said == [(2, None, "ines"), (1, "band", "ines")]
    assert kept is not None
    assert kept.reviewed_at == NOW


def test_later_of_two_reviews_is_told_and_nothing_is_lost(
    each_database: Database, case: Case
) -> None:
    cell = cells_of(each_database, case)[0]
    assert say(each_database, cell, "band", seen=0, case=case)
    assert not say(each_database, cell, "blast", seen=0, case=case)
    assert cells_of(each_database, case)[0].label == "band"


def test_cell_of_another_case_cannot_be_reviewed(each_database: Database, case: Case) -> None:
    with each_database.transaction() as records:
        other = records.cases.add("26-0838", "", by=None, now=NOW)
    cell = cells_of(each_database, case)[0]
    assert not say(each_database, cell, "band", seen=0, case=other)
    with each_database.reading() as records:
        assert records.cells.find(other.id, cell.id) is None
        assert records.cells.find(case.id, cell.id) == cell


def test_boxed_cell_takes_the_next_number(each_database: Database, case: Case) -> None:
    box = Box(1, 2, 30, 40)
    with each_database.transaction() as records:
        records.cells.add(case.id, cells_of(each_database, case)[0].photo_id, box)
    boxed = cells_of(each_database, case)[-1]
    assert (boxed.number, boxed.box, boxed.decision, boxed.answer) == (3, box, None, {})


def test_cells_are_counted_in_one_query(each_database: Database, case: Case) -> None:
    cell = cells_of(each_database, case)[0]
    say(each_database, cell, "band", seen=0, case=case)
    with each_database.reading() as records, counted_queries(each_database) as queries:
        counted = records.cells.count([case.id, case.id + 1])
    assert len(queries) == 1
    assert counted[case.id + 1] == []
    assert set(counted[case.id]) == {
        Tally("neutrophil", True, "band", 1),
        Tally(None, True, None, 1),
    }


def test_cells_are_listed_in_one_query(each_database: Database, case: Case) -> None:
    with counted_queries(each_database) as queries:
        cells_of(each_database, case)
    assert len(queries) == 1


def test_review_begins_once(each_database: Database, case: Case) -> None:
    with each_database.transaction() as records:
        assert records.cases.begin_review(case.id)
        assert not records.cases.begin_review(case.id)
        found = records.cases.find_by_id(case.id)
    assert found is not None
    assert (found.state, found.version) == (CaseState.IN_REVIEW, 2)


def test_number_that_no_column_holds_is_no_rows(each_database: Database, case: Case) -> None:
    large, cell = 10**17, cells_of(each_database, case)[0]
    assert not say(each_database, cell, "band", seen=large, case=case)
    with each_database.transaction() as records:
        assert records.photos.find_number(case.id, large) is None
        assert records.overviews.photos(case.id, after=large, limit=1) == []
        assert records.cells.page(case.id, after=large, limit=1) == []
        assert records.signatures.find(case.id, large) is None
        assert not records.cases.change(case, seen=large)
        assert not records.laboratory.set("labels", [], seen=large, by=None, now=NOW)
