from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.films import NOW, FilmReader, make_case, picture

from hematovision.cells import PhotoReading
from hematovision.people import User
from hematovision.services.amending import amend_case
from hematovision.services.batches import add_photo
from hematovision.services.hands import Hand
from hematovision.services.retention import Due, Policy, delete_due, find_due, find_strays
from hematovision.services.review import Said
from hematovision.services.second_readings import (
    ask_second,
    finish_second,
    name_second,
    take_second,
)
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.files import Files
from hematovision.storage.photos import Sent
from hematovision.storage.sealing import Seal

from .cases import NOW as START
from .cases import cells_of
from .signatures import add_person, hand_of, ready_case, sign

DAY = timedelta(days=1)
BY = Hand(None, "worker", NOW)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(str(tmp_path / "pictures"), Seal(bytes(32)))


@pytest.fixture
def case(database: Database, files: Files) -> Case:
    return make_case(database, files, FilmReader(3), [picture(1), picture(2)])


def kept(files: Files) -> int:
    return sum(path.is_file() for path in Path(files.root).rglob("*"))


def quick_reading(database: Database, files: Files, now: datetime = NOW) -> int:
    said = PhotoReading("a" * 64, 128, 96, FilmReader.model, ())
    with database.transaction() as records:
        sent = Sent("a" * 64, 9, files.put(b"picture"), "page", None, now)
        return records.photos.add_all_read([(sent, said)])[0]


def keep(database: Database, files: Files, policy: Policy, now: datetime) -> Due:
    due = find_due(database, policy, now=now)
    delete_due(database, files, due, policy, by=replace(BY, now=now))
    return due


def test_picture_is_deleted_after_its_days_and_what_was_said_stays(
    database: Database, files: Files, case: Case
) -> None:
    policy = Policy(picture_days=30)
    assert keep(database, files, policy, NOW + 30 * DAY) == Due([], (), ())
    assert kept(files) == 2
    due = keep(database, files, policy, NOW + 30 * DAY + timedelta(seconds=1))
    assert (len(due.pictures), kept(files)) == (2, 0)
    with database.reading() as records:
        assert [photo.file for photo in records.photos.list(case.id)] == [None, None]
        assert len(records.cells.list(case.id)) == 6
        events = records.audit.list(limit=2)
    assert {event.action for event in events} == {"picture.deleted"}
    assert events[0].details == {"case": case.id, "days": 30}


def test_without_days_everything_stays_for_ever(
    database: Database, files: Files, case: Case
) -> None:
    assert find_due(database, Policy(), now=NOW + 36_500 * DAY) == Due([], (), ())


def test_picture_that_still_waits_to_be_read_stays(
    database: Database, files: Files, case: Case
) -> None:
    waiting = add_photo(database, files, case, picture(3), by=BY)
    due = keep(database, files, Policy(picture_days=1), NOW + 9 * DAY)
    assert waiting.id not in {one.photo_id for one in due.pictures}
    assert kept(files) == 1


def test_cases_and_readings_of_none_are_erased_after_their_days(
    database: Database, files: Files, case: Case
) -> None:
    reading = quick_reading(database, files)
    young = make_case(database, files, FilmReader(1), [], "26-young")
    later = replace(BY, now=NOW + 20 * DAY)
    add_photo(database, files, young, picture(4), by=later)
    due = keep(database, files, Policy(picture_days=5, case_days=10), NOW + 11 * DAY)
    assert (due.cases, due.readings, due.pictures) == ([case.id], [reading], [])
    with database.reading() as records:
        assert records.cases.find_by_id(case.id) is None
        assert records.cases.find_by_id(young.id) is not None
        assert records.readings.find(reading) is None
        events = {event.action: event for event in records.audit.list(limit=4)}
    assert events["case.erased"].details == {"photos": 2, "why": "over"}
    assert events["photo.erased"].details == {"why": "over"}
    assert kept(files) == 1


def test_days_of_a_case_are_counted_from_when_it_was_last_signed_or_read(
    database: Database,
) -> None:
    rosa, pedro = add_person(database, "rosa"), add_person(database, "pedro")
    case = ready_case(database)

    def is_due(day: int) -> bool:
        return find_due(database, Policy(case_days=10), now=START + day * DAY).cases == [case.id]

    def on(user: User, day: int) -> Hand:
        return replace(hand_of(user), now=START + day * DAY)

    assert is_due(11)
    ask_second(database, case.id, by=on(rosa, 5))
    assert (is_due(14), is_due(16)) == (False, True)
    take_second(database, case.id, by=on(pedro, 6))
    said = [Said(cell.id, cell.label, 0) for cell in cells_of(database, case)]
    name_second(database, case.id, said, by=on(pedro, 8))
    assert (is_due(17), is_due(19)) == (False, True)
    finish_second(database, case.id, by=on(pedro, 11))
    assert (is_due(20), is_due(22)) == (False, True)
    sign(database, case, rosa, minutes=20 * 24 * 60)
    assert (is_due(29), is_due(31)) == (False, True)
    amend_case(database, case.id, "Cell 3 is a band.", by=on(rosa, 25))
    assert (is_due(34), is_due(36)) == (False, True)


def test_finding_deletes_nothing(database: Database, files: Files, case: Case) -> None:
    policy = Policy(1, 1)
    due = find_due(database, policy, now=NOW + 9 * DAY)
    assert due.cases == [case.id]
    assert find_due(database, policy, now=NOW + 9 * DAY) == due
    assert kept(files) == 2


def test_of_two_who_delete_at_once_one_records_it(
    database: Database, files: Files, case: Case
) -> None:
    pictures, whole = Policy(picture_days=1), Policy(case_days=1)
    now = NOW + 9 * DAY
    due, whole_due = find_due(database, pictures, now=now), find_due(database, whole, now=now)
    by = replace(BY, now=now)
    assert delete_due(database, files, due, pictures, by=by) == 2
    assert delete_due(database, files, due, pictures, by=by) == 0
    assert delete_due(database, files, whole_due, whole, by=by) == 1
    assert delete_due(database, files, whole_due, whole, by=by) == 0
    with database.reading() as records:
        actions = [event.action for event in records.audit.list()]
    assert actions.count("picture.deleted") == 2
    assert actions.count("case.erased") == 1


def test_picture_that_nothing_speaks_of_goes_once_it_is_a_day_old(
    database: Database, files: Files, case: Case
) -> None:
    stray = files.put(b"of somebody who was killed while sending")
    files.put_beside(stray, "small", b"made of it")
    now = datetime.now(NOW.tzinfo)
    assert find_strays(database, files, now=now).strays == []
    due = find_strays(database, files, now=now + 2 * DAY)
    assert due.strays == [stray]
    delete_due(database, files, due, Policy(), by=replace(BY, now=now))
    assert kept(files) == 2
    with database.reading() as records:
        assert records.audit.list()[0].details == {"files": 1}
