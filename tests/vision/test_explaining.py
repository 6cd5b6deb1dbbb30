import numpy as np
import pytest

from hematovision.cells import Box, CellType, Heat
from hematovision.vision.explaining import heat_of, least_of, share_inside, spread

N, E = CellType.NEUTROPHIL, CellType.EOSINOPHIL
SQUARE = Box(10, 20, 50, 60)
CORNER = Heat(N, SQUARE, ((1.0, 0.0), (0.0, 0.0)))


def activation(*rows: list[tuple[float, float]]) -> np.ndarray:
    return np.asarray(rows, np.float32)


def test_heat_is_what_speaks_for_a_type_from_zero_to_one() -> None:
    given = activation([(4, 0), (2, 0)], [(0, 0), (0, 6)])
    assert heat_of(N, given, SQUARE, (N, E)) == Heat(N, SQUARE, ((1.0, 0.5), (0.0, 0.0)))
    assert heat_of(E, given, SQUARE, (N, E)).weights == ((0.0, 0.0), (0.0, 1.0))


def test_what_is_added_to_all_types_alike_changes_nothing() -> None:
    given = np.random.default_rng(0).normal(size=(5, 5, 2)).astype(np.float32)
    alike = np.random.default_rng(1).normal(size=(5, 5, 1)).astype(np.float32)
    plain, shifted = (
        np.asarray(heat_of(N, a, SQUARE, (N, E)).weights) for a in (given, given + alike)
    )
    np.testing.assert_allclose(plain, shifted, atol=1e-3)


def test_no_place_speaks_for_a_type_that_all_speak_against() -> None:
    weights = heat_of(N, activation([(-1, 0), (-2, 0)]), SQUARE, (N, E)).weights
    assert weights == ((0.0, 0.0),)


def test_heat_lies_over_the_square_that_the_network_saw() -> None:
    laid = spread(CORNER, SQUARE, 40)
    assert laid.shape == (40, 40)
    assert laid[8, 8] > 0.9
    assert laid[30:, 30:].max() < 0.05
    assert 0.2 < laid[20, 8] < 0.8


def test_heat_lies_in_its_place_of_a_larger_area() -> None:
    laid = spread(CORNER, Box(-30, -20, 90, 100), 120)
    assert laid[50, 50] > 0.9
    assert laid[70, 70] < 0.1
    outside = laid.copy()
    outside[40:80, 40:80] = 0
    assert outside.max() == 0


@pytest.mark.parametrize(
    ("box", "share"),
    [
        pytest.param(SQUARE, 1.0, id="all"),
        pytest.param(Box(0, 0, 200, 200), 1.0, id="around"),
        pytest.param(Box(30, 40, 50, 60), 0.05, id="the cold corner"),
        pytest.param(Box(10, 20, 30, 40), 0.85, id="the hot corner"),
    ],
)
def test_share_of_heat_in_a_box(box: Box, share: float) -> None:
    assert share_inside(CORNER, box) == pytest.approx(share, abs=0.1)


def test_cold_heat_has_no_share_anywhere() -> None:
    assert share_inside(Heat(N, SQUARE, ((0.0,),)), SQUARE) == 0


@pytest.mark.parametrize(("share", "least"), [(0.4, 5.0), (0.5, 5.0), (0.8, 3.0), (1.0, 0.5)])
def test_hottest_places_hold_their_share(share: float, least: float) -> None:
    assert least_of(np.array([[3.0, 0.5], [5.0, 1.5]], np.float32), share) == least


def test_without_heat_no_place_is_among_the_hottest() -> None:
    assert least_of(np.zeros((2, 2), np.float32), 0.5) == float("inf")
