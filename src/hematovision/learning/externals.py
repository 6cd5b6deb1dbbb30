"""Sets that the person who measures adds: a folder a class, crops or photos."""

import re
from collections.abc import Sequence
from pathlib import Path

from hematovision.cells import SUFFIXES, CellType
from hematovision.learning import LearningError
from hematovision.learning.datasets import Cell

NAMES = {
    CellType.NEUTROPHIL: (
        *("neutrophil", "segmentedneutrophil", "bandneutrophil", "polymorph", "segmented", "band"),
        *("neutro", "neut", "neu", "ne", "n", "seg", "stab", "sne", "bne", "ngs", "ngb", "pmn"),
    ),
    CellType.EOSINOPHIL: ("eosinophil", "eosino", "eosin", "eosi", "eos", "eo", "e"),
    CellType.LYMPHOCYTE: ("lymphocyte", "lympho", "lymph", "lymp", "lym", "lyt", "ly", "l"),
    CellType.MONOCYTE: ("monocyte", "mono", "mon", "mo", "m"),
    CellType.BASOPHIL: ("basophil", "baso", "bas", "ba", "b"),
}
"""How published sets name their folders, without the plural's s."""


class FolderOfTypesError(LearningError):
    """A set is not a folder of folders that are named like types; the message says what to do."""


def find_type(folder: str) -> CellType | None:
    """Tell which mature type a folder's name means, in any case, with any signs, or as a plural."""
    letters = re.sub("[^a-z]", "", folder.lower())
    for kind, names in NAMES.items():
        if letters in names or letters.removesuffix("s") in names:
            return kind
    return None


def read_folder_of_types(name: str, folder: Path) -> list[Cell]:
    """List the cells of a set that lies as a folder a class.

    Args:
        name: Of the set.
        folder: Holds a folder for each type; pictures are searched in their folders too. A picture
            may be a crop or a photo: its largest located cell is the labelled one.

    Raises:
        FolderOfTypesError: If a folder's name means no type, or there is no picture.
    """
    parts = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))
    unknown = [part.name for part in parts if not find_type(part.name)]
    if unknown:
        raise FolderOfTypesError(
            f"{name}: {', '.join(unknown)} in {folder} names no type that is scored; rename it to "
            f"{', '.join(NAMES)}, or move it elsewhere."
        )
    cells = [
        Cell(
            path=path,
            source=name,
            split="test",
            cell_type=kind,
            published_type=part.name,
            box=None,
            group=f"{name}-{path.relative_to(folder).as_posix()}",
        )
        for part in parts
        if (kind := find_type(part.name))
        for path in _pictures(part)
    ]
    if not cells:
        raise FolderOfTypesError(
            f"{name}: there is no picture in the folders of {folder}; it must hold a folder for "
            "each type, and these the pictures."
        )
    return cells


def _pictures(folder: Path) -> Sequence[Path]:
    """List what has the suffix of a picture, hidden files left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
