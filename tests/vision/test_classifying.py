from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hematovision.cells import Box, CellType, Decision, ModelIdentity, Reading, RgbImage
from hematovision.vision.bundle import Bundle
from hematovision.vision.classifying import (
    balanced_square,
    conforming_types,
    crop_cells,
    read_cells,
    softmax,
)
from hematovision.vision.staining import GLASS

from .networks import CLASSES, CROP, LOOK

PLAIN = np.full(3, GLASS, np.float32)
BUNDLE = Bundle(
    folder=Path("model"),
    identity=ModelIdentity("tiny", "1.0.0", "0" * 64),
    classes=CLASSES,
    crop=CROP,
    locator=LOOK,
    coverage=0.9,
    set_thresholds=dict.fromkeys(CLASSES, 0.1),
    known_threshold=None,
    morphology={},
    files={},
    document={},
)
EOSINOPHIL, LYMPHOCYTE, MONOCYTE, NEUTROPHIL, BASOPHIL, OTHER = CLASSES


@pytest.mark.parametrize(
    ("box", "top", "left"),
    [
        pytest.param(Box(40, 30, 72, 62), 30, 40, id="square"),
        pytest.param(Box(40, 40, 72, 50), 29, 40, id="wide"),
        pytest.param(Box(50, 30, 60, 62), 30, 39, id="tall"),
        pytest.param(Box(0, 0, 32, 32), 0, 0, id="corner"),
        pytest.param(Box(41, 31, 73, 60), 29, 41, id="odd height"),
    ],
)
def test_square_is_centred_pixel_for_pixel(photo: RgbImage, box: Box, top: int, left: int) -> None:
    square = balanced_square(photo, box, PLAIN, CROP)
    np.testing.assert_array_equal(square, photo[top : top + 32, left : left + 32])


def test_context_widens_the_square(photo: RgbImage) -> None:
    square = balanced_square(photo, Box(56, 40, 72, 56), PLAIN, replace(CROP, context=2.0))
    np.testing.assert_array_equal(square, photo[32:64, 48:80])


@pytest.mark.parametrize("glass", [(240, 240, 240), (200, 210, 220), (250.5, 90.5, 128)])
def test_glass_lies_beyond_the_border(photo: RgbImage, glass: tuple[float, ...]) -> None:
    rule = replace(CROP, context=2.0)
    square = balanced_square(photo, Box(0, 0, 16, 16), np.asarray(glass, np.float32), rule)
    assert (np.abs(square[:8].astype(int) - GLASS) <= 3).all()
    assert (np.abs(square[:, :8].astype(int) - GLASS) <= 3).all()
    assert square[8:, 8:].std() > 30


@pytest.mark.parametrize(
    "box",
    [
        pytest.param(Box(0, 0, 128, 96), id="whole photo"),
        pytest.param(Box(0, 50, 128, 51), id="one row"),
        pytest.param(Box(127, 95, 128, 96), id="one pixel"),
        pytest.param(Box(10, 10, 90, 90), id="shrunk"),
        pytest.param(Box(10, 10, 17, 15), id="enlarged"),
    ],
)
def test_every_crop_has_the_exact_size(photo: RgbImage, box: Box) -> None:
    rule = replace(CROP, size=48, context=1.37, stain_strength=0.7)
    crops = crop_cells(photo, [box, box], PLAIN, rule)
    assert crops.shape == (2, 48, 48, 3)
    assert crops.dtype == np.uint8
    np.testing.assert_array_equal(crops[0], crops[1])


def test_no_cells_are_no_crops_and_no_readings(photo: RgbImage) -> None:
    crops = crop_cells(photo, [], PLAIN, CROP)
    assert crops.shape == (0, 32, 32, 3)
    assert crops.dtype == np.uint8
    assert read_cells([], np.zeros((0, 6), np.float32), BUNDLE) == ()


def test_softmax_bears_huge_logits() -> None:
    probabilities = softmax(np.asarray([[1e4, 0, -1e4], [0, 0, 0]], np.float32))
    np.testing.assert_allclose(probabilities, [[1, 0, 0], [1 / 3] * 3])


