"""Make probabilities mean what they say: temperature and conformal threshold."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hematovision.vision.classifying import softmax


def fit_temperature(logits: NDArray[np.float32], labels: NDArray[np.intp]) -> float:
    """Find the temperature that makes the labels most likely (Guo et al., 2017).

    Args:
        logits: Shape (N, C), of cells that were not learnt from.
        labels: Shape (N,), their types' indices.

    Returns:
        What the logits are to be divided by, 0.2 to 5.
    """
    rows = np.arange(len(labels))

    def surprise(temperature: float) -> float:
        chosen = softmax((logits / temperature).astype(np.float32))[rows, labels]
        return float(-np.log(np.maximum(chosen, 1e-12)).mean())

    return float(min(np.geomspace(0.2, 5, 401), key=surprise))


def conformal_threshold(
    probabilities: NDArray[np.float64], labels: NDArray[np.intp], *, coverage: float
) -> float:
    """Find the probability that the true type reaches often enough.

    Split conformal prediction with the least ambiguous sets (Sadinle, Lei and Wasserman, 2019):
    the set of all types at or above the threshold holds the true one with at least `coverage`
    for cells like those given.

    Args:
        probabilities: Shape (N, C), of cells that were not learnt from.
        labels: Shape (N,), their types' indices.
        coverage: 0 to 1.

    Raises:
        ValueError: If there are too few cells for this coverage.
    """
    reached = np.sort(probabilities[np.arange(len(labels)), labels])
    rank = int(np.floor(round((len(labels) + 1) * (1 - coverage), 9)))
    if rank < 1:
        raise ValueError(f"{len(labels)} cells are too few for a coverage of {coverage}.")
    return float(reached[rank - 1])


def lowest_threshold(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.intp],
    sources: Sequence[str],
    *,
    coverage: float,
) -> float:
    """Take the conformal threshold of the microscope that needs the lowest.

    Pooled, the many cells of one microscope would hide that the few of another are covered less.

    Args:
        probabilities: Shape (N, C), of cells that were not learnt from.
        labels: Shape (N,), their types' indices.
        sources: The set of each cell.
        coverage: Of each set, 0 to 1.

    Raises:
        ValueError: If a set has too few cells for this coverage.
    """
    of = np.asarray(sources)
    return min(
        conformal_threshold(probabilities[of == one], labels[of == one], coverage=coverage)
        for one in set(sources)
    )
