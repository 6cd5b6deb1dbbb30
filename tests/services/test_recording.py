import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from tests.conftest import EmptyReader, StubReader

from hematovision.cells import ModelIdentity, RgbImage
from hematovision.errors import PhotoUnknownError, UnsupportedFormatError
from hematovision.people import Role, User
from hematovision.services.hands import Hand
from hematovision.services.readings import read_image
from hematovision.services.recording import (
    Noted,
    Record,
    find_picture,
    get_reading,
    is_recorded,
    record_reading,
    record_readings,
)
from hematovision.storage.database import Database
from hematovision.storage.files import Files
from hematovision.storage.sealing import Seal
from hematovision.storage.tables import AuditRow, Base, CellRow, HistoryRow, PhotoRow, ReadingRow

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
BY = Hand(None, "terminal", NOW)
EVERYTHING: Sequence[type[Base]] = (PhotoRow, ReadingRow, CellRow, HistoryRow, AuditRow)


@pytest.fixture
def record(database: Database, tmp_path: Path) -> Record:
    return Record(database, Files(str(tmp_path / "pictures"), Seal(bytes(32))), keep_pictures=True)


@pytest.fixture
def ines(database: Database) -> User:
    with database.transaction() as records:
        return records.users.add("ines", Role.TECHNOLOGIST, now=NOW)


def rows(database: Database) -> list[int]:
    with database.reading() as records:
        counts = [select(func.count()).select_from(table) for table in EVERYTHING]
        return [records.session.scalar(count) or 0 for count in counts]


def pictures(record: Record) -> list[Path]:
    return [path for path in Path(record.files.root).rglob("*") if path.is_file()]


@pytest.mark.parametrize("door", ["page", "api", "terminal"])
def test_reading_comes_back_as_it_was_said(
    record: Record, reader: StubReader, jpeg: bytes, ines: User, door: str
) -> None:
    read = read_image(jpeg, reader=reader)
    photo_id = record_reading(record, read, jpeg, by=Hand(ines.id, door, NOW))
    kept = get_reading(record.database, photo_id)
    assert kept.reading == read.reading
    assert (kept.door, kept.sent_by, kept.sender, kept.read_at) == (door, ines.id, "ines", NOW)
    assert (kept.case_id, kept.accession) == (None, None)


def test_photo_without_a_cell_is_recorded_too(record: Record, jpeg: bytes) -> None:
    read = read_image(jpeg, reader=EmptyReader())
    kept = get_reading(record.database, record_reading(record, read, jpeg, by=BY))
    assert kept.reading == read.reading


def test_same_picture_at_another_time_is_another_photo(
    record: Record, reader: StubReader, jpeg: bytes
) -> None:
    read = read_image(jpeg, reader=reader)
    first = record_reading(record, read, jpeg, by=BY)
    second = record_reading(record, read, jpeg, by=BY)
    assert first != second
    assert len(pictures(record)) == 2


def test_what_is_done_is_written_into_the_record_of_changes(
    record: Record, reader: StubReader, jpeg: bytes, ines: User
) -> None:
    photo_id = record_reading(
        record, read_image(jpeg, reader=reader), jpeg, by=Hand(ines.id, "api", NOW)
    )
    with record.database.reading() as records:
        (event,) = records.audit.list()
    assert (event.action, event.subject, event.door) == ("photo.read", f"photo {photo_id}", "api")
    assert (event.at, event.actor_id) == (NOW, ines.id)
    assert event.details["cells"] == 2


def test_picture_is_kept_sealed_and_without_its_metadata(
    record: Record, reader: StubReader, photo: RgbImage
) -> None:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x010E] = "patient Doe"
    Image.fromarray(photo).save(buffer, "JPEG", exif=exif)
    read = read_image(buffer.getvalue(), reader=reader)
    kept = get_reading(record.database, record_reading(record, read, buffer.getvalue(), by=BY))
    assert kept.file
    assert b"Doe" not in record.files.get(kept.file)
    assert b"JFIF" not in pictures(record)[0].read_bytes()
    np.testing.assert_array_equal(find_picture(record.files, kept), read.photo)


def test_picture_is_not_kept_where_it_is_not_to_be(
    record: Record, reader: StubReader, jpeg: bytes
) -> None:
    none = replace(record, keep_pictures=False)
    kept = get_reading(
        record.database, record_reading(none, read_image(jpeg, reader=reader), jpeg, by=BY)
    )
    assert kept.file is None
    assert find_picture(record.files, kept) is None
    assert pictures(record) == []


def test_picture_that_is_gone_is_none(record: Record, reader: StubReader, jpeg: bytes) -> None:
    kept = get_reading(
        record.database, record_reading(record, read_image(jpeg, reader=reader), jpeg, by=BY)
    )
    record.files.delete(kept.file or "")
    assert find_picture(record.files, kept) is None


def test_all_of_a_batch_are_recorded_or_none(
    record: Record, reader: StubReader, jpeg: bytes
) -> None:
    noted = Noted.of(read_image(jpeg, reader=reader), jpeg, keep_picture=True)
    impossible = replace(noted, reading=replace(noted.reading, image_sha256=None))
    with pytest.raises(IntegrityError):
        record_readings(record, [noted, impossible], by=BY)
    assert rows(record.database) == [0] * len(EVERYTHING)
    assert pictures(record) == []
    assert len(record_readings(record, [noted, noted], by=BY)) == 2


def test_refused_picture_records_nothing(record: Record, reader: StubReader) -> None:
    with pytest.raises(UnsupportedFormatError):
        record_reading(record, read_image(b"no picture", reader=reader), b"no picture", by=BY)
    assert rows(record.database) == [0] * len(EVERYTHING)


def test_photo_is_on_record_with_its_content_and_its_model_only(
    record: Record, reader: StubReader, jpeg: bytes
) -> None:
    reading = read_image(jpeg, reader=reader).reading
    photo_id = record_reading(record, read_image(jpeg, reader=reader), jpeg, by=BY)
    newer = ModelIdentity("stub", "0.0.1", "1" * 64)
    other = replace(reading, image_sha256="0" * 64)
    read_by_newer = replace(reading, model=newer)
    assert is_recorded(record.database, photo_id, reading, sent_by=BY.user_id)
    assert not is_recorded(record.database, photo_id + 1, reading, sent_by=BY.user_id)
    assert not is_recorded(record.database, photo_id, other, sent_by=BY.user_id)
    assert not is_recorded(record.database, photo_id, read_by_newer, sent_by=BY.user_id)
    assert not is_recorded(record.database, photo_id, reading, sent_by=1)


def test_reading_that_is_not_there_is_named(record: Record) -> None:
    with pytest.raises(PhotoUnknownError):
        get_reading(record.database, 4711)
