from datetime import timedelta
from pathlib import Path

from tests.conftest import StubReader
from tests.storage.test_overviews import NOW, Film
from tests.vision.networks import write_tiny_model

from hematovision.services.shelf import Shelf
from hematovision.services.watching import overlook
from hematovision.storage.database import Database
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
