"""Known or not: fit the score, and choose from where on a cell may be named."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hematovision.cells import CellType
from hematovision.learning.refusals import auroc_with_limits
from hematovision.vision.knowing import SIGNALS, Knower

SAME_AS = {"platelet": ("platelet", "platelets")}
"""Kinds that one type goes by in several sets."""

KEPT_DIRECTIONS = 64
RIDGE = 1e-3
BATCH = 64


class Classifier(Protocol):
    """A network from crops to logits and features."""

    def __call__(self, pictures: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        """Run on crops (N, size, size, 3)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Cells, and what is none, as one network sees them.

    Attributes:
        logits: Shape (N, C).
        features: Shape (N, D).
        kinds: Published type of each, or what else it is.
        sources: The set of each.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    kinds: tuple[str, ...]
    sources: tuple[str, ...]

    def of(self, chosen: NDArray[np.bool_]) -> "Seen":
        """Give a part of them."""
        places = np.flatnonzero(chosen)
        return Seen(
            self.logits[places],
            self.features[places],
            tuple(self.kinds[i] for i in places),
            tuple(self.sources[i] for i in places),
        )

    def without(self, kind: str) -> "Seen":
        """Leave one type out, by whatever name it goes."""
        names = SAME_AS.get(kind, (kind,))
        return self.of(np.asarray([one not in names for one in self.kinds], bool))

    def named(self, classes: Sequence[CellType]) -> NDArray[np.intp]:
        """Give the place of each one's type among the network's, -1 for what has no name."""
        places = {str(kind): i for i, kind in enumerate(classes) if kind is not CellType.OTHER}
        return np.asarray([places.get(kind, -1) for kind in self.kinds], np.intp)

    def right(self, classes: Sequence[CellType]) -> NDArray[np.bool_]:
        """Tell which ones have a name, and get it from the network."""
        place = self.named(classes)
        right: NDArray[np.bool_] = (place >= 0) & (self.logits.argmax(axis=1) == place)
        return right


def see_crops(
    network: Classifier,
    crops: NDArray[np.uint8],
    kinds: Iterable[str],
    sources: Iterable[str],
) -> Seen:
    """Show crops to a network.

    Args:
        network: The classifier.
        crops: Shape (N, size, size, 3), RGB, uint8.
        kinds: Published type of each, or what else it is.
        sources: The set of each.
    """
    parts = [network(crops[i : i + BATCH])[:2] for i in range(0, len(crops), BATCH)]
    logits, features = (np.concatenate(some) for some in zip(*parts, strict=True))
    return Seen(logits, features, tuple(map(str, kinds)), tuple(map(str, sources)))


def fit_knower(told: Seen, *, classes: Sequence[CellType], without: str | None = None) -> Knower:
    """Fit the score to what was learnt, and to what is to be refused.

    The distance is measured along the features' main directions, with one centre a type and the
    spread that the types share; a logistic regression then weighs the signals, after
    Hendrycks et al., Deep anomaly detection with outlier exposure, 2019. Every kind of a set weighs
    as the square root of its number says, known and unknown the same altogether.

    Args:
        told: What the network learnt from; kinds that are no named type are to be refused.
        classes: The order of the network's outputs.
        without: A type to leave out of what is refused, so that it can be scored.

    Raises:
        ValueError: If a named type has no cells, or nothing is to be refused.
    """
    told = told.without(without) if without else told
    place = told.named(classes)
    known = place >= 0
    types = [i for i, kind in enumerate(classes) if kind is not CellType.OTHER]
    missing = [classes[i] for i in types if not (place == i).any()]
    if missing or known.all():
        raise ValueError(f"There are no cells of {', '.join(missing) or 'what is to be refused'}.")
    middle, axes, centres = _place_types(told.features[place >= 0], place[place >= 0], types)
    blank = Knower(
        named=np.asarray([kind is not CellType.OTHER for kind in classes]),
        middle=middle,
        axes=axes,
        centres=centres,
        weights=np.zeros(SIGNALS),
        bias=np.zeros(()),
    )
    signals = blank.signals(told.logits, told.features)
    weights, bias = _weigh(signals, known, _shares(told, known))
    return Knower(blank.named, middle, axes, centres, weights, bias)


