import numpy as np
import pytest
from crepes import WrapClassifier
from numpy.typing import NDArray

from hematovision.cells import CellType
from hematovision.learning.calibration import (
    Weighting,
    class_thresholds,
    find_threshold,
    fit_calibration,
    fit_temperature,
)
from hematovision.vision.classifying import softmax

pytestmark = pytest.mark.train

CLASSES = tuple(CellType)


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


def test_temperature_alone_is_kept_where_no_type_is_preferred() -> None:
    logits, labels = cells(1500, seed=4)
    temperature, bias = fit_calibration(2 * logits, labels, ["one"] * 1500)
    assert temperature == fit_temperature(2 * logits, labels, ["one"] * 1500)
    assert not bias.any()


def test_known_bias_is_found_again() -> None:
    logits, labels = cells(4000, seed=5)
    known = np.asarray([0.8, -0.5, 0.0, 0.3, -0.6, 0.0])
    temperature, bias = fit_calibration(2 * (logits - known), labels, ["one"] * 4000)
    assert temperature == pytest.approx(2, rel=0.06)
    np.testing.assert_allclose(bias, known - known.mean(), atol=0.15)


def test_bias_of_few_cells_is_held_back() -> None:
    few, many = (
        fit_calibration(np.zeros((n, 6), np.float32), np.zeros(n, np.intp), ["one"] * n)[1]
        for n in (15, 1500)
    )
    assert 1 < few[0] < 2 < many[0] < 6


def test_cells_of_one_field_do_not_vouch_for_each_other() -> None:
    logits = np.zeros((60, 6), np.float32)
    labels = np.repeat(np.arange(6), 10)
    fields = [f"field {kind}" for kind in labels]
    _, bias = fit_calibration(logits[:30], labels[:30], ["one"] * 30)
    assert bias[:3].min() > 0 > bias[3:].max()
    _, bias = fit_calibration(logits[:30], labels[:30], ["one"] * 30, fields[:30])
    assert not bias.any()


def test_calibration_is_the_same_every_time() -> None:
    logits, labels = cells(400, seed=6)
    logits[:, 0] += 1
    first, again = (fit_calibration(logits, labels, ["one"] * 400) for _ in range(2))
    assert first[0] == again[0]
    np.testing.assert_array_equal(first[1], again[1])


def alone(number: int) -> list[str]:
    """Give every cell a photo of its own."""
    return [f"photo {cell}" for cell in range(number)]


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_sets_hold_the_true_type_as_often_as_promised_of_every_type(coverage: float) -> None:
    shares = []
    for seed in range(120):
        logits, labels = cells(2000, seed)
        logits[:, 2] += 1.5
        probabilities = softmax(logits)
        thresholds = class_thresholds(
            probabilities[:800],
            labels[:800],
            alone(800),
            ["one"] * 800,
            coverage=coverage,
            classes=CLASSES,
        )
        least = np.asarray([thresholds[kind] for kind in CLASSES])[labels]
        covered = (probabilities[np.arange(2000), labels] >= least)[800:]
        shares.append([covered[labels[800:] == kind].mean() for kind in range(6)])
    assert (np.mean(shares, axis=0) > coverage - 0.01).all()
    assert (np.mean(shares, axis=0) < coverage + 0.02).all()


@pytest.mark.parametrize("number", [200, 1111])
def test_sets_are_those_of_another_implementation(number: int) -> None:
    logits, labels = cells(number + 500, seed=number)
    probabilities = softmax(logits)
    oracle = WrapClassifier(AsGiven())
    oracle.calibrate(probabilities[:number], labels[:number], class_cond=True)
    theirs = oracle.predict_set(
        probabilities[number:], labels=False, confidence=0.93, smoothing=False
    )
    thresholds = class_thresholds(
        probabilities[:number],
        labels[:number],
        alone(number),
        ["one"] * number,
        coverage=0.93,
        classes=CLASSES,
    )
    ours = probabilities[number:] >= [thresholds[kind] for kind in CLASSES]
    np.testing.assert_array_equal(ours, theirs)


