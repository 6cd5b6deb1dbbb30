from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.conftest import StubReader

from hematovision.cells import Reading, RgbImage
from hematovision.cli import recording
from hematovision.cli.tools import Tools
from hematovision.config import Settings
from hematovision.storage.audit import AuditEvent
from hematovision.storage.database import Records, open_database
from hematovision.storage.tables import PhotoRow

from .conftest import Outage, Run


@pytest.fixture
def folder(tmp_path: Path, jpeg: bytes) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("jane-doe-1.jpg", "jane-doe-2.jpg"):
        (folder / name).write_bytes(jpeg)
    return folder


@contextmanager
def records_of(settings: Settings) -> Iterator[Records]:
    database = open_database(settings.database_url, settings.data_folder)
    try:
        with database.reading() as records:
            yield records
    finally:
        database.close()


def photos(settings: Settings) -> list[PhotoRow]:
    with records_of(settings) as records:
        return list(records.session.scalars(select(PhotoRow).order_by(PhotoRow.id)))


def events(settings: Settings) -> list[AuditEvent]:
    with records_of(settings) as records:
        return list(records.audit.list())


def test_every_reading_of_the_terminal_is_recorded(
    run: Run, folder: Path, settings: Settings
) -> None:
    assert run("classify", folder).exit_code == 0
    assert run("classify", "--json", folder / "jane-doe-1.jpg").exit_code == 0
    rows = photos(settings)
    assert [(row.door, row.sent_by, row.state) for row in rows] == [("terminal", None, "read")] * 3
    assert len({row.file for row in rows} - {None}) == 3
    assert [event.action for event in events(settings)] == ["photo.read"] * 3


def test_name_of_the_file_is_kept_nowhere(run: Run, folder: Path, settings: Settings) -> None:
    run("classify", folder)
    kept = [path for path in settings.data_folder.rglob("*") if path.is_file()]
    assert len(kept) > 3
    assert not any(b"jane-doe" in path.read_bytes() for path in kept)
    assert not any("jane-doe" in str(path) for path in kept)


def test_picture_stays_only_where_it_is_to_be_kept(
    run: Run, folder: Path, tools: Tools, settings: Settings
) -> None:
    none = replace(tools, settings=replace(settings, keep_pictures=False))
    assert run("classify", folder, tools=none).exit_code == 0
    assert [row.file for row in photos(settings)] == [None, None]
    assert not [path for path in (settings.data_folder / "pictures").rglob("*") if path.is_file()]


def test_nothing_is_recorded_where_nothing_is_to_be(
    run: Run, folder: Path, settings: Settings
) -> None:
    assert run("classify", "--no-record", folder).exit_code == 0
    assert not settings.data_folder.exists()


def test_refused_photo_records_nothing(run: Run, tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    assert run("classify", tmp_path / "a.jpg", tmp_path / "gone.jpg").exit_code == 1
    assert photos(settings) == []
    assert events(settings) == []


def test_folder_that_cannot_be_written_is_refused_with_the_way_out(
    run: Run, folder: Path, tools: Tools, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    closed = replace(tools, settings=replace(tools.settings, data_folder=tmp_path / "file" / "x"))
    result = run("classify", folder, tools=closed)
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr
    assert "To read without a record: --no-record." in result.stderr
    assert result.stdout == ""
    assert run("classify", "--no-record", folder, tools=closed).exit_code == 0


def test_key_that_is_none_is_refused_with_the_way_out(
    run: Run, folder: Path, settings: Settings
) -> None:
    settings.data_folder.mkdir()
    (settings.data_folder / "data_key").write_text("no key")
    result = run("classify", folder)
    assert result.exit_code == 1
    assert "--no-record" in result.stderr


def test_what_cannot_be_recorded_is_not_printed(
    run: Run, folder: Path, tools: Tools, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    nowhere = replace(tools.settings, pictures_url=str(tmp_path / "file" / "pictures"))
    result = run("classify", "--json", folder, tools=replace(tools, settings=nowhere))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "The readings cannot be recorded" in result.stderr
    assert photos(tools.settings) == []


def test_database_that_goes_away_meanwhile_is_told(
    run: Run, folder: Path, tools: Tools, outage: Outage
) -> None:
    class Parting(StubReader):
        def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
            outage.is_there = True
            return super().read(photo, explain=explain)

    own = replace(tools, load_reader=lambda folder, threads=0: Parting())
    result = run("classify", folder / "jane-doe-1.jpg", tools=own)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "cannot be recorded: The database does not answer. To read" in result.stderr


@pytest.mark.parametrize(
    ("seconds", "size", "batches"),
    [
        pytest.param(60, 2**20, 1, id="all at once"),
        pytest.param(60, 1, 2, id="large ones do not wait for each other"),
        pytest.param(0, 2**20, 2, id="half a second is over"),
    ],
)
def test_readings_are_recorded_as_many_at_once_as_come(
    run: Run,
    folder: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    size: int,
    batches: int,
) -> None:
    monkeypatch.setattr(recording, "BATCH_SECONDS", seconds)
    monkeypatch.setattr(recording, "BATCH_BYTES", size)
    run("classify", folder)
    assert len({row.sent_at for row in photos(settings)}) == batches
