"""Where marks and lines of the model's charts lie."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import floor, sqrt

from flask import Flask

from hematovision.vision.scores import (
    Bin,
    Curve,
    Disturbance,
    Share,
)

MARGIN = 2.0
NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis across a table's cell, in percent of its width.

    Attributes:
        lowest: The share at its left end.
        ticks: Shares that are marked.
    """

    lowest: float
    ticks: tuple[float, ...]

    def at(self, share: float) -> str:
        """Give the place of a share, such as `84.18%`."""
        part = (share - self.lowest) / (1 - self.lowest)
        return f"{MARGIN + (100 - 2 * MARGIN) * min(max(part, 0.0), 1.0):.2f}%"


def scale_of(shares: Iterable[Share]) -> Scale:
    """Choose an axis from the ten percent below the lowest limit, at most half, up to all."""
    lowest = min((one.value if one.low is None else one.low for one in shares), default=0.5)
    first = min(5, floor(10 * lowest))
    step = 2 if first < 4 else 1
    return Scale(first / 10, tuple(tick / 10 for tick in range(first + first % step, 11, step)))


@dataclass(frozen=True, slots=True)
class Frame:
    """A square of shares, drawn in the units of its `viewBox`.

    Attributes:
        left: Where the lowest share lies across.
        right: Where all lies across.
        top: Where all lies.
        bottom: Where the lowest share lies.
        lowest: The share at both lower ends.
    """

    left: float
    right: float
    top: float
    bottom: float
    lowest: float = 0.0

    @property
    def ticks(self) -> tuple[float, ...]:
        """Give the shares that are marked: both ends and three between them."""
        return tuple(self.lowest + (1 - self.lowest) * step / 4 for step in range(5))

    def x(self, share: float) -> float:
        """Give the place across."""
        return round(self.left + (self.right - self.left) * self._part(share), 1)

    def y(self, share: float) -> float:
        """Give the place from the top."""
        return round(self.bottom - (self.bottom - self.top) * self._part(share), 1)

    def _part(self, share: float) -> float:
        return (share - self.lowest) / (1 - self.lowest)

    def line(self, across: Sequence[float], up: Sequence[float]) -> str:
        """Give the `points` of a line."""
        return " ".join(f"{self.x(x)},{self.y(y)}" for x, y in zip(across, up, strict=True))


LARGE = Frame(36, 290, 10, 206)
SMALL = Frame(30, 190, 8, 84)


@dataclass(frozen=True, slots=True)
class Dot:
    """One bin of a reliability diagram, with the limits of its share right."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Diagram:
    """A reliability diagram: its frame, and a dot a bin."""

    frame: Frame
    dots: tuple[Dot, ...]


def diagram_of(bins: Sequence[Bin]) -> Diagram:
    """Place the bins of a reliability diagram, with limits after Wilson (1927)."""
    limits = [wilson(one.right, one.cells) for one in bins]
    lows = [low for low, _ in limits] + [one.confidence for one in bins]
    frame = replace(LARGE, lowest=min(0.8, floor(5 * min(lows, default=0)) / 5))
    return Diagram(
        frame,
        tuple(
            Dot(frame.x(one.confidence), frame.y(one.right), frame.y(low), frame.y(high))
            for one, (low, high) in zip(bins, limits, strict=True)
        ),
    )


def wilson(share: float, number: int) -> tuple[float, float]:
    """Give the 95 % limits of a share of a number of cells (Wilson, 1927)."""
    square = NORMAL_95**2 / max(number, 1)
    middle = share + square / 2
    half = NORMAL_95 * sqrt(share * (1 - share) / max(number, 1) + square / (4 * max(number, 1)))
    return max(0.0, (middle - half) / (1 + square)), min(1.0, (middle + half) / (1 + square))


def highest_risk(curve: Curve) -> float:
    """Choose the top of the axis of risk: the next ten percent."""
    return max(0.1, (floor(10 * max(curve.risk, default=0.0)) + 1) / 10)


def curve_line(curve: Curve) -> str:
    """Place a risk-coverage curve; up is the risk as a part of `highest_risk`."""
    top = highest_risk(curve)
    return LARGE.line(curve.coverage, [risk / top for risk in curve.risk])


def lines_of(disturbance: Disturbance) -> tuple[str, str]:
    """Place two lines, steps of equal width apart: the share right, and the share refused."""
    points = disturbance.points
    across = [step / max(len(points) - 1, 1) for step in range(len(points))]
    refused = [
        (x, point.refused.value) for x, point in zip(across, points, strict=True) if point.refused
    ]
    return (
        SMALL.line(across, [point.accuracy.value for point in points]),
        SMALL.line([x for x, _ in refused], [y for _, y in refused]),
    )


def init_app(app: Flask) -> None:
    """Give the templates these places."""
    app.jinja_env.globals.update(
        scale_of=scale_of,
        diagram_of=diagram_of,
        curve_line=curve_line,
        highest_risk=highest_risk,
        lines_of=lines_of,
        large=LARGE,
        small_frame=SMALL,
    )
