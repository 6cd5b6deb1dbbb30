"""Guards of the shipped twin in whole numbers: it is whole, and it agrees with the model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from hematovision.cells import Reading, RgbImage
from hematovision.config import PACKAGED_MODEL
from hematovision.learning.card import CARD_FILE, card_of
from hematovision.vision.bundle import damaged_files, read_bundle
from hematovision.vision.decoding import decode_image
from hematovision.vision.evaluation import find_evaluation
from hematovision.vision.looks import find_looks
from hematovision.vision.reader import PhotoReader, load_reader

TWIN = PACKAGED_MODEL.with_name("blood_cell_int8")
PHOTOS = 24
APART = 0.06
"""How far a probability of a cell may lie from the model's."""


@pytest.fixture(scope="module")
def readers() -> tuple[PhotoReader, PhotoReader]:
    return load_reader(PACKAGED_MODEL, threads=1), load_reader(TWIN, threads=1)


@pytest.fixture(scope="module")
def photos(data_folder: Path) -> list[RgbImage]:
    paths = sorted((data_folder / "bccd" / "photos").glob("*.jpg"))
    return [decode_image(path.read_bytes()) for path in paths[:: len(paths) // PHOTOS]]


def test_twin_is_whole_small_and_of_the_shipped_model() -> None:
    twin, model = read_bundle(TWIN), read_bundle(PACKAGED_MODEL)
    assert damaged_files(twin) == ()
    assert twin.document["integers"]["base"] == model.identity.sha256
    assert twin.identity.version == f"{model.identity.version}+int8"
    assert (twin.classes, twin.crop, twin.locator) == (model.classes, model.crop, model.locator)
    assert twin.set_thresholds == model.set_thresholds
    assert sum(path.stat().st_size for path in TWIN.iterdir()) < 6_000_000


def test_scores_card_and_looks_beside_the_twin_are_its_own() -> None:
    twin = read_bundle(TWIN)
    evaluation = find_evaluation(twin)
    assert evaluation is not None
    assert set(evaluation.sets) >= {"official_photos", "official_test_images", "pbc_test", "jtsc"}
    assert (TWIN / CARD_FILE).read_text() == card_of(twin)
    assert find_looks(twin) is not None


def largest(readings: Sequence[Reading]) -> Reading | None:
    return max(readings, key=lambda reading: reading.box.area, default=None)


@pytest.mark.real_data
def test_twin_says_of_photos_what_the_model_says(
    readers: tuple[PhotoReader, PhotoReader], photos: list[RgbImage]
) -> None:
    apart, named = [], []
    for photo in photos:
        before, after = (largest(reader.read(photo)) for reader in readers)
        assert (before is None) == (after is None)
        if before and after:
            assert before.box.overlap(after.box) > 0.85
            chances = (np.asarray(list(one.probabilities.values())) for one in (before, after))
            apart.append(np.abs(np.subtract(*chances)).max())
            named.append(before.cell_type is after.cell_type)
    assert len(apart) >= PHOTOS - 2
    assert np.mean(apart) < APART / 4
    assert max(apart) < 3 * APART
    assert np.mean(named) >= 0.9
