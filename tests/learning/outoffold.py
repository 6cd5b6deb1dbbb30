"""Makes up what networks said of cells that they had not learnt from."""

from pathlib import Path

import numpy as np

from hematovision.cells import CellType
from hematovision.learning.labels import OutOfFold

CLASSES = (
    CellType.EOSINOPHIL,
    CellType.LYMPHOCYTE,
    CellType.MONOCYTE,
    CellType.NEUTROPHIL,
    CellType.BASOPHIL,
    CellType.OTHER,
)
PLANTED = (
    ("cell_5.png", CellType.EOSINOPHIL, CellType.NEUTROPHIL),
    ("cell_45.png", CellType.MONOCYTE, CellType.LYMPHOCYTE),
)


def made_up() -> OutOfFold:
    """Say the right type of twenty cells of each of four types, some unsurely; plant two labels."""
    truth = np.repeat(np.arange(4), 20)
    logits = np.random.default_rng(3).normal(0, 0.5, (80, 6))
    logits[np.arange(80), truth] += 4
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    paths = tuple(f"cell_{number}.png" for number in range(80))
    told = OutOfFold(paths, truth.copy(), probabilities, CLASSES)
    for path, _, truly in PLANTED:
        told.probabilities[paths.index(path)] = 0.01
        told.probabilities[paths.index(path), CLASSES.index(truly)] = 0.95
    return told


def write_out_of_fold(work: Path, told: OutOfFold) -> Path:
    """Write the table as training does."""
    work.mkdir(exist_ok=True)
    np.savez(
        work / "out_of_fold.npz",
        paths=np.asarray(told.paths),
        labels=told.labels,
        probabilities=told.probabilities,
        classes=np.asarray(told.classes),
    )
    return work