class AsGiven:
    """Says the probabilities that it is asked about."""

    classes_ = np.arange(6)

    def predict_proba(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        return probabilities


@pytest.mark.parametrize(
    ("coverage", "expected"), [(0.9, 0.01), (0.8, 0.02), (0.5, 0.05), (0.1, 0.09)]
)
def test_threshold_is_the_right_order_statistic(coverage: float, expected: float) -> None:
    reached = np.arange(9, 0, -1) / 100
    threshold = find_threshold(reached, alone(9), ["one"] * 9, coverage=coverage)
    assert threshold == pytest.approx(expected)


def crowded_fields(random: np.random.Generator) -> tuple[NDArray[np.float64], list[str]]:
    """Draw what the cells of 60 fields reach; crowded fields are read worse than others."""
    sizes = random.choice([1, 12], 60, p=[0.8, 0.2])
    quality = random.normal(np.where(sizes > 1, -1.0, 1.0), 0.5)
    field = np.repeat(np.arange(60), sizes)
    return random.normal(quality[field], 0.3), [f"field {number}" for number in field]


def test_cells_of_one_field_share_the_weight_of_one() -> None:
    random = np.random.default_rng(8)
    by_field, by_cell = [], []
    for _ in range(300):
        reached, fields = crowded_fields(random)
        to_come, new_fields = crowded_fields(random)
        _, first = np.unique(new_fields, return_index=True)
        for shares, groups in ((by_field, fields), (by_cell, alone(len(reached)))):
            threshold = find_threshold(reached, groups, ["one"] * len(reached), coverage=0.85)
            shares.append((to_come[first] >= threshold).mean())
    assert 0.845 < np.mean(by_field) < 0.875
    assert np.mean(by_cell) > 0.9


def test_one_field_is_one_field_of_its_source_only() -> None:
    reached = np.arange(1, 41) / 100
    names = alone(20) * 2
    sources = ["one"] * 20 + ["two"] * 20
    shared = find_threshold(reached, names, sources, coverage=0.9)
    assert shared == find_threshold(reached, alone(40), sources, coverage=0.9)


CERTAIN, DOUBTFUL = np.linspace(0.9, 0.99, 400), np.linspace(0.3, 0.7, 40)


@pytest.mark.parametrize(
    ("weighting", "certain", "doubtful"),
    [
        pytest.param("photo", 400 / 440, 40 / 440, id="as many as there are"),
        pytest.param("source", 0.5, 0.5, id="both sources alike"),
        pytest.param({"certain": 3, "doubtful": 1}, 0.75, 0.25, id="three to one"),
        pytest.param({"certain": 1}, 1, 0, id="one source alone"),
    ],
)
def test_coverage_is_that_of_cells_drawn_as_told(
    weighting: Weighting, certain: float, doubtful: float
) -> None:
    threshold = find_threshold(
        np.concatenate([CERTAIN, DOUBTFUL]),
        alone(440),
        ["certain"] * 400 + ["doubtful"] * 40,
        coverage=0.9,
        weighting=weighting,
    )
    covered = certain * (threshold <= CERTAIN).mean() + doubtful * (threshold <= DOUBTFUL).mean()
    assert 0.9 <= covered < 0.94


def test_sources_without_a_share_give_no_threshold() -> None:
    none = find_threshold(CERTAIN, alone(400), ["a"] * 400, coverage=0.9, weighting={"b": 1})
    assert none is None


def test_type_with_few_cells_gets_the_threshold_of_all() -> None:
    logits, labels = cells(600, seed=10)
    few = np.flatnonzero(labels == 2)[:17]
    kept = np.sort(np.concatenate([np.flatnonzero((labels != 2) & (labels != 5)), few]))
    probabilities, labels = softmax(logits)[kept], labels[kept]
    place = alone(len(kept)), ["one"] * len(kept)
    thresholds = class_thresholds(probabilities, labels, *place, coverage=0.95, classes=CLASSES)
    reached = probabilities[np.arange(len(kept)), labels]
    pooled = find_threshold(reached, *place, coverage=0.95)
    assert thresholds[CLASSES[2]] == thresholds[CLASSES[5]] == pooled
    assert len(set(thresholds.values())) == 5


def test_too_few_cells_of_all_types_are_refused() -> None:
    place = alone(18), ["one"] * 18
    with pytest.raises(ValueError, match=r"18 cells are too few for a coverage of 0\.95"):
        class_thresholds(
            np.full((18, 6), 1 / 6),
            np.zeros(18, np.intp),
            *place,
            coverage=0.95,
            classes=CLASSES,
        )
