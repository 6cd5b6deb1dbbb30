"""What is promised of a watched folder: each file is read once, whoever is killed."""

import signal
from pathlib import Path

from sqlalchemy import func, select

from hematovision.storage.tables import PhotoRow, ReadingRow

from .installations import Installation, field_pictures, installation

PHOTOS = 40


def test_two_who_watch_one_folder_read_each_file_once_though_they_are_killed(
    tmp_path: Path,
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for number, picture in enumerate(field_pictures(PHOTOS)):
        (inbox / f"{number}.png").write_bytes(picture)
    with installation(tmp_path, threads="1") as home:
        command = ("watch", "--interval", "0.1", str(inbox))
        first, second = home.start(*command), home.start(*command)
        home.until(lambda: _done(inbox) >= 5)
        first.kill()
        home.start(*command)
        home.until(lambda: _done(inbox) >= 15)
        second.send_signal(signal.SIGTERM)
        home.until(lambda: second.poll() is not None)
        assert second.returncode == 0
        home.until(lambda: _done(inbox) == PHOTOS, 120)
        assert _count(home, PhotoRow) == _count(home, ReadingRow) == PHOTOS
        home.until(lambda: not list((inbox / "reading").iterdir()), 120)
    assert not list((inbox / "failed").iterdir())


def _done(inbox: Path) -> int:
    return len(list((inbox / "done").glob("*")))


def _count(home: Installation, table: type) -> int:
    with home.database.reading() as records:
        return records.session.scalar(select(func.count()).select_from(table)) or 0
