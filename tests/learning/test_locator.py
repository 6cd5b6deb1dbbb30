from pathlib import Path

import numpy as np
import pytest
from keras import ops
from numpy.typing import NDArray

from hematovision.cells import Box
from hematovision.learning.datasets import Photo
from hematovision.learning.locator import (
    SIDE,
    LocatorSamples,
    box_loss,
    build_locator,
    compile_locator,
    draw_truth,
    heat_loss,
)
from hematovision.vision.bundle import LocatorRule
from hematovision.vision.locating import locate_cells

from .networks import normalisations
from .sets import save

pytestmark = pytest.mark.train

PLAIN = np.full(3, 240, np.float32)
LOOK = LocatorRule(SIDE, 0.9, 0.6)
INK = (40, 60, 20)


def truth(*boxes: Box, kind: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rows = np.asarray([[*box.as_list(), kind] for box in boxes], np.float32).reshape(-1, 5)
    return draw_truth(rows, SIDE)


def located(heat: NDArray[np.float32], wanted: NDArray[np.float32]) -> tuple[Box, ...]:
    """Locate the cells of a network that says exactly what was drawn."""
    view = np.full((SIDE, SIDE, 3), 240, np.uint8)

    def says(pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        return [heat[None], wanted[None, ..., :4]]

    return locate_cells(view, PLAIN, locator=says, rule=LOOK)


@pytest.mark.parametrize(
    "boxes",
    [
        pytest.param([Box(60, 50, 130, 128)], id="one"),
        pytest.param([Box(100, 100, 112, 110)], id="small"),
        pytest.param([Box(3, 5, 250, 249)], id="fills the view"),
        pytest.param([Box(40, 100, 200, 140)], id="wide"),
        pytest.param([Box(0, 0, 40, 36), Box(216, 210, 256, 256)], id="corners"),
        pytest.param([Box(20, 20, 80, 84), Box(82, 24, 150, 90)], id="neighbours"),
        pytest.param([Box(x, 9, x + 20, 31) for x in range(4, 230, 28)], id="a row"),
    ],
)
def test_drawing_and_locating_are_inverse(boxes: list[Box]) -> None:
    found = located(*truth(*boxes))
    assert len(found) == len(boxes)
    assert all(max(box.overlap(one) for one in found) > 0.9 for box in boxes)


def test_every_place_with_weight_tells_its_own_box() -> None:
    box = Box(60, 50, 130, 128)
    _, wanted = truth(box)
    y, x = np.nonzero(wanted[..., 4])
    assert len(y) > 3
    dx, dy, width, height, _ = wanted[y, x].T
    np.testing.assert_allclose((x + 0.5 + dx) * 8, 95, rtol=1e-4)
    np.testing.assert_allclose((y + 0.5 + dy) * 8, 89, rtol=1e-4)
    np.testing.assert_allclose(np.exp(width) * 8, 70, rtol=1e-4)
    np.testing.assert_allclose(np.exp(height) * 8, 78, rtol=1e-4)


def test_kinds_are_drawn_on_maps_of_their_own() -> None:
    for kind in range(3):
        heat, _ = truth(Box(60, 50, 130, 128), kind=kind)
        assert heat.max(axis=(0, 1)).tolist() == [float(i == kind) for i in range(3)]


def test_empty_view_has_nothing_drawn() -> None:
    heat, wanted = truth()
    assert not heat.any()
    assert not wanted.any()
    assert located(heat, wanted) == ()


def test_losses_are_least_where_the_network_is_right() -> None:
    heat, wanted = truth(Box(60, 50, 130, 128), Box(150, 150, 200, 210))
    sure = np.where(heat > 0.999, 1, 0).astype(np.float32)

    def losses(said: NDArray[np.float32], boxes: NDArray[np.float32]) -> tuple[float, float]:
        return (
            float(heat_loss(ops.array(heat[None]), ops.array(said[None]))[0]),
            float(box_loss(ops.array(wanted[None]), ops.array(boxes[None]))[0]),
        )

    right = losses(sure, wanted[..., :4])
    assert right[0] == pytest.approx(0, abs=1e-3)
    assert right[1] == 0
    wrong = losses(np.full_like(heat, 0.5), wanted[..., :4] + 0.1)
    assert wrong[0] > 1
    assert wrong[1] > 0
    assert losses(np.zeros_like(heat), wanted[..., :4])[0] > 5


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Photo]:
    """Draw photos of dark cells on glass, one larger than is kept in memory."""
    folder = tmp_path_factory.mktemp("photos")
    drawn = []
    for number, (width, height) in enumerate([(640, 480), (300, 300), (900, 700)]):
        picture = np.full((height, width, 3), 235, np.uint8)
        random = np.random.default_rng(number)
        boxes = []
        for x in range(20, width - 110, 150):
            y = int(random.integers(5, height - 100))
            boxes.append(Box(x, y, x + 80, y + 90))
            picture[y : y + 90, x : x + 80] = INK
        save(picture, folder / f"{number}.png")
        drawn.append(Photo(folder / f"{number}.png", "drawn", "train", white=tuple(boxes)))
    return drawn


def samples(photos: list[Photo], *, seed: int = 1, batch: int = 6) -> LocatorSamples:
    return LocatorSamples(photos, steps=3, batch=batch, seed=seed)


def test_samples_have_the_shapes_that_the_network_takes(photos: list[Photo]) -> None:
    views, told = samples(photos)[0]
    assert views.shape == (6, SIDE, SIDE, 3)
    assert views.dtype == np.float32
    assert (views.min() >= 0, views.max() <= 255, views.max() > 1) == (True, True, True)
    assert told["heat"].shape == (6, SIDE // 8, SIDE // 8, 3)
    assert told["boxes"].shape == (6, SIDE // 8, SIDE // 8, 5)
    assert len(samples(photos)) == 3


def test_samples_are_the_same_for_the_same_seed_and_epoch(photos: list[Photo]) -> None:
    one, other = samples(photos), samples(photos)
    np.testing.assert_array_equal(one[1][0], other[1][0])
    assert (one[0][0] != one[1][0]).any()
    assert (samples(photos, seed=2)[1][0] != one[1][0]).any()
    first = one[1][0]
    one.on_epoch_begin()
    assert (one[1][0] != first).any()
    other.start_at(1)
    np.testing.assert_array_equal(one[1][0], other[1][0])


def test_truth_follows_the_cells_through_every_change(photos: list[Photo]) -> None:
    views, told = samples(photos, batch=60)[0]
    number, row, column = np.nonzero(told["heat"][..., 0] > 0.999)
    assert len(number) > 60
    peaks = views[number, row * 8 + 4, column * 8 + 4].mean(axis=1)
    assert (peaks < 150).mean() > 0.98
    empty = views[told["heat"].max(axis=3).repeat(8, axis=1).repeat(8, axis=2) < 1e-6]
    assert np.median(empty) > 200


def test_network_takes_views_of_any_size_and_says_maps() -> None:
    network = build_locator(None)
    compile_locator(network, steps=10)
    assert not any(layer.trainable for layer in normalisations(network))
    for height, width in ((64, 64), (32, 96)):
        said = network(np.full((2, height, width, 3), 200, np.float32))
        assert said["heat"].shape == (2, height // 8, width // 8, 3)
        assert said["boxes"].shape == (2, height // 8, width // 8, 4)
        np.testing.assert_allclose(np.asarray(said["heat"]), 1 / (1 + np.exp(4)), rtol=0.05)


def test_photo_without_boxes_is_an_empty_view(tmp_path: Path) -> None:
    save(np.full((64, 64, 3), 235, np.uint8), tmp_path / "empty.png")
    _, told = samples([Photo(tmp_path / "empty.png", "drawn", "train")])[0]
    assert not told["heat"].any()
