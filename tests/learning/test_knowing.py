from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from hematovision.cells import CellType
from hematovision.learning.knowing import (
    Seen,
    choose_known_threshold,
    find_threshold,
    fit_knower,
    leave_one_type_out,
    see_crops,
)
from hematovision.learning.refusals import auroc_with_limits

pytestmark = pytest.mark.train

CLASSES = (CellType.LYMPHOCYTE, CellType.MONOCYTE, CellType.OTHER)
FEATURES = 12
MIDDLES = {"lymphocyte": 0, "monocyte": 1, "erythroblast": 2, "platelet": 3, "platelets": 3}


def seen(seed: int, *, number: int = 60, **kinds: str) -> Seen:
    """Draw cells of kinds around their own axis; a named type's logit follows its feature."""
    random = np.random.default_rng(seed)
    names = [kind for kind in kinds for _ in range(number)]
    features = random.normal(0, 1, (len(names), FEATURES))
    features[np.arange(len(names)), [MIDDLES[name] for name in names]] += 6
    logits = np.column_stack([features[:, 0], features[:, 1], features[:, 2:4].max(axis=1)])
    return Seen(
        logits.astype(np.float32),
        features.astype(np.float32),
        tuple(names),
        tuple(kinds[name] for name in names),
    )


ALL = {"lymphocyte": "pbc", "monocyte": "pbc", "erythroblast": "pbc", "platelet": "pbc"}


def known_by_kind(cells: Seen, **options: str) -> dict[str, float]:
    knower = fit_knower(seen(0, **ALL), classes=CLASSES, **options)
    known = knower(cells.logits, cells.features)
    kinds = np.asarray(cells.kinds)
    return {kind: float(np.median(known[kinds == kind])) for kind in set(cells.kinds)}


def test_learnt_types_are_known_and_others_are_not() -> None:
    known = known_by_kind(seen(1, **ALL))
    assert min(known["lymphocyte"], known["monocyte"]) > 0.9
    assert max(known["erythroblast"], known["platelet"]) < 0.1


def test_type_that_was_left_out_is_refused_as_well() -> None:
    assert known_by_kind(seen(1, **ALL), without="platelet")["platelet"] < 0.2


def test_left_out_type_does_not_touch_the_fit() -> None:
    told = seen(0, **ALL)
    platelets = np.asarray(told.kinds) == "platelet"
    changed = replace(told, features=np.where(platelets[:, None], 99, told.features))
    one, other = (
        fit_knower(cells, classes=CLASSES, without="platelet") for cells in (told, changed)
    )
    np.testing.assert_array_equal(one.weights, other.weights)
    np.testing.assert_array_equal(one.axes, other.axes)


def test_type_is_left_out_by_every_name_it_goes_by() -> None:
    told = seen(0, **(ALL | {"platelets": "bccd"})).without("platelet")
    assert set(told.kinds) == {"lymphocyte", "monocyte", "erythroblast"}
    assert len(told.logits) == len(told.features) == len(told.sources) == 180


def test_signals_are_weighed_as_the_definition_says() -> None:
    pytest.importorskip("sklearn")
    from sklearn.linear_model import LogisticRegression

    told = seen(0, lymphocyte="pbc", monocyte="pbc", erythroblast="pbc")
    told = replace(told, logits=told.logits / 8, features=told.features / 8)
    knower = fit_knower(told, classes=CLASSES)
    signals = knower.signals(told.logits, told.features)
    mean, spread = signals.mean(axis=0), signals.std(axis=0)
    known = told.named(CLASSES) >= 0
    shares = np.where(known, 1 / 240, 1 / 120)
    oracle = LogisticRegression(C=1000, tol=1e-8, max_iter=1000)
    oracle.fit((signals - mean) / spread, known, sample_weight=shares)
    expected = oracle.predict_proba((signals - mean) / spread)[:, 1]
    np.testing.assert_allclose(knower(told.logits, told.features), expected, atol=0.01)


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        pytest.param({"lymphocyte": "pbc", "platelet": "pbc"}, "monocyte", id="a type"),
        pytest.param({"lymphocyte": "pbc", "monocyte": "pbc"}, "to be refused", id="strangers"),
    ],
)
def test_fit_insists_on_cells_of_every_type_and_on_strangers(
    kinds: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        fit_knower(seen(0, **kinds), classes=CLASSES)


RIGHT = np.linspace(0.5, 1, 200)
SOURCES = ["pbc"] * 200


def test_threshold_refuses_strangers_and_no_more() -> None:
    threshold = choose_known_threshold(RIGHT, SOURCES, np.linspace(0, 0.3, 101))
    assert threshold == pytest.approx(0.27, abs=0.002)


@pytest.mark.parametrize("strangers", [np.ones(50), np.zeros(0)], ids=["alike", "none at all"])
def test_threshold_never_refuses_too_many_right_cells(strangers: NDArray[np.float64]) -> None:
    threshold = choose_known_threshold(RIGHT, SOURCES, strangers)
    assert (threshold > RIGHT).mean() == pytest.approx(0.025)


def test_threshold_holds_for_the_microscope_with_few_cells() -> None:
    known, sources = np.append(RIGHT, [0.3, 0.4, 0.5]), [*SOURCES, *["bccd"] * 3]
    assert choose_known_threshold(known, sources, np.ones(50)) == 0.3


def test_threshold_is_found_on_right_cells_and_strangers() -> None:
    held = seen(1, **ALL)
    knower = fit_knower(seen(0, **ALL), classes=CLASSES)
    known, right = knower(held.logits, held.features), held.right(CLASSES)
    threshold = find_threshold(knower, held, CLASSES)
    assert (known[right] >= threshold).mean() > 0.97
    assert (known[held.named(CLASSES) < 0] < threshold).mean() == pytest.approx(0.9, abs=0.02)


def test_left_out_type_is_scored_by_who_never_saw_it() -> None:
    train, val, test = seen(0, **ALL), seen(1, **ALL), seen(2, number=30, **ALL)
    scored = leave_one_type_out(train, val, test, classes=CLASSES, without="platelet")
    value, low, high = scored["auroc"]
    assert scored["cells"] == 30
    assert 0.9 < low <= value <= high <= 1
    assert scored["named"] <= 3


def test_auroc_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(0)
    known, strange = random.integers(3, 9, 80) / 10, random.integers(0, 7, 40) / 10
    value, low, high = auroc_with_limits(known, strange)
    truth = [1] * 80 + [0] * 40
    assert value == pytest.approx(metrics.roc_auc_score(truth, np.append(known, strange)), abs=1e-4)
    assert low < value < high
    assert auroc_with_limits(known, strange) == [value, low, high]


def test_crops_are_seen_in_batches_and_keep_their_order() -> None:
    sizes = []

    def network(pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        sizes.append(len(pictures))
        means = pictures.mean(axis=(1, 2)).astype(np.float32)
        return [means, means + 1, means]

    crops = np.arange(100, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    found = see_crops(network, crops, ["a"] * 100, ["b"] * 100)
    assert max(sizes) < 100
    np.testing.assert_array_equal(found.logits[:, 0], np.arange(100))
    np.testing.assert_array_equal(found.features, found.logits + 1)
