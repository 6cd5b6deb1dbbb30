"""The cells that a laboratory's people have named, as `hematovision dataset export` writes them."""

import csv
import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hematovision.cells import Box, CellType
from hematovision.learning import LearningError
from hematovision.learning.datasets import VAL_SHARE, Cell
from hematovision.learning.groups import group_pairs

TABLE = "cells.csv"
SOURCE = "laboratory"
NEEDED = {"picture", "photo", "film", "xmin", "ymin", "xmax", "ymax", "label", "cell_type"}
PICTURE = re.compile(r"photos/([0-9a-f]{64})\.(?:jpg|png)")


class LaboratorySetError(LearningError):
    """A laboratory's set cannot be learnt from as it lies; the message says what to do."""


def is_laboratory_set(folder: Path) -> bool:
    """Tell whether a folder is a set that was exported."""
    return (folder / TABLE).is_file()


def laboratory_cells(folder: Path, *, seed: int = 7) -> list[Cell]:
    """List the cells that a model can learn from; about 15 % of the groups are `val`.

    Cells of one photo and photos of one film are one group: they stay on one side of every split.

    Args:
        folder: From `hematovision dataset export`.
        seed: Of the draw of `val`.

    Raises:
        LaboratorySetError: If its table cannot be understood, or a picture is missing.
    """
    rows = [row for row in _rows(folder) if row["cell_type"]]
    if not rows:
        raise LaboratorySetError(f"{folder / TABLE} has no cell that a model can learn.")
    groups = _groups(rows)
    cells = [_cell(folder, row, group) for row, group in zip(rows, groups, strict=True)]
    held = _draw_val(cells, seed)
    return [replace(cell, split="val") if cell.group in held else cell for cell in cells]


def photos_of(cells: Sequence[Cell]) -> list[str]:
    """Give the sha256 of the photos of cells, as their files were sent."""
    return sorted({cell.path.stem for cell in cells})


def sha256_of_table(folder: Path) -> str:
    """Hash the table, which names the content of every picture."""
    return hashlib.sha256((folder / TABLE).read_bytes()).hexdigest()


def _rows(folder: Path) -> list[dict[str, str]]:
    path = folder / TABLE
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LaboratorySetError(f"{path} cannot be read: {error}") from error
    if not rows or not set(rows[0]) >= NEEDED:
        raise LaboratorySetError(
            f"{path} is no table of cells; “hematovision dataset export” writes one."
        )
    return rows


def _groups(rows: Sequence[dict[str, str]]) -> list[str]:
    """Join the cells that share a photo or a film."""
    pairs, first = [], dict[tuple[str, str], int]()
    for place, row in enumerate(rows):
        for key in ("photo", "film"):
            pairs.append((first.setdefault((key, row[key]), place), place))
    return [f"{SOURCE}-{group}" for group in group_pairs(len(rows), pairs)]


def _cell(folder: Path, row: dict[str, str], group: str) -> Cell:
    found = PICTURE.fullmatch(row["picture"] or "")
    path = folder / row["picture"] if found else folder
    # No name of a table leads out of its folder.
    if found is None or found[1] != row["photo"] or path.is_symlink() or not path.is_file():
        raise LaboratorySetError(f"{folder / TABLE}: a picture that it lists is not there.")
    try:
        kind = CellType(row["cell_type"])
        box = Box(*(int(row[side]) for side in ("xmin", "ymin", "xmax", "ymax")))
    except (ValueError, TypeError) as error:
        raise LaboratorySetError(f"{folder / TABLE} cannot be understood: {error}") from error
    if box.width <= 0 or box.height <= 0:
        raise LaboratorySetError(f"{folder / TABLE} has a box that holds nothing.")
    return Cell(path, SOURCE, "train", kind, row["label"], box, group)


def _draw_val(cells: Sequence[Cell], seed: int) -> set[str]:
    """Draw about 15 % of the groups of each type; a type of one group stays to be learnt."""
    generator = np.random.default_rng(seed)
    groups: dict[CellType, set[str]] = defaultdict(set)
    for cell in cells:
        groups[cell.cell_type].add(cell.group)
    chosen: set[str] = set()
    for kind in sorted(groups):
        number = round(VAL_SHARE * len(groups[kind]))
        chosen |= set(generator.choice(sorted(groups[kind]), number, replace=False).tolist())
    return chosen
