import numpy as np
import pytest
from scipy.stats import binomtest

from hematovision.services.comparison import DRAWS, Said, chance_of, compare

TYPES = ("neutrophil", "lymphocyte")


def said(
    number: int, *, photos: int, one: float, other: float, seed: int = 0, alike: bool = False
) -> list[Said]:
    """Let two models say something of cells, right with some chance; alike within a photo."""
    random = np.random.default_rng(seed)
    draws = random.random((photos if alike else number, 2))
    cells = []
    for cell in range(number):
        photo, truth = cell % photos, TYPES[cell % 3 == 0]
        lots = draws[photo if alike else cell]
        answers = [truth if lot < good else "monocyte" for lot, good in zip(lots, (one, other))]  # noqa: B905
        cells.append(Said(photo, truth, *answers, one_named=cell % 4 > 0, other_named=True))
    return cells


@pytest.mark.parametrize(("one", "other"), [(0, 0), (5, 0), (3, 12), (40, 41), (7, 7)])
def test_chance_is_mcnemars_exact_one(one: int, other: int) -> None:
    known = binomtest(one, one + other).pvalue if one + other else 1.0
    assert chance_of(one, other) == pytest.approx(known)


def test_shares_are_those_of_the_cells() -> None:
    cells = [
        Said(1, "neutrophil", "neutrophil", "neutrophil", one_named=True, other_named=False),
        Said(1, "neutrophil", "monocyte", "neutrophil", one_named=True, other_named=True),
        Said(2, "neutrophil", None, "monocyte", one_named=False, other_named=True),
        Said(2, "basophil", "basophil", None, one_named=True, other_named=False),
    ]
    found = compare(cells)
    assert (found.cells, found.photos) == (4, 2)
    assert (found.one.right.value, found.other.right.value) == (0.5, 0.5)
    assert found.one.balanced.value == pytest.approx((1 / 3 + 1) / 2)
    assert (found.one.unidentified.value, found.other.unidentified.value) == (0.25, 0.5)
    assert (found.one.missed, found.other.missed) == (1, 1)
    assert (found.only_one, found.only_other, found.gain.value) == (1, 1, 0.0)
    assert [(kind.name, kind.cells) for kind in found.types] == [("neutrophil", 3), ("basophil", 1)]
    assert found.one.balanced.low is None


def test_better_model_is_better_by_more_than_chance() -> None:
    found = compare(said(400, photos=40, one=0.7, other=0.9))
    assert found.chance < 0.001
    assert found.gain.low is not None
    assert 0.05 < found.gain.low < found.gain.value < 0.35


def test_cells_of_one_photo_that_are_alike_make_limits_wider() -> None:
    apart = compare(said(400, photos=20, one=0.7, other=0.7)).one.right
    alike = compare(said(400, photos=20, one=0.7, other=0.7, alike=True)).one.right
    assert apart.low is not None and apart.high is not None  # noqa: PT018
    assert alike.low is not None and alike.high is not None  # noqa: PT018
    assert alike.high - alike.low > 2 * (apart.high - apart.low)


def test_limits_hold_the_truth_about_as_often_as_they_say() -> None:
    held = 0
    for seed in range(60):
        cells = said(120, photos=30, one=0.8, other=0.8, seed=seed)
        share = compare(cells).one.right
        assert share.low is not None and share.high is not None  # noqa: PT018
        held += share.low <= 0.8 <= share.high
    assert held >= 52


def test_all_right_still_has_a_lower_limit() -> None:
    found = compare(said(50, photos=10, one=1, other=1))
    share = found.one.right
    assert share.low is not None
    assert (share.value, share.high) == (1.0, 1.0)
    assert 0.9 < share.low < 0.95
    # Draws that all say the same tell nothing.
    assert (found.one.balanced.low, found.gain.low) == (None, None)


def test_the_same_cells_give_the_same_numbers() -> None:
    cells = said(60, photos=10, one=0.7, other=0.8)
    assert compare(cells) == compare(cells)
    assert DRAWS >= 1000
