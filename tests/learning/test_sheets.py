import io
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from hematovision.cells import Box, RgbImage
from hematovision.learning.sheets import CAPTION, OURS, THEIRS, TILE, Tile, sheet_jpeg, with_boxes

pytestmark = pytest.mark.train


def grey(height: int, width: int) -> RgbImage:
    return np.full((height, width, 3), 128, np.uint8)


@pytest.mark.parametrize(
    ("heights", "columns", "size"),
    [
        pytest.param([100], 6, (TILE, CAPTION + 100), id="one is no wider than itself"),
        pytest.param([100, 80, 50], 2, (2 * TILE, 2 * CAPTION + 150), id="rows fit their highest"),
    ],
)
def test_sheet_is_no_larger_than_its_pictures(
    heights: Sequence[int], columns: int, size: tuple[int, int]
) -> None:
    tiles = [Tile(str(height), grey(height, 120)) for height in heights]
    with Image.open(io.BytesIO(sheet_jpeg(tiles, columns=columns))) as sheet:
        assert (sheet.format, sheet.size) == ("JPEG", size)


def test_every_picture_is_on_the_sheet() -> None:
    tiles = [Tile("", np.full((100, 100, 3), shade, np.uint8)) for shade in (60, 120, 180)]
    with Image.open(io.BytesIO(sheet_jpeg(tiles, columns=2))) as sheet:
        drawn = np.asarray(sheet)
    middles = [
        drawn[CAPTION + 50, 50],
        drawn[CAPTION + 50, TILE + 50],
        drawn[2 * CAPTION + 150, 50],
    ]
    assert np.abs(np.asarray(middles) - [[60], [120], [180]]).max() < 4


def test_boxes_are_drawn_in_two_colours_on_a_copy() -> None:
    picture = grey(100, 100)
    drawn = with_boxes(picture, theirs=[Box(5, 5, 40, 40)], ours=[Box(50, 50, 90, 90)])
    assert tuple(drawn[5, 20]) == THEIRS
    assert tuple(drawn[50, 70]) == OURS
    assert (picture == 128).all()
