import pytest

from hematovision.vision.scores import Bin, Curve, Disturbance, Point, Share
from hematovision.web.charts import (
    LARGE,
    curve_line,
    diagram_of,
    highest_risk,
    lines_of,
    scale_of,
    wilson,
)


@pytest.mark.parametrize(
    ("shares", "lowest", "ticks"),
    [
        pytest.param([], 0.5, 6, id="none"),
        pytest.param([Share(0.99, 0.98, 1.0)], 0.5, 6, id="high"),
        pytest.param([Share(0.9), Share(0.6, 0.44, 0.7)], 0.4, 7, id="middle"),
        pytest.param([Share(0.2, 0.05, 0.4)], 0.0, 6, id="low"),
    ],
)
def test_axis_holds_the_lowest_limit(shares: list[Share], lowest: float, ticks: int) -> None:
    scale = scale_of(shares)
    assert scale.lowest == lowest
    assert len(scale.ticks) == ticks
    assert scale.ticks[-1] == 1


def test_axis_ends_inside_the_cell() -> None:
    scale = scale_of([])
    assert [scale.at(share) for share in (0.1, 0.5, 0.75, 1)] == [
        "2.00%",
        "2.00%",
        "50.00%",
        "98.00%",
    ]


def test_limits_are_those_of_wilson() -> None:
    assert wilson(0.4, 100) == pytest.approx((0.3094, 0.4980), abs=1e-4)
    assert wilson(1.0, 10)[1] == 1
    assert wilson(0.0, 0) == (0.0, pytest.approx(0.793, abs=1e-3))


def test_bin_lies_where_it_was_stated_and_right() -> None:
    diagram = diagram_of([Bin(1.0, 0.0, 10)])
    (dot,) = diagram.dots
    assert diagram.frame.ticks == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert (dot.x, dot.y) == (LARGE.right, LARGE.bottom)
    assert dot.high < dot.low == LARGE.bottom


def test_diagram_of_sure_and_right_bins_is_drawn_larger() -> None:
    diagram = diagram_of([Bin(0.97, 0.96, 100), Bin(0.9, 0.9, 100)])
    assert diagram.frame.lowest == 0.8
    assert all(LARGE.top <= dot.y <= dot.low <= LARGE.bottom for dot in diagram.dots)
    assert diagram_of([]).dots == ()


def test_curve_of_risk_uses_the_height() -> None:
    curve = Curve((0.0, 1.0), (0.0, 0.15), None)
    assert highest_risk(curve) == 0.2
    assert curve_line(curve) == "36.0,206.0 290.0,59.0"
    assert highest_risk(Curve((), (), None)) == 0.1


def test_lines_of_a_disturbance_leave_out_what_was_not_measured() -> None:
    points = (
        Point(0, Share(1.0), None, Share(0.0)),
        Point(1, Share(0.5), None, None),
    )
    assert lines_of(Disturbance("x", points)) == ("30.0,8.0 190.0,46.0", "30.0,84.0")
    assert lines_of(Disturbance("x", points[:1]))[0] == "30.0,8.0"