def read(probabilities: dict[CellType, float], known: float | None = None, **rules: Any) -> Reading:
    """Read one cell whose network says these probabilities; what is left is spread evenly."""
    rest = (1 - sum(probabilities.values())) / (len(CLASSES) - len(probabilities) or 1)
    logits = np.log([[probabilities.get(kind, rest) for kind in CLASSES]]).astype(np.float32)
    scores = None if known is None else np.asarray([known])
    (reading,) = read_cells([Box(0, 0, 9, 9)], logits, replace(BUNDLE, **rules), scores)
    return reading


def all_from(threshold: float) -> dict[str, Any]:
    """Keep every type from this probability on."""
    return {"set_thresholds": dict.fromkeys(CLASSES, threshold)}


def test_sure_cell_is_named() -> None:
    reading = read({NEUTROPHIL: 0.9})
    assert reading.decision is Decision.NAMED
    assert reading.cell_type is NEUTROPHIL
    assert reading.prediction_set == (NEUTROPHIL,)
    assert reading.confidence == pytest.approx(0.9, abs=1e-6)
    assert reading.known is None
    assert reading.morphology is None


def test_threshold_itself_conforms() -> None:
    logits = np.log([[0.75, 0.25 - 4e-9, 1e-9, 1e-9, 1e-9, 1e-9]]).astype(np.float32)
    reached = float(softmax(logits)[0, 1])
    bundle = replace(BUNDLE, **all_from(reached))
    (reading,) = read_cells([Box(0, 0, 9, 9)], logits, bundle)
    assert reading.prediction_set == (EOSINOPHIL, LYMPHOCYTE)


@pytest.mark.parametrize(
    ("probabilities", "rules", "expected"),
    [
        pytest.param(
            {LYMPHOCYTE: 0.40, MONOCYTE: 0.55}, {}, (MONOCYTE, LYMPHOCYTE), id="torn between two"
        ),
        pytest.param(
            {NEUTROPHIL: 0.3, BASOPHIL: 0.25, EOSINOPHIL: 0.35},
            {},
            (EOSINOPHIL, NEUTROPHIL, BASOPHIL),
            id="torn between three, most probable first",
        ),
        pytest.param(
            {NEUTROPHIL: 0.8, OTHER: 0.15}, {}, (NEUTROPHIL, OTHER), id="perhaps another cell"
        ),
        pytest.param({OTHER: 0.95}, {}, (OTHER,), id="another cell"),
        pytest.param({OTHER: 0.5, LYMPHOCYTE: 0.45}, {}, (OTHER,), id="rather another cell"),
        pytest.param({OTHER: 0.5, LYMPHOCYTE: 0.3}, all_from(0.7), (OTHER,), id="other, not sure"),
        pytest.param(
            {NEUTROPHIL: 0.5, BASOPHIL: 0.45},
            all_from(0.6),
            (NEUTROPHIL, BASOPHIL),
            id="none conforms, two reach the coverage",
        ),
        pytest.param(
            {NEUTROPHIL: 0.5, BASOPHIL: 0.3, MONOCYTE: 0.15},
            all_from(0.6),
            (NEUTROPHIL, BASOPHIL, MONOCYTE),
            id="none conforms, three reach the coverage",
        ),
        pytest.param(
            {NEUTROPHIL: 0.95, BASOPHIL: 0.04},
            all_from(0.97),
            (NEUTROPHIL, BASOPHIL),
            id="none conforms, never fewer than two",
        ),
    ],
)
def test_doubtful_cell_is_not_named(
    probabilities: dict[CellType, float],
    rules: dict[str, Any],
    expected: tuple[CellType, ...],
) -> None:
    reading = read(probabilities, **rules)
    assert reading.decision is Decision.UNIDENTIFIED
    assert reading.cell_type is None
    assert reading.prediction_set == expected
    assert reading.confidence == max(reading.probabilities.values())


