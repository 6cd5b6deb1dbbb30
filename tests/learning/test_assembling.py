from pathlib import Path

import numpy as np
import pytest

from hematovision.cells import Box, CellType
from hematovision.learning.assembling import (
    HeldOut,
    Told,
    _census,
    _joined,
    _metrics,
    write_out_of_fold,
)
from hematovision.learning.datasets import Cell
from hematovision.learning.labels import read_out_of_fold
from hematovision.learning.workshop import CLASSES

pytestmark = pytest.mark.train

NEUTROPHIL, OTHER = CellType.NEUTROPHIL, CellType.OTHER


def cell(name: str, kind: CellType, published: str = "", source: str = "pbc") -> Cell:
    path = Path("data") / source / name
    return Cell(path, source, "val", kind, published or kind, Box(0, 0, 9, 9), f"{source}-{name}")


def held(*cells: Cell, seed: int = 0) -> HeldOut:
    random = np.random.default_rng(seed)
    logits = random.normal(size=(len(cells), len(CLASSES))).astype(np.float32)
    return HeldOut(list(cells), logits, random.normal(size=(len(cells), 4)).astype(np.float32))


def test_cells_of_several_networks_stay_with_what_was_said_of_them() -> None:
    one = held(cell("a.jpg", NEUTROPHIL))
    other = held(cell("b.jpg", OTHER, "platelet"), cell("c.jpg", NEUTROPHIL, source="bccd"), seed=1)
    both = _joined([one, other])
    assert [c.path.name for c in both.cells] == ["a.jpg", "b.jpg", "c.jpg"]
    np.testing.assert_array_equal(both.logits[1:], other.logits)
    np.testing.assert_array_equal(both.features[:1], one.features)
    assert both.labels.tolist() == [CLASSES.index(kind) for kind in (NEUTROPHIL, OTHER, NEUTROPHIL)]
    assert both.sources == ["pbc", "pbc", "bccd"]
    assert both.groups == ["pbc-a.jpg", "pbc-b.jpg", "bccd-c.jpg"]


def test_census_counts_by_use_source_and_published_type() -> None:
    learnt = [cell("a.jpg", NEUTROPHIL), cell("b.jpg", NEUTROPHIL), cell("c.jpg", OTHER, "red")]
    assert _census(learnt, learnt[2:]) == {
        "train": {"pbc neutrophil": 2, "pbc red": 1},
        "val": {"pbc red": 1},
    }


def test_metrics_tell_the_microscopes_apart() -> None:
    cells = held(
        cell("a.jpg", NEUTROPHIL), cell("b.jpg", NEUTROPHIL), cell("c.jpg", OTHER, source="bccd")
    )
    place = CLASSES.index(NEUTROPHIL)
    probabilities = np.full((3, len(CLASSES)), 0.02)
    probabilities[:, place] = (0.9, 0.4, 0.9)
    thresholds = dict.fromkeys(CLASSES, 0.5)
    assert _metrics(probabilities, cells, thresholds) == {
        "bccd": {"cells": 1, "accuracy": 0.0, "coverage": 0.0},
        "pbc": {"cells": 2, "accuracy": 1.0, "coverage": 0.5},
    }


def test_what_was_said_out_of_fold_is_read_back(tmp_path: Path) -> None:
    cells = [cell("a.jpg", NEUTROPHIL), cell("b.jpg", OTHER, "platelet", "bccd")]
    probabilities = np.full((2, len(CLASSES)), 1 / len(CLASSES))
    told = Told(cells, np.asarray([3, 5]), probabilities)
    write_out_of_fold(told, Path("data"), tmp_path)
    kept = read_out_of_fold(tmp_path)
    assert kept.paths == ("pbc/a.jpg", "bccd/b.jpg")
    assert kept.labels.tolist() == [3, 5]
    assert kept.classes == CLASSES
    np.testing.assert_allclose(kept.probabilities, probabilities)
