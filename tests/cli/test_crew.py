import io
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image
from tests.conftest import StubReader

from hematovision import jobs
from hematovision.cells import Reading, RgbImage
from hematovision.cli.crew import Crew
from hematovision.config import Settings
from hematovision.jobs import StuckError, Worker, open_queue
from hematovision.services.batches import Desk, add_photo
from hematovision.services.cases import open_case
from hematovision.services.hands import Hand
from hematovision.storage.database import Database
from hematovision.storage.files import Files
from hematovision.storage.sealing import Seal

BY = Hand(None, "page", datetime(2026, 11, 25, 20, 0, tzinfo=UTC))


class Meeting(StubReader):
    """Reads only when so many read at the same time."""

    def __init__(self, number: int, seconds: float = 20) -> None:
        super().__init__()
        self.barrier = threading.Barrier(number, timeout=seconds)

    def read(self, photo: RgbImage, *, explain: bool = False) -> tuple[Reading, ...]:
        self.barrier.wait()
        return tuple(super().read(photo, explain=explain))


def crew_of(number: int, desk: Desk, tmp_path: Path) -> Crew:
    queue = open_queue(Settings(data_folder=tmp_path / "private"))
    first = Worker(desk, queue)
    others = [Worker(desk, queue, stopping=first.stopping) for _ in range(number - 1)]
    return Crew([first, *others])


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    return Desk(database, Files(str(tmp_path / "pictures"), Seal(bytes(32))), StubReader())


def jpeg_of(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (200 + shade, 200, 200)).save(file, "JPEG")
    return file.getvalue()


def send(desk: Desk, number: int) -> None:
    case = open_case(desk.database, "26-0837", by=BY)
    for shade in range(number):
        add_photo(desk.database, desk.files, case, jpeg_of(shade), by=BY)


def test_photos_are_read_side_by_side_and_all_end_when_they_are_told_to(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "BEAT_SECONDS", 0.05)
    send(desk, 2)
    crew = crew_of(2, replace(desk, reader=Meeting(2)), tmp_path)
    stopper = threading.Thread(target=_stop_when_read, args=[crew, desk.database, 2])
    stopper.start()

    assert crew.run()
    stopper.join(20)


def test_of_one_that_is_stuck_all_end(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(jobs, "LONGEST_SECONDS", 0.2)
    monkeypatch.setattr(jobs, "GRACE_SECONDS", 0.2)
    send(desk, 1)

    with pytest.raises(StuckError, match="is stuck and ends"):
        crew_of(2, replace(desk, reader=Meeting(2, 1.5)), tmp_path).run()


def _stop_when_read(crew: Crew, database: Database, number: int) -> None:
    wait = threading.Event()
    for _ in range(400):
        with database.reading() as records:
            if len(records.readings.list_photos(None)) >= number:
                break
        wait.wait(0.05)
    crew.workers[0].stop()
