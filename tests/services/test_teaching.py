import csv
import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.films import NOW, FilmReader, make_case, picture

from hematovision.errors import (
    CaseUnknownError,
    ChangedMeanwhileError,
    FolderTakenError,
    NothingConfirmedError,
)
from hematovision.services.crops import Album
from hematovision.services.hands import Hand
from hematovision.services.teaching import Exported, allow_teaching, export_cells
from hematovision.storage.cases import Case, CaseState
from hematovision.storage.database import Database
from hematovision.storage.files import Files
from hematovision.storage.sealing import Seal
from hematovision.storage.tables import CaseRow

from .cases import say

BY = Hand(None, "terminal", NOW)


@pytest.fixture
def album(database: Database, tmp_path: Path) -> Album:
    return Album(database, Files(str(tmp_path / "pictures"), Seal(bytes(32))))


def film(album: Album, *pictures: int, number: str = "26-1", consents: bool = True) -> Case:
    """Make a case whose cells 1 and 5 people call neutrophil and hairy."""
    drawn = [picture(one) for one in pictures]
    case = make_case(album.database, album.files, FilmReader(4), drawn, number)
    say(album.database, case, "neutrophil", 1)
    say(album.database, case, "neutrophil", 1, by="jon")
    say(album.database, case, "atypical_lymphocyte", 2)
    say(album.database, case, "not_classed", 3)
    if consents:
        allow_teaching(album.database, case.id, may_improve=True, by=BY)
    return case


def sign(database: Database, case: Case) -> None:
    with database.transaction() as records:
        row = records.session.get(CaseRow, case.id)
        assert row is not None
        row.state = CaseState.SIGNED


def export(album: Album, folder: Path, *, unsigned: bool = True) -> Exported:
    return export_cells(album, folder, unsigned=unsigned, by=BY, track=lambda items, what: items)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "cells.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def events(database: Database) -> list[tuple[str, str]]:
    with database.reading() as records:
        return [(event.action, event.subject) for event in records.audit.list()]


def test_confirmed_cells_are_written_with_photo_box_and_type(album: Album, tmp_path: Path) -> None:
    film(album, 1)
    folder = tmp_path / "out" / "set"
    done = export(album, folder)
    assert (done.cells, done.photos, done.films, done.lost) == (2, 1, 1, 0)
    first, second = rows(folder)
    with album.database.reading() as records:
        (photo,) = records.photos.list(1)
        cell = records.cells.list(1)[0]
    assert first == {
        "picture": f"photos/{photo.image_sha256}.jpg",
        "photo": photo.image_sha256,
        "film": "1",
        **dict(zip(("xmin", "ymin", "xmax", "ymax"), map(str, cell.box.as_list()), strict=True)),
        "label": "neutrophil",
        "cell_type": "neutrophil",
        "people": "2",
    }
    assert (second["label"], second["cell_type"]) == ("atypical_lymphocyte", "")
    assert (folder / first["picture"]).read_bytes() == album.files.get(photo.file or "")
    summary = json.loads((folder / "dataset.json").read_text())
    assert (summary["cells"], summary["sha256"]) == (2, done.sha256)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in folder.parent.iterdir()] == ["set"]


def test_neither_people_nor_cases_are_named(album: Album, tmp_path: Path) -> None:
    film(album, 1, number="26-SECRET")
    export(album, tmp_path / "set")
    written = b"".join(path.read_bytes() for path in (tmp_path / "set").glob("*.*"))
    for secret in (b"26-SECRET", b"ines", b"jon"):
        assert secret not in written


def test_cases_that_did_not_consent_stay(album: Album, tmp_path: Path) -> None:
    film(album, 1)
    film(album, 2, number="26-2", consents=False)
    withdrawn = film(album, 3, number="26-3")
    allow_teaching(album.database, withdrawn.id, may_improve=False, by=BY)
    assert export(album, tmp_path / "set").films == 1
    assert len({row["photo"] for row in rows(tmp_path / "set")}) == 1


def test_without_all_confirmed_signed_cases_alone_are_taken(album: Album, tmp_path: Path) -> None:
    case = film(album, 1)
    with pytest.raises(NothingConfirmedError):
        export(album, tmp_path / "set", unsigned=False)
    assert not (tmp_path / "set").exists()
    sign(album.database, case)
    assert export(album, tmp_path / "set", unsigned=False).cells == 2


def test_signed_case_may_take_its_consent_back(album: Album) -> None:
    case = film(album, 1)
    sign(album.database, case)
    allow_teaching(album.database, case.id, may_improve=False, by=BY)
    allow_teaching(album.database, case.id, may_improve=False, by=BY)
    subject = f"case {case.id}"
    told = [event for event in events(album.database) if "teaching" in event[0]]
    assert told == [("case.teaching_forbidden", subject), ("case.teaching_allowed", subject)]


def test_case_that_is_not_there_consents_to_nothing(database: Database) -> None:
    with pytest.raises(CaseUnknownError):
        allow_teaching(database, 4711, may_improve=True, by=BY)


def test_consent_that_is_taken_back_meanwhile_stops_the_export(
    album: Album, tmp_path: Path
) -> None:
    case = film(album, 1)

    def track(items: Iterable[str], what: str) -> Iterable[str]:
        yield from items
        allow_teaching(album.database, case.id, may_improve=False, by=BY)

    with pytest.raises(ChangedMeanwhileError):
        export_cells(album, tmp_path / "set", unsigned=True, by=BY, track=track)
    assert not (tmp_path / "set").exists()
    assert "dataset.exported" not in [action for action, _ in events(album.database)]


def test_photo_of_two_cases_is_written_once(album: Album, tmp_path: Path) -> None:
    film(album, 1, 2)
    film(album, 2, number="26-2")
    done = export(album, tmp_path / "set")
    assert (done.cells, done.photos, done.films) == (4, 2, 2)


def test_photos_that_are_gone_are_counted(album: Album, tmp_path: Path) -> None:
    film(album, 1)
    film(album, 2, number="26-2")
    with album.database.reading() as records:
        (photo,) = records.photos.list(2)
    album.files.delete(photo.file or "")
    assert (export(album, tmp_path / "set").cells, export(album, tmp_path / "two").lost) == (2, 1)


def test_nothing_is_overwritten(album: Album, tmp_path: Path) -> None:
    film(album, 1)
    (tmp_path / "set").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("set", "link"):
        with pytest.raises(FolderTakenError):
            export(album, tmp_path / name)


def test_export_is_on_record_with_its_hash(album: Album, tmp_path: Path) -> None:
    film(album, 1)
    done = export(album, tmp_path / "set")
    with album.database.reading() as records:
        event = records.audit.list(limit=1)[0]
    assert (event.action, event.subject) == ("dataset.exported", "dataset")
    assert event.details["sha256"] == done.sha256
    assert event.details["unsigned"] is True
    assert "set" not in str(event.details)
