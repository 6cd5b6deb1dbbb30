from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from hematovision.cells import RgbImage
from hematovision.vision.bundle import CropRule
from hematovision.vision.staining import (
    DARKEST_GLASS,
    GLASS,
    balance_white,
    even_stain,
    measure_glass,
    measure_stain,
)

RULE = CropRule(96, 1.2, 1.0, (-0.6, -0.2, -1.1), (0.3, 0.25, 0.35))


def stained_cell(seed: int = 0, *, mean: float = -0.9, spread: float = 0.3) -> RgbImage:
    """Draw a disc of stain with a texture, on balanced glass."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:96, :96] - 47.5
    density = np.exp(random.normal(mean, spread, (96, 96, 3)) + np.asarray([0.2, 0.3, -0.1]))
    picture = np.full((96, 96, 3), GLASS)
    disc = rows**2 + columns**2 <= 40**2
    picture[disc] = GLASS * np.exp(-density[disc])
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "cast",
    [
        pytest.param((240, 240, 240), id="neutral"),
        pytest.param((250, 230, 160), id="yellow lamp"),
        pytest.param((180, 190, 250), id="blue filter"),
        pytest.param((90, 80, 85), id="underexposed"),
        pytest.param((255, 255, 255), id="overexposed"),
    ],
)
def test_glass_becomes_neutral_whatever_its_cast(cast: tuple[int, int, int]) -> None:
    photo = np.empty((120, 160, 3), np.uint8)
    photo[:] = cast
    photo[30:80, 40:100] = np.asarray(cast) // 3
    glass = measure_glass(photo)
    assert glass.tolist() == list(cast)
    assert glass.dtype == np.float32
    balanced = balance_white(photo, glass)
    assert (np.abs(balanced[0, 0].astype(int) - GLASS) <= 1).all()
    assert (balanced[50, 60] < 100).all()


@pytest.mark.parametrize(
    "photo",
    [
        pytest.param(np.zeros((40, 40, 3), np.uint8), id="black"),
        pytest.param(np.full((40, 40, 3), 255, np.uint8), id="white"),
        pytest.param(np.full((40, 40, 3), (200, 0, 0), np.uint8), id="pure red"),
        pytest.param(np.full((1, 900, 3), 7, np.uint8), id="one dark row"),
        pytest.param(np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8), id="noise"),
    ],
)
def test_pictures_without_glass_survive(photo: RgbImage) -> None:
    glass = measure_glass(photo)
    assert np.isfinite(glass).all()
    assert (glass >= DARKEST_GLASS).all()
    balanced = balance_white(photo, glass)
    assert balanced.shape == photo.shape
    assert balanced.dtype == np.uint8
    square = np.ascontiguousarray(np.resize(balanced, (32, 32, 3)))
    evened = even_stain(square, RULE)
    assert evened.shape == square.shape
    assert evened.dtype == np.uint8


def test_black_stays_black_and_nothing_is_whiter_than_white() -> None:
    picture = np.asarray([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    balanced = balance_white(picture, np.asarray([100, 150, 200], np.float32))
    assert balanced.tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_glass_is_measured_beside_a_large_cell() -> None:
    photo = np.full((100, 100, 3), (230, 225, 210), np.uint8)
    photo[:, :70] = (90, 40, 120)
    assert measure_glass(photo).tolist() == [230, 225, 210]


def test_stain_is_measured_only_in_the_disc_of_the_cell() -> None:
    crop = stained_cell()
    marked = crop.copy()
    marked[:4, :4] = 0
    before, after = measure_stain(crop, 1.2), measure_stain(marked, 1.2)
    assert before is not None
    assert after is not None
    np.testing.assert_array_equal(before, after)


def test_black_outside_of_a_turned_picture_is_no_stain() -> None:
    crop = stained_cell()
    turned = crop.copy()
    turned[:, :30] = 0
    alone = crop.copy()
    alone[:, :30] = 240
    np.testing.assert_array_equal(measured(turned), measured(alone))


def test_even_stain_moves_mean_density_to_the_reference() -> None:
    before, after = measured(stained_cell()), measured(even_stain(stained_cell(), RULE))
    assert np.abs(before[0] - RULE.stain_mean).max() > 0.3
    np.testing.assert_allclose(after[0], RULE.stain_mean, atol=0.05)


def test_even_stain_moves_spread_towards_the_reference() -> None:
    crop = stained_cell(spread=0.45)
    before, after = measured(crop), measured(even_stain(crop, RULE))
    wanted = np.asarray(RULE.stain_spread)
    assert (np.abs(after[1] - wanted) < np.abs(before[1] - wanted)).all()


def test_two_stains_of_one_cell_become_one() -> None:
    pale, dark = stained_cell(mean=-1.1), stained_cell(mean=-0.6)
    apart = np.abs(pale.astype(int) - dark).mean()
    evened = np.abs(even_stain(pale, RULE).astype(int) - even_stain(dark, RULE)).mean()
    assert evened < apart / 5


def test_half_strength_goes_half_way() -> None:
    crop = stained_cell()
    after = measured(even_stain(crop, replace(RULE, stain_strength=0.5)))
    half = (measured(crop)[0] + RULE.stain_mean) / 2
    np.testing.assert_allclose(after[0], half, atol=0.05)


def test_clear_glass_stays_clear() -> None:
    crop = stained_cell()
    evened = even_stain(crop, RULE)
    clear = (crop >= GLASS).all(axis=2)
    assert clear.any()
    np.testing.assert_array_equal(evened[clear], crop[clear])


@pytest.mark.parametrize(
    ("crop", "strength"),
    [
        pytest.param(stained_cell(), 0.0, id="strength 0"),
        pytest.param(np.full((64, 64, 3), 238, np.uint8), 1.0, id="empty glass"),
        pytest.param(np.full((64, 64, 3), 255, np.uint8), 1.0, id="white"),
    ],
)
def test_crop_is_untouched(crop: RgbImage, strength: float) -> None:
    assert even_stain(crop, replace(RULE, stain_strength=strength)) is crop


def measured(crop: RgbImage) -> NDArray[np.float32]:
    stain = measure_stain(crop, RULE.context)
    assert stain is not None
    return stain
