from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hematovision.cells import Box
from hematovision.learning.assembling import VERSION
from hematovision.learning.crops import MARGIN, middle_crops
from hematovision.learning.datasets import bccd_photos, pbc_cells, txl_photos
from hematovision.learning.laboratory import laboratory_cells
from hematovision.learning.making import _of_laboratory, lesson_of
from hematovision.learning.training import Recipe
from hematovision.learning.workshop import Workshop
from hematovision.vision.bundle import CropRule, LocatorRule

from .sets import write_sets
from .test_laboratory import name_of, some_rows, write_set

pytestmark = pytest.mark.train

RULE = CropRule(32, 1.35, 0.0, (-0.5,) * 3, (0.3,) * 3)
SIDE = round(RULE.size * MARGIN)


def says_nothing(_: object) -> list[np.ndarray]:
    raise AssertionError("nothing is located while a lesson is made")


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    data = write_sets(tmp_path)
    return Workshop(
        data=data,
        work=tmp_path,
        recipe=Recipe(),
        locator=says_nothing,
        look=LocatorRule(256, 0.4, 0.6),
        boxes={c.path.relative_to(data).as_posix(): Box(5, 5, 60, 60) for c in pbc_cells(data)},
        words={"neutrophil/SNE_1.jpg": {"granularity": "yes"}},
        rule=RULE,
        strangers={"train": np.full((3, SIDE, SIDE, 3), 99, np.uint8)},
        trunk=tmp_path / "trunk.weights.h5",
    )


def test_lesson_holds_cells_of_both_microscopes_other_things_and_strangers(shop: Workshop) -> None:
    photos = [*bccd_photos(shop.data), *txl_photos(shop.data)]
    lesson = lesson_of(shop, photos)
    sources = [cell.source for cell in lesson.cells]
    assert {"bccd", "pbc", "drawn"} <= set(sources)
    assert sources.count("drawn") == 3
    assert len(lesson.cells) == len(lesson.squares) == len(lesson.words)
    assert not any(cell.split == "test" for cell in lesson.cells)
    (described,) = [i for i, cell in enumerate(lesson.cells) if cell.path.name == "SNE_1.jpg"]
    assert lesson.words.sum() == lesson.words[described].sum() == 1


def test_lesson_holds_cells_of_a_laboratory_that_do_not_calibrate(
    shop: Workshop, tmp_path: Path
) -> None:
    own = laboratory_cells(write_set(tmp_path / "set", some_rows(40)))
    photos = [*bccd_photos(shop.data), *txl_photos(shop.data)]
    told = [c for c in lesson_of(shop, photos, own=own).cells if c.source == "laboratory"]
    assert told == [cell for cell in own if cell.split == "train"]
    assert 0 < len(told) < len(own)


def test_bundle_says_which_photos_of_a_laboratory_it_knows(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", some_rows(4))
    said = _of_laboratory(folder, laboratory_cells(folder))
    assert said["learnt_photos"] == [name_of(photo) for photo in range(4)]
    assert str(said["version"]).startswith(f"{VERSION}+also.")
    assert _of_laboratory(None, []) == {}


def test_lesson_without_a_type_drops_it_by_whatever_name(shop: Workshop) -> None:
    photos = [replace(photo, platelets=photo.white) for photo in txl_photos(shop.data)]
    kinds = {cell.published_type for cell in lesson_of(shop, photos).cells}
    assert "platelets" in kinds
    left = {cell.published_type for cell in lesson_of(shop, photos, without="platelet").cells}
    assert kinds - left == {"platelets"}


def test_middle_of_a_wide_square_is_what_the_classifier_sees() -> None:
    squares = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    squares[:, 8:40, 8:40] = 200
    assert (middle_crops(squares, RULE) == 200).all()
    assert middle_crops(squares, RULE).shape == (1, 32, 32, 3)
