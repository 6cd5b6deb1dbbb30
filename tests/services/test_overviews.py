from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.conftest import StubReader
from tests.databases import counted_queries

from hematovision.cells import CellType
from hematovision.errors import CaseUnknownError
from hematovision.services.batches import Desk, add_photo, pause, read_next
from hematovision.services.cases import open_case
from hematovision.services.hands import Hand
from hematovision.services.overviews import (
    SHEET,
    count_cells,
    get_summary,
    has_cases,
    list_cases,
    look_over,
    progress_of,
    seconds_left,
    sheet_of,
)
from hematovision.services.second_readings import ask_second, take_second
from hematovision.storage.cases import CaseState
from hematovision.storage.cells import Tally
from hematovision.storage.database import Database
from hematovision.storage.files import Files
from hematovision.storage.overviews import Search
from hematovision.storage.photos import PhotoState, Sent
from hematovision.storage.sealing import Seal

from .cases import make_case, say
from .signatures import add_person, hand_of

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
BY = Hand(None, "page", NOW)


@pytest.fixture
def desk(database: Database, tmp_path: Path, reader: StubReader) -> Desk:
    return Desk(database, Files(str(tmp_path / "pictures"), Seal(bytes(32))), reader)


def moments(*seconds: float) -> list[datetime]:
    """Give when photos were read, so many seconds ago."""
    return [NOW - timedelta(seconds=ago) for ago in seconds]


@pytest.mark.parametrize(
    ("readings", "ahead", "left"),
    [
        pytest.param(moments(0, 2, 4), 10, 20, id="steady"),
        pytest.param(moments(0, 0, 4, 4, 8), 10, 20, id="two at once"),
        pytest.param(moments(0, 2, 4, 600, 602), 10, 20, id="a pause says nothing"),
        pytest.param(moments(0, 0, 0), 10, 1, id="never nothing"),
        pytest.param(moments(0, 2), 10, None, id="too little to tell"),
        pytest.param([], 10, None, id="nothing read"),
        pytest.param(moments(0, 2, 4), 0, None, id="nothing ahead"),
    ],
)
def test_time_left_goes_by_the_pace_of_the_newest_readings(
    readings: list[datetime], ahead: int, left: int | None
) -> None:
    assert seconds_left(readings, ahead) == left


def test_boxes_without_a_cell_are_not_counted_and_what_was_put_back_is_unidentified() -> None:
    tallies = [
        Tally("neutrophil", True, None, 10),
        Tally("neutrophil", True, "no_cell", 1),
        Tally("neutrophil", True, "unidentified", 2),
        Tally(None, True, None, 3),
        Tally(None, True, "blast", 4),
        Tally(None, False, None, 5),
    ]
    assert count_cells(tallies) == (24, 10)


def test_progress_counts_what_is_done_and_what_is_to_come(desk: Desk, jpeg: bytes) -> None:
    case = open_case(desk.database, "26-0837", by=BY)
    for ending in (b"1", b"2", b"2", b"3"):
        add_photo(desk.database, desk.files, case, jpeg + ending, by=BY)
    assert read_next(desk, "a", clock=lambda: NOW)
    progress = progress_of(desk.database, case.id)
    assert (progress.total, progress.done, progress.cells, progress.unidentified) == (4, 2, 2, 1)
    assert (progress.is_running, progress.is_paused) == (True, False)
    pause(desk.database, case, by=BY)
    progress = progress_of(desk.database, case.id)
    assert (progress.is_running, progress.is_paused) == (False, True)
    assert progress.number(PhotoState.PAUSED) == 2
    with pytest.raises(CaseUnknownError):
        progress_of(desk.database, case.id + 1)


def test_start_page_ends_where_there_is_no_more(desk: Desk) -> None:
    assert not has_cases(desk.database)
    cases = [open_case(desk.database, f"case {number}", by=BY) for number in range(3)]
    assert has_cases(desk.database)
    start = look_over(desk.database, Search(limit=2))
    assert [one.case.id for one in start.cases] == [cases[2].id, cases[1].id]
    assert start.cursor == cases[1].id
    start = look_over(desk.database, Search(limit=2, cursor=start.cursor))
    assert [one.case.id for one in start.cases] == [cases[0].id]
    assert start.cursor is None


def test_sheet_goes_on_where_the_last_ended(desk: Desk) -> None:
    case = open_case(desk.database, "26-0837", by=BY)
    with desk.database.transaction() as records:
        for number in range(SHEET + 2):
            records.photos.add(Sent(str(number), 9, "x", "page", None, NOW), case_id=case.id)
    first = sheet_of(desk.database, case.id)
    assert (len(first.photos), first.cursor) == (SHEET, SHEET)
    with counted_queries(desk.database) as queries:
        rest = sheet_of(desk.database, case.id, after=SHEET)
    assert (len(rest.photos), rest.cursor) == (2, None)
    assert len(queries) == 7


def test_cases_are_listed_by_state_page_by_page(each_database: Database) -> None:
    first, *_, last = [open_case(each_database, f"case {number}", by=BY) for number in range(4)]
    with each_database.transaction() as records:
        records.cases.begin_review(first.id)
    opened, cursor = list_cases(each_database, Search(state=CaseState.OPEN, limit=2), user_id=None)
    assert [one.case.id for one in opened] == [last.id, last.id - 1]
    rest, end = list_cases(
        each_database, Search(state=CaseState.OPEN, limit=2, cursor=cursor), user_id=None
    )
    assert ([one.case.id for one in rest], end) == ([first.id + 1], None)
    assert get_summary(each_database, first.id, user_id=None).case.state is CaseState.IN_REVIEW
    with pytest.raises(CaseUnknownError):
        get_summary(each_database, last.id + 1, user_id=None)


def test_second_reader_is_told_no_number_that_others_changed(database: Database) -> None:
    case = make_case(database, [CellType.NEUTROPHIL, CellType.NEUTROPHIL, None, None])
    omar = add_person(database, "omar")
    ask_second(database, case.id, by=hand_of(omar))
    take_second(database, case.id, by=hand_of(omar))

    def known(user_id: int | None) -> tuple[object, ...]:
        progress = progress_of(database, case.id, user_id=user_id)
        sheet = sheet_of(database, case.id, user_id=user_id)
        (running,) = look_over(database, Search(), user_id=user_id).running or [progress]
        (photo,) = sheet.photos
        numbers = [(one.cells, one.unidentified) for one in (progress, sheet.progress, running)]
        summary = get_summary(database, case.id, user_id=user_id)
        return (*numbers, photo.cells, count_cells(summary.tallies))

    before = known(omar.id)
    say(database, case, "no_cell", 1)
    say(database, case, "unidentified", 2)
    say(database, case, "blast", 3, 4)
    assert known(omar.id) == before
    assert known(None) != before
