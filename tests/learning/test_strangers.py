from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hematovision.cells import Box
from hematovision.learning.datasets import Photo
from hematovision.learning.no_blood import (
    fields_without_white,
    natural_pictures,
    pictures_to_refuse,
    pictures_to_score,
    stranger_crops,
)
from hematovision.learning.strangers import (
    EXPOSED,
    SCORED,
    SIDE,
    Stranger,
    draw_strangers,
    invert,
)
from hematovision.vision.bundle import CropRule, LocatorRule

from .sets import field, save

pytestmark = pytest.mark.train

RULE = CropRule(32, 4 / 3, 0.5, (-0.5,) * 3, (0.3,) * 3)
LOOK = LocatorRule(256, 0.5, 0.5)


def sees_nothing(pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    _, height, width, _ = pictures.shape
    shape = (1, height // 8, width // 8)
    return [np.zeros((*shape, 3), np.float32), np.zeros((*shape, 4), np.float32)]


def sees_the_corner(pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    heat, boxes = sees_nothing(pictures)
    heat[0, 2, 2, 0], boxes[0, 2, 2, 2:] = 1, np.log(4)
    return [heat, boxes]


@pytest.fixture
def photos(tmp_path: Path) -> list[Photo]:
    """Draw three photos of 200x150 a split: white cell left, everywhere, and not annotated."""
    found = []
    for seed, split in enumerate(("train", "val", "test")):
        for number, white in enumerate([(Box(0, 0, 60, 150),), (Box(0, 0, 200, 150),), ()]):
            path = tmp_path / f"{split}-{number}.png"
            save(field(3 * seed + number), path)
            found.append(Photo(path, "txl", split, white=white))
    return found


@pytest.mark.parametrize("kind", [*EXPOSED, *SCORED])
def test_every_kind_is_drawn_in_one_size_and_never_twice_alike(kind: str) -> None:
    table = EXPOSED | SCORED
    one, other = draw_strangers({kind: table[kind]}, number=2, seed=3)
    assert one.picture.shape == (SIDE, SIDE, 3)
    assert one.picture.dtype == np.uint8
    assert one.kind == kind
    assert (one.picture != other.picture).any()


def test_same_seed_draws_the_same() -> None:
    one, other = (draw_strangers(EXPOSED, number=1, seed=5) for _ in range(2))
    assert all((a.picture == b.picture).all() for a, b in zip(one, other, strict=True))


def test_no_drawn_kind_is_learnt_and_scored() -> None:
    assert not set(EXPOSED) & set(SCORED)
    assert not set(EXPOSED.values()) & set(SCORED.values())


def test_negative_of_a_negative_is_the_photo() -> None:
    photo = field(0)
    assert (invert(photo) != photo).any()
    np.testing.assert_array_equal(invert(invert(photo)), photo)


def test_photographs_ship_with_installed_packages() -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    pictures = natural_pictures(seed=0, number=2)
    assert {stranger.kind for stranger in pictures} == {"photographs", "drawings"}
    assert len(pictures) == 3 + 3 * 2 + 2
    assert all(one.picture.shape[2:] == (3,) for one in pictures)
    assert all(one.picture.dtype == np.uint8 for one in pictures)


def test_field_keeps_clear_of_white_cells_and_of_photos_without_boxes(photos: list[Photo]) -> None:
    fields = fields_without_white(photos, split="train", number=9, seed=1)
    assert len(fields) == 1
    (found,) = fields
    photo = field(0)
    side = len(found.picture)
    places = [
        x
        for y in range(150 - side + 1)
        for x in range(200 - side + 1)
        if (photo[y : y + side, x : x + side] == found.picture).all()
    ]
    assert len(places) == 1
    assert places[0] >= 60


def test_pictures_to_refuse_and_to_score_come_from_photos_of_their_split(
    photos: list[Photo],
) -> None:
    pytest.importorskip("sklearn")
    crops = {split: [p.path for p in photos if p.split == split] for split in ("train", "test")}
    refused = pictures_to_refuse(photos, crops["train"], seed=1)
    scored = pictures_to_score(photos, crops["test"], seed=1)
    learnt, tested = (
        [one.picture for one in some if one.kind == "inverted"] for some in (refused, scored)
    )
    assert len(learnt) == len(tested) == 6
    assert not any((a == b).all() for a in learnt for b in tested)
    assert {one.kind for one in refused} == {*EXPOSED, "inverted", "red cells only"}
    kinds = {one.kind for one in scored}
    assert kinds == {*SCORED, "photographs", "drawings", "inverted", "red cells only"}


def test_located_crops_of_strangers_are_cut_as_the_reader_does() -> None:
    strangers = [Stranger("field", field(seed, 256, 256)) for seed in range(2)]
    look = LocatorRule(256, 0.5, 0.5)
    crops, kinds = stranger_crops(
        strangers, locator=sees_the_corner, look=look, rule=RULE, squares=0, seed=1
    )
    assert crops.shape == (2, 32, 32, 3)
    assert kinds == ["field"] * 2


def test_squares_are_cut_where_nothing_is_located() -> None:
    strangers = draw_strangers({"clouds": EXPOSED["clouds"]}, number=2, seed=1)
    cut = {"look": LOOK, "rule": RULE, "squares": 3, "seed": 1}
    crops, kinds = stranger_crops(strangers, locator=sees_nothing, **cut)
    assert len(crops) == len(kinds) == 6
    again, _ = stranger_crops(strangers, locator=sees_nothing, **cut)
    np.testing.assert_array_equal(crops, again)


def test_black_picture_has_no_crops() -> None:
    black = [Stranger("blank", np.zeros((64, 64, 3), np.uint8))]
    crops, kinds = stranger_crops(
        black, locator=sees_the_corner, look=LOOK, rule=RULE, squares=2, seed=1
    )
    assert crops.shape == (0, 32, 32, 3)
    assert kinds == []
