"""Where dots, limits and bands of the quality page's charts lie; all places are attributes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from babel.dates import format_skeleton
from flask_babel import get_locale

from hematovision.services.quality import Drift
from hematovision.services.shares import Part
from hematovision.storage.quality import Period
from hematovision.vision.looks import Looks
from hematovision.web.charts import MARGIN
from hematovision.web.numbers import number, short

TOPS = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
"""Shares at which an axis may end."""

SURE = 20
"""Limits of a share of fewer cells do not stretch an axis; they are cut off at its end."""

LEFT, RIGHT = 13.0, 97.5
"""Where the first and the last dot lie, in percent of the width; the axis is written before."""

BESIDE = 82.0
"""Where the last dot lies where names are written beside it."""

LINE = 13.0
"""Pixels of a line of text."""

TOP, BOTTOM = 10.0, 130.0
"""Where the highest and the lowest value lie, in pixels."""

MOST_DAYS = 4
"""Days that are written below."""


@dataclass(frozen=True, slots=True)
class Rising:
    """An axis of shares across a table's cell, from none up, in percent of its width."""

    top: float

    @property
    def ticks(self) -> tuple[float, ...]:
        """Give the shares that are marked."""
        return tuple(self.top * step / 2 for step in range(3))

    def at(self, share: float) -> str:
        """Give the place of a share, such as `84.18%`."""
        return f"{MARGIN + (100 - 2 * MARGIN) * min(share / self.top, 1.0):.2f}%"


def rising(parts: Iterable[Part]) -> Rising:
    """Choose an axis for shares: as long as what is known well needs it."""
    return Rising(_top(parts))


@dataclass(frozen=True, slots=True)
class Dot:
    """A value with its limits.

    Attributes:
        x: Across, such as `84.18%`.
        y: From the top, in pixels.
        low: The same, of the lower limit.
        high: The same, of the upper limit.
    """

    x: str
    y: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Strip:
    """Where most photos of a set lie.

    Attributes:
        name: Of the set.
        top: In pixels.
        height: In pixels.
        middle: Where their middle lies, in pixels.
        named: Where its name is written, in pixels.
    """

    name: str
    top: float
    height: float
    middle: float
    named: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis, and what is written there."""

    place: float | str
    text: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Timeline:
    """Values over weeks or days.

    Attributes:
        dots: One a week.
        up: Marks of the axis that goes up.
        across: Marks of the axis that goes across.
        strips: Where the photos of the training lie; empty where that is not asked.
    """

    dots: Sequence[Dot]
    up: Sequence[Tick]
    across: Sequence[Tick]
    strips: Sequence[Strip] = ()


def shares_over(days: Mapping[date, Part]) -> Timeline:
    """Draw shares over days; days on which nothing was counted are left out."""
    some = {day: part.share for day, part in days.items() if part.share}
    top = _top(days.values())
    places = _places(list(some))

    def y(share: float | None) -> float:
        return _y(min((share or 0) / top, 1.0))

    return Timeline(
        dots=[Dot(places[day], y(one.value), y(one.low), y(one.high)) for day, one in some.items()],
        up=[Tick(y(share), f"{short(100 * share, 3)} %") for share in Rising(top).ticks],
        across=_days(places),
    )


def looks_over(drift: Drift, looks: Looks, period: Period) -> Timeline:
    """Draw a measure of photos over weeks, and where the photos of the training lie."""
    weeks = {_monday(period, look.week): look.mean for look in drift.weeks}
    spreads = {
        one.name: one.spreads[drift.measure] for one in looks.sets if drift.measure in one.spreads
    }
    ends = [end for one in spreads.values() for end in (one.low, one.high)]
    least, most = min((*ends, *weeks.values())), max((*ends, *weeks.values()))
    span = (most - least) or 1.0
    places = _places(list(weeks), right=BESIDE)

    def y(value: float) -> float:
        return _y((value - least) / span)

    names = _apart([y(one.middle) for one in spreads.values()])
    return Timeline(
        dots=[Dot(places[day], y(mean), y(mean), y(mean)) for day, mean in weeks.items()],
        up=[Tick(y(value), number(value, 1)) for value in (least, most)],
        across=_days(places),
        strips=[
            Strip(name, y(one.high), round(y(one.low) - y(one.high), 1), y(one.middle), named)
            for (name, one), named in zip(spreads.items(), names, strict=True)
        ],
    )


def weeks_of(parts: Mapping[int, Part], period: Period) -> Mapping[date, Part]:
    """Give shares by the Mondays of their weeks."""
    return {_monday(period, week): part for week, part in sorted(parts.items())}


def short_day(day: date) -> str:
    """Write a day of a year that is clear, such as `Nov 2`."""
    return str(format_skeleton("MMMd", day, locale=str(get_locale() or "en")))


def _monday(period: Period, week: int) -> date:
    return (period.begin_of(week) + period.ahead).date()


def _top(parts: Iterable[Part]) -> float:
    highest = 0.0
    for part in parts:
        share = part.share
        if share:
            sure = part.number >= SURE
            highest = max(highest, share.value, (share.high or 0) if sure else 0)
    return next(top for top in TOPS if top >= highest)


def _places(days: Sequence[date], right: float = RIGHT) -> Mapping[date, str]:
    """Say where days lie across, as far apart as they are; one alone lies in the middle."""
    if len(days) < 2:
        return dict.fromkeys(days, f"{(LEFT + right) / 2:.2f}%")
    first, last = min(days), max(days)
    step = (right - LEFT) / (last - first).days
    return {day: f"{LEFT + (day - first).days * step:.2f}%" for day in days}


def _days(places: Mapping[date, str]) -> Sequence[Tick]:
    days = sorted(places)
    if len(days) > MOST_DAYS:
        steps = range(MOST_DAYS)
        days = [days[round(step * (len(days) - 1) / (MOST_DAYS - 1))] for step in steps]
    last = days[-1] if len(days) > 1 else None
    return [Tick(places[day], short_day(day), "end" if day == last else "middle") for day in days]


def _y(part: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * part, 1)


def _apart(heights: Sequence[float]) -> Sequence[float]:
    """Move heights down until a line of text fits between them; give them in their order."""
    moved: dict[int, float] = {}
    lowest = -LINE
    for place in sorted(range(len(heights)), key=heights.__getitem__):
        lowest = max(heights[place], lowest + LINE)
        moved[place] = lowest
    return [moved[place] for place in range(len(heights))]
