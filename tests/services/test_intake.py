import io
import secrets
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image
from tests.conftest import StubReader

from hematovision.cells import RgbImage
from hematovision.errors import (
    ArchiveDamagedError,
    CaseClosedError,
    CaseUnknownError,
    EmptyFileError,
    EntryNestedError,
    FileTooLargeError,
    HematoVisionError,
    ImageTooLargeError,
    QueueFullError,
    TooManyEntriesError,
    UnsupportedFormatError,
)
from hematovision.exchange.archives import Limits
from hematovision.services.batches import Desk, add_photo, read_next
from hematovision.services.cases import open_case
from hematovision.services.hands import Hand
from hematovision.services.intake import Arrival, Sending, Tray, leave_out, take_in
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.files import Files
from hematovision.storage.photos import PhotoState
from hematovision.storage.sealing import Seal
from hematovision.storage.tables import CaseRow

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
BY = Hand(None, "page", NOW)


class CountingQueue:
    """Counts how often it wakes somebody."""

    def __init__(self) -> None:
        self.wakes = 0

    def wake(self) -> None:
        self.wakes += 1


@pytest.fixture
def tray(database: Database, tmp_path: Path) -> Tray:
    files = Files(str(tmp_path / "pictures"), Seal(bytes(32)))
    return Tray(database, files, CountingQueue(), Limits(9, 2**17, 2**20), 100_000)


@pytest.fixture
def case(database: Database) -> Case:
    return open_case(database, "26-0837", by=BY)


def new(case: Case, replaces: int | None = None) -> Sending:
    """Begin another sending."""
    return Sending(case.id, secrets.token_hex(8), replaces)


def send(tray: Tray, sending: Sending, *files: bytes) -> list[Arrival]:
    incoming = [(f"{number}", io.BytesIO(content)) for number, content in enumerate(files)]
    return list(take_in(tray, sending, incoming, by=BY))


def what(arrivals: Iterable[Arrival]) -> list[str | type[HematoVisionError]]:
    """Say in a word what became of each."""
    return [
        type(one.failure)
        if one.failure
        else "left out"
        if one.photo is None
        else "here"
        if one.was_here
        else str(one.photo.state)
        for one in arrivals
    ]


