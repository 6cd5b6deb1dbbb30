"""Guards of the shipped model: it reads real photos, and its twins give one answer."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hematovision.cells import Box, CellType, Measured, PhotoReading, Reading, RgbImage
from hematovision.config import Settings
from hematovision.learning.card import CARD_FILE, card_of
from hematovision.services.quality import drift_of
from hematovision.services.readings import read_image
from hematovision.storage.quality import Look
from hematovision.vision.bundle import BUNDLE_FILE, damaged_files, read_bundle
from hematovision.vision.classifying import crop_cells, softmax
from hematovision.vision.decoding import decode_image
from hematovision.vision.looks import find_looks
from hematovision.vision.reader import PhotoReader, load_reader
from hematovision.vision.runtime import Network
from hematovision.vision.staining import measure_glass

from .conftest import skip_or_fail


@pytest.fixture(scope="module")
def folder() -> Path:
    found = Settings().model_folder
    if not (found / BUNDLE_FILE).is_file():
        skip_or_fail(f"no model has been trained: {found / BUNDLE_FILE} is missing")
    return found


@pytest.fixture(scope="module")
def model(folder: Path) -> PhotoReader:
    return load_reader(folder)


@pytest.fixture(scope="module")
def official(data_folder: Path) -> list[tuple[Path, CellType, Box]]:
    """List the first twelve official test photos: path, label, largest annotated box."""
    bccd = data_folder / "bccd"
    with (bccd / "labels.csv").open(newline="") as file:
        labels = {
            row["photo"]: row["label_as_published"].lower()
            for row in csv.DictReader(file)
            if row["official_split"] == "test"
        }
    boxes: dict[str, list[Box]] = {}
    with (bccd / "boxes.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["object"] == "wbc":
                sides = (int(row[side]) for side in ("xmin", "ymin", "xmax", "ymax"))
                boxes.setdefault(row["photo"], []).append(Box(*sides))
    return [
        (bccd / "photos" / name, CellType(label), max(boxes[name], key=lambda box: box.area))
        for name, label in sorted(labels.items())
        if name in boxes
    ][:12]


def photo_of(path: Path) -> RgbImage:
    return decode_image(path.read_bytes())


def covering(readings: list[Reading], box: Box) -> list[Reading]:
    """Give the readings whose box overlaps another by half, as intersection over union."""

    def overlap(one: Box) -> float:
        width = min(one.xmax, box.xmax) - max(one.xmin, box.xmin)
        height = min(one.ymax, box.ymax) - max(one.ymin, box.ymin)
        shared = max(width, 0) * max(height, 0)
        return shared / (one.area + box.area - shared)

    return [reading for reading in readings if overlap(reading.box) >= 0.5]


def test_every_file_is_the_one_that_was_shipped(folder: Path) -> None:
    bundle = read_bundle(folder)
    assert damaged_files(bundle) == ()
    assert set(bundle.files) == {
        *("blood_cell.h5", "blood_cell.onnx", "known.npz", "locator.onnx", "morphology.npz")
    }
    assert set(bundle.classes) == set(CellType)
    assert len(bundle.classes) == 6


@pytest.mark.real_data
@pytest.mark.train
def test_h5_onnx_and_reader_give_one_answer(
    folder: Path, model: PhotoReader, official: list[tuple[Path, CellType, Box]]
) -> None:
    import h5py
    import keras

    crops, read = [], []
    for path, *_ in official:
        photo = photo_of(path)
        readings = list(model.read(photo))
        boxes = [reading.box for reading in readings]
        crops.append(crop_cells(photo, boxes, measure_glass(photo), model.bundle.crop))
        read += [[one.probabilities[kind] for kind in model.bundle.classes] for one in readings]
    cut = np.concatenate(crops)
    by_onnx = softmax(Network(folder / "blood_cell.onnx")(cut)[0])
    network = keras.models.load_model(folder / "blood_cell.h5", compile=False)
    by_keras = network.predict(cut.astype(np.float32), verbose=0)
    np.testing.assert_allclose(by_onnx, read, atol=1e-4)
    np.testing.assert_allclose(by_keras, read, atol=1e-4)
    assert network.output_shape == (None, 6)
    with h5py.File(folder / "blood_cell.h5") as file:
        assert "optimizer_weights" not in file


@pytest.mark.real_data
def test_cells_of_official_photos_are_found_and_mostly_named_right(
    model: PhotoReader, official: list[tuple[Path, CellType, Box]]
) -> None:
    right = 0
    for path, label, box in official:
        found = covering(list(model.read(photo_of(path))), box)
        right += any(max(r.probabilities, key=r.probabilities.__getitem__) is label for r in found)
    assert len(official) == 12
    assert right >= 9


@pytest.mark.real_data
def test_whole_photo_and_tight_crop_of_its_cell_are_both_read(
    model: PhotoReader, official: list[tuple[Path, CellType, Box]]
) -> None:
    found = 0
    for path, _, box in official[:6]:
        photo = photo_of(path)
        crop = photo[box.ymin : box.ymax, box.xmin : box.xmax]
        small = np.asarray(Image.fromarray(crop).resize((80, 80)))
        found += bool(model.read(crop)) and bool(model.read(small)) and bool(model.read(photo))
    assert found >= 5


@pytest.mark.real_data
def test_wide_field_is_read_cell_by_cell(
    model: PhotoReader, official: list[tuple[Path, CellType, Box]]
) -> None:
    photos = [(photo_of(path), box) for path, _, box in official[:6]]
    field = np.full((3000, 4000, 3), 225, np.uint8)
    placed = []
    for i, (x, y) in enumerate((x, y) for y in range(0, 2881, 480) for x in range(0, 3841, 640)):
        photo, box = photos[i % len(photos)]
        shown = photo[: 3000 - y, : 4000 - x]
        field[y : y + shown.shape[0], x : x + shown.shape[1]] = shown
        if y + box.ymax <= 3000 and x + box.xmax <= 4000:
            placed.append(Box(box.xmin + x, box.ymin + y, box.xmax + x, box.ymax + y))
    readings = list(model.read(field))
    found = sum(bool(covering(readings, box)) for box in placed)
    assert len(placed) >= 36
    assert found >= 0.8 * len(placed)
    assert len(readings) < 2 * len(placed)


def slopes() -> RgbImage:
    """Draw a landscape of sorts: sky, hills and a sun."""
    rows, columns = np.mgrid[:400, :600]
    hills = rows > 250 + 40 * np.sin(columns / 60)
    sun = (rows - 80) ** 2 + (columns - 450) ** 2 < 40**2
    sky = np.stack([120 + rows // 5, 160 + rows // 6, np.full_like(rows, 240)], axis=2)
    return np.where(
        hills[..., None], (60, 120, 50), np.where(sun[..., None], (255, 230, 90), sky)
    ).astype(np.uint8)


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(np.full((480, 640, 3), 255, np.uint8), id="white"),
        pytest.param(np.zeros((480, 640, 3), np.uint8), id="black"),
        pytest.param(np.full((32, 32, 3), (200, 0, 90), np.uint8), id="one colour"),
        pytest.param(
            np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8), id="noise"
        ),
        pytest.param(slopes(), id="landscape"),
        pytest.param(slopes()[:32, :], id="strip"),
    ],
)
def test_picture_of_no_blood_is_read_without_a_crash(model: PhotoReader, picture: RgbImage) -> None:
    for reading in model.read(picture):
        assert sum(reading.probabilities.values()) == pytest.approx(1)
        assert reading.box.area


Write = Callable[[Image.Image, io.BytesIO], None]


@pytest.mark.real_data
@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda image, file: image.save(file, "PNG"), id="png"),
        pytest.param(lambda image, file: image.save(file, "BMP"), id="bmp"),
        pytest.param(lambda image, file: image.save(file, "TIFF"), id="tiff"),
        pytest.param(lambda image, file: image.save(file, "WEBP", lossless=True), id="webp"),
    ],
)
def test_format_of_the_file_does_not_change_the_reading(
    model: PhotoReader, official: list[tuple[Path, CellType, Box]], write: Write
) -> None:
    original = official[0][0].read_bytes()
    file = io.BytesIO()
    write(Image.fromarray(decode_image(original)), file)
    copy = read_image(file.getvalue(), reader=model).reading
    assert copy.cells == read_image(original, reader=model).reading.cells
    assert copy.cells


@pytest.mark.real_data
def test_same_bytes_give_the_same_reading_alone_and_from_two_threads(
    model: PhotoReader, official: list[tuple[Path, CellType, Box]]
) -> None:
    files = [path.read_bytes() for path, *_ in official[:4]]

    def read(data: bytes) -> PhotoReading:
        return read_image(data, reader=model).reading

    alone = [read(data) for data in files]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(read, files + files)) == alone + alone


@pytest.mark.parametrize("level", [0, 8, 128, 240, 255])
def test_empty_picture_has_no_cell(model: PhotoReader, level: int) -> None:
    assert list(model.read(np.full((480, 640, 3), level, np.uint8))) == []


def test_evaluation_is_of_this_very_model(folder: Path, model: PhotoReader) -> None:
    report = json.loads((folder / "evaluation.json").read_text())
    assert report["model"] == asdict(model.model)


def test_card_says_what_the_model_folder_says(folder: Path) -> None:
    card = folder / CARD_FILE
    if not card.is_file():
        pytest.skip(f"{card} has not been written")
    assert card.read_text(encoding="utf-8") == card_of(read_bundle(folder))


def test_readme_says_what_the_evaluation_says(folder: Path) -> None:
    report = json.loads((folder / "evaluation.json").read_text())
    readme = (Path(__file__).resolve().parents[1] / "README.md").read_text()
    for score in report["sets"].values():
        right = f"{score['right']:,} of {score['pictures']:,}"
        share, low, high = (f"{100 * number:.1f}" for number in score["accuracy"])
        assert f"| {right} | {share} % ({low} to {high}) |" in readme


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "unlike"),
    [
        pytest.param("bccd", set(), id="photos of BCCD never seen"),
        pytest.param("jtsc", {"blue", "focus", "distance"}, id="another microscope"),
    ],
)
def test_photos_of_another_microscope_look_unlike_those_learnt(
    model: PhotoReader, data_folder: Path, name: str, unlike: set[str]
) -> None:
    folder = data_folder / name
    with (folder / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    if name == "bccd":
        tested = [row["photo"] for row in rows if row["official_split"] == "test"]
        paths = [folder / "photos" / photo for photo in tested]
    else:
        paths = [folder / "images" / row["image"] for row in rows][::4]
    looks = find_looks(model.bundle)
    assert looks is not None
    photos = [Measured.mean(cell.measured for cell in model.read(photo_of(path))) for path in paths]
    drift = drift_of(
        {
            measure: [Look(0, len(photos), 0.0, outside(photos, measure, ranges))]
            for measure, ranges in looks.ranges.items()
        }
    )
    assert {one.measure for one in drift if one.is_unlike} == unlike


def outside(photos: list[Measured], measure: str, ranges: Sequence[tuple[float, float]]) -> int:
    values = [getattr(photo, measure) for photo in photos]
    return sum(not any(low <= value <= high for low, high in ranges) for value in values)
