from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.conftest import StubReader

from hematovision.errors import (
    AccessionInvalidError,
    AccessionTakenError,
    CaseClosedError,
    CaseUnknownError,
    HematoVisionError,
    NotAllowedError,
    PhotoFiledError,
    PhotoUnknownError,
    PictureNotKeptError,
)
from hematovision.people import Role, User
from hematovision.services.filing import file_reading
from hematovision.services.hands import Hand
from hematovision.services.readings import read_image
from hematovision.services.recording import Record, get_reading, record_reading
from hematovision.storage.cases import Case, CaseState
from hematovision.storage.cells import Cell
from hematovision.storage.database import Database
from hematovision.storage.files import Files
from hematovision.storage.photos import Photo, PhotoState, Sent
from hematovision.storage.sealing import Seal
from hematovision.storage.search import Line, Wanted

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)

Read = Callable[..., int]


@pytest.fixture
def record(database: Database, tmp_path: Path) -> Record:
    return Record(database, Files(str(tmp_path / "pictures"), Seal(bytes(32))), keep_pictures=True)


@pytest.fixture
def ines(database: Database) -> User:
    with database.transaction() as records:
        return records.users.add("ines", Role.TECHNOLOGIST, now=NOW)


@pytest.fixture
def by(ines: User) -> Hand:
    return Hand(ines.id, "page", NOW)


@pytest.fixture
def case(database: Database) -> Case:
    with database.transaction() as records:
        return records.cases.add("26-0837", "", by=None, now=NOW)


@pytest.fixture
def read(record: Record, reader: StubReader, jpeg: bytes, by: Hand) -> Read:
    """Record one more reading; give its photo."""

    def read(*, data: bytes = jpeg, keep: bool = True) -> int:
        where = replace(record, keep_pictures=keep)
        return record_reading(where, read_image(data, reader=reader), data, by=by)

    return read


def photos(database: Database, case: Case) -> list[Photo]:
    with database.reading() as records:
        return list(records.photos.list(case.id))


def cells(database: Database, case: Case) -> list[Cell]:
    with database.reading() as records:
        return list(records.cells.list(case.id))


def history(database: Database, **wanted: object) -> list[Line]:
    with database.reading() as records:
        return list(records.search.find(Wanted(**wanted), limit=10))


def test_reading_moves_into_a_case_with_its_cells(
    database: Database, case: Case, read: Read, ines: User, by: Hand, jpeg: bytes
) -> None:
    first, second = read(), read(data=jpeg + b"another")
    for photo_id in (first, second):
        assert file_reading(database, photo_id, "26-0837", user=ines, by=by).id == case.id
    assert [(photo.id, photo.number, photo.state) for photo in photos(database, case)] == [
        (first, 1, PhotoState.READ),
        (second, 2, PhotoState.READ),
    ]
    assert [(cell.number, cell.photo_number) for cell in cells(database, case)] == [
        (1, 1),
        (2, 1),
        (3, 2),
        (4, 2),
    ]
    assert get_reading(database, first).accession == "26-0837"
    assert [line.photo_id for line in history(database, accession="26")] == [second, first]
    assert history(database, quick=True) == []


def test_filing_is_written_into_the_record_of_changes(
    database: Database, case: Case, read: Read, ines: User, by: Hand
) -> None:
    photo_id = read()
    file_reading(database, photo_id, "26-0837", user=ines, by=by)
    with database.reading() as records:
        event = records.audit.list()[0]
    assert (event.action, event.subject, event.actor_id) == (
        "photo.filed",
        f"photo {photo_id}",
        ines.id,
    )
    assert event.details == {"case": case.id, "state": "read"}


def test_new_case_is_made_for_it(database: Database, read: Read, ines: User, by: Hand) -> None:
    case = file_reading(database, read(), " 26-0900 ", new=True, user=ines, by=by)
    assert case.accession == "26-0900"
    assert len(cells(database, case)) == 2


