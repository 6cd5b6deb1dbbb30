from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hematovision.cells import Box
from hematovision.learning.datasets import Photo
from hematovision.learning.workshop import SCORES, choose_score
from hematovision.vision.bundle import LocatorRule

from .sets import field, save

pytestmark = pytest.mark.train

CELL = Box(64, 64, 128, 128)


class Says:
    """Says one cell with a score, and a wrong one with a lower score."""

    def __init__(self, right: float, wrong: float) -> None:
        self.scores = {(12, 12): right, (24, 24): wrong}

    def __call__(self, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        heat = np.zeros((1, 32, 32, 3), np.float32)
        boxes = np.zeros((1, 32, 32, 4), np.float32)
        for (row, column), score in self.scores.items():
            heat[0, row, column, 0] = score
            boxes[0, row, column] = (-0.5, -0.5, np.log(8), np.log(8))
        return [heat, boxes]


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        pytest.param(0.62, 0.31, 0.5, id="the middle of what separates them"),
        pytest.param(0.99, 0.01, SCORES[len(SCORES) // 2], id="every score is as good"),
        pytest.param(0.33, 0.27, 0.3, id="only one score separates them"),
    ],
)
def test_score_is_the_middle_of_the_best(
    tmp_path: Path, right: float, wrong: float, expected: float
) -> None:
    save(field(1, 256, 256), tmp_path / "photo.png")
    photo = Photo(tmp_path / "photo.png", "set", "val", white=(CELL,))
    rule = LocatorRule(256, SCORES[0], 0.5)
    assert choose_score([photo], Says(right, wrong), rule).score == expected