EACH = {
    NEUTROPHIL: 0.7,
    EOSINOPHIL: 0.2,
    LYMPHOCYTE: 0.2,
    MONOCYTE: 0.2,
    BASOPHIL: 0.2,
    OTHER: 0.05,
}


@pytest.mark.parametrize(
    ("probabilities", "named", "expected"),
    [
        pytest.param({NEUTROPHIL: 0.85}, NEUTROPHIL, (NEUTROPHIL,), id="own threshold reached"),
        pytest.param(
            {NEUTROPHIL: 0.6, MONOCYTE: 0.35},
            None,
            (NEUTROPHIL, MONOCYTE),
            id="only the second conforms",
        ),
        pytest.param({MONOCYTE: 0.75, BASOPHIL: 0.18}, MONOCYTE, (MONOCYTE,), id="second does not"),
        pytest.param(
            {NEUTROPHIL: 0.75, OTHER: 0.08}, None, (NEUTROPHIL, OTHER), id="lower bar of another"
        ),
        pytest.param(
            {NEUTROPHIL: 0.68, MONOCYTE: 0.15, BASOPHIL: 0.14},
            None,
            (NEUTROPHIL, MONOCYTE, BASOPHIL),
            id="none reaches its own",
        ),
    ],
)
def test_every_type_has_its_own_threshold(
    probabilities: dict[CellType, float], named: CellType | None, expected: tuple[CellType, ...]
) -> None:
    reading = read(probabilities, set_thresholds=EACH)
    assert (reading.cell_type, reading.prediction_set) == (named, expected)


def test_promised_set_may_be_empty_and_the_shown_one_is_not() -> None:
    reading = read({NEUTROPHIL: 0.68, MONOCYTE: 0.15, BASOPHIL: 0.14}, set_thresholds=EACH)
    assert conforming_types(reading.probabilities, EACH) == ()
    assert len(reading.prediction_set) == 3


@pytest.mark.parametrize(
    ("known", "threshold", "named"),
    [
        pytest.param(None, 0.5, True, id="no score"),
        pytest.param(0.1, None, True, id="no threshold"),
        pytest.param(0.5, 0.5, True, id="threshold itself"),
        pytest.param(0.49, 0.5, False, id="like nothing learnt"),
    ],
)
def test_cell_like_nothing_learnt_is_not_named(
    known: float | None, threshold: float | None, named: bool
) -> None:
    reading = read({NEUTROPHIL: 0.95}, known, known_threshold=threshold)
    assert (reading.cell_type is NEUTROPHIL) == named
    assert reading.prediction_set == (NEUTROPHIL,)
    assert reading.known == known


def test_cells_without_their_known_scores_are_a_bug() -> None:
    boxes = [Box(0, 0, 1, 1)] * 2
    with pytest.raises(ValueError, match="zip"):
        read_cells(boxes, np.zeros((2, 6), np.float32), BUNDLE, np.ones(3))


def test_probabilities_are_one_a_class_and_sum_to_one() -> None:
    logits = np.random.default_rng(0).normal(0, 4, (50, 6)).astype(np.float32)
    boxes = [Box(i, 0, i + 9, 9) for i in range(50)]
    readings = read_cells(boxes, logits, BUNDLE)
    assert [reading.box for reading in readings] == boxes
    for reading, row in zip(readings, logits, strict=True):
        assert tuple(reading.probabilities) == CLASSES
        assert sum(reading.probabilities.values()) == pytest.approx(1)
        assert (
            max(reading.probabilities, key=reading.probabilities.__getitem__)
            is CLASSES[row.argmax()]
        )
        named = reading.decision is Decision.NAMED
        assert named == (reading.cell_type is not None)
        assert named <= (reading.prediction_set == (reading.cell_type,))


def test_boxes_without_logits_are_a_bug() -> None:
    with pytest.raises(ValueError, match="zip"):
        read_cells([Box(0, 0, 1, 1)], np.zeros((2, 6), np.float32), BUNDLE)
