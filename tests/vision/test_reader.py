import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hematovision.cells import Box, CellType, Decision, Doubt, Measured, RgbImage
from hematovision.errors import ModelDamagedError, ModelMissingError
from hematovision.vision.bundle import read_bundle, sha256_of
from hematovision.vision.knowing import DISTANCE, SIGNALS, Knower
from hematovision.vision.measuring import measure_focus
from hematovision.vision.reader import BATCH, PhotoReader, load_reader
from hematovision.vision.runtime import Network
from hematovision.vision.staining import measure_stain

from .networks import BOX, SPOT, write_tiny_model, write_whole_model

BLUE, GREEN = (10, 30, 200), (10, 200, 30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def tiny(folder: Path) -> PhotoReader:
    return load_reader(folder, threads=1)


@pytest.fixture(scope="module")
def whole_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_whole_model(tmp_path_factory.mktemp("whole") / "model")


@pytest.fixture(scope="module")
def whole(whole_folder: Path) -> PhotoReader:
    return load_reader(whole_folder, threads=1)


def spotted(*spots: tuple[int, int, tuple[int, int, int]]) -> RgbImage:
    """Draw a field of 256 pixels with spots, on multiples of 8, that the tiny network finds."""
    photo = np.full((256, 256, 3), 240, np.uint8)
    for x, y, colour in spots:
        photo[y : y + SPOT, x : x + SPOT] = colour
    return photo


class Counting:
    """Calls a network and remembers how many pictures it was given at once."""

    def __init__(self, network: Callable[..., list[NDArray[np.float32]]]) -> None:
        self.network = network
        self.batches: list[int] = []

    def __call__(
        self, pictures: NDArray[np.uint8], *, outputs: Sequence[int]
    ) -> list[NDArray[np.float32]]:
        self.batches.append(len(pictures))
        return self.network(pictures, outputs=outputs)


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


def test_network_of_two_outputs_explains_and_describes_nothing(tiny: PhotoReader) -> None:
    (cell,) = tiny.read(spotted((32, 160, GREEN)), explain=True)
    assert not tiny.explains
    assert (cell.heat, cell.morphology, cell.known) == (None, None, None)


def test_named_cells_are_put_into_words(whole: PhotoReader) -> None:
    blue, green = whole.read(spotted((128, 64, BLUE), (32, 160, GREEN)))
    assert (blue.cell_type, blue.morphology) == (CellType.NEUTROPHIL, "fine pink granules")
    assert (green.cell_type, green.morphology) == (CellType.EOSINOPHIL, "coarse red granules")


def test_heat_is_given_only_when_asked_for(whole: PhotoReader) -> None:
    photo = spotted((128, 64, BLUE))
    assert whole.explains
    assert [cell.heat for cell in whole.read(photo)] == [None]
    (cell,) = whole.read(photo, explain=True)
    assert cell.heat


def test_heat_lies_on_what_speaks_for_the_name(whole: PhotoReader) -> None:
    (cell,) = whole.read(spotted((128, 64, BLUE)), explain=True)
    assert cell.heat
    assert cell.heat.cell_type is CellType.NEUTROPHIL
    assert cell.heat.square == cell.box
    assert (cell.heat.square.width, np.shape(cell.heat.weights)) == (BOX, (4, 4))
    weights = np.asarray(cell.heat.weights)
    assert weights.max() == 1
    assert weights[1:3, 1:3].min() > weights[[0, 0, 3, 3], [0, 3, 0, 3]].max()


def test_explaining_changes_nothing_else(whole: PhotoReader) -> None:
    photo = spotted((128, 64, BLUE), (32, 160, GREEN))
    asked = [replace(cell, heat=None) for cell in whole.read(photo, explain=True)]
    assert asked == list(whole.read(photo))


class FirstKnown:
    """Knows the first cell and not the second, which lies farther away."""

    def signals(self, logits, features):
        return np.array([[0, 0, 1.5, 0], [0, 0, 4.0, 0]])[: len(features)]

    def weigh(self, signals):
        return np.where(signals[:, DISTANCE] < 2, 0.9, 0.1)


def test_score_of_the_known_is_passed_on_and_refuses(whole_folder: Path) -> None:
    bundle = replace(read_bundle(whole_folder), known_threshold=0.5)
    networks = {
        name: Network(whole_folder / f"{file}.onnx")
        for name, file in (("locator", "locator"), ("classifier", "blood_cell"))
    }
    reader = PhotoReader(bundle, **networks, knower=FirstKnown())
    near, far = reader.read(spotted((128, 64, BLUE), (32, 160, GREEN)))
    assert (near.known, near.decision, near.doubts) == (0.9, Decision.NAMED, ())
    assert (far.known, far.decision) == (0.1, Decision.UNIDENTIFIED)
    assert far.doubts == (Doubt.UNFAMILIAR,)
    assert far.morphology is None
    assert [cell.measured.distance for cell in (near, far)] == [1.5, 4.0]


def test_reading_says_how_its_cells_look(tiny: PhotoReader) -> None:
    (cell,) = tiny.read(spotted((128, 64, BLUE)))
    crop = tiny.cut(spotted((128, 64, BLUE)), [cell.box])[0]
    stain = measure_stain(crop, tiny.bundle.crop.context)
    assert cell.measured == Measured(
        *map(float, stain[0]), float(stain[1].mean()), measure_focus(crop, 1.0), None
    )
    assert replace(cell, measured=None) == cell


def write_known(folder: Path, *, features: int = 3) -> Path:
    """Write a tiny model that scores the length of its features."""
    write_tiny_model(folder)
    Knower(
        named=np.asarray([True] * 5 + [False]),
        middle=np.zeros(features, np.float32),
        axes=np.eye(features, dtype=np.float32) / 20,
        centres=np.full((5, features), 1000, np.float32) / 20,
        weights=np.asarray([0.0] * (SIGNALS - 1) + [1.0]),
        bias=np.asarray(0.0),
    ).save(folder / "known.npz")
    document = json.loads((folder / "bundle.json").read_text())
    document["known"] = {"threshold": 0.5}
    document["files"]["known.npz"] = sha256_of(folder / "known.npz")
    (folder / "bundle.json").write_text(json.dumps(document))
    return folder


def test_model_folder_with_a_score_of_the_known_gives_it(tmp_path: Path) -> None:
    (cell,) = load_reader(write_known(tmp_path / "model")).read(spotted((128, 64, BLUE)))
    assert cell.known is not None
    assert 0.5 < cell.known <= 1
    assert cell.decision is Decision.NAMED


def test_score_of_another_network_is_refused(tmp_path: Path) -> None:
    folder = write_known(tmp_path / "model", features=4)
    with pytest.raises(ModelDamagedError, match=r"known\.npz was made for another network"):
        load_reader(folder)


@pytest.mark.parametrize(
    ("write", "match"),
    [
        pytest.param(write_tiny_model, "knows 0 values", id="no such output"),
        pytest.param(write_whole_model, "knows 6 values", id="other values"),
    ],
)
def test_network_that_knows_other_attributes_is_refused(
    tmp_path: Path, write: Callable[[Path], Path], match: str
) -> None:
    folder = write(tmp_path / "model")
    document = json.loads((folder / "bundle.json").read_text())
    document["morphology"] = {"granularity": ["no", "yes"]}
    (folder / "bundle.json").write_text(json.dumps(document))
    with pytest.raises(ModelDamagedError, match=match):
        load_reader(folder)
