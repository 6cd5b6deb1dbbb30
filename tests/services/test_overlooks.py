from datetime import timedelta
from pathlib import Path

from tests.conftest import StubReader
from tests.services.test_quality import N, read
from tests.storage.test_overviews import NOW, Film
from tests.vision.networks import write_tiny_model
from tests.web.test_quality import FAR, write_looks

from hematovision.cells import Measured
from hematovision.services.overlooks import overlook
from hematovision.services.shares import Part
from hematovision.services.shelf import Shelf
from hematovision.storage.database import Database
from hematovision.vision.bundle import read_bundle
from hematovision.vision.reader import load_reader


def shelf_of(database: Database, folder: Path) -> Shelf:
    return Shelf(database, folder, folder / "model", load_reader)


def test_overlook_says_how_long_the_oldest_photo_waits(database: Database, tmp_path: Path) -> None:
    Film(database).case("26-0001", photos=2)
    shelf = shelf_of(database, tmp_path)
    shelf.put(StubReader())
    found = overlook(shelf, now=NOW + timedelta(minutes=5))
    assert found.waits == 300
    assert found.photos["waiting"] == 2
    assert found.photos["failed"] == 0
    assert found.decisions["neutrophil"] == 0
    assert found.model == StubReader.model


def test_overlook_of_an_empty_installation_without_a_model(
    database: Database, tmp_path: Path
) -> None:
    found = overlook(shelf_of(database, tmp_path), now=NOW)
    assert (found.waits, found.model, found.outside, found.head) == (0.0, None, {}, None)


def test_overlook_of_a_clock_that_went_back_is_no_negative_time(
    database: Database, tmp_path: Path
) -> None:
    Film(database).case("26-0001", photos=1)
    assert overlook(shelf_of(database, tmp_path), now=NOW - timedelta(hours=1)).waits == 0.0


def test_model_of_unknown_looks_tells_no_drift(database: Database, tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model")
    found = overlook(shelf_of(database, tmp_path), now=NOW)
    assert found.model is not None
    assert found.outside == {}


def test_photos_unlike_those_the_model_was_made_from_are_counted(
    database: Database, tmp_path: Path
) -> None:
    model = read_bundle(write_tiny_model(tmp_path / "model")).identity
    write_looks(tmp_path / "model", model)
    with database.transaction() as records:
        case = records.cases.add("26-1", "", by=None, now=NOW)
    for measured in (FAR, FAR, Measured(red=0.5, focus=-1.0)):
        read(database, case, [N], NOW, measured, model)
    read(database, case, [N], NOW - timedelta(days=3), FAR, model)
    found = overlook(shelf_of(database, tmp_path), now=NOW + timedelta(minutes=1))
    assert found.outside == {"red": Part(0, 3), "focus": Part(2, 3)}
    assert found.decisions["neutrophil"] == 3
