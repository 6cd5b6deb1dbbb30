import numpy as np
import pytest
from numpy.typing import NDArray

from hematovision.learning.refining import (
    FOLDS,
    cross_validate,
    refine_head,
    stratified_folds,
)

LABELS = np.repeat([0, 1, 3], (30, 20, 10))
Drawn = tuple[NDArray[np.float32], NDArray[np.float32]]


def drawn(*, tells: float) -> Drawn:
    """Draw features of 60 cells that tell their type more or less, and an old head's logits."""
    random = np.random.default_rng(3)
    features = random.normal(0, 1, (len(LABELS), 200))
    features[np.arange(len(LABELS)), LABELS] += tells
    logits = random.normal(0, 1, (len(LABELS), 4))
    return logits.astype(np.float32), features.astype(np.float32)


def right(logits: NDArray[np.floating]) -> float:
    return float((logits.argmax(axis=1) == LABELS).mean())


def test_what_the_features_tell_is_learnt_and_cross_validated() -> None:
    logits, features = drawn(tells=8.0)
    said = cross_validate(logits, features, LABELS)
    assert right(logits) < 0.4
    assert right(said) > 0.85
    assert right(refine_head(logits, features, LABELS)(logits, features)) > 0.95


def test_cells_are_not_scored_by_a_head_that_saw_them() -> None:
    logits, features = drawn(tells=0.0)
    assert right(cross_validate(logits, features, LABELS)) < 0.7


def test_the_change_is_the_same_added_to_the_weights_of_a_head() -> None:
    _, features = drawn(tells=3.0)
    kernel = np.random.default_rng(5).normal(0, 0.1, (200, 4)).astype(np.float32)
    logits = features @ kernel
    change = refine_head(logits, features, LABELS)
    np.testing.assert_allclose(
        features @ (kernel + change.kernel) + change.bias, change(logits, features), atol=1e-4
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_folds_deal_each_type_evenly(seed: int) -> None:
    folds = stratified_folds(LABELS, seed=seed)
    for kind in np.unique(LABELS):
        counted = np.bincount(folds[kind == LABELS], minlength=FOLDS)
        assert counted.max() - counted.min() <= 1
