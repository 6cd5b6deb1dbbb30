import numpy as np
import pytest
from numpy.typing import NDArray

from hematovision.learning.calibration import (
    conformal_threshold,
    fit_temperature,
)
from hematovision.vision.classifying import softmax

pytestmark = pytest.mark.train


def cells(number: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Draw logits, and labels that follow the probabilities which they say."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (number, 6)).astype(np.float32)
    steps = softmax(logits).cumsum(axis=1)
    labels = (random.random((number, 1)) > steps).sum(axis=1)
    return logits, np.minimum(labels, 5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7, 3.0])
def test_known_temperature_is_found_again(temperature: float) -> None:
    logits, labels = cells(5000, seed=1)
    scaled = (logits * temperature).astype(np.float32)
    assert fit_temperature(scaled, labels, ["one"] * 5000) == pytest.approx(temperature, rel=0.06)


def test_temperature_stays_in_its_range_where_every_cell_is_right() -> None:
    logits = 10 * np.eye(6, dtype=np.float32)
    assert fit_temperature(logits, np.arange(6), ["one"] * 6) == pytest.approx(0.2)
    assert fit_temperature(logits, (np.arange(6) + 1) % 6, ["one"] * 6) == pytest.approx(5)


def test_temperature_listens_to_every_microscope_alike() -> None:
    many, few = cells(4000, seed=2), cells(400, seed=3)
    logits = np.concatenate([many[0], 3 * few[0]])
    labels = np.concatenate([many[1], few[1]])
    sources = ["many"] * 4000 + ["few"] * 400
    pooled = fit_temperature(logits, labels, ["one"] * 4400)
    assert 1 < pooled < fit_temperature(logits, labels, sources) < 3


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_sets_hold_the_true_type_as_often_as_promised(coverage: float) -> None:
    shares = []
    for seed in range(40):
        logits, labels = cells(1400, seed)
        probabilities = softmax(logits)
        threshold = conformal_threshold(
            probabilities[:400], labels[:400], ["one"] * 400, coverage=coverage
        )
        rows = np.arange(400, 1400)
        shares.append((probabilities[rows, labels[400:]] >= threshold).mean())
    assert coverage - 0.005 < np.mean(shares) < coverage + 0.015


@pytest.mark.parametrize(
    ("coverage", "expected"), [(0.9, 0.01), (0.8, 0.02), (0.5, 0.05), (0.1, 0.09)]
)
def test_threshold_is_the_right_order_statistic(coverage: float, expected: float) -> None:
    true = np.arange(1, 10) / 100
    probabilities = np.stack([true, 1 - true], axis=1)[::-1]
    threshold = conformal_threshold(
        probabilities, np.zeros(9, np.intp), ["one"] * 9, coverage=coverage
    )
    assert threshold == pytest.approx(expected)


def test_too_few_cells_are_refused() -> None:
    probabilities = np.full((9, 2), 0.5)
    with pytest.raises(ValueError, match=r"9 cells are too few for a coverage of 0\.95"):
        conformal_threshold(probabilities, np.zeros(9, np.intp), ["one"] * 9, coverage=0.95)


def test_microscopes_count_the_same_however_many_cells_they_have() -> None:
    certain, doubtful = np.linspace(0.9, 0.99, 400), np.linspace(0.3, 0.7, 40)
    truth = np.concatenate([certain, doubtful])
    probabilities = np.stack([truth, 1 - truth], axis=1)
    labels = np.zeros(440, np.intp)
    sources = ["many"] * 400 + ["few"] * 40
    threshold = conformal_threshold(probabilities, labels, sources, coverage=0.95)
    assert ((certain >= threshold).mean() + (doubtful >= threshold).mean()) / 2 >= 0.95
    pooled = conformal_threshold(probabilities, labels, ["one"] * 440, coverage=0.95)
    assert ((certain >= pooled).mean() + (doubtful >= pooled).mean()) / 2 < 0.95
