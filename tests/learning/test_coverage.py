import pytest

from hematovision.learning.coverage import exact_limits, score_prediction_sets
from hematovision.learning.protocol import FOUR

from .answers import answer

NEUTROPHIL, EOSINOPHIL, LYMPHOCYTE, MONOCYTE = FOUR


@pytest.mark.parametrize(
    ("hits", "number", "low", "high"),
    [
        pytest.param(40, 100, 0.303, 0.503, id="40 of 100"),
        pytest.param(80, 200, 0.332, 0.471, id="80 of 200"),
        pytest.param(0, 100, 0, 0.036, id="none of 100"),
        pytest.param(100, 100, 0.964, 1, id="all of 100"),
        pytest.param(1, 1, 0.025, 1, id="one of one"),
        pytest.param(2400, 2487, 0.957, 0.972, id="a whole set"),
    ],
)
def test_exact_limits_are_the_published_ones(
    hits: int, number: int, low: float, high: float
) -> None:
    assert exact_limits(hits, number) == pytest.approx((low, high), abs=6e-4)


def test_exact_limits_are_those_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    for hits, number in ((3, 7), (152, 160), (790, 798), (66, 71)):
        limits = stats.binomtest(hits, number).proportion_ci(0.95, method="exact")
        assert exact_limits(hits, number) == pytest.approx((limits.low, limits.high), abs=1e-6)


def test_sets_are_counted_by_true_type() -> None:
    both = (NEUTROPHIL, EOSINOPHIL)
    counted = score_prediction_sets(
        [
            answer(NEUTROPHIL, NEUTROPHIL),
            answer(NEUTROPHIL, EOSINOPHIL, shown_set=both),
            answer(NEUTROPHIL, EOSINOPHIL),
            answer(EOSINOPHIL, EOSINOPHIL),
            answer(LYMPHOCYTE, None),
        ],
        FOUR,
    )
    assert list(counted) == [NEUTROPHIL, EOSINOPHIL, "all"]
    assert (counted[NEUTROPHIL]["cells"], counted[NEUTROPHIL]["covered"]) == (3, 2)
    assert counted[NEUTROPHIL]["coverage"][0] == round(2 / 3, 4)
    assert counted[NEUTROPHIL]["size_one"] == round(2 / 3, 4)
    assert (counted["all"]["cells"], counted["all"]["covered"]) == (4, 3)


def test_no_cell_found_has_no_sets() -> None:
    assert score_prediction_sets([answer(MONOCYTE, None)], FOUR) == {}
