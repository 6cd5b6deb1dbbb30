import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from hematovision.limits import at_least, exact_limits


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


@pytest.mark.parametrize("number", [1, 2, 3, 7, 50, 100, 123, 160, 200, 798, 1000, 20_000])
def test_exact_limits_are_those_of_scipy(number: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    for hits in {0, 1, 2, number // 7, number // 2, number - 3, number - 1, number}:
        if 0 <= hits <= number:
            limits = stats.binomtest(hits, number).proportion_ci(0.95, method="exact")
            assert exact_limits(hits, number) == pytest.approx((limits.low, limits.high), abs=1e-8)


def test_tail_is_that_of_scipy_for_parts_of_a_cell_as_well() -> None:
    special = pytest.importorskip("scipy.special")
    for hits, number, share in ((0.3, 7.5, 0.02), (45.66, 144, 0.4), (8.1, 111, 0.08), (2, 3, 0.5)):
        expected = special.betainc(hits, number - hits + 1, share)
        assert at_least(hits, number, share) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("share", "chance"), [(0.0, 0.0), (1.0, 1.0)])
def test_tail_of_what_never_or_always_is_so(share: float, chance: float) -> None:
    assert at_least(3, 7, share) == chance


def test_limits_close_in_as_more_cells_of_the_same_share_are_counted() -> None:
    for share in (0.004, 0.073, 0.317, 0.5, 0.98):
        limits = [exact_limits(share * number, number) for number in range(50, 1001, 25)]
        assert [low for low, _ in limits] == sorted(low for low, _ in limits)
        assert [high for _, high in limits] == sorted((high for _, high in limits), reverse=True)


@given(number=some.integers(1, 1000), part=some.floats(0, 1))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_limits_are_those_of_scipy_for_every_count(number: int, part: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    hits = round(part * number)
    low, high = exact_limits(hits, number)
    limits = stats.binomtest(hits, number).proportion_ci(0.95, method="exact")
    assert (low, high) == pytest.approx((limits.low, limits.high), abs=1e-8)
    assert 0 <= low <= hits / number <= high <= 1
