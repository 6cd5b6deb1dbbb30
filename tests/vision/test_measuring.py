from itertools import pairwise

import cv2
import numpy as np
import pytest

from hematovision.cells import Measured, RgbImage
from hematovision.vision.measuring import measure_focus

SIZE, CONTEXT = 96, 1.35


def cell(side: int = SIZE, seed: int = 0) -> RgbImage:
    """Draw a nucleus with a fine pattern on glass, of one size whatever the pixels."""
    rows, columns = (np.mgrid[:side, :side] - (side - 1) / 2) / side
    random = np.random.default_rng(seed)
    coarse = cv2.resize(random.uniform(-40, 40, (12, 12)), (side, side))
    grey = np.where(rows**2 + columns**2 < 0.08, 90 + coarse, 235)
    return np.clip(np.repeat(grey[..., None], 3, axis=2), 0, 255).astype(np.uint8)


def test_focus_falls_with_every_step_of_blur() -> None:
    blurred = [cv2.GaussianBlur(cell(), (0, 0), sigma) for sigma in (1, 2, 4)]
    found = [measure_focus(picture, CONTEXT) for picture in (cell(), *blurred)]
    assert all(sharper > softer + 0.3 for sharper, softer in pairwise(found))


@pytest.mark.parametrize("strength", [pytest.param(0.5, id="dark"), pytest.param(0.8, id="dim")])
def test_focus_does_not_depend_on_light(strength: float) -> None:
    dimmed = (cell() * strength).astype(np.uint8)
    assert measure_focus(dimmed, CONTEXT) == pytest.approx(measure_focus(cell(), CONTEXT), abs=0.05)


@pytest.mark.parametrize("side", [192, 288, 384])
def test_focus_does_not_depend_on_the_resolution_of_the_camera(side: int) -> None:
    def seen(side: int) -> RgbImage:
        return cv2.resize(cell(side), (SIZE, SIZE), interpolation=cv2.INTER_AREA)

    finest = measure_focus(seen(8 * SIZE), CONTEXT)
    assert measure_focus(seen(side), CONTEXT) == pytest.approx(finest, abs=0.1)


def test_cell_without_contrast_has_no_focus() -> None:
    assert measure_focus(np.full((SIZE, SIZE, 3), 200, np.uint8), CONTEXT) is None


def test_mean_leaves_out_what_was_not_measured() -> None:
    some = [Measured(1.0, focus=2.0), Measured(3.0), None, Measured(focus=4.0)]
    assert Measured.mean(some) == Measured(2.0, focus=3.0)
    assert Measured.mean([]) == Measured.mean([None]) == Measured()
