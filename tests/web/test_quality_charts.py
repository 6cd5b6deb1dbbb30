from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask

from hematovision.services.quality import drift_of
from hematovision.services.shares import Part
from hematovision.storage.quality import Look, Period
from hematovision.vision.looks import Looks, SetLooks, Spread
from hematovision.web.days import Days, asked_days, begin_of, weeks_up_to
from hematovision.web.quality_charts import (
    BOTTOM,
    LINE,
    TOP,
    Rising,
    looks_over,
    rising,
    shares_over,
)
from hematovision.web.quality_words import line_words

MONDAY = date(2026, 11, 2)
WEEK = timedelta(weeks=1)
THURSDAY = date(2026, 11, 26)


@pytest.fixture(autouse=True)
def page(app: Flask) -> Iterator[None]:
    """Speak as a page does."""
    with app.test_request_context():
        yield


@pytest.mark.parametrize(
    ("parts", "top"),
    [
        pytest.param([], 0.05, id="nothing"),
        pytest.param([Part(0, 1000)], 0.05, id="none of many"),
        pytest.param([Part(100, 1000)], 0.2, id="limits of many"),
        pytest.param([Part(0, 3)], 0.05, id="limits of few do not stretch it"),
        pytest.param([Part(3, 3)], 1.0, id="but their share does"),
    ],
)
def test_axis_of_shares_is_as_long_as_what_is_known_well(parts: list[Part], top: float) -> None:
    assert rising(parts) == Rising(top)


def test_one_day_is_said_without_a_lowest_and_a_highest() -> None:
    day, next_day = date(2026, 11, 23), date(2026, 11, 24)
    assert line_words({day: Part(1, 4)}) == "Nov 23, 2026: 25.0 %."
    assert "lowest 25.0 %" in line_words({day: Part(1, 4), next_day: Part(1, 2)})


@pytest.mark.parametrize(("part", "ends"), [(Part(0, 3), 1), (Part(0, 1000), 2)])
def test_limit_beyond_the_axis_has_no_end_that_looks_like_one(
    app: Flask, part: Part, ends: int
) -> None:
    whisker = app.jinja_env.get_template("charts.html").module.whisker  # type: ignore[attr-defined]
    assert whisker(Rising(0.05), part.share).count('y1="34%"') == ends


def test_place_on_the_axis_never_leaves_it() -> None:
    axis = Rising(0.2)
    assert [axis.at(share) for share in (0, 0.1, 0.2, 0.9)] == [
        *("2.00%", "50.00%", "98.00%", "98.00%")
    ]
    assert axis.ticks == (0, 0.1, 0.2)


def test_dots_lie_as_far_apart_as_their_days_and_as_high_as_their_shares() -> None:
    days = {MONDAY: Part(0, 100), MONDAY + WEEK: Part(0, 0), MONDAY + 3 * WEEK: Part(20, 40)}
    drawn = shares_over(days | {MONDAY + 4 * WEEK: Part(10, 10)})
    assert [dot.x for dot in drawn.dots] == ["13.00%", "76.38%", "97.50%"]
    assert [dot.y for dot in drawn.dots] == [BOTTOM, (TOP + BOTTOM) / 2, TOP]
    assert all(dot.high <= dot.y <= dot.low for dot in drawn.dots)
    assert [(tick.place, tick.text) for tick in drawn.up] == [
        *((BOTTOM, "0 %"), ((TOP + BOTTOM) / 2, "50 %"), (TOP, "100 %"))
    ]
    assert [(tick.text, tick.anchor) for tick in drawn.across] == [
        *(("Nov 2", "middle"), ("Nov 23", "middle"), ("Nov 30", "end"))
    ]


def test_one_day_alone_lies_in_the_middle_and_none_draws_nothing() -> None:
    (dot,) = shares_over({MONDAY: Part(1, 2)}).dots
    assert dot.x == "55.25%"
    assert shares_over({}).dots == []


def test_many_days_are_not_all_written() -> None:
    drawn = shares_over({MONDAY + number * WEEK: Part(1, 9) for number in range(50)})
    assert len(drawn.dots) == 50
    assert len(drawn.across) == 4
    assert drawn.across[0].place == drawn.dots[0].x
    assert drawn.across[-1].place == drawn.dots[-1].x


def test_photos_lie_beside_those_of_the_training() -> None:
    spreads = {"a": Spread(-2.0, -1.0, 0.0), "b": Spread(-2.0, -1.0, 2.0)}
    sets = tuple(SetLooks(name, 9, {"focus": one}) for name, one in spreads.items())
    looks = Looks(model=None, sets=(*sets, SetLooks("c", 9, {})))
    (drift,) = drift_of({"focus": [Look(2966, 5, 1.0, 0), Look(2967, 5, -2.0, 0)]})
    drawn = looks_over(drift, looks, Period())
    assert [dot.y for dot in drawn.dots] == [TOP + 30, BOTTOM]
    assert [(one.top, one.height) for one in drawn.strips] == [(TOP + 60, 60), (TOP, 120)]
    first, second = (one.named for one in drawn.strips)
    assert second - first == LINE
    assert [tick.text for tick in drawn.up] == ["-2.0", "2.0"]


def test_usual_period_is_twelve_weeks_with_the_running_one() -> None:
    usual = asked_days({}, THURSDAY)
    assert usual == weeks_up_to(THURSDAY, 12) == Days(date(2026, 9, 7), date(2026, 11, 29))
    assert asked_days({"from": "", "to": ""}, THURSDAY) == Days()
    assert asked_days({"from": "2026-11-02"}, THURSDAY) == Days(MONDAY)


def test_both_days_belong_to_the_period() -> None:
    period = Days(MONDAY, MONDAY).period
    assert period.since == begin_of(MONDAY)
    assert period.until == begin_of(MONDAY + timedelta(days=1))
    assert period.since == datetime.combine(MONDAY, datetime.min.time()).astimezone(UTC)