def packed(*files: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


def count_files(tmp_path: Path) -> int:
    return sum(path.is_file() for path in (tmp_path / "pictures").rglob("*"))


def test_bad_files_are_refused_by_name_and_stop_no_other(
    tray: Tray, case: Case, jpeg: bytes, photo: RgbImage, tmp_path: Path
) -> None:
    large = io.BytesIO()
    Image.new("RGB", (400, 300)).save(large, "PNG")
    arrivals = send(tray, new(case), b"", b"no picture", bytes(2**17 + 1), large.getvalue(), jpeg)
    refused = [EmptyFileError, UnsupportedFormatError, FileTooLargeError, ImageTooLargeError]
    assert what(arrivals) == [*refused, "waiting"]
    assert [one.name for one in arrivals] == ["0", "1", "2", "3", "4"]
    # A page says it with the number of its own language.
    assert arrivals[2].failure
    assert arrivals[2].failure.values == FileTooLargeError.over(2**17).values
    assert count_files(tmp_path) == 1
    with tray.database.reading() as records:
        assert [photo.number for photo in records.photos.list(case.id)] == [1]


def test_pictures_of_a_zip_come_in_as_if_they_were_sent_one_by_one(
    tray: Tray, case: Case, jpeg: bytes
) -> None:
    archive = packed(
        ("film/1.jpg", jpeg + b"1"),
        ("film/notes.txt", b"no picture"),
        ("film/more.zip", b"PK"),
        ("film/2.jpg", b"no picture"),
        ("film/3.jpg", jpeg + b"3"),
    )
    arrivals = send(tray, new(case), archive, jpeg)
    assert what(arrivals) == [
        "waiting",
        "left out",
        EntryNestedError,
        UnsupportedFormatError,
        "waiting",
        "waiting",
    ]
    assert arrivals[0].name == "film/1.jpg"


@pytest.mark.parametrize(
    ("archive", "failure"),
    [
        pytest.param(b"PK\3\4 torn", ArchiveDamagedError, id="damaged"),
        pytest.param(
            packed(*((f"{number}.txt", b"") for number in range(10))),
            TooManyEntriesError,
            id="too many",
        ),
    ],
)
def test_zip_that_is_refused_whole_stops_no_other(
    tray: Tray, case: Case, jpeg: bytes, archive: bytes, failure: type[HematoVisionError]
) -> None:
    assert what(send(tray, new(case), archive, jpeg)) == [failure, "waiting"]


def test_same_content_in_one_sending_is_shown_and_kept_once(
    tray: Tray, case: Case, jpeg: bytes, tmp_path: Path
) -> None:
    arrivals = send(tray, new(case), jpeg, packed(("again.jpg", jpeg)))
    assert what(arrivals) == ["waiting", "same"]
    assert (arrivals[0].same_as, arrivals[1].same_as) == (None, 1)
    assert count_files(tmp_path) == 1


def test_what_was_sent_before_is_recognized_and_not_shown_twice(
    tray: Tray, case: Case, jpeg: bytes
) -> None:
    first = send(tray, new(case), jpeg + b"1", jpeg + b"2")
    again = send(tray, new(case), jpeg + b"1", jpeg + b"2", jpeg + b"3", jpeg + b"3")
    assert what(first) == ["waiting", "waiting"]
    assert what(again) == ["here", "here", "waiting", "same"]
    assert [one.same_as for one in again] == [1, 2, None, 3]


def test_sending_of_several_requests_is_one(tray: Tray, case: Case, jpeg: bytes) -> None:
    assert what(send(tray, Sending(case.id, "film"), jpeg)) == ["waiting"]
    assert what(send(tray, Sending(case.id, "film"), jpeg)) == ["same"]
    assert what(send(tray, Sending(case.id, "again"), jpeg)) == ["here"]


def test_of_two_sendings_side_by_side_the_later_finds_what_the_first_kept(
    tray: Tray, case: Case, jpeg: bytes, tmp_path: Path
) -> None:
    # Both looked before either kept it.
    first = add_photo(tray.database, tray.files, case, jpeg, by=BY, sending="first")
    later = add_photo(tray.database, tray.files, case, jpeg, by=BY, sending="later")
    assert later == first
    assert count_files(tmp_path) == 1
    with tray.database.reading() as records:
        assert [event.action for event in records.audit.list()] == ["photo.sent", "case.opened"]


def test_workers_are_woken_at_the_first_photo_and_at_the_end(
    tray: Tray, case: Case, jpeg: bytes
) -> None:
    assert isinstance(tray.queue, CountingQueue)
    send(tray, new(case), b"no picture")
    assert tray.queue.wakes == 0
    send(tray, new(case), b"no picture", jpeg + b"1", jpeg + b"2", jpeg + b"3")
    assert tray.queue.wakes == 2


def test_who_sends_and_goes_away_leaves_nobody_asleep(tray: Tray, case: Case, jpeg: bytes) -> None:
    assert isinstance(tray.queue, CountingQueue)
    arrivals = take_in(tray, new(case), [("a", io.BytesIO(jpeg))], by=BY)
    next(arrivals)
    arrivals.close()  # type: ignore[attr-defined]
    assert tray.queue.wakes == 2


def test_good_picture_takes_the_place_of_one_that_failed(
    tray: Tray, case: Case, jpeg: bytes, reader: StubReader
) -> None:
    torn = jpeg[: len(jpeg) // 2]
    (failed,) = send(tray, new(case), torn)
    assert failed.photo is not None
    desk = Desk(tray.database, tray.files, reader)
    assert read_next(desk, "a", clock=lambda: NOW)
    replacing = new(case, replaces=failed.photo.id)
    assert what(send(tray, replacing, b"no picture")) == [UnsupportedFormatError]
    with tray.database.reading() as records:
        assert records.photos.count(case.id) == {PhotoState.FAILED: 1}
    assert what(send(tray, replacing, jpeg)) == ["waiting"]
    with tray.database.reading() as records:
        assert records.photos.count(case.id) == {PhotoState.CANCELLED: 1, PhotoState.WAITING: 1}
        actions = [event.action for event in records.audit.list()]
    assert actions[:2] == ["photo.sent", "photo.left_out"]


def test_same_picture_can_take_its_own_place(
    tray: Tray, case: Case, jpeg: bytes, reader: StubReader
) -> None:
    (sent,) = send(tray, new(case), jpeg)
    assert sent.photo is not None
    tray.files.delete(sent.photo.file or "")
    assert read_next(Desk(tray.database, tray.files, reader), "a", clock=lambda: NOW)
    assert what(send(tray, new(case), jpeg)) == ["here"]
    assert what(send(tray, new(case, replaces=sent.photo.id), jpeg)) == ["waiting"]


def test_only_a_photo_that_failed_is_left_out(tray: Tray, case: Case, jpeg: bytes) -> None:
    (sent,) = send(tray, new(case), jpeg)
    assert sent.photo is not None
    assert not leave_out(tray.database, case, sent.photo.id, by=BY)
    with tray.database.reading() as records:
        assert "photo.left_out" not in [event.action for event in records.audit.list()]


def test_nothing_comes_into_a_case_that_is_signed_or_not_there(
    tray: Tray, case: Case, jpeg: bytes, tmp_path: Path
) -> None:
    with tray.database.transaction() as records:
        row = records.session.get(CaseRow, case.id)
        assert row is not None
        row.state = "signed"
    with pytest.raises(CaseClosedError):
        send(tray, new(case), jpeg)
    with pytest.raises(CaseClosedError):
        leave_out(tray.database, case, 1, by=BY)
    with pytest.raises(CaseUnknownError):
        send(tray, Sending(case.id + 1, "x"), jpeg)
    assert count_files(tmp_path) == 0


def test_no_more_photos_wait_than_may(tray: Tray, case: Case, jpeg: bytes) -> None:
    tray = replace(tray, max_waiting=2)
    arrivals = send(tray, new(case), jpeg + b"1", jpeg + b"2", jpeg + b"3")
    assert what(arrivals) == [PhotoState.WAITING, PhotoState.WAITING, QueueFullError]
    with pytest.raises(QueueFullError, match="2 photos wait to be read; no more may") as caught:
        send(tray, new(case), jpeg + b"4")
    assert caught.value.seconds > 0
    desk = Desk(tray.database, tray.files, StubReader())
    assert read_next(desk, "worker", clock=lambda: NOW)
    assert what(send(tray, new(case), jpeg + b"4")) == [PhotoState.WAITING]


def test_names_of_files_are_not_kept(tray: Tray, case: Case, jpeg: bytes) -> None:
    name = "Ann Example 1970-01-01.jpg"
    archive = packed((name, jpeg), ("Ann/x.txt", b""))
    list(take_in(tray, new(case), [(name, io.BytesIO(archive))], by=BY))
    with tray.database.reading() as records:
        assert "Ann" not in repr([*records.audit.list(), *records.photos.list(case.id)])


def test_refusal_does_not_hold_the_picture(tray: Tray, case: Case) -> None:
    archive = packed(("a.jpg", b"no picture"), ("b.jpg", packed(("c", b""))))
    arrivals = send(tray, new(case), b"no picture", archive)
    assert len(arrivals) == 3
    for arrival in arrivals:
        assert arrival.failure is not None
        assert arrival.failure.__traceback__ is None
        assert arrival.failure.__cause__ is None
