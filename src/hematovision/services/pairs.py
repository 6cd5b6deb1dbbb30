"""How well readers agree: from what two people called the same cells to kappa with its limits."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from hematovision.services.shares import Part
from hematovision.storage.database import Records
from hematovision.storage.quality import Pair, Period

NORMAL = 1.959964
"""Standard deviations that hold 95 of 100."""

SUCCESSIVE = "successive"
BLINDED = "blinded"

Counts = Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class PairSource:
    """Whence pairs of labels come.

    Attributes:
        code: What the page calls it by.
        find: Gives what two people called the same cells in some time, within a transaction.
    """

    code: str
    find: Callable[[Records, Period], Sequence[Pair]]


SOURCES: tuple[PairSource, ...] = (
    PairSource(BLINDED, lambda records, period: records.quality.blinded(period)),
    PairSource(SUCCESSIVE, lambda records, period: records.quality.one_after_the_other(period)),
)


@dataclass(frozen=True, slots=True)
class Kappa:
    """Agreement beyond chance, with 95 % limits: one is perfect, zero is chance."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well two people agree.

    Attributes:
        source: The code of where the pairs come from.
        first: One of them.
        second: The other.
        same: The cells that both call the same, of those that both named.
        kappa: Cohen's; None where both call all cells the same, for then chance explains it.
        classes: By label, of the times that either of them says it how often both do.
    """

    source: str
    first: int
    second: int
    same: Part
    kappa: Kappa | None
    classes: Mapping[str, Part]


def agreements(source: str, pairs: Iterable[Pair]) -> Sequence[Agreement]:
    """Say how well every two people agree, those with most cells in common first."""
    counted: dict[tuple[int, int], Counter[tuple[str, str]]] = {}
    for pair in pairs:
        people, (one, other) = (pair.first, pair.second), pair.labels
        if pair.first > pair.second:
            people, (one, other) = (pair.second, pair.first), (other, one)
        counted.setdefault(people, Counter())[one, other] += pair.number
    found = [agreement(source, *people, counts) for people, counts in counted.items()]
    return sorted(found, key=lambda one: (-one.same.number, one.first, one.second))


def agreement(source: str, first: int, second: int, counts: Counts) -> Agreement:
    """Say how well two people agree.

    Args:
        source: The code of where the pairs come from.
        first: One of them.
        second: The other.
        counts: How many cells the first calls so and the second so.
    """
    same = Part(sum(n for (one, other), n in counts.items() if one == other), sum(counts.values()))
    labels = sorted({label for pair in counts for label in pair})
    return Agreement(
        source, first, second, same, kappa_of(counts), {one: _said(one, counts) for one in labels}
    )


def kappa_of(counts: Counts) -> Kappa | None:
    """Give Cohen's kappa (1960) with its 95 % limits (Fleiss, Cohen and Everitt, 1969).

    Args:
        counts: How many cells one person calls so and another so.

    Returns:
        None where nothing, or only one label, was said.
    """
    total = sum(counts.values())
    rows, columns = _margins(counts, total)
    by_chance = sum(rows[label] * columns[label] for label in rows)
    if not total or by_chance == 1:
        return None
    same = sum(number for (one, other), number in counts.items() if one == other) / total
    kappa = (same - by_chance) / (1 - by_chance)
    error = sqrt(_variance(counts, rows, columns, kappa, by_chance)) / (1 - by_chance)
    half = NORMAL * error / sqrt(total)
    return Kappa(kappa, max(-1.0, kappa - half), min(1.0, kappa + half))


def _margins(counts: Counts, total: int) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Give how often each of the two says each label."""
    rows: Counter[str] = Counter()
    columns: Counter[str] = Counter()
    for (one, other), number in counts.items():
        rows[one] += number
        columns[other] += number
    labels = rows.keys() | columns.keys()
    return (
        {label: rows[label] / total for label in labels},
        {label: columns[label] / total for label in labels},
    )


def _variance(
    counts: Counts,
    rows: Mapping[str, float],
    columns: Mapping[str, float],
    kappa: float,
    by_chance: float,
) -> float:
    total, rest = sum(counts.values()), 1 - kappa
    summed = 0.0
    for (one, other), number in counts.items():
        if one == other:
            summed += number / total * (1 - (rows[one] + columns[one]) * rest) ** 2
        else:
            summed += number / total * (rest * (columns[one] + rows[other])) ** 2
    return max(0.0, summed - (kappa - by_chance * rest) ** 2)


def _said(label: str, counts: Counts) -> Part:
    both = counts.get((label, label), 0)
    either = sum(number for pair, number in counts.items() if label in pair)
    return Part(both, either)
