import numpy as np
import pytest
from numpy.typing import NDArray

from hematovision.cells import CellType
from hematovision.learning.stability import (
    agreement,
    collapsed,
    limits_of_share,
    shares,
    variants,
)
from hematovision.vision.bundle import CropRule

pytestmark = pytest.mark.train

RULE = CropRule(32, 1.3, 0.0, (-1.0,) * 3, (0.5,) * 3)
CROPS = np.random.default_rng(0).integers(60, 200, (6, 32, 32, 3)).astype(np.uint8)


def test_variants_change_stain_light_and_focus_the_same_way_each_time() -> None:
    stained, darker, brighter, blurred = variants(CROPS, RULE)
    assert stained.shape == CROPS.shape
    assert (stained != CROPS).mean() > 0.5
    assert darker.mean() < CROPS.mean() < brighter.mean()
    assert blurred.std() < 0.5 * CROPS.std()
    for one, two in zip((stained, darker), variants(CROPS, RULE), strict=False):
        np.testing.assert_array_equal(one, two)


def test_agreement_counts_the_views_in_which_a_name_stays() -> None:
    def by_brightness(crops: NDArray[np.uint8]) -> NDArray[np.floating]:
        dark = crops.mean(axis=(1, 2, 3)) < 100
        return np.stack([dark, ~dark], axis=1).astype(np.float64)

    levels = np.asarray([20, 95, 160], np.uint8)
    crops = np.broadcast_to(levels[:, None, None, None], (3, 8, 8, 3)).copy()
    views = [crops, crops + 10]
    named = by_brightness(crops).argmax(axis=1)
    np.testing.assert_array_equal(agreement(named, views, by_brightness), [1, 0.5, 1])


@pytest.mark.parametrize(
    ("before", "after", "gone"),
    [
        pytest.param((80, 15, 5, 0), (95, 5, 0, 0), [], id="a third stays; five say too little"),
        pytest.param((80, 15, 5, 0), (96, 4, 0, 0), ["lymphocyte"], id="fewer than a third stay"),
        pytest.param((98, 1, 1, 0), (97, 2, 1, 0), [], id="one-sided from the start"),
        pytest.param((40, 10, 10, 40), (80, 10, 10, 0), [], id="other may vanish"),
    ],
)
def test_a_type_collapses_only_from_what_it_was(
    before: tuple[int, ...], after: tuple[int, ...], gone: list[str]
) -> None:
    classes = (CellType.NEUTROPHIL, CellType.LYMPHOCYTE, CellType.MONOCYTE, CellType.OTHER)

    def shared(counted: tuple[int, ...]) -> dict[str, float]:
        return shares(np.repeat(range(4), counted), classes)

    assert collapsed(shared(before), shared(after), 100) == gone


def test_limits_enclose_the_share() -> None:
    value, low, high = limits_of_share(np.repeat([1.0, 0.0], (80, 20)))
    assert value == 0.8
    assert 0.68 < low < 0.75
    assert 0.85 < high < 0.9
