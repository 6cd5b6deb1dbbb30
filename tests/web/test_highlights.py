import numpy as np
import pytest
from tests.conftest import heat_in

from hematovision.cells import Box, CellType, Heat, RgbImage
from hematovision.web.highlights import highlight

AREA = Box(0, 0, 120, 120)
STAIN = (120, 60, 160)
MIDDLE = heat_in(CellType.NEUTROPHIL, AREA)


@pytest.fixture
def picture() -> RgbImage:
    return np.full((240, 240, 3), STAIN, np.uint8)


def colourful(picture: RgbImage) -> np.ndarray:
    return np.ptp(picture.astype(int), axis=2) > 5


def test_stain_that_mattered_keeps_its_very_colours(picture: RgbImage) -> None:
    shown = highlight(picture, AREA, MIDDLE)
    assert tuple(shown[120, 120]) == STAIN
    kept = (shown == STAIN).all(axis=2)
    assert 0.05 < kept.mean() < 0.4


def test_rest_is_grey_and_lighter(picture: RgbImage) -> None:
    shown = highlight(picture, AREA, MIDDLE)
    corner = shown[:30, :30]
    assert not colourful(corner).any()
    assert corner.min() > np.mean(STAIN) + 30


def test_three_dark_lines_with_light_rims_lie_around_it(picture: RgbImage) -> None:
    row = highlight(picture, AREA, MIDDLE)[120, :120].mean(axis=1)
    dark = row < 60
    assert (np.diff(dark.astype(int)) == 1).sum() == 3
    inside = row[np.argmax(dark) :]
    assert inside.max() > np.mean(STAIN) + 50


def test_what_the_network_did_not_see_is_grey(picture: RgbImage) -> None:
    everywhere = Heat(CellType.NEUTROPHIL, Box(60, 0, 120, 60), ((1.0, 1.0), (1.0, 1.0)))
    shown = highlight(picture, AREA, everywhere)
    assert not colourful(shown[:, :110]).any()
    assert not colourful(shown[130:]).any()
    assert tuple(shown[60, 180]) == STAIN


def test_cold_heat_leaves_all_grey_without_a_line(picture: RgbImage) -> None:
    shown = highlight(picture, AREA, Heat(CellType.OTHER, AREA, ((0.0,),)))
    assert not colourful(shown).any()
    assert np.ptp(shown) == 0


def test_picture_itself_is_not_touched(picture: RgbImage) -> None:
    picture.setflags(write=False)
    highlight(picture, AREA, MIDDLE)
    assert (picture == STAIN).all()
