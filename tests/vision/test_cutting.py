import numpy as np
import pytest

from hematovision.cells import Box, RgbImage
from hematovision.vision.cutting import CROP_SIDE, areas_around, crop_pictures, square_on


def crops_of(photo: RgbImage, *boxes: Box) -> list[RgbImage]:
    return crop_pictures(photo, areas_around(photo, boxes))


def plain(height: int, width: int, colour: tuple[int, int, int] = (200, 190, 180)) -> RgbImage:
    return np.full((height, width, 3), colour, np.uint8)


def test_crops_of_a_photo_have_one_scale() -> None:
    photo = plain(400, 600)
    photo[100:120, 100:120] = photo[300:320, 300:320] = 0
    large, small = Box(80, 80, 180, 140), Box(300, 300, 320, 320)
    dark = [(crop.mean(axis=2) < 90).sum() for crop in crops_of(photo, large, small)]
    assert dark[0] == pytest.approx(dark[1], rel=0.1)
    assert dark[1] == pytest.approx((20 * CROP_SIDE / 135) ** 2, rel=0.1)


def test_crop_at_the_border_stays_inside_the_photo() -> None:
    photo = plain(200, 300)
    photo[:100] = (90, 60, 160)
    (crop,) = crops_of(photo, Box(0, 0, 60, 60))
    assert crop.shape == (CROP_SIDE, CROP_SIDE, 3)
    assert np.abs(crop.reshape(-1, 3).astype(int) - np.array([90, 60, 160])).max() < 8


@pytest.mark.parametrize("shape", [(40, 40), (40, 500), (500, 40)])
def test_crop_larger_than_the_photo_is_filled_with_its_border_colour(
    shape: tuple[int, int],
) -> None:
    photo = plain(*shape)
    (crop,) = crops_of(photo, Box(0, 0, 40, 40))
    assert np.abs(crop.astype(int) - [200, 190, 180]).max() < 8


def test_photo_without_cells_has_no_crops() -> None:
    assert crops_of(plain(40, 40)) == []


def test_square_has_the_cell_in_its_middle_whatever_lies_around() -> None:
    photo = plain(200, 300)
    area = square_on(Box(0, 0, 40, 20), 60)
    assert area == Box(-10, -20, 50, 40)
    (crop,) = crop_pictures(photo, [area], beyond=128)
    assert np.abs(crop[:70].astype(int) - 128).max() < 3
    assert np.abs(crop[100:, 60:].astype(int) - [200, 190, 180]).max() < 3
