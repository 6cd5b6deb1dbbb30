"""Two models on the same cells: shares with limits, and whether one is better by more than chance.

Cells of one photo resemble each other, so whole photos are drawn again and again (Efron, 1979);
the limits of a share are never narrower than the exact binomial ones. McNemar (1947) looks only at
cells that one model has right and the other wrong; his test is exact here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hematovision.limits import TAIL, at_least, exact_limits
from hematovision.vision.scores import Share

DRAWS = 2000
SEED = 7
FEWEST_PHOTOS = 5
"""From fewer nothing can be drawn that says how photos differ."""


@dataclass(frozen=True, slots=True)
class Said:
    """What two models say of a cell that a person has named.

    Attributes:
        photo_id: Where it lies.
        truth: The type that they should say.
        one: The most probable type of the first; None where it did not find the cell.
        other: Of the second.
        one_named: Whether the first puts a name to it.
        other_named: Whether the second does.
    """

    photo_id: int
    truth: str
    one: str | None
    other: str | None
    one_named: bool
    other_named: bool


@dataclass(frozen=True, slots=True)
class Score:
    """How a model does.

    Attributes:
        right: The share of the cells whose most probable type is the right one.
        balanced: The mean of this share over the types.
        unidentified: The share of the cells to which it puts no name.
        missed: How many cells it did not find; they count as wrong, and as without a name.
    """

    right: Share
    balanced: Share
    unidentified: Share
    missed: int


@dataclass(frozen=True, slots=True)
class OfType:
    """How two models do on the cells of one type."""

    name: str
    cells: int
    one: Share
    other: Share


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same cells.

    Attributes:
        cells: How many.
        photos: On so many photos.
        one: How the first does.
        other: How the second does.
        gain: How many more of the second's answers are right, as a share of the cells.
        only_one: Cells that the first alone has right.
        only_other: Cells that the second alone has right.
        chance: How often two models that are equally good would differ so much, or more.
        types: By type, the most frequent first.
    """

    cells: int
    photos: int
    one: Score
    other: Score
    gain: Share
    only_one: int
    only_other: int
    chance: float
    types: tuple[OfType, ...]


def compare(said: Sequence[Said]) -> Comparison:
    """Compare two models on the same cells; there is one at least."""
    photos, place = np.unique([cell.photo_id for cell in said], return_inverse=True)
    names, kind = np.unique([cell.truth for cell in said], return_inverse=True)
    one = np.asarray([cell.one == cell.truth for cell in said])
    other = np.asarray([cell.other == cell.truth for cell in said])
    draws = _Draws(place, kind, len(photos), len(names))
    only_one, only_other = int((one & ~other).sum()), int((other & ~one).sum())
    types = [
        OfType(str(name), int(mine.sum()), _exact(one[mine]), _exact(other[mine]))
        for name, mine in ((name, kind == number) for number, name in enumerate(names))
    ]
    return Comparison(
        cells=len(said),
        photos=len(photos),
        one=_score(one, [c.one for c in said], [c.one_named for c in said], draws),
        other=_score(other, [c.other for c in said], [c.other_named for c in said], draws),
        gain=draws.mean(other.astype(float) - one),
        only_one=only_one,
        only_other=only_other,
        chance=chance_of(only_one, only_other),
        types=tuple(sorted(types, key=lambda one: (-one.cells, one.name))),
    )


def chance_of(only_one: int, only_other: int) -> float:
    """Give McNemar's exact chance, two-sided, that two equally good models differ so much."""
    more, number = max(only_one, only_other), only_one + only_other
    return min(1.0, 2 * at_least(more, number, 0.5)) if number else 1.0


class _Draws:
    """Photos drawn again and again, the same for every score."""

    def __init__(
        self, place: NDArray[np.intp], kind: NDArray[np.intp], photos: int, kinds: int
    ) -> None:
        self._place, self._kind, self._photos, self._kinds = place, kind, photos, kinds
        generator = np.random.default_rng(SEED)
        self._weights = generator.multinomial(photos, [1 / photos] * photos, DRAWS)
        self._cells = self._weights @ np.bincount(place, minlength=photos)

    def mean(self, values: NDArray[np.float64]) -> Share:
        """Give the mean of a value a cell."""
        sums = self._weights @ np.bincount(self._place, values, self._photos)
        return self._share(float(values.mean()), sums / self._cells)

    def share(self, hits: NDArray[np.bool_]) -> Share:
        """Give a share of the cells, its limits no narrower than the exact ones."""
        drawn, exact = self.mean(hits.astype(float)), _exact(hits)
        low = exact.low if drawn.low is None else min(drawn.low, exact.low or 0.0)
        high = exact.high if drawn.high is None else max(drawn.high, exact.high or 0.0)
        return Share(drawn.value, low, high)

    def balanced(self, hits: NDArray[np.bool_]) -> Share:
        """Give the mean over the types; a draw without a type is the mean over the others."""
        cell = self._place * self._kinds + self._kind
        shape = (self._photos, self._kinds)
        number = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
        right = np.bincount(cell, hits, shape[0] * shape[1]).reshape(shape)
        value = float((right.sum(axis=0) / number.sum(axis=0)).mean())
        numbers = self._weights @ number
        with np.errstate(invalid="ignore"):
            means = np.nanmean((self._weights @ right) / numbers, axis=1)
        return self._share(value, means)

    def _share(self, value: float, drawn: NDArray[np.float64]) -> Share:
        # Where every draw says the same, as where all is right, it says nothing of the limits.
        if self._photos < FEWEST_PHOTOS or drawn.min() == drawn.max():
            return Share(value)
        low, high = np.quantile(drawn, [TAIL, 1 - TAIL])
        return Share(value, float(low), float(high))


def _score(
    hits: NDArray[np.bool_], best: Sequence[str | None], named: Sequence[bool], draws: _Draws
) -> Score:
    return Score(
        right=draws.share(hits),
        balanced=draws.balanced(hits),
        unidentified=draws.share(~np.asarray(named)),
        missed=sum(one is None for one in best),
    )


def _exact(hits: NDArray[np.bool_]) -> Share:
    return Share(float(hits.mean()), *exact_limits(int(hits.sum()), len(hits)))
