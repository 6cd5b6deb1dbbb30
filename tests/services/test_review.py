from dataclasses import replace
from pathlib import Path
from threading import Barrier, Thread

import pytest
from tests.films import NOW, FilmReader, cells_of, make_case, picture

from hematovision.cells import Box
from hematovision.errors import (
    BoxInvalidError,
    CaseClosedError,
    CaseUnknownError,
    CellUnknownError,
    HematoVisionError,
    LabelUnknownError,
    NotSignedInError,
    PhotoUnknownError,
    PictureNotKeptError,
)
from hematovision.labels import Count
from hematovision.people import Role
from hematovision.services.cases import change_case, get_case
from hematovision.services.hands import Hand
from hematovision.services.naming import add_label, retire_label
from hematovision.services.review import Said, box_cell, history_of, name_cells, take_back
from hematovision.storage.audit_values import Values
from hematovision.storage.cases import Case, CaseState
from hematovision.storage.database import Database
from hematovision.storage.files import Files
from hematovision.storage.sealing import Seal
from hematovision.storage.tables import PhotoRow


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(str(tmp_path / "pictures"), Seal(bytes(32)))


@pytest.fixture
def case(database: Database, files: Files) -> Case:
    return make_case(database, files, FilmReader(4), [picture()])


def hand_of(database: Database, name: str = "ines") -> Hand:
    with database.transaction() as records:
        user = records.users.find(name) or records.users.add(name, Role.TECHNOLOGIST, now=NOW)
    return Hand(user.id, "page", NOW)


def test_each_cell_has_its_own_outcome_and_nothing_is_overwritten(
    database: Database, case: Case
) -> None:
    first, second, *_ = cells_of(database, case)
    name_cells(database, case.id, [Said(first.id, "band", 0)], by=hand_of(database, "ines"))
    said = [Said(second.id, "monocyte", 0), Said(first.id, "blast", 0)]
    mine, theirs = name_cells(database, case.id, said, by=hand_of(database, "marc"))
    assert (mine.stored, mine.cell.label, mine.cell.version) == (True, "monocyte", 1)
    assert mine.cell.reviewed_by == "marc"
    assert (theirs.stored, theirs.cell.label, theirs.cell.reviewed_by) == (False, "band", "ines")
    assert [cell.label for cell in cells_of(database, case)[:2]] == ["band", "monocyte"]


def test_every_change_is_recorded_by_ids_alone(database: Database, case: Case) -> None:
    cell, by = cells_of(database, case)[0], hand_of(database)
    name_cells(database, case.id, [Said(cell.id, "band", 0)], by=by)
    take_back(database, case.id, [Said(cell.id, None, 1)], by=by)
    with database.reading() as records:
        back, named = records.audit.list(limit=2)
    assert (named.action, named.subject, named.actor_id) == (
        "cell.named",
        f"cell {cell.id}",
        by.user_id,
    )
    assert named.details == {"case": case.id, "number": 1}
    assert back.action == "cell.taken_back"
    with database.reading() as records:
        event = records.audit.find(action="cell.taken_back", subject=f"cell {cell.id}")
        assert event is not None
        values = records.audit.values.open(event.id)
    assert values == Values({"label": "band"}, {"label": None})


def test_conflict_is_not_recorded_as_a_change(database: Database, case: Case) -> None:
    cell, by = cells_of(database, case)[0], hand_of(database)
    name_cells(database, case.id, [Said(cell.id, "band", 0)], by=by)
    with database.reading() as records:
        before = len(records.audit.list())
    (outcome,) = name_cells(database, case.id, [Said(cell.id, "blast", 0)], by=by)
    with database.reading() as records:
        assert len(records.audit.list()) == before
    assert not outcome.stored


def test_undo_is_a_review_of_its_own_and_is_told_when_it_is_late(
    database: Database, case: Case
) -> None:
    cell, by = cells_of(database, case)[0], hand_of(database)
    name_cells(database, case.id, [Said(cell.id, "band", 0)], by=by)
    name_cells(database, case.id, [Said(cell.id, "blast", 1)], by=hand_of(database, "marc"))
    (late,) = take_back(database, case.id, [Said(cell.id, None, 1)], by=by)
    assert (late.stored, late.cell.label) == (False, "blast")
    (back,) = take_back(database, case.id, [Said(cell.id, "band", 2)], by=by)
    assert (back.stored, back.cell.label) == (True, "band")
    said = [(one.number, one.label, one.by) for one in history_of(database, case.id, cell.id)]
    assert said == [(3, "band", "ines"), (2, "blast", "marc"), (1, "band", "ines")]
    assert cells_of(database, case)[0].cell_type == cell.cell_type


