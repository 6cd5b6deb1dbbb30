"""What is promised of a batch, whatever is killed: each photo has exactly one stored reading."""

import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from sqlalchemy import func, select

from hematovision.machine import cores
from hematovision.services.batches import LEASE, pause, resume
from hematovision.services.hands import Hand
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.photos import PhotoState
from hematovision.storage.tables import CellRow, PhotoRow, ReadingRow

from .installations import Installation, field_pictures, installation, lives

PHOTOS = 300
BY = Hand(None, "terminal", datetime.now(UTC))


@pytest.fixture(params=["SQLite", "Redis with PostgreSQL"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    given = {"threads": "1"}
    if request.param != "SQLite":
        given["database_url"] = request.getfixturevalue("postgres_server").make()
        given["queue_url"] = request.getfixturevalue("redis_address")
    with installation(tmp_path, **given) as made:
        yield made


def kill_at_work(home: Installation, worker: psutil.Process) -> int:
    """Kill a worker that holds a photo; give the photo's id."""

    def held() -> int | None:
        with home.database.reading() as records:
            return records.session.scalar(
                select(PhotoRow.id).where(
                    PhotoRow.state == PhotoState.READING,
                    PhotoRow.worker.contains(f"-{worker.pid}-"),
                )
            )

    def stopped_at_work() -> int | None:
        worker.suspend()
        # What it was writing is written, or never will be.
        time.sleep(0.05)
        photo = held()
        if photo is None:
            worker.resume()
        return photo

    photo = home.until(stopped_at_work)
    worker.send_signal(signal.SIGKILL)
    return photo


def test_every_photo_has_one_reading_after_server_and_workers_were_killed(
    home: Installation,
) -> None:
    # All are there before anybody reads, however slow this machine sends.
    case = home.send(field_pictures(PHOTOS))
    server = home.start("serve", "--port", "0")
    other = home.start("worker")
    (child,) = home.until(lambda: home.children(server))
    home.until(lambda: home.states(case).get(PhotoState.READ, 0) >= 10)

    dropped = [kill_at_work(home, other), kill_at_work(home, child)]
    # However long the next one takes to start, there is work left for it.
    pause(home.database, case, by=BY)
    (orphan,) = home.until(lambda: [one for one in home.children(server) if one.pid != child.pid])
    home.until(lambda: f"-{orphan.pid}-" in home.log)
    resume(home.database, case, by=BY)
    server.kill()
    home.until(lambda: not lives(orphan))
    assert home.states(case).get(PhotoState.WAITING, 0)
    home.start("serve", "--port", "0")
    home.until(lambda: home.states(case) == {PhotoState.READ: PHOTOS}, 120)

    assert_each_is_read_once(home.database, case)
    with home.database.reading() as records:
        again = set(records.session.scalars(select(PhotoRow.id).where(PhotoRow.attempts > 1)))
    # Each of those that were killed had as many in hand at most as there are cores.
    assert set(dropped) <= again
    assert len(again) <= len(dropped) * cores()


def assert_each_is_read_once(database: Database, case: Case) -> None:
    """Insist on one reading a photo, one event a reading, and numbers without gap or twin."""
    with database.reading() as records:
        session = records.session
        photos = records.photos.list(case.id)
        readings = list(session.scalars(select(ReadingRow.photo_id).order_by(ReadingRow.photo_id)))
        cells = list(session.scalars(select(CellRow.number).order_by(CellRow.number)))
        cells_of_photo = select(func.count()).group_by(CellRow.photo_id).select_from(CellRow)
        counts = list(session.scalars(cells_of_photo))
        events = [event for event in records.audit.list(limit=10_000) if event.door == "worker"]
    assert [photo.number for photo in photos] == list(range(1, PHOTOS + 1))
    assert readings == [photo.id for photo in photos]
    assert cells == list(range(1, len(cells) + 1))
    assert counts == [2] * PHOTOS
    subjects = sorted(event.subject for event in events if event.action == "photo.read")
    assert subjects == sorted(f"photo {photo.id}" for photo in photos)


def test_lease_of_a_killed_worker_holds_nobody_up_for_long() -> None:
    assert LEASE.total_seconds() <= 30