def _place_types(
    features: NDArray[np.float32], place: NDArray[np.intp], types: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Find main directions in which types spread by one, and the centre of each type.

    Returns:
        Mean of shape (D,), directions (D, K), and centres (T, K).
    """
    middle = features.mean(axis=0, dtype=np.float64)
    spread = np.cov(features - middle, rowvar=False)
    values, vectors = np.linalg.eigh(np.atleast_2d(spread))
    kept = np.argsort(-values)[:KEPT_DIRECTIONS]
    kept = kept[values[kept] > 1e-9 * values.max()]
    directions = vectors[:, kept] / np.sqrt(values[kept])
    placed = (features - middle) @ directions
    within = np.concatenate([placed[place == i] - placed[place == i].mean(axis=0) for i in types])
    shared = within.T @ within / len(within) + RIDGE * np.eye(len(kept))
    axes = directions @ np.linalg.cholesky(np.linalg.inv(shared))
    centres = np.stack([((features[place == i] - middle) @ axes).mean(axis=0) for i in types])
    return middle.astype(np.float32), axes.astype(np.float32), centres.astype(np.float32)


def _shares(told: Seen, known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Say how much each example weighs: shape (N,), known and unknown one half each."""
    names = [f"{kind} {source}" for kind, source in zip(told.kinds, told.sources, strict=True)]
    _, kind, counts = np.unique(names, return_inverse=True, return_counts=True)
    shares: NDArray[np.float64] = 1 / np.sqrt(counts[kind])
    for some in (known, ~known):
        shares[some] /= 2 * shares[some].sum()
    return shares


def _weigh(
    signals: NDArray[np.floating], known: NDArray[np.bool_], shares: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit a logistic regression by Newton's method, with a little ridge on standardised signals.

    Returns:
        Weights of shape (SIGNALS,), and a bias of shape ().
    """
    mean, spread = signals.mean(axis=0), signals.std(axis=0) + 1e-9
    inputs = np.column_stack([(signals - mean) / spread, np.ones(len(signals))])
    ridge = RIDGE * np.diag([*[1.0] * SIGNALS, 0.0])
    weights = np.zeros(SIGNALS + 1)
    for _ in range(30):
        chance = 0.5 * (1 + np.tanh(inputs @ weights / 2))
        slope = inputs.T @ (shares * (chance - known)) + ridge @ weights
        bend = (inputs * (shares * chance * (1 - chance))[:, None]).T @ inputs + ridge
        weights -= np.linalg.solve(bend + 1e-12 * np.eye(len(bend)), slope)
    fitted = weights[:SIGNALS] / spread
    return fitted, np.asarray(weights[SIGNALS] - mean @ fitted)


def choose_known_threshold(
    known_of_right: NDArray[np.floating],
    sources: Sequence[str],
    known_of_strangers: NDArray[np.floating],
    *,
    refuse_right: float = 0.025,
    refuse_strangers: float = 0.9,
) -> float:
    """Choose from which score on a cell may be named.

    The lowest score that refuses enough strangers, because a cell of a new microscope scores lower
    than one of those that were learnt; but never so high that it refuses too many right cells.

    Args:
        known_of_right: Scores of validation cells that the network gets right, shape (N,).
        sources: The microscope of each; the limit holds for every one of them.
        known_of_strangers: Scores of validation cells of other types, and of what is no cell.
        refuse_right: The most that may be refused of a microscope's right cells, as a share.
        refuse_strangers: How many strangers are to be refused, as a share.

    Returns:
        The threshold, 0-1.
    """
    of = np.asarray(sources)
    limits = [_rank(known_of_right[of == source], refuse_right) for source in sorted(set(sources))]
    if not len(known_of_strangers):
        return float(min(limits))
    wanted = np.quantile(known_of_strangers, refuse_strangers, method="higher")
    return float(min(*limits, np.nextafter(wanted, 1)))


def find_threshold(knower: Knower, held: Seen, classes: Sequence[CellType]) -> float:
    """Choose from which score on a cell may be named, on cells that were not learnt from.

    Args:
        knower: The fitted score.
        held: Validation cells of the named types and of others, and strangers as they are located.
        classes: The order of the network's outputs.
    """
    known, right = knower(held.logits, held.features), held.right(classes)
    sources = [source for source, one in zip(held.sources, right, strict=True) if one]
    return choose_known_threshold(known[right], sources, known[held.named(classes) < 0])


def _rank(scores: NDArray[np.floating], share: float) -> float:
    """Give the highest threshold that refuses at most a share of scores."""
    return float(np.sort(scores)[int(share * len(scores))])


def leave_one_type_out(
    train: Seen, val: Seen, test: Seen, *, classes: Sequence[CellType], without: str
) -> dict[str, Any]:
    """Score a type that neither the network nor the knower has seen.

    Args:
        train: What the knower is fitted to; cells of the type are dropped.
        val: Cells that the threshold is chosen on; cells of the type are dropped.
        test: Cells of the named types, and of the one that is scored.
        classes: The order of the network's outputs.
        without: The type.

    Returns:
        `cells` of the type; `auroc` against the named types, with limits; how many would be
        `named` at most: those that may be, and whose most probable type has a name.
    """
    knower = fit_knower(train, classes=classes, without=without)
    threshold = find_threshold(knower, val.without(without), classes)
    scored = test.of(np.asarray([kind == without for kind in test.kinds], bool))
    mature = test.of(test.named(classes) >= 0)
    strange = knower(scored.logits, scored.features)
    nameable = knower.named[scored.logits.argmax(axis=1)]
    return {
        "cells": len(strange),
        "auroc": auroc_with_limits(knower(mature.logits, mature.features), strange),
        "named": int((nameable & (strange >= threshold)).sum()),
    }
