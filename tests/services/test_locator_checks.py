from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from tests.services.cases import NOW, add_read_photo, make_case
from tests.services.test_quality import MONDAY, N, read

from hematovision.errors import (
    ChangedMeanwhileError,
    CheckInvalidError,
    NotSignedInError,
    PhotoUnknownError,
    PictureNotKeptError,
)
from hematovision.people import Role
from hematovision.services.hands import Hand
from hematovision.services.locator_checks import (
    SAMPLE,
    check_photo,
    counted,
    round_of,
    sample,
)
from hematovision.services.shares import Part
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.locator_checks import Candidate, LocatorCheck

UTC_TIME = timedelta()


@pytest.fixture
def by(database: Database) -> Hand:
    with database.transaction() as records:
        return Hand(records.users.add("ines", Role.TECHNOLOGIST, now=NOW).id, "page", NOW)


@pytest.fixture
def case(database: Database) -> Case:
    return make_case(database, [N, N, None])


def photo_of(database: Database) -> int:
    shown = round_of(database, ahead=UTC_TIME).shown
    assert shown is not None
    return shown.photo_id


def checks_in(database: Database) -> Sequence[LocatorCheck]:
    with database.reading() as records:
        return records.locator_checks.list(None, None)


def test_nothing_was_read_so_nothing_is_shown(database: Database) -> None:
    found = round_of(database, ahead=UTC_TIME)
    assert (found.day, found.photos, found.done, found.shown) == (None, 0, 0, None)


def test_photo_is_shown_with_the_boxes_of_the_model_alone(database: Database, case: Case) -> None:
    found = round_of(database, ahead=UTC_TIME)
    assert (found.day, found.photos, found.done) == (NOW.date(), 1, 0)
    assert found.shown is not None
    assert (found.shown.case_id, len(found.shown.boxes)) == (case.id, 3)


def test_what_is_counted_is_kept_once_and_on_record(
    database: Database, case: Case, by: Hand
) -> None:
    photo_id = photo_of(database)
    check_photo(database, photo_id, missed=2, wrong=1, by=by)
    assert checks_in(database) == [LocatorCheck(photo_id, 3, 2, 1, by.user_id, NOW)]
    with database.reading() as records:
        (event,) = [one for one in records.audit.list() if one.action == "locator.checked"]
    assert event.subject == f"photo {photo_id}"
    assert event.details == {"case": case.id, "found": 3, "missed": 2, "wrong": 1}
    assert round_of(database, ahead=UTC_TIME).shown is None
    with pytest.raises(ChangedMeanwhileError):
        check_photo(database, photo_id, missed=0, wrong=0, by=by)
    assert len(checks_in(database)) == 1


@pytest.mark.parametrize(
    ("missed", "wrong"),
    [
        pytest.param(None, 0, id="no number"),
        pytest.param(0, None, id="no number of boxes"),
        pytest.param(1000, 0, id="too many"),
        pytest.param(0, 4, id="more boxes than there are"),
    ],
)
def test_number_that_cannot_be_is_refused_and_nothing_is_kept(
    database: Database, case: Case, by: Hand, missed: int | None, wrong: int | None
) -> None:
    with pytest.raises(CheckInvalidError):
        check_photo(database, photo_of(database), missed=missed, wrong=wrong, by=by)
    assert checks_in(database) == []


def test_photo_that_cannot_be_looked_at_cannot_be_checked(
    database: Database, case: Case, by: Hand
) -> None:
    photo_id = photo_of(database)
    with database.transaction() as records:
        records.photos.forget_picture(photo_id)
    assert round_of(database, ahead=UTC_TIME).photos == 0
    with pytest.raises(PictureNotKeptError):
        check_photo(database, photo_id, missed=0, wrong=0, by=by)
    with pytest.raises(PhotoUnknownError):
        check_photo(database, 10**18, missed=0, wrong=0, by=by)
    with pytest.raises(NotSignedInError):
        check_photo(database, photo_id, missed=0, wrong=0, by=Hand(None, "terminal", NOW))


def test_photos_are_those_of_the_newest_day_by_the_laboratorys_clock(
    database: Database, case: Case
) -> None:
    read(database, case, [N], MONDAY - timedelta(hours=1))
    late = datetime(2026, 11, 25, 23, 30, tzinfo=UTC)
    read(database, case, [N], late)
    assert round_of(database, ahead=UTC_TIME).photos == 2
    east = round_of(database, ahead=timedelta(hours=1))
    assert (east.day, east.photos) == (date(2026, 11, 26), 1)


def test_no_more_photos_are_asked_for_than_people_can_look_at(
    database: Database, case: Case, by: Hand
) -> None:
    for _ in range(SAMPLE + 3):
        add_read_photo(database, case, [N])
    seen = set()
    for done in range(SAMPLE):
        found = round_of(database, ahead=UTC_TIME)
        assert (found.photos, found.done) == (SAMPLE, done)
        seen.add(photo_of(database))
        check_photo(database, photo_of(database), missed=0, wrong=0, by=by)
    assert len(seen) == SAMPLE
    assert round_of(database, ahead=UTC_TIME).shown is None


def test_lot_is_the_same_at_every_look_and_another_on_every_day() -> None:
    some = [Candidate(number, is_checked=False) for number in range(200)]
    today, tomorrow = date(2026, 11, 25), date(2026, 11, 26)
    drawn = sample(some, today)
    assert sample(some[::-1], today) == drawn
    assert sample(some, tomorrow) != drawn
    assert len({one.photo_id for one in drawn}) == SAMPLE


def test_missed_is_a_part_of_the_cells_that_are_there() -> None:
    found = counted([LocatorCheck(1, 5, 1, 2, 1, NOW), LocatorCheck(2, 0, 1, 0, 1, NOW)])
    assert (found.photos, found.missed, found.wrong) == (2, Part(2, 5), Part(2, 5))
    assert counted([]).missed.share is None
