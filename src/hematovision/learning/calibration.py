"""Make probabilities mean what they say: temperature, bias and conformal thresholds."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hematovision.cells import CellType
from hematovision.vision.classifying import softmax

Weighting: TypeAlias = Literal["source", "photo"] | Mapping[str, float]
"""Where the cells to come are from: any photo alike, any source alike, or each by its share."""

TEMPERATURES = np.geomspace(0.2, 5, 401)
BIAS_SPREAD = 0.5
"""Standard deviation of the normal prior on a bias, in logits."""

FOLDS = 5
ROUNDS = 8
NEWTON_STEPS = 4


def fit_temperature(
    logits: NDArray[np.float32], labels: NDArray[np.intp], sources: Sequence[str]
) -> float:
    """Find the temperature that makes the labels most likely (Guo et al., 2017).

    Every source counts the same, however many cells it has.

    Args:
        logits: Shape (N, C), of cells that were not learnt from.
        labels: Shape (N,), their types' indices.
        sources: The set of each cell.

    Returns:
        What the logits are to be divided by, 0.2 to 5.
    """
    return _best_temperature(logits, labels, _by_source(sources), np.zeros(logits.shape[1]))


def fit_calibration(
    logits: NDArray[np.float32],
    labels: NDArray[np.intp],
    sources: Sequence[str],
    groups: Sequence[str] | None = None,
    *,
    seed: int = 0,
) -> tuple[float, NDArray[np.float64]]:
    """Find a temperature and, where it helps, a bias a type (bias-corrected temperature scaling).

    After Alexandari, Kundaje and Shrikumar (2020), with a normal prior on the bias. The bias is
    kept only if it makes the labels of held-out groups more likely in cross-validation. Every
    source counts the same, however many cells it has.

    Args:
        logits: Shape (N, C), of cells that were not learnt from.
        labels: Shape (N,), their types' indices.
        sources: The set of each cell.
        groups: Cells of one group are held out together; None takes every cell by itself.
        seed: Of the draw of the folds.

    Returns:
        The temperature, 0.2 to 5, and the bias, shape (C,), which is zero where it does not help:
        calibrated logits are `logits / temperature + bias`.
    """
    weights = _by_source(sources)
    alone = [str(cell) for cell in range(len(labels))]
    fold = _folds(groups or alone, seed)
    plain = biased = 0.0
    for held in (fold == number for number in range(FOLDS)):
        told = logits[~held], labels[~held], weights[~held]
        temperature = _best_temperature(*told, np.zeros(logits.shape[1]))
        plain += _surprise(logits[held] / temperature, labels[held], weights[held])
        temperature, bias = _fit_both(*told)
        biased += _surprise(logits[held] / temperature + bias, labels[held], weights[held])
    if biased < plain:
        return _fit_both(logits, labels, weights)
    return fit_temperature(logits, labels, sources), np.zeros(logits.shape[1])


def class_thresholds(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.intp],
    groups: Sequence[str],
    sources: Sequence[str],
    *,
    coverage: float,
    classes: Sequence[CellType],
    weighting: Weighting = "photo",
) -> dict[CellType, float]:
    """Find, for every type, the probability that cells of this type reach often enough.

    Class-conditional (Mondrian) split conformal prediction (Vovk, 2012) with the least ambiguous
    sets (Sadinle, Lei and Wasserman, 2019). The exchangeable unit is the group, not the cell: see
    `find_threshold`. A type with too few groups for this coverage gets the threshold of all types
    together.

    Args:
        probabilities: Shape (N, C), calibrated, of cells that were not learnt from.
        labels: Shape (N,), their types' indices.
        groups: Cells of one group come from the same field.
        sources: The set of each cell.
        coverage: 0 to 1.
        classes: The order of the probabilities.
        weighting: Where the cells to come are from.

    Returns:
        The least probability that keeps each type.

    Raises:
        ValueError: If there are too few groups for this coverage even of all types together.
    """
    reached = probabilities[np.arange(len(labels)), labels]

    def of(cells: NDArray[np.intp]) -> float | None:
        return find_threshold(
            reached[cells],
            [groups[cell] for cell in cells],
            [sources[cell] for cell in cells],
            coverage=coverage,
            weighting=weighting,
        )

    pooled = of(np.arange(len(labels)))
    if pooled is None:
        raise ValueError(f"{len(labels)} cells are too few for a coverage of {coverage}.")
    thresholds = {}
    for index, kind in enumerate(classes):
        own = of(np.flatnonzero(labels == index))
        thresholds[kind] = pooled if own is None else own
    return thresholds


def find_threshold(
    reached: NDArray[np.float64],
    groups: Sequence[str],
    sources: Sequence[str],
    *,
    coverage: float,
    weighting: Weighting = "photo",
) -> float | None:
    """Find the highest threshold that a cell of a new group reaches often enough.

    Hierarchical conformal prediction (Lee, Barber and Willett, 2023; the pooled distribution of
    Dunn, Wasserman and Ramdas, 2022, with the place of the group to come): the cells of one group
    share the weight of one. For groups of one source it holds exactly, whatever their sizes. Over
    several sources it holds for cells drawn from them as `weighting` says, and of no source alone.

    Args:
        reached: Shape (N,), the probability of the true type.
        groups: Cells of one group come from the same field.
        sources: The set of each cell.
        coverage: 0 to 1.
        weighting: Where the cells to come are from.

    Returns:
        The threshold; None if there are too few groups.
    """
    weights, to_come = _group_weights(groups, sources, weighting)
    order = np.argsort(reached, kind="stable")
    below = to_come + np.cumsum(weights[order])
    # Rounded, because 1 - 0.9 leaves a little less than a tenth.
    missed = round(1 - coverage, 9) + 1e-12
    if to_come > missed or not len(reached):
        return None
    return float(reached[order[np.searchsorted(below, missed, side="right")]])


def _group_weights(
    groups: Sequence[str], sources: Sequence[str], weighting: Weighting
) -> tuple[NDArray[np.float64], float]:
    """Weigh every cell, and the group to come, of which nothing is known; together they are 1."""
    names = [f"{source}/{group}" for source, group in zip(sources, groups, strict=True)]
    _, first, group, sizes = np.unique(
        names, return_index=True, return_inverse=True, return_counts=True
    )
    origins = np.asarray(sources)[first] if weighting != "photo" else np.zeros(len(first))
    present, source, counts = np.unique(origins, return_inverse=True, return_counts=True)
    shares = np.ones(len(present))
    if isinstance(weighting, Mapping):
        shares = np.asarray([weighting.get(str(name), 0.0) for name in present])
    if not shares.sum():
        return np.zeros(len(names)), 1.0
    a_group = shares / shares.sum() / (counts + 1)
    return (a_group[source] / sizes)[group], float(a_group.sum())


def _by_source(sources: Sequence[str]) -> NDArray[np.float64]:
    """Weigh cells so that every source counts the same; shape (N,), summing to one."""
    _, source, counts = np.unique(sources, return_inverse=True, return_counts=True)
    return np.asarray(1 / counts[source] / len(counts))


def _folds(groups: Sequence[str], seed: int) -> NDArray[np.intp]:
    """Deal groups out to folds; shape (N,)."""
    _, group = np.unique(groups, return_inverse=True)
    dealt = np.random.default_rng(seed).permutation(group.max() + 1) % FOLDS
    return np.asarray(dealt[group])


def _fit_both(
    logits: NDArray[np.float32], labels: NDArray[np.intp], weights: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Fit temperature and bias in turns; the surprise is convex in the bias and in 1 / T."""
    bias = np.zeros(logits.shape[1])
    temperature = 1.0
    for _ in range(ROUNDS):
        temperature = _best_temperature(logits, labels, weights, bias)
        bias = _best_bias(logits / temperature, labels, weights, bias)
    return temperature, bias


