import pytest

from hematovision.cells import Box


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param(Box(0, 0, 10, 10), 1, id="same"),
        pytest.param(Box(5, 0, 15, 10), 1 / 3, id="half shared"),
        pytest.param(Box(0, 0, 5, 5), 0.25, id="within"),
        pytest.param(Box(10, 0, 20, 10), 0, id="touching"),
        pytest.param(Box(30, 30, 40, 40), 0, id="apart both ways"),
    ],
)
def test_overlap_is_intersection_over_union(other: Box, expected: float) -> None:
    assert Box(0, 0, 10, 10).overlap(other) == pytest.approx(expected)
    assert other.overlap(Box(0, 0, 10, 10)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("x", "y", "inside"),
    [
        pytest.param(2, 3, True, id="first pixel"),
        pytest.param(9, 8, True, id="last pixel"),
        pytest.param(10, 5, False, id="just right of it"),
        pytest.param(5, 9, False, id="just below it"),
    ],
)
def test_box_holds_its_own_pixels_and_no_others(x: int, y: int, inside: bool) -> None:
    assert Box(2, 3, 10, 9).holds(x, y) is inside
