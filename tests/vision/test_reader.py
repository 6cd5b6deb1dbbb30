import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hematovision.cells import Box, CellType, Decision, RgbImage
from hematovision.errors import ModelDamagedError, ModelMissingError
from hematovision.vision.bundle import read_bundle
from hematovision.vision.reader import BATCH, PhotoReader, load_reader
from hematovision.vision.runtime import Network

from .networks import SPOT, write_tiny_model

BLUE, GREEN = (10, 30, 200), (10, 200, 30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def tiny(folder: Path) -> PhotoReader:
    return load_reader(folder, threads=1)


def spotted(*spots: tuple[int, int, tuple[int, int, int]]) -> RgbImage:
    """Draw a field of 256 pixels with spots, on multiples of 8, that the tiny network finds."""
    photo = np.full((256, 256, 3), 240, np.uint8)
    for x, y, colour in spots:
        photo[y : y + SPOT, x : x + SPOT] = colour
    return photo


class Counting:
    """Calls a network and remembers how many pictures it was given at once."""

    def __init__(self, network: Callable[[NDArray[np.uint8]], list[NDArray[np.float32]]]) -> None:
        self.network = network
        self.batches: list[int] = []

    def __call__(self, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        self.batches.append(len(pictures))
        return self.network(pictures)


def test_cells_are_found_and_named(tiny: PhotoReader) -> None:
    above, below = tiny.read(spotted((32, 160, GREEN), (128, 64, BLUE)))
    assert (above.box, above.cell_type) == (Box(124, 60, 140, 76), CellType.NEUTROPHIL)
    assert (below.box, below.cell_type) == (Box(28, 156, 44, 172), CellType.EOSINOPHIL)
    assert above.decision is below.decision is Decision.NAMED


def test_nothing_found_is_an_answer(tiny: PhotoReader) -> None:
    assert list(tiny.read(spotted())) == []


def test_reader_says_which_model_reads(tiny: PhotoReader, folder: Path) -> None:
    assert tiny.model == read_bundle(folder).identity
    assert tiny.model.name == "tiny"


def test_many_cells_are_classified_in_parts(folder: Path) -> None:
    places = [(x, y) for y in range(16, 240, 40) for x in range(16, 240, 32)]
    photo = spotted(*((x, y, BLUE) for x, y in places))
    classifier = Counting(Network(folder / "blood_cell.onnx"))
    reader = PhotoReader(
        read_bundle(folder), locator=Network(folder / "locator.onnx"), classifier=classifier
    )
    readings = reader.read(photo)
    assert len(places) > BATCH
    assert len(readings) == len(places)
    assert classifier.batches == [BATCH, len(places) - BATCH]
    assert [reading.box for reading in readings] == sorted(
        (reading.box for reading in readings), key=lambda box: (box.ymin, box.xmin)
    )
    assert {reading.cell_type for reading in readings} == {CellType.NEUTROPHIL}


def test_same_photo_gives_the_same_reading_also_from_many_threads(tiny: PhotoReader) -> None:
    photos = [spotted((16 + 8 * i, 64, BLUE), (160, 16 + 16 * i, GREEN)) for i in range(6)]
    alone = [tiny.read(photo) for photo in photos]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(tiny.read, photos)) == alone


def test_photo_is_not_changed_by_reading_it(tiny: PhotoReader) -> None:
    photo = spotted((64, 64, BLUE))
    photo.setflags(write=False)
    before = photo.copy()
    tiny.read(photo)
    np.testing.assert_array_equal(photo, before)


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError):
        load_reader(tmp_path / "none")


@pytest.mark.parametrize("name", ["locator.onnx", "blood_cell.onnx"])
def test_changed_file_is_refused(tmp_path: Path, name: str) -> None:
    folder = write_tiny_model(tmp_path / "model")
    (folder / name).write_bytes((folder / name).read_bytes() + b"\0")
    with pytest.raises(ModelDamagedError, match=name):
        load_reader(folder)


def test_network_that_knows_other_types_is_refused(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "model")
    document = json.loads((folder / "bundle.json").read_text())
    del document["prediction_set"]["thresholds"][document["classes"].pop()]
    (folder / "bundle.json").write_text(json.dumps(document))
    with pytest.raises(ModelDamagedError, match="knows 6 types"):
        load_reader(folder)


def test_photo_without_light_has_no_cell(tiny: PhotoReader) -> None:
    assert list(tiny.read(spotted((32, 160, GREEN)) // 20)) == []