def _best_temperature(
    logits: NDArray[np.float32],
    labels: NDArray[np.intp],
    weights: NDArray[np.float64],
    bias: NDArray[np.float64],
) -> float:
    """Search the temperature of the least surprise under a bias: it has no other valley."""

    def rises(temperature: int) -> bool:
        here, next_to_it = (
            _surprise(logits / t + bias, labels, weights)
            for t in TEMPERATURES[temperature : temperature + 2]
        )
        return here <= next_to_it

    return float(TEMPERATURES[bisect_left(range(len(TEMPERATURES) - 1), True, key=rises)])


def _best_bias(
    logits: NDArray[np.floating],
    labels: NDArray[np.intp],
    weights: NDArray[np.float64],
    bias: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Step by Newton's method to the bias of the least surprise under its prior."""
    types = np.eye(logits.shape[1])
    prior = weights.sum() / len(labels) / BIAS_SPREAD**2
    for _ in range(NEWTON_STEPS):
        said = softmax((logits + bias).astype(np.float32))
        slope = weights @ (said - types[labels]) + prior * bias
        curve = np.diag(weights @ said) - (said * weights[:, None]).T @ said + prior * types
        bias = bias - np.linalg.solve(curve, slope)
    return bias


def _surprise(
    logits: NDArray[np.floating], labels: NDArray[np.intp], weights: NDArray[np.float64]
) -> float:
    """Sum the weighted negative log-likelihood of the labels."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    chosen = shifted[np.arange(len(labels)), labels] - np.log(np.exp(shifted).sum(axis=1))
    return -float(weights @ chosen)
