from pathlib import Path

import numpy as np
import pytest

from hematovision.cells import Box, CellType
from hematovision.learning.answers import Answer
from hematovision.learning.beside import compare_answers, compare_locators
from hematovision.learning.datasets import Photo

from .answers import answer
from .readers import Says
from .sets import BOX, field, save

E, N = CellType.EOSINOPHIL, CellType.NEUTROPHIL
TYPES = (E, N)


def said(*named: CellType | None, **more: object) -> list[Answer]:
    """Give answers about ten pictures, half of each type, each of its own field."""
    truths = [E, N] * 5
    return [
        answer(truth, name, group=f"field {i}", **more)  # type: ignore[arg-type]
        for i, (truth, name) in enumerate(zip(truths, named, strict=True))
    ]


RIGHT = said(*[E, N] * 5)


def test_same_answers_do_not_differ() -> None:
    compared = compare_answers(RIGHT, RIGHT, TYPES)
    for measure in ("accuracy", "balanced_accuracy", "refused", "coverage", "calibration_error"):
        assert compared[measure]["difference"] == [0, 0, 0]
    assert compared["same_name"] == 1
    assert compared["right_before_alone"] == compared["right_after_alone"] == 0


def test_fall_has_limits_of_pictures_drawn_together() -> None:

    worse = said(*[N, N] * 2, *[E, N] * 3)
    compared = compare_answers(RIGHT, worse, TYPES)
    assert (compared["accuracy"]["before"], compared["accuracy"]["after"]) == (1, 0.8)
    fall, low, high = compared["accuracy"]["difference"]
    assert fall == -0.2
    assert -0.6 <= low < -0.2 < high <= 0
    assert compared["balanced_accuracy"]["difference"][0] == -0.2
    assert (compared["right_before_alone"], compared["right_after_alone"]) == (2, 0)
    assert compared["same_name"] == 0.8
    back = compare_answers(worse, RIGHT, TYPES)
    assert back["accuracy"]["difference"][0] == 0.2


def test_both_models_wrong_on_the_same_pictures_do_not_differ() -> None:
    worse = said(*[N, N] * 2, *[E, N] * 3)
    assert compare_answers(worse, worse, TYPES)["accuracy"]["difference"] == [0, 0, 0]


def test_refusals_and_sets_are_compared_by_themselves() -> None:
    refused = said(*[E, N] * 5, refused=True, shown_set=(N,))
    compared = compare_answers(RIGHT, refused, TYPES)
    assert compared["accuracy"]["difference"][0] == 0
    assert compared["refused"]["difference"][0] == 1
    assert compared["refusal_is_wrong"]["difference"][0] == -1
    assert compared["coverage"]["difference"][0] == -0.5


def test_less_sure_answers_are_worse_calibrated() -> None:
    shy = said(*[E, N] * 5, confidence=0.6)
    compared = compare_answers(RIGHT, shy, TYPES)
    assert compared["calibration_error"]["before"] == pytest.approx(0.1)
    assert compared["calibration_error"]["difference"][0] == pytest.approx(0.3)


def test_pictures_without_a_cell_have_no_calibration() -> None:
    nothing = said(*[None] * 10)
    compared = compare_answers(RIGHT, nothing, TYPES)
    assert compared["calibration_error"]["after"] == 0
    assert compared["coverage"]["after"] == 0


def test_locators_are_compared_on_the_same_photos(tmp_path: Path) -> None:
    photos = []
    for number in range(4):
        path = tmp_path / f"{number}.png"
        save(field(number), path)
        photos.append(Photo(path, "drawn", "test", white=(BOX,), group=str(number)))
    finds = Says((BOX, {N: 0.9}))
    both = Says((BOX, {N: 0.9}), (Box(120, 90, 160, 120), {N: 0.9}))
    compared = compare_locators(photos, finds, both)
    assert compared["photos"] == 4
    assert compared["recall"]["difference"] == [0, 0, 0]
    assert compared["precision"]["difference"] == [-0.5, -0.5, -0.5]
    blind = compare_locators(photos, finds, Says())
    assert blind["recall"] == {"before": 1, "after": 0, "difference": [-1, -1, -1]}
    assert np.isfinite(blind["precision"]["after"])
