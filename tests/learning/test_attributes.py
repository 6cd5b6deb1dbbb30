from pathlib import Path

import numpy as np
import pytest

from hematovision.cells import CellType
from hematovision.learning.attributes import (
    AttributeLoss,
    attribute_targets,
    read_attributes,
    vocabulary_of,
)
from hematovision.learning.datasets import Cell, DataMissingError

from .sets import write_rows

pytestmark = pytest.mark.train

HEADER = "image,cell_type,split,shape,hue"
ROWS = [
    ("neutrophil/A.jpg", "neutrophil", "train", "round", "pink"),
    ("basophil/B.jpg", "basophil", "val", "band", "purple"),
    ("platelet/C.jpg", "platelet", "train", "", ""),
]


@pytest.fixture
def said(tmp_path: Path) -> dict[str, dict[str, str]]:
    write_rows(tmp_path / "pbc" / "cells.csv", HEADER, ROWS)
    return read_attributes(tmp_path)


def cell(name: str) -> Cell:
    kind = CellType.NEUTROPHIL
    return Cell(Path("data/pbc") / name, "pbc", "train", kind, kind, None, "group")


def test_cells_that_nobody_described_have_no_words(said: dict[str, dict[str, str]]) -> None:
    assert said == {
        "neutrophil/A.jpg": {"shape": "round", "hue": "pink"},
        "basophil/B.jpg": {"shape": "band", "hue": "purple"},
    }
    vocabulary = vocabulary_of(said)
    assert vocabulary == {"shape": ("band", "round"), "hue": ("pink", "purple")}
    targets = attribute_targets([cell(row[0]) for row in ROWS], said, vocabulary)
    assert targets.tolist() == [[0, 1, 1, 0], [1, 0, 0, 1], [0, 0, 0, 0]]


def test_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"cells\.csv is missing"):
        read_attributes(tmp_path)


def test_loss_is_the_mean_cross_entropy_and_nothing_without_words() -> None:
    loss = AttributeLoss({"shape": ("band", "round"), "hue": ("pink", "purple")})
    truth = np.asarray([[0, 1, 1, 0], [0, 0, 0, 0]], np.float32)
    logits = np.asarray([[0, 0, np.log(3), 0], [5, 1, 2, 3]], np.float32)
    each = np.asarray(loss.call(truth, logits))
    np.testing.assert_allclose(each, [(np.log(2) + np.log(4 / 3)) / 2, 0], rtol=1e-5)
