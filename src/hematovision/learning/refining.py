"""The head of the classifier, taught further by a few labelled cells."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hematovision.vision.classifying import softmax

FOLDS = 5
STRENGTHS = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""Candidates of how strongly the old head is held to."""

SPREAD = 3.0
STEPS = 400

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HeadChange:
    """What is added to the weights of a linear head.

    Attributes:
        kernel: Shape (D, C).
        bias: Shape (C,).
    """

    kernel: Floats
    bias: Floats

    def __call__(self, logits: NDArray[np.float32], features: NDArray[np.float32]) -> Floats:
        """Give the logits of the changed head, shape (N, C), from those of the old one."""
        return logits + features @ self.kernel + self.bias


def refine_head(
    logits: NDArray[np.float32],
    features: NDArray[np.float32],
    labels: NDArray[np.intp],
    groups: NDArray[np.intp] | None = None,
) -> HeadChange:
    """Learn what to add to a head: logistic regression that is drawn towards no change.

    How strongly it is drawn is chosen by cross-validation among the cells given. Rare types count
    more: a type's weight grows with the root of its cells.

    Args:
        logits: What the old head says, shape (N, C).
        features: What it says it from, shape (N, D).
        labels: Types' indices, shape (N,).
        groups: Cells of one are never on both sides, shape (N,); None where each is of another.
    """
    folds = _folds(labels, groups)

    def surprise(strength: float) -> float:
        said = _left_out(logits, features, labels, folds, strength)
        return -float(np.log(_chosen(softmax(said.astype(np.float32)), labels)).mean())

    return _fit(logits, features, labels, min(STRENGTHS, key=surprise))


def cross_validate(
    logits: NDArray[np.float32],
    features: NDArray[np.float32],
    labels: NDArray[np.intp],
    groups: NDArray[np.intp] | None = None,
) -> Floats:
    """Give each cell the logits of a head that was refined without it and its group: (N, C)."""
    folds = _folds(labels, groups, seed=1)
    said = np.empty(logits.shape)
    for fold in np.unique(folds):
        out = folds == fold
        rest = None if groups is None else groups[~out]
        change = refine_head(logits[~out], features[~out], labels[~out], rest)
        said[out] = change(logits[out], features[out])
    return said


def stratified_folds(labels: NDArray[np.intp], *, seed: int = 0) -> NDArray[np.intp]:
    """Deal cells out to `FOLDS` folds, each type evenly; shape (N,)."""
    generator = np.random.default_rng(seed)
    folds = np.empty(len(labels), np.intp)
    for kind in np.unique(labels):
        cells = generator.permutation(np.flatnonzero(labels == kind))
        folds[cells] = (np.arange(len(cells)) + generator.integers(FOLDS)) % FOLDS
    return folds


def grouped_folds(
    labels: NDArray[np.intp], groups: NDArray[np.intp], *, seed: int = 0
) -> NDArray[np.intp]:
    """Deal whole groups out to `FOLDS` folds, large ones first, each type as evenly as it goes."""
    shuffled = np.random.default_rng(seed).permutation(np.unique(groups))
    dealt = np.zeros((FOLDS, labels.max() + 1), np.intp)
    folds = np.empty(len(labels), np.intp)
    for group in sorted(shuffled, key=lambda group: -int((groups == group).sum())):
        inside = groups == group
        counted = np.bincount(labels[inside], minlength=dealt.shape[1])
        crowded = dealt[:, counted > 0].sum(axis=1)
        fold = min(range(FOLDS), key=lambda fold: (crowded[fold], dealt[fold].sum()))
        dealt[fold] += counted
        folds[inside] = fold
    return folds


def _folds(
    labels: NDArray[np.intp], groups: NDArray[np.intp] | None, *, seed: int = 0
) -> NDArray[np.intp]:
    if groups is None:
        return stratified_folds(labels, seed=seed)
    return grouped_folds(labels, groups, seed=seed)


def _left_out(
    logits: NDArray[np.float32],
    features: NDArray[np.float32],
    labels: NDArray[np.intp],
    folds: NDArray[np.intp],
    strength: float,
) -> Floats:
    """Say of each cell what a head says that was learnt without its fold."""
    said = logits.astype(np.float64)
    for fold in np.unique(folds):
        out = folds == fold
        change = _fit(logits[~out], features[~out], labels[~out], strength)
        said[out] = change(logits[out], features[out])
    return said


def _fit(
    logits: NDArray[np.float32],
    features: NDArray[np.float32],
    labels: NDArray[np.intp],
    strength: float,
) -> HeadChange:
    """Minimise weighted surprise and the change's size by accelerated gradient descent.

    There are more features than cells, so it is done in the space that the cells span.
    """
    middle = features.mean(axis=0, dtype=np.float64)
    scale = SPREAD / (np.sqrt(features.shape[1]) * max(float(features.std(axis=0).mean()), 1e-6))
    spans, sizes, axes = np.linalg.svd((features - middle) * scale, full_matrices=False)
    places = np.column_stack([spans * sizes, np.ones(len(labels))])
    truth = np.eye(logits.shape[1])[labels]
    weights = 1 / np.sqrt(np.bincount(labels)[labels])
    weights /= weights.sum()
    steepest = 0.5 * float(np.linalg.norm(places * np.sqrt(weights)[:, None], 2) ** 2) + strength
    change = ahead = np.zeros((places.shape[1], logits.shape[1]))
    for step in range(STEPS):
        said = softmax((logits + places @ ahead).astype(np.float32))
        slope = places.T @ ((said - truth) * weights[:, None]) + strength * ahead
        moved = ahead - slope / steepest
        ahead = moved + step / (step + 3) * (moved - change)
        change = moved
    kernel = axes.T @ change[:-1] * scale
    return HeadChange(kernel, change[-1] - middle @ kernel)


def _chosen(probabilities: Floats, labels: NDArray[np.intp]) -> Floats:
    """Take the probabilities of the labels, never zero."""
    return np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12)