def test_of_two_at_the_same_moment_one_is_stored_and_the_other_told(
    database: Database, case: Case
) -> None:
    cells = cells_of(database, case)
    hands, barrier, stored = [hand_of(database, name) for name in "ab"], Barrier(2), []

    def say(by: Hand, order: int) -> None:
        barrier.wait()
        said = [Said(cell.id, "band", 0) for cell in cells[::order]]
        stored.extend(name_cells(database, case.id, said, by=by))

    threads = [Thread(target=say, args=one) for one in zip(hands, (1, -1), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(outcome.stored for outcome in stored) == 4
    assert {(cell.label, cell.version) for cell in cells_of(database, case)} == {("band", 1)}


def test_first_word_takes_a_case_into_review(database: Database, case: Case) -> None:
    assert get_case(database, case.id).state is CaseState.OPEN
    cell = cells_of(database, case)[0]
    name_cells(database, case.id, [Said(cell.id, "band", 0)], by=hand_of(database))
    assert get_case(database, case.id).state is CaseState.IN_REVIEW


def test_signed_case_refuses_every_word(database: Database, case: Case) -> None:
    cell, by = cells_of(database, case)[0], hand_of(database)
    change_case(database, replace(case, state=CaseState.SIGNED), "signed", by=by)
    said = [Said(cell.id, "band", 0)]
    for verb in (name_cells, take_back):
        with pytest.raises(CaseClosedError):
            verb(database, case.id, said, by=by)
    with pytest.raises(CaseClosedError):
        box_cell(database, case.id, 1, Box(0, 0, 30, 30), by=by)
    assert cells_of(database, case)[0] == cell


@pytest.mark.parametrize(
    ("case_id", "cell_id", "label", "error"),
    [
        pytest.param(0, 0, "unicorn", LabelUnknownError, id="label"),
        pytest.param(0, 0, "other", LabelUnknownError, id="what only the model says"),
        pytest.param(0, 0, None, LabelUnknownError, id="nothing"),
        pytest.param(0, 999, "band", CellUnknownError, id="cell"),
        pytest.param(9, 0, "band", CaseUnknownError, id="case"),
    ],
)
def test_what_cannot_be_said_stores_nothing(
    database: Database,
    case: Case,
    case_id: int,
    cell_id: int,
    label: str | None,
    error: type[HematoVisionError],
) -> None:
    first, second, *_ = cells_of(database, case)
    said = [Said(second.id, "band", 0), Said(first.id + cell_id, label, 0)]
    with pytest.raises(error):
        name_cells(database, case.id + case_id, said, by=hand_of(database))
    assert not any(cell.label for cell in cells_of(database, case))


def test_nobody_says_anything_without_a_name(database: Database, case: Case) -> None:
    cell = cells_of(database, case)[0]
    with pytest.raises(NotSignedInError):
        name_cells(database, case.id, [Said(cell.id, "band", 0)], by=Hand(None, "terminal", NOW))


def test_cell_that_cannot_be_looked_at_is_not_named(database: Database, case: Case) -> None:
    cell = cells_of(database, case)[0]
    with database.transaction() as records:
        row = records.session.get(PhotoRow, cell.photo_id)
        assert row is not None
        row.file = None
    with pytest.raises(PictureNotKeptError):
        name_cells(database, case.id, [Said(cell.id, "band", 0)], by=hand_of(database))


def test_own_label_is_said_until_it_is_retired_and_comes_back_by_undo(
    database: Database, case: Case
) -> None:
    cell, by = cells_of(database, case)[0], hand_of(database)
    own = add_label(database, "Hairy cell", "Y", Count.WHITE, by=by)
    name_cells(database, case.id, [Said(cell.id, own.code, 0)], by=by)
    retire_label(database, own.code, by=by)
    with pytest.raises(LabelUnknownError):
        name_cells(database, case.id, [Said(cell.id, own.code, 1)], by=by)
    (outcome,) = take_back(database, case.id, [Said(cell.id, own.code, 1)], by=by)
    assert (outcome.stored, outcome.cell.label) == (True, own.code)


def test_missed_cell_is_boxed_then_named_and_its_box_removed(
    database: Database, case: Case
) -> None:
    by = hand_of(database)
    cell = box_cell(database, case.id, 1, Box(100, 100, 140, 150), by=by)
    assert (cell.number, cell.decision, cell.label, cell.version) == (5, None, None, 0)
    name_cells(database, case.id, [Said(cell.id, "plasma_cell", 0)], by=by)
    name_cells(database, case.id, [Said(cell.id, "no_cell", 1)], by=by)
    assert cells_of(database, case)[-1].label == "no_cell"
    (back,) = take_back(database, case.id, [Said(cell.id, "plasma_cell", 2)], by=by)
    assert back.stored
    with database.reading() as records:
        boxed = [event for event in records.audit.list() if event.action == "cell.boxed"]
    assert [event.details for event in boxed] == [
        {"case": case.id, "number": 5, "photo": cell.photo_id}
    ]


@pytest.mark.parametrize(
    ("box", "error"),
    [
        pytest.param(Box(10, 10, 17, 40), BoxInvalidError, id="too small"),
        pytest.param(Box(40, 40, 10, 10), BoxInvalidError, id="inside out"),
        pytest.param(Box(-1, 10, 40, 40), BoxInvalidError, id="left of the photo"),
        pytest.param(Box(460, 10, 481, 40), BoxInvalidError, id="right of the photo"),
        pytest.param(Box(10, 340, 40, 361), BoxInvalidError, id="below the photo"),
    ],
)
def test_box_without_a_cell_in_it_is_refused(
    database: Database, case: Case, box: Box, error: type[HematoVisionError]
) -> None:
    with pytest.raises(error):
        box_cell(database, case.id, 1, box, by=hand_of(database))
    assert len(cells_of(database, case)) == 4


def test_box_at_the_border_is_taken(database: Database, case: Case) -> None:
    cell = box_cell(database, case.id, 1, Box(472, 352, 480, 360), by=hand_of(database))
    assert cell.box == Box(472, 352, 480, 360)


def test_box_needs_a_photo_that_was_read(database: Database, case: Case, files: Files) -> None:
    with pytest.raises(PhotoUnknownError):
        box_cell(database, case.id, 2, Box(0, 0, 30, 30), by=hand_of(database))
