import hashlib
import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import func, select
from tests.conftest import StubReader

from hematovision.cells import Reading, RgbImage
from hematovision.errors import (
    CaseClosedError,
    HematoVisionError,
    PicturesAwayError,
    StorageFullError,
)
from hematovision.services.batches import (
    LEASE,
    MOST_ATTEMPTS,
    Desk,
    add_photo,
    cancel,
    give_back,
    hold,
    pause,
    read_next,
    read_photo,
    resume,
    retry,
    take_next,
    throw_away,
)
from hematovision.services.cases import change_case
from hematovision.services.hands import Hand
from hematovision.storage.cases import Case, CaseState
from hematovision.storage.database import Database
from hematovision.storage.files import Files, PictureGoneError
from hematovision.storage.photos import PhotoState
from hematovision.storage.sealing import Seal
from hematovision.storage.tables import CellRow, ReadingRow
from hematovision.vision.decoding import decode_image

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
BY = Hand(None, "page", NOW)


class Clock:
    """Tells whatever time it is set to."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(database: Database, tmp_path: Path, reader: StubReader) -> Desk:
    return Desk(database, Files(str(tmp_path / "pictures"), Seal(bytes(32))), reader)


@pytest.fixture
def case(database: Database) -> Case:
    with database.transaction() as records:
        return records.cases.add("26-0837", "", by=None, now=NOW)


CAMERA = b"LaboratoryCam 3"


def with_camera(jpeg: bytes) -> bytes:
    """Write into a JPEG what took it, as a camera does."""
    exif = Image.Exif()
    exif[0x010F] = CAMERA.decode()
    buffer = io.BytesIO()
    Image.open(io.BytesIO(jpeg)).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def different(jpeg: bytes, number: int) -> bytes:
    """Make another file of the same picture: what follows its end is not looked at."""
    return jpeg + str(number).encode()


def kept(database: Database) -> tuple[int, int]:
    """Count readings and cells."""
    with database.reading() as records:
        counts = [
            records.session.scalar(select(func.count()).select_from(table)) or 0
            for table in (ReadingRow, CellRow)
        ]
    return counts[0], counts[1]


def states(database: Database, case: Case) -> dict[PhotoState, int]:
    with database.reading() as records:
        return records.photos.count(case.id)


def test_photo_is_read_once_with_all_that_was_said(
    desk: Desk, case: Case, jpeg: bytes, clock: Clock
) -> None:
    add_photo(desk.database, desk.files, case, jpeg, by=BY)
    assert states(desk.database, case) == {PhotoState.WAITING: 1}
    assert read_next(desk, "a", clock=clock)
    assert not read_next(desk, "a", clock=clock)
    assert states(desk.database, case) == {PhotoState.READ: 1}
    assert kept(desk.database) == (1, 2)
    with desk.database.reading() as records:
        first = records.session.scalars(select(CellRow).order_by(CellRow.id)).first()
        assert first is not None
        assert (first.cell_type, first.decision, first.case_id) == ("neutrophil", "named", case.id)
        assert first.answer["probabilities"]["neutrophil"] == 0.95
        actions = [event.action for event in records.audit.list()]
    assert actions == ["photo.read", "photo.sent"]


def test_same_content_is_shown_and_counted_once(
    desk: Desk, case: Case, jpeg: bytes, clock: Clock
) -> None:
    first = add_photo(desk.database, desk.files, case, jpeg, by=BY)
    second = add_photo(desk.database, desk.files, case, jpeg, by=BY)
    assert second.same_as == first.id
    while read_next(desk, "a", clock=clock):
        pass
    assert states(desk.database, case) == {PhotoState.READ: 1, PhotoState.SAME: 1}
    assert kept(desk.database) == (1, 2)


def test_file_that_is_no_picture_fails_by_name_and_stops_no_other(
    desk: Desk, case: Case, jpeg: bytes, clock: Clock
) -> None:
    bad = add_photo(desk.database, desk.files, case, b"no picture", by=BY)
    add_photo(desk.database, desk.files, case, jpeg, by=BY)
    while read_next(desk, "a", clock=clock):
        pass
    assert states(desk.database, case) == {PhotoState.FAILED: 1, PhotoState.READ: 1}
    with desk.database.reading() as records:
        found = records.photos.find(bad.id)
    assert found is not None
    assert found.failure == "unsupported_format"


def test_picture_that_is_gone_fails(desk: Desk, case: Case, jpeg: bytes, clock: Clock) -> None:
    photo = add_photo(desk.database, desk.files, case, jpeg, by=BY)
    desk.files.delete(photo.file or "")
    assert read_next(desk, "a", clock=clock)
    assert states(desk.database, case) == {PhotoState.FAILED: 1}


def test_photo_of_a_lost_worker_is_taken_when_its_lease_is_over(
    desk: Desk, case: Case, jpeg: bytes, clock: Clock
) -> None:
    add_photo(desk.database, desk.files, case, jpeg, by=BY)
    with desk.database.transaction() as records:
        lost = records.photos.take("lost", now=NOW, until=NOW + LEASE)
    assert lost is not None
    assert not read_next(desk, "b", clock=clock)
    clock.now = NOW + LEASE
    assert read_next(desk, "b", clock=clock)
    # The lost one comes back, and says its own.
    reading = read_of(desk, jpeg)
    with desk.database.transaction() as records:
        assert not records.photos.finish(lost, "lost", reading, now=clock.now)
        assert not records.photos.fail(lost, "lost", "internal")
    assert kept(desk.database) == (1, 2)
    assert states(desk.database, case) == {PhotoState.READ: 1}


def read_of(desk: Desk, picture: bytes):
    from hematovision.services.readings import read_image

    return read_image(picture, reader=desk.reader).reading


def test_photo_that_takes_down_its_workers_fails_in_the_end(
    desk: Desk, case: Case, jpeg: bytes, clock: Clock
) -> None:
    class KilledReader(StubReader):
        def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
            raise KeyboardInterrupt

    add_photo(desk.database, desk.files, case, jpeg, by=BY)
    for number in range(MOST_ATTEMPTS):
        with pytest.raises(KeyboardInterrupt):
            read_next(replace(desk, reader=KilledReader()), f"worker {number}", clock=clock)
        clock.now += LEASE
    assert read_next(desk, "last", clock=clock)
    assert states(desk.database, case) == {PhotoState.FAILED: 1}
    assert retry(desk.database, case, by=BY) == 1
    assert read_next(desk, "last", clock=clock)
    assert states(desk.database, case) == {PhotoState.READ: 1}


def test_workers_side_by_side_read_every_photo_once(
    desk: Desk, case: Case, jpeg: bytes, clock: Clock
) -> None:
    for number in range(24):
        add_photo(desk.database, desk.files, case, different(jpeg, number), by=BY)

    def work(name: str) -> int:
        done = 0
        while read_next(desk, name, clock=clock):
            done += 1
        return done

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, "abcd")) == 24
    assert states(desk.database, case) == {PhotoState.READ: 24}
    assert kept(desk.database) == (24, 48)


def test_case_is_paused_resumed_and_cancelled(
    desk: Desk, case: Case, jpeg: bytes, clock: Clock
) -> None:
    for number in range(3):
        add_photo(desk.database, desk.files, case, different(jpeg, number), by=BY)
    assert read_next(desk, "a", clock=clock)
    assert pause(desk.database, case, by=BY) == 2
    assert not read_next(desk, "a", clock=clock)
    assert resume(desk.database, case, by=BY) == 2
    assert read_next(desk, "a", clock=clock)
    assert cancel(desk.database, case, by=BY) == 1
    assert cancel(desk.database, case, by=BY) == 0
    assert not read_next(desk, "a", clock=clock)
    assert states(desk.database, case) == {PhotoState.READ: 2, PhotoState.CANCELLED: 1}


def test_lease_of_a_clock_that_was_put_back_holds_nobody_up(
    desk: Desk, case: Case, jpeg: bytes, clock: Clock
) -> None:
    add_photo(desk.database, desk.files, case, jpeg, by=BY)
    assert take_next(desk.database, "lost", now=NOW + timedelta(days=2)) is not None
    assert read_next(desk, "b", clock=clock)
    assert states(desk.database, case) == {PhotoState.READ: 1}


@pytest.mark.parametrize("trouble", [StorageFullError, PicturesAwayError])
def test_photo_for_which_there_is_no_room_waits_as_if_nobody_had_begun(
    desk: Desk, case: Case, clock: Clock, photo: RgbImage, trouble: type[HematoVisionError]
) -> None:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", comment=b"camera")
    add_photo(desk.database, desk.files, case, buffer.getvalue(), by=BY)
    full = replace(desk, files=FullFiles(desk.files.root, desk.files.seal, trouble))
    with pytest.raises(trouble):
        read_next(full, "a", clock=clock)
    with desk.database.reading() as records:
        (waiting,) = records.photos.list(case.id)
    assert (waiting.state, waiting.attempts) == (PhotoState.WAITING, 0)
    assert read_next(desk, "a", clock=clock)


@dataclass(frozen=True)
class FullFiles(Files):
    """Has no room for another file, or is away."""

    trouble: type[HematoVisionError]

    def put_again(self, name: str, picture: bytes) -> None:
        raise self.trouble("There is no room left for pictures.")


def test_lease_that_is_renewed_keeps_others_away(
    desk: Desk, case: Case, jpeg: bytes, clock: Clock
) -> None:
    add_photo(desk.database, desk.files, case, jpeg, by=BY)
    photo = take_next(desk.database, "slow", now=NOW)
    assert photo is not None
    clock.now = NOW + LEASE / 2
    assert hold(desk.database, photo, "slow", now=clock.now)
    assert not hold(desk.database, photo, "other", now=clock.now)
    clock.now = NOW + LEASE
    assert take_next(desk.database, "other", now=clock.now) is None
    clock.now = NOW + LEASE / 2 + LEASE
    assert take_next(desk.database, "other", now=clock.now) is not None
    assert not hold(desk.database, photo, "slow", now=clock.now)
    assert not give_back(desk.database, photo, "slow")


def test_photo_that_is_given_back_waits_as_if_nobody_had_begun(
    desk: Desk, case: Case, jpeg: bytes, clock: Clock
) -> None:
    add_photo(desk.database, desk.files, case, jpeg, by=BY)
    for _ in range(2 * MOST_ATTEMPTS):
        photo = take_next(desk.database, "a", now=NOW)
        assert photo is not None
        assert photo.attempts == 1
        assert give_back(desk.database, photo, "a")
    assert states(desk.database, case) == {PhotoState.WAITING: 1}
    # Its thread was still at work, and ends now.
    read_photo(desk, photo, "a", clock=clock)
    assert kept(desk.database) == (0, 0)
    assert read_next(desk, "b", clock=clock)
    assert kept(desk.database) == (1, 2)


def test_cancelled_photo_in_hand_is_not_kept(
    desk: Desk, case: Case, jpeg: bytes, clock: Clock
) -> None:
    add_photo(desk.database, desk.files, case, jpeg, by=BY)
    photo = take_next(desk.database, "a", now=NOW)
    assert photo is not None
    cancel(desk.database, case, by=BY)
    assert not hold(desk.database, photo, "a", now=NOW)
    read_photo(desk, photo, "a", clock=clock)
    assert kept(desk.database) == (0, 0)
    assert states(desk.database, case) == {PhotoState.CANCELLED: 1}


def test_what_nobody_foresaw_is_tried_again_later(
    desk: Desk, case: Case, jpeg: bytes, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    class TiredReader(StubReader):
        def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
            raise RuntimeError("out of memory")

    add_photo(desk.database, desk.files, case, jpeg, by=BY)
    assert read_next(replace(desk, reader=TiredReader()), "a", clock=clock)
    assert "out of memory" in caplog.text
    assert states(desk.database, case) == {PhotoState.READING: 1}
    assert not read_next(desk, "a", clock=clock)
    clock.now += LEASE
    assert read_next(desk, "a", clock=clock)
    assert states(desk.database, case) == {PhotoState.READ: 1}


def pictures(desk: Desk) -> list[Path]:
    return [path for path in Path(desk.files.root).rglob("*") if path.is_file()]


def test_picture_is_thrown_away_where_it_is_not_to_be_kept(
    desk: Desk, case: Case, jpeg: bytes, clock: Clock
) -> None:
    photo = add_photo(desk.database, desk.files, case, jpeg, by=BY)
    assert read_next(replace(desk, keep_pictures=False), "a", clock=clock)
    with pytest.raises(PictureGoneError):
        desk.files.get(photo.file or "")
    assert kept(desk.database) == (1, 2)
    with desk.database.reading() as records:
        found = records.photos.find(photo.id)
    assert found is not None
    assert found.file is None


def test_same_content_is_kept_in_one_file(desk: Desk, case: Case, jpeg: bytes) -> None:
    first = add_photo(desk.database, desk.files, case, jpeg, by=BY)
    second = add_photo(desk.database, desk.files, case, jpeg, by=BY)
    assert second.file is None
    assert [path.name for path in pictures(desk)] == [first.file]


def test_picture_that_could_not_be_read_is_kept_to_try_again(
    desk: Desk, case: Case, clock: Clock
) -> None:
    forgetful = replace(desk, keep_pictures=False)
    add_photo(desk.database, desk.files, case, b"no picture", by=BY)
    assert read_next(forgetful, "a", clock=clock)
    assert throw_away(forgetful) == 0
    assert len(pictures(desk)) == 1
    assert retry(desk.database, case, by=BY) == 1
    assert read_next(forgetful, "a", clock=clock)
    with desk.database.reading() as records:
        (photo,) = records.photos.list(case.id)
    assert photo.failure == "unsupported_format"


def test_worker_that_comes_too_late_throws_no_picture_away(
    desk: Desk, case: Case, jpeg: bytes
) -> None:
    add_photo(desk.database, desk.files, case, jpeg, by=BY)
    lost = take_next(desk.database, "lost", now=NOW)
    assert lost is not None
    assert take_next(desk.database, "other", now=NOW + LEASE) is not None
    read_photo(replace(desk, keep_pictures=False), lost, "lost", clock=Clock())
    assert len(pictures(desk)) == 1


def test_pictures_left_by_a_kill_or_a_cancel_are_thrown_away_later(
    desk: Desk, case: Case, jpeg: bytes, clock: Clock
) -> None:
    class UnwillingFiles(Files):
        def delete(self, name: str) -> None:
            raise KeyboardInterrupt

    forgetful = replace(desk, keep_pictures=False)
    killed = replace(forgetful, files=UnwillingFiles(desk.files.root, desk.files.seal))
    for number in range(2):
        add_photo(desk.database, desk.files, case, different(jpeg, number), by=BY)
    with pytest.raises(KeyboardInterrupt):
        read_next(killed, "a", clock=clock)
    cancel(desk.database, case, by=BY)
    assert len(pictures(desk)) == 2
    assert throw_away(desk) == 0
    assert throw_away(forgetful) == 2
    assert pictures(desk) == []
    assert throw_away(forgetful) == 0
    assert states(desk.database, case) == {PhotoState.READ: 1, PhotoState.CANCELLED: 1}


def test_picture_that_was_kept_stays_though_no_more_are_kept(
    desk: Desk, case: Case, jpeg: bytes, clock: Clock
) -> None:
    add_photo(desk.database, desk.files, case, jpeg, by=BY)
    assert read_next(desk, "a", clock=clock)
    assert throw_away(replace(desk, keep_pictures=False)) == 0
    assert len(pictures(desk)) == 1


def test_photo_that_was_read_is_its_pixels_alone(
    desk: Desk, case: Case, jpeg: bytes, clock: Clock
) -> None:
    sent = with_camera(jpeg)
    photo = add_photo(desk.database, desk.files, case, sent, by=BY)
    assert CAMERA in desk.files.get(photo.file or "")
    assert read_next(desk, "a", clock=clock)
    with desk.database.reading() as records:
        found = records.photos.find(photo.id)
    assert found is not None
    left = desk.files.get(found.file or "")
    assert CAMERA not in left
    assert np.array_equal(decode_image(left), decode_image(sent))
    assert found.image_sha256 == hashlib.sha256(sent).hexdigest()
    assert len(pictures(desk)) == 1


def test_photo_whose_reader_was_killed_after_it_was_stripped_is_read_again(
    desk: Desk, case: Case, jpeg: bytes, clock: Clock
) -> None:
    photo = add_photo(desk.database, desk.files, case, with_camera(jpeg), by=BY)
    lost = take_next(desk.database, "lost", now=NOW)
    assert lost is not None
    desk.files.put_again(photo.file or "", jpeg)
    clock.now = NOW + LEASE
    assert read_next(desk, "other", clock=clock)
    assert kept(desk.database) == (1, 2)
    assert desk.files.get(photo.file or "") == jpeg


@pytest.mark.parametrize("move", [pause, resume, cancel, retry])
def test_signed_case_takes_no_photo_and_has_none_read(
    desk: Desk, case: Case, jpeg: bytes, move: Callable[..., int]
) -> None:
    add_photo(desk.database, desk.files, case, jpeg, by=BY)
    before = states(desk.database, case), len(pictures(desk))
    change_case(desk.database, replace(case, state=CaseState.SIGNED), "signed", by=BY)
    with pytest.raises(CaseClosedError):
        add_photo(desk.database, desk.files, case, different(jpeg, 1), by=BY)
    with pytest.raises(CaseClosedError):
        move(desk.database, case, by=BY)
    assert (states(desk.database, case), len(pictures(desk))) == before
