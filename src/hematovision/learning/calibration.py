"""Make probabilities mean what they say: temperature and conformal threshold."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hematovision.vision.classifying import softmax


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
    rows = np.arange(len(labels))
    _, source, counts = np.unique(sources, return_inverse=True, return_counts=True)
    weights = 1 / counts[source] / len(counts)

    def surprise(temperature: float) -> float:
        chosen = softmax((logits / temperature).astype(np.float32))[rows, labels]
        return float(-(weights * np.log(np.maximum(chosen, 1e-12))).sum())

    return float(min(np.geomspace(0.2, 5, 401), key=surprise))


def conformal_threshold(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.intp],
    sources: Sequence[str],
    *,
    coverage: float,
) -> float:
    """Find the probability that the true type reaches often enough.

    Split conformal prediction with the least ambiguous sets (Sadinle, Lei and Wasserman, 2019):
    the set of all types at or above the threshold holds the true one with at least `coverage`
    for cells like those given, drawn from each source equally often. Unweighted, the many cells of
    one microscope would hide that the few of another are covered less.

    Args:
        probabilities: Shape (N, C), of cells that were not learnt from.
        labels: Shape (N,), their types' indices.
        sources: The set of each cell.
        coverage: 0 to 1.

    Raises:
        ValueError: If there are too few cells for this coverage.
    """
    reached = probabilities[np.arange(len(labels)), labels]
    _, source, counts = np.unique(sources, return_inverse=True, return_counts=True)
    # The cell to come has a place among those of its source.
    weights = 1 / (counts + 1)[source] / len(counts)
    order = np.argsort(reached, kind="stable")
    below = np.cumsum(weights[order])
    # Rounded, because 1 - 0.9 leaves a little less than a tenth.
    rank = int(np.searchsorted(below, round(1 - coverage, 9) + 1e-12, side="right"))
    if rank < 1:
        raise ValueError(f"{len(labels)} cells are too few for a coverage of {coverage}.")
    return float(reached[order[rank - 1]])
