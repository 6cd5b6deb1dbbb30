from dataclasses import replace

import pytest
from tests.databases import counted_queries

from hematovision.cells import Box, CellType, ModelIdentity
from hematovision.differential import Verdict
from hematovision.errors import (
    CaseClosedError,
    CaseUnknownError,
    ChangedMeanwhileError,
    CountInvalidError,
)
from hematovision.services.cases import change_case, get_case
from hematovision.services.differential import SHOWN, Wanted, change_counting, open_sheet
from hematovision.services.hands import Hand
from hematovision.services.ranges import Written, add_band, remove_band
from hematovision.storage.cases import CaseState
from hematovision.storage.database import Database

from .cases import NOW, add_read_photo, make_case, say

BY = Hand(None, "page", NOW)
NEUTROPHIL, LYMPHOCYTE, BASOPHIL = CellType.NEUTROPHIL, CellType.LYMPHOCYTE, CellType.BASOPHIL
GOOD = Wanted(1, "200", "adults", "7,2")


def test_sheet_shows_what_machine_and_people_say(database: Database) -> None:
    case = make_case(database, [NEUTROPHIL] * 3 + [LYMPHOCYTE, None], [], [BASOPHIL])
    say(database, case, "band", 1)
    say(database, case, "lymphocyte", 2, by="rosa")
    sheet = open_sheet(database, case.id)
    numbers = {part.code: (part.suggested, part.number) for part in sheet.differential.parts}
    assert numbers["neutrophil"] == (3, 2)
    assert numbers["band"] == (None, 1)
    assert numbers["lymphocyte"] == (1, 2)
    (change,) = sheet.changes
    assert (change.number, change.suggested, change.label) == (2, "neutrophil", "lymphocyte")
    assert (change.by, change.has_picture) == ("rosa", True)
    checks = {check.code: check for check in sheet.checks}
    assert checks["empty"].photos == (2,)
    assert checks["models"].models == ("stub 0.0.0 (00000000)",)
    assert sheet.band is not None
    assert sheet.differential.parts[0].verdict is Verdict.UNDECIDED


def test_boxed_cell_makes_a_photo_no_longer_empty(database: Database) -> None:
    case = make_case(database, [])
    with database.transaction() as records:
        (photo,) = records.photos.list(case.id)
        records.cells.add(case.id, photo.id, Box(1, 2, 30, 40))
    sheet = open_sheet(database, case.id)
    checks = {check.code: check for check in sheet.checks}
    assert checks["empty"].photos == ()
    assert sheet.differential.unidentified.number == 1
    assert sheet.differential.unidentified.suggested == 0


def test_several_models_are_named(database: Database) -> None:
    case = make_case(database, [NEUTROPHIL])
    add_read_photo(database, case, [NEUTROPHIL], ModelIdentity("stub", "0.1.0", "1" * 64))
    checks = {check.code: check for check in open_sheet(database, case.id).checks}
    assert checks["models"].models == ("stub 0.0.0 (00000000)", "stub 0.1.0 (11111111)")


def test_own_classes_of_the_laboratory_count(database: Database) -> None:
    case = make_case(database, [NEUTROPHIL] * 4)
    own = [{"code": "own_hairy", "name": "Hairy cell", "key": "2", "count": "white"}]
    with database.transaction() as records:
        records.laboratory.set("labels", own, seen=0, by=None, now=NOW)
    say(database, case, "own_hairy", 1)
    sheet = open_sheet(database, case.id)
    assert sheet.differential.counted == 4
    assert sheet.differential.parts[-1].code == "own_hairy"
    assert sheet.own[0].name == "Hairy cell"


def test_queries_do_not_grow_with_cells_and_photos(database: Database) -> None:
    small = make_case(database, [NEUTROPHIL])
    large = make_case(database, *[[NEUTROPHIL, LYMPHOCYTE] for _ in range(40)], number="26-2")
    say(database, large, "monocyte", *range(1, 60))
    counts = []
    for case in (small, large):
        with counted_queries(database) as queries:
            sheet = open_sheet(database, case.id)
        counts.append(len(queries))
    assert counts == [13, 13]
    assert (len(sheet.changes), sheet.differential.suggestions.changed) == (SHOWN, 59)


def test_case_is_counted_otherwise(database: Database) -> None:
    case = make_case(database, [NEUTROPHIL])
    changed = change_counting(database, case.id, GOOD, by=BY)
    assert (changed.target, changed.age_band, changed.white_count) == (200, "adults", 7.2)
    assert get_case(database, case.id) == changed
    sheet = open_sheet(database, case.id)
    absolute = sheet.differential.parts[0].absolute
    assert absolute is not None
    assert absolute.value == pytest.approx(7.2)
    with database.reading() as records:
        event = records.audit.list()[0]
    assert (event.action, event.subject) == ("case.counting_changed", f"case {case.id}")
    emptied = change_counting(database, case.id, replace(GOOD, seen=2, white_count=" "), by=BY)
    assert emptied.white_count is None


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"target": "49"}, id="small target"),
        pytest.param({"target": "1001"}, id="large target"),
        pytest.param({"target": "x"}, id="no target"),
        pytest.param({"target": "99999999999"}, id="endless target"),
        pytest.param({"band": "nobody"}, id="no such band"),
        pytest.param({"band": ""}, id="no band"),
        pytest.param({"white_count": "0"}, id="no cells"),
        pytest.param({"white_count": "7200"}, id="per microlitre"),
        pytest.param({"white_count": "7.2.1"}, id="no number"),
        pytest.param({"white_count": "-3"}, id="less than none"),
    ],
)
def test_numbers_that_cannot_be_are_refused(database: Database, wrong: dict[str, str]) -> None:
    case = make_case(database, [NEUTROPHIL])
    with pytest.raises(CountInvalidError):
        change_counting(database, case.id, replace(GOOD, **wrong), by=BY)
    assert get_case(database, case.id) == case


def test_later_of_two_who_set_the_counting_is_told(database: Database) -> None:
    case = make_case(database, [NEUTROPHIL])
    change_counting(database, case.id, GOOD, by=BY)
    with pytest.raises(ChangedMeanwhileError):
        change_counting(database, case.id, replace(GOOD, target="100"), by=BY)
    assert get_case(database, case.id).target == 200


def test_signed_case_is_not_counted_otherwise(database: Database) -> None:
    case = make_case(database, [NEUTROPHIL])
    change_case(database, replace(case, state=CaseState.SIGNED), "signed", by=BY)
    with pytest.raises(CaseClosedError):
        change_counting(database, case.id, replace(GOOD, seen=2), by=BY)


def test_case_whose_ranges_are_gone_is_held_against_none(database: Database) -> None:
    case = make_case(database, [NEUTROPHIL] * 9)
    band = add_band(database, Written("Old", "s", {"neutrophil": ("1", "2")}), seen=0, by=BY)
    change_counting(database, case.id, replace(GOOD, band=band.code), by=BY)
    assert open_sheet(database, case.id).differential.parts[0].verdict is Verdict.ABOVE
    remove_band(database, band.code, seen=1, by=BY)
    sheet = open_sheet(database, case.id)
    assert sheet.band is None
    assert sheet.differential.parts[0].verdict is None


def test_case_that_is_not_there_is_named(database: Database) -> None:
    with pytest.raises(CaseUnknownError):
        open_sheet(database, 1)
    with pytest.raises(CaseUnknownError):
        change_counting(database, 1, GOOD, by=BY)
