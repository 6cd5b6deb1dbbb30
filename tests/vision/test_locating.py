from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from hematovision.cells import Box, RgbImage
from hematovision.vision.bundle import LocatorRule
from hematovision.vision.locating import (
    FINEST_SIDE,
    RED,
    RED_IN_SIGHT,
    STRIDE,
    TILE,
    TILE_OVERLAP,
    WHITE,
    Found,
    _best,
    locate_cells,
)
from hematovision.vision.staining import GLASS

PLAIN = np.full(3, GLASS, np.float32)
LOOK = LocatorRule(256, 0.3, 0.5)
INK = {WHITE: (40, 40, 160), RED: (160, 40, 40)}


class Eyes:
    """Sees every blue or red rectangle that is large enough; less surely where a tile cuts it."""

    def __init__(self, *, smallest: int = 6) -> None:
        self.smallest = smallest
        self.tiles: list[tuple[int, int]] = []

    def __call__(self, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        (tile,) = pictures.astype(int)
        height, width = tile.shape[:2]
        assert height % 32 == width % 32 == 0
        self.tiles.append((height, width))
        heat = np.zeros((height // STRIDE, width // STRIDE, 3), np.float32)
        boxes = np.zeros((height // STRIDE, width // STRIDE, 4), np.float32)
        for kind, (one, other) in {WHITE: (2, 0), RED: (0, 2)}.items():
            mask = (tile[..., one] - tile[..., other] > 60).astype(np.uint8)
            for x, y, w, h, _ in cv2.connectedComponentsWithStats(mask)[2][1:]:
                if min(w, h) < self.smallest:
                    continue
                cut = x == 0 or y == 0 or x + w == width or y + h == height
                cx, cy = (x + w / 2) / STRIDE, (y + h / 2) / STRIDE
                row, column = int(cy), int(cx)
                heat[row, column, kind] = 0.6 if cut else 0.9
                boxes[row, column] = (
                    cx - column - 0.5,
                    cy - row - 0.5,
                    np.log(w / STRIDE),
                    np.log(h / STRIDE),
                )
        return [heat[None], boxes[None]]


class Says:
    """Says the same boxes, in pixels of the view, with the same scores of every view."""

    def __init__(self, *found: tuple[tuple[int, int, int, int], float]) -> None:
        self.found = found

    def __call__(self, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        _, height, width, _ = pictures.shape
        heat = np.zeros((1, height // STRIDE, width // STRIDE, 3), np.float32)
        boxes = np.zeros((1, height // STRIDE, width // STRIDE, 4), np.float32)
        for (xmin, ymin, xmax, ymax), score in self.found:
            cx, cy = (xmin + xmax) / 2 / STRIDE, (ymin + ymax) / 2 / STRIDE
            row, column = int(cy), int(cx)
            heat[0, row, column, WHITE] = score
            sides = np.log([(xmax - xmin) / STRIDE, (ymax - ymin) / STRIDE])
            boxes[0, row, column] = (cx - column - 0.5, cy - row - 0.5, *sides)
        return [heat, boxes]


def field(width: int, height: int, *, white: list[Box], red: list[Box] | None = None) -> RgbImage:
    photo = np.full((height, width, 3), round(GLASS), np.uint8)
    for kind, boxes in ((RED, red or []), (WHITE, white)):
        for box in boxes:
            photo[box.ymin : box.ymax, box.xmin : box.xmax] = INK[kind]
    return photo


def row_of_red(side: int, *, y: int = 4, number: int = 4) -> list[Box]:
    return [Box(x, y, x + side, y + side) for x in range(4, 4 + 2 * side * number, 2 * side)]


def overlap(one: Box, other: Box) -> float:
    width = min(one.xmax, other.xmax) - max(one.xmin, other.xmin)
    height = min(one.ymax, other.ymax) - max(one.ymin, other.ymin)
    shared = max(width, 0) * max(height, 0)
    return shared / (one.area + other.area - shared)


@pytest.mark.parametrize(
    ("width", "height", "box", "red"),
    [
        pytest.param(32, 32, Box(6, 5, 27, 25), 0, id="32x32"),
        pytest.param(80, 80, Box(10, 12, 70, 66), 0, id="tight crop"),
        pytest.param(256, 256, Box(100, 90, 160, 170), 30, id="the view's own size"),
        pytest.param(257, 255, Box(100, 90, 160, 170), 30, id="odd sides"),
        pytest.param(640, 480, Box(231, 98, 402, 281), 60, id="640x480"),
        pytest.param(1600, 1200, Box(1500, 1100, 1580, 1190), 40, id="1600x1200"),
        pytest.param(4000, 3000, Box(2010, 1307, 2130, 1420), 60, id="4000x3000"),
        pytest.param(3000, 4000, Box(10, 3700, 210, 3890), 90, id="upright"),
        pytest.param(3000, 40, Box(1500, 4, 1534, 36), 0, id="3000x40"),
        pytest.param(40, 3000, Box(4, 2900, 36, 2940), 0, id="40x3000"),
    ],
)
def test_box_lands_in_pixels_of_the_photo(width: int, height: int, box: Box, red: int) -> None:
    photo = field(width, height, white=[box], red=row_of_red(red) if red else [])
    (found,) = locate_cells(photo, PLAIN, locator=Eyes(), rule=LOOK)
    assert overlap(found, box) > 0.75


def test_views_double_until_red_cells_are_large_enough() -> None:
    eyes, red = Eyes(smallest=3), round(1.3 * RED_IN_SIGHT * 4000 / 1024)
    photo = field(4000, 3000, white=[Box(2000, 1300, 2150, 1440)], red=row_of_red(red))
    locate_cells(photo, PLAIN, locator=eyes, rule=LOOK)
    sides = [256, 512, 1024]
    assert red * sides[-2] / 4000 < RED_IN_SIGHT < red * sides[-1] / 4000
    assert eyes.tiles[:2] == [(192, 256), (384, 512)]
    assert set(eyes.tiles[2:]) == {(640, 640), (320, 640), (640, 576), (320, 576)}


def test_views_go_no_further_than_the_photos_own_resolution() -> None:
    eyes = Eyes(smallest=3)
    photo = field(600, 400, white=[Box(300, 200, 330, 225)], red=row_of_red(9))
    locate_cells(photo, PLAIN, locator=eyes, rule=LOOK)
    assert eyes.tiles == [(192, 256), (352, 512), (416, 608)]


def test_no_view_is_finer_than_is_ever_needed() -> None:
    eyes = Eyes()
    locate_cells(field(9000, 64, white=[]), PLAIN, locator=eyes, rule=LOOK)
    tiles = len(range(0, FINEST_SIDE - TILE_OVERLAP, TILE - TILE_OVERLAP))
    assert [width for _, width in eyes.tiles[-tiles:]][:-1] == [TILE] * (tiles - 1)
    assert sum(height == eyes.tiles[-1][0] for height, _ in eyes.tiles[-tiles:]) == tiles


def test_tight_crop_without_red_cells_is_the_coarsest_views_cell() -> None:
    photo, box = field(3000, 3000, white=[Box(400, 500, 2500, 2600)]), Box(400, 500, 2500, 2600)
    eyes = Eyes()
    (found,) = locate_cells(photo, PLAIN, locator=eyes, rule=LOOK)
    assert overlap(found, box) > 0.9
    assert len(eyes.tiles) == 1 + 1 + 4, "no view is finer than 1024 pixels"


class BlobThenCrowd(Eyes):
    """Takes a crowd for one large cell as long as the view is coarse."""

    def __call__(self, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        if pictures.shape[2] == LOOK.side:
            return Says(((20, 20, 220, 180), 0.9))(pictures)
        return super().__call__(pictures)


def test_crowd_that_looks_like_one_large_cell_is_looked_at_again() -> None:
    cells = [Box(x, y, x + 90, y + 90) for x in (300, 900, 1500) for y in (400, 1200)]
    photo = field(2048, 1536, white=cells, red=row_of_red(50))
    found = locate_cells(photo, PLAIN, locator=BlobThenCrowd(), rule=LOOK)
    assert len(found) == len(cells)


def test_parts_of_a_large_cell_that_look_like_red_cells_do_not_make_it_a_crowd() -> None:
    photo = field(1024, 1024, white=[], red=row_of_red(400))
    (found,) = locate_cells(photo, PLAIN, locator=BlobThenCrowd(), rule=LOOK)
    assert overlap(found, Box(80, 80, 880, 720)) > 0.9


def test_thousands_of_boxes_leave_the_best_of_each_place() -> None:
    generator = np.random.default_rng(4)
    corners = generator.uniform(0, 4000, (5000, 2)).astype(np.float32)
    crowded = Found(np.hstack([corners, corners + 60]), generator.random(5000, dtype=np.float32))
    kept = _best(crowded, 0.5, most=5000)
    assert 1000 < len(kept.boxes) < 5000
    assert list(kept.scores) == sorted(kept.scores, reverse=True)
    x, y = (np.abs(kept.boxes[:, None, i] - kept.boxes[None, :, i]) for i in (0, 1))
    shared = np.maximum(60 - x, 0) * np.maximum(60 - y, 0) / 3600
    np.fill_diagonal(shared, 0)
    assert shared.max() <= 0.51
    assert len(_best(crowded, 0.5, most=10).boxes) <= 10


def test_small_cell_without_red_cells_is_looked_at_again() -> None:
    eyes = Eyes()
    photo = field(512, 512, white=[Box(90, 90, 140, 140)])
    assert len(locate_cells(photo, PLAIN, locator=eyes, rule=LOOK)) == 1
    assert eyes.tiles == [(256, 256), (512, 512)]


def test_view_that_showed_most_is_kept_where_none_is_fine_enough() -> None:
    class CoarseOnly(Eyes):
        def __call__(self, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
            heat, boxes = super().__call__(pictures)
            return [heat if len(self.tiles) == 1 else 0 * heat, boxes]

    box = Box(88, 88, 148, 148)
    photo = field(512, 512, white=[box])
    (found,) = locate_cells(photo, PLAIN, locator=CoarseOnly(), rule=LOOK)
    assert overlap(found, box) > 0.9


@pytest.mark.parametrize(("width", "height"), [(32, 32), (700, 500), (1, 1), (2000, 7)])
def test_nothing_found_is_an_empty_answer(width: int, height: int) -> None:
    assert locate_cells(field(width, height, white=[]), PLAIN, locator=Eyes(), rule=LOOK) == ()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param((-40, -20, 60, 70), Box(0, 0, 60, 70), id="top left"),
        pytest.param((200, 210, 290, 300), Box(200, 210, 256, 256), id="bottom right"),
        pytest.param((-30, -40, 300, 290), Box(0, 0, 256, 256), id="the whole photo"),
    ],
)
def test_boxes_are_cut_at_the_border(said: tuple[int, int, int, int], expected: Box) -> None:
    photo = field(256, 256, white=[])
    assert locate_cells(photo, PLAIN, locator=Says((said, 0.9)), rule=LOOK) == (expected,)


def test_box_that_lies_wholly_on_the_added_glass_is_dropped() -> None:
    photo = field(256, 200, white=[])
    says = Says(((100, 204, 160, 220), 0.9))
    assert locate_cells(photo, PLAIN, locator=says, rule=LOOK) == ()


@pytest.mark.parametrize(
    ("other", "score", "kept"),
    [
        pytest.param((80, 64, 144, 128), 0.8, 1, id="beside it, less sure"),
        pytest.param((80, 64, 144, 128), 0.95, 1, id="beside it, surer"),
        pytest.param((80, 80, 100, 100), 0.8, 1, id="within it"),
        pytest.param((110, 64, 174, 128), 0.8, 2, id="touching"),
        pytest.param((180, 180, 244, 244), 0.8, 2, id="elsewhere"),
        pytest.param((180, 180, 244, 244), 0.29, 1, id="below the score"),
    ],
)
def test_of_overlapping_boxes_the_better_stays(
    other: tuple[int, int, int, int], score: float, kept: int
) -> None:
    one = (64, 64, 128, 128)
    says = Says((one, 0.9), (other, score))
    found = locate_cells(field(256, 256, white=[]), PLAIN, locator=says, rule=LOOK)
    assert len(found) == kept
    assert Box(*(one if score < 0.9 else other)) in found


@pytest.mark.parametrize(
    "x",
    [
        pytest.param(100, id="first tile"),
        pytest.param(TILE - 30, id="on the first tile's edge"),
        pytest.param(TILE - TILE_OVERLAP - 30, id="on the second tile's edge"),
        pytest.param(TILE - TILE_OVERLAP + 60, id="in both tiles"),
        pytest.param(2 * (TILE - TILE_OVERLAP) - 20, id="on the third tile's edge"),
    ],
)
def test_tiles_find_a_cell_once(x: int) -> None:
    box = Box(x, x - 20, x + 60, x + 50)
    photo = field(1500, 1300, white=[box], red=row_of_red(18))
    eyes = Eyes(smallest=14)
    (found,) = locate_cells(photo, PLAIN, locator=eyes, rule=LOOK)
    assert len(eyes.tiles) > 4
    assert overlap(found, box) > 0.9


def test_crowd_on_a_large_view_is_found_whole_from_top_to_bottom() -> None:
    random = np.random.default_rng(3)
    white = []
    for x in range(20, 1900, 130):
        for y in range(120, 1300, 130):
            dx, dy, width, height = (int(n) for n in random.integers((0, 0, 44, 44), 60))
            white.append(Box(x + dx, y + dy, x + dx + width, y + dy + height))
    photo = field(2000, 1400, white=white, red=row_of_red(18))
    found = locate_cells(photo, PLAIN, locator=Eyes(smallest=12), rule=LOOK)
    assert len(found) == len(white)
    assert all(max(overlap(box, one) for one in found) > 0.85 for box in white)
    assert all((one.ymin, one.xmin) <= (two.ymin, two.xmin) for one, two in pairwise(found))


def test_glass_of_any_cast_is_balanced_before_the_network_sees_it() -> None:
    class Brightest(Says):
        brightest: NDArray[np.uint8]

        def __call__(self, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
            self.brightest = pictures[0].max(axis=(0, 1))
            return super().__call__(pictures)

    locator = Brightest()
    photo = np.full((100, 256, 3), (180, 150, 90), np.uint8)
    locate_cells(photo, np.asarray([180, 150, 90], np.float32), locator=locator, rule=LOOK)
    assert (np.abs(locator.brightest - GLASS) <= 1).all()
