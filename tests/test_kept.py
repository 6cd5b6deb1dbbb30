"""What is promised of what is kept, while real processes are at work and are killed."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from hematovision.services.backups import back_up, restore
from hematovision.services.batches import Desk, read_next
from hematovision.services.hands import Hand
from hematovision.services.proving import prove
from hematovision.services.rotation import Vault, rotate
from hematovision.storage.database import connect
from hematovision.storage.files import Files, open_files
from hematovision.storage.keys import open_seal
from hematovision.storage.photos import PhotoState
from hematovision.storage.private import read_data_keys
from hematovision.storage.sealing import Seal
from hematovision.storage.tables import CellRow, ReadingRow
from hematovision.vision.reader import load_reader

from .installations import Installation, field_pictures, installation

PHOTOS = 60
BY = Hand(None, "terminal", datetime.now(UTC))


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    given = {"threads": "1"}
    if request.param == "PostgreSQL":
        given["database_url"] = request.getfixturevalue("postgres_server").make()
    with installation(tmp_path, **given) as made:
        yield made


def files_of(folder: Path) -> Files:
    return open_files("", folder, open_seal(folder))


def now() -> datetime:
    return datetime.now(UTC)


def test_backup_taken_during_a_batch_gives_a_system_that_is_whole(
    home: Installation, tmp_path: Path
) -> None:
    open_seal(home.settings.data_folder)
    home.start("worker")
    case = home.send(field_pictures(PHOTOS))
    home.until(lambda: home.states(case).get(PhotoState.READ, 0) >= 5)
    source = files_of(home.settings.data_folder)
    made = back_up(home.database, source, tmp_path / "b.zip", keys=tmp_path / "b.zip", by=BY)
    assert (made.pictures, made.missing) == (PHOTOS, 0)

    there = tmp_path / "elsewhere"
    database = connect("", there)
    restore(database, open_files("", there, Seal()), tmp_path / "b.zip", by=BY)
    assert prove(database).is_whole
    with database.reading() as records:
        photos = records.photos.list(case.id)
        readings = records.session.scalar(select(func.count()).select_from(ReadingRow))
        cells = records.session.scalar(select(func.count()).select_from(CellRow)) or 0
    read = sum(photo.state is PhotoState.READ for photo in photos)
    assert 5 <= read < PHOTOS
    assert (readings, cells) == (read, 2 * read)
    files = files_of(there)
    assert all(files.get(photo.file or "") for photo in photos)

    desk = Desk(database, files, load_reader(home.settings.model_folder, threads=1))

    while read_next(desk, "other", clock=lambda: datetime(2100, 1, 1, tzinfo=UTC)):
        pass
    with database.reading() as records:
        assert records.photos.count(case.id) == {PhotoState.READ: PHOTOS}
    database.close()


def test_rotation_that_is_killed_loses_nothing_while_a_worker_reads(tmp_path: Path) -> None:
    with installation(tmp_path, threads="1") as home:
        folder = home.settings.data_folder
        (old,) = open_seal(folder).keys
        home.start("worker")
        case = home.send(field_pictures(PHOTOS))
        home.until(lambda: home.states(case).get(PhotoState.READ, 0) >= 5)
        process = home.start("keys", "rotate")
        home.until(lambda: len(read_data_keys(folder)) == 2)
        process.send_signal(signal.SIGKILL)
        process.wait()
        home.until(lambda: home.states(case) == {PhotoState.READ: PHOTOS})
        assert len(read_data_keys(folder)) == 2

        files = files_of(folder)
        done = rotate(Vault(home.database, files), by=BY, wait=lambda span: None, clock=now)
        assert (done.was_begun, done.broken) == (True, set())
        (new,) = read_data_keys(folder)
        assert new != old
        alone = Files(files.root, Seal(new))
        with home.database.reading() as records:
            photos = records.photos.list(case.id)
        assert all(alone.get(photo.file or "") for photo in photos)

        more = home.send(field_pictures(PHOTOS + 3)[PHOTOS:], "26-0838")
        home.until(lambda: home.states(more) == {PhotoState.READ: 3})
        with home.database.reading() as records:
            kept = [photo.file or "" for photo in records.photos.list(more.id)]
        assert all(map(alone.get, kept))
        assert prove(home.database).is_whole
