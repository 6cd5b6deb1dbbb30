"""The sets of the protocol: which cells, which types, and what must be known to read a score."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hematovision.cells import CellType
from hematovision.learning.datasets import Cell, Photo, jtsc_cells, pbc_cells
from hematovision.learning.externals import read_folder_of_types

MATURE = tuple(kind for kind in CellType if kind is not CellType.OTHER)
FOUR = tuple(kind for kind in MATURE if kind is not CellType.BASOPHIL)

TITLES = {
    "official_photos": (
        "Official test photos",
        "The test photos of BCCD as they were published; limits by bootstrap over fields that "
        "overlap.",
    ),
    "official_photos_without_shared": (
        "Official test photos, no shared cell",
        "Without the test photos that show the same field as a photo outside the test part.",
    ),
    "official_test_images": (
        "Official TEST images",
        "Turned, sheared and mirrored copies of the test photos (Kaggle TEST), each counted "
        "singly; limits by bootstrap over the fields they come from.",
    ),
    "official_test_photos": (
        "Official TEST images, a photo",
        "The same copies, one answer a photo: mean of the probabilities over its copies; named "
        "where at least half of them are named so.",
    ),
    "folds": (
        "Five folds by field",
        "All labelled photos of BCCD, each read by a classifier of the same recipe that was made "
        "and calibrated without its field. The locator is the shipped one: it has learnt boxes, "
        "no types, of train photos.",
    ),
    "pbc_test": (
        "PBC, test part",
        "A microscope that was learnt from, cells that were not; limits treat cells as "
        "independent.",
    ),
    "jtsc": (
        "JTSC, a microscope never learnt from",
        "No weight, calibration or threshold has seen it; design choices have seen its score.",
    ),
}

COPIES_COUNT_SINGLY = (
    "Turned, sheared and mirrored copies of the test photos (Kaggle TEST), each counted singly; "
    "of some the photo they came from is not known, so the limits are too narrow."
)


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Cells that are scored together.

    Attributes:
        title: What a reader of the report sees.
        note: What must be known to read the score.
        types: Those the set has; an answer is forced to the best of them.
        cells: One a picture.
    """

    title: str
    note: str
    types: tuple[CellType, ...]
    cells: Sequence[Cell]


def named_set(name: str, types: tuple[CellType, ...], cells: Sequence[Cell]) -> LabelledSet:
    """Give a set of the protocol its title and note."""
    title, note = TITLES[name]
    return LabelledSet(title, note, types, cells)


def official_cells(photos: Iterable[Photo]) -> list[Cell]:
    """Give the official test photos as cells; where the annotators drew no box, any cell counts."""
    return labelled_cells(photo for photo in photos if photo.split == "test")


def labelled_cells(photos: Iterable[Photo]) -> list[Cell]:
    """Give every photo with a label as a cell to score."""
    return [
        Cell(
            path=photo.path,
            source=photo.source,
            split=photo.split,
            cell_type=photo.label,
            published_type=photo.label,
            box=max(photo.white, key=lambda box: box.area, default=None),
            group=photo.group,
        )
        for photo in photos
        if photo.label
    ]


def without_shared(photos: Sequence[Photo]) -> list[Photo]:
    """Leave out the test photos that show the same field as a photo outside the test part."""
    outside = {photo.group for photo in photos if photo.split != "test"}
    return [photo for photo in photos if photo.split == "test" and photo.group not in outside]


def pbc_test(data: Path) -> LabelledSet:
    """Give the five mature types of PBC's test part.

    Raises:
        DataMissingError: If the set is not there.
    """
    cells = [cell for cell in pbc_cells(data) if cell.split == "test"]
    return named_set("pbc_test", MATURE, [c for c in cells if c.cell_type is not CellType.OTHER])


def jtsc(data: Path) -> LabelledSet:
    """Give the four types of JTSC.

    Raises:
        DataMissingError: If the set is not there.
    """
    return named_set("jtsc", FOUR, jtsc_cells(data))


def external(name: str, folder: Path) -> LabelledSet:
    """Give a set that lies as a folder a class; five types where it has basophils, else four.

    Raises:
        FolderOfTypesError: If a folder's name means no type, or there is no picture.
    """
    cells = read_folder_of_types(name, folder)
    basophils = any(cell.cell_type is CellType.BASOPHIL for cell in cells)
    note = f"The folder {folder.resolve().name}; limits treat its pictures as independent."
    return LabelledSet(name, note, MATURE if basophils else FOUR, cells)