def test_content_that_the_case_has_is_the_same_and_counted_once(
    database: Database, case: Case, read: Read, ines: User, by: Hand
) -> None:
    first, second = read(), read()
    for photo_id in (first, second):
        file_reading(database, photo_id, "26-0837", user=ines, by=by)
    assert [(photo.state, photo.same_as) for photo in photos(database, case)] == [
        (PhotoState.READ, None),
        (PhotoState.SAME, first),
    ]
    assert len(cells(database, case)) == 2
    assert len(history(database, accession="26-0837")) == 2


def test_reading_is_filed_once(
    database: Database, case: Case, read: Read, ines: User, by: Hand
) -> None:
    photo_id = read()
    file_reading(database, photo_id, "26-0837", user=ines, by=by)
    with pytest.raises(PhotoFiledError):
        file_reading(database, photo_id, "26-0901", new=True, user=ines, by=by)
    with database.transaction() as records:
        assert records.photos.file(photo_id, case.id) is None
        assert records.cases.find("26-0901") is None


def test_somebody_else_needs_the_right_to_review(
    database: Database, case: Case, read: Read, ines: User, by: Hand
) -> None:
    with database.transaction() as records:
        viewer = records.users.add("vera", Role.VIEWER, now=NOW)
        reviewer = records.users.add("paul", Role.PATHOLOGIST, now=NOW)
    photo_id = read()
    with pytest.raises(NotAllowedError):
        file_reading(database, photo_id, "26-0837", user=viewer, by=by)
    file_reading(database, photo_id, "26-0837", user=reviewer, by=by)
    file_reading(database, read(), "26-0837", user=replace(ines, role=Role.VIEWER), by=by)


@pytest.mark.parametrize(
    ("accession", "new", "failure"),
    [
        pytest.param("26-0838", False, CaseUnknownError, id="no such case"),
        pytest.param("", False, CaseUnknownError, id="no number"),
        pytest.param("a\0b", False, CaseUnknownError, id="no number at all"),
        pytest.param("26-0837", True, AccessionTakenError, id="not new"),
        pytest.param("<b>", True, AccessionInvalidError, id="cannot be a number"),
    ],
)
def test_case_that_cannot_be_meant_is_named(
    database: Database,
    case: Case,
    read: Read,
    ines: User,
    by: Hand,
    accession: str,
    new: bool,
    failure: type[HematoVisionError],
) -> None:
    photo_id = read()
    with pytest.raises(failure):
        file_reading(database, photo_id, accession, new=new, user=ines, by=by)
    assert get_reading(database, photo_id).case_id is None


@pytest.mark.parametrize("state", [CaseState.SIGNED, CaseState.AMENDED])
def test_signed_case_takes_no_more(
    database: Database, case: Case, read: Read, ines: User, by: Hand, state: CaseState
) -> None:
    with database.transaction() as records:
        assert records.cases.change(replace(case, state=state), seen=1)
    photo_id = read()
    with pytest.raises(CaseClosedError):
        file_reading(database, photo_id, "26-0837", user=ines, by=by)
    assert photos(database, case) == []
    assert get_reading(database, photo_id).case_id is None


def test_picture_that_nobody_could_look_at_stays_outside(
    database: Database, case: Case, read: Read, ines: User, by: Hand
) -> None:
    with pytest.raises(PictureNotKeptError):
        file_reading(database, read(keep=False), "26-0837", user=ines, by=by)
    assert photos(database, case) == []


def test_photo_that_is_not_read_cannot_be_filed(
    database: Database, case: Case, ines: User, by: Hand
) -> None:
    with database.transaction() as records:
        waits = records.photos.add(Sent("a" * 64, 9, "name", "page", None, NOW), case_id=None)
        assert records.photos.file(waits.id, case.id) is None
    for photo_id in (waits.id, 4711):
        with pytest.raises(PhotoUnknownError):
            file_reading(database, photo_id, "26-0837", user=ines, by=by)
