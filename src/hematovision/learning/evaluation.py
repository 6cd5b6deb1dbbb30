"""The protocol of the sets: every score end to end, through the same door as a user's photo."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hematovision.cells import Box, CellReader, CellType, Decision, Reading, RgbImage
from hematovision.learning.datasets import (
    SAME_CELL,
    Cell,
    Photo,
    bccd_photos,
    jtsc_cells,
    kaggle_test_cells,
    load_picture,
    pbc_cells,
    txl_photos,
)
from hematovision.learning.scoring import Answer, score
from hematovision.learning.sheets import draw_disagreements

MATURE = tuple(kind for kind in CellType if kind is not CellType.OTHER)
FOUR = tuple(kind for kind in MATURE if kind is not CellType.BASOPHIL)

Track = Callable[[Iterable[Any], str], Iterable[Any]]
"""Wraps a list to show how far it is; the second argument says of what."""


def answer_cells(
    cells: Iterable[Cell], reader: CellReader, types: Sequence[CellType]
) -> list[Answer]:
    """Read the picture of each cell and take the largest located cell as the answer.

    Args:
        cells: Where it is known where the cell lies, an answer about another cell is wrong.
        reader: The pipeline.
        types: Those the set has; the answer is forced to the best of them.
    """
    answers = []
    for cell in cells:
        photo = load_picture(cell.path)
        largest = max(reader.read(photo), key=lambda reading: reading.box.area, default=None)
        if largest and not _shows(cell, largest.box, photo):
            largest = None
        answers.append(_answer(cell, largest, types))
    return answers


def _shows(cell: Cell, box: Box, photo: RgbImage) -> bool:
    """Tell whether a located box is the labelled cell."""
    if cell.box:
        return box.overlap(cell.box) >= SAME_CELL
    if not cell.centred:
        return True
    height, width = photo.shape[:2]
    return box.holds(width // 2, height // 2)


def _answer(cell: Cell, largest: Reading | None, types: Sequence[CellType]) -> Answer:
    """Judge the largest located cell of one picture; None where it is not the labelled one."""
    shown = max(largest.probabilities, key=largest.probabilities.__getitem__) if largest else None
    return Answer(
        name=cell.path.name,
        group=cell.group,
        truth=cell.cell_type,
        named=max(types, key=largest.probabilities.__getitem__) if largest else None,
        refused=largest is None or largest.decision is Decision.UNIDENTIFIED,
        said_right=largest is not None and largest.cell_type is cell.cell_type,
        confidence=largest.confidence if largest else 0.0,
        sure_and_right=shown is cell.cell_type,
    )


def score_locator(photos: Iterable[Photo], reader: CellReader) -> dict[str, Any]:
    """Compare located boxes with those of the annotators.

    Args:
        photos: With boxes of every white cell.
        reader: The pipeline.

    Returns:
        Recall and precision at an overlap of 0.5, and every miss and every box too many.
    """
    hits, missed, extra = 0, [], []
    for photo in photos:
        left = list(photo.white)
        readings = reader.read(load_picture(photo.path))
        for reading in sorted(readings, key=lambda reading: -reading.box.area):
            best = max(left, key=reading.box.overlap, default=None)
            if best and best.overlap(reading.box) >= SAME_CELL:
                left.remove(best)
                hits += 1
            else:
                extra.append({"photo": photo.path.name, "box": reading.box.as_list()})
        missed += [{"photo": photo.path.name, "box": box.as_list()} for box in left]
    return {
        "annotated": hits + len(missed),
        "located": hits + len(extra),
        "recall": round(hits / max(1, hits + len(missed)), 4),
        "precision": round(hits / max(1, hits + len(extra)), 4),
        "missed": missed,
        "extra": extra,
    }


def official_cells(photos: Iterable[Photo]) -> list[Cell]:
    """Give the official test photos as cells; where the annotators drew no box, any cell counts."""
    return [
        Cell(
            path=photo.path,
            source="bccd",
            split="test",
            cell_type=photo.label,
            published_type=photo.label,
            box=max(photo.white, key=lambda box: box.area, default=None),
            group=photo.group,
        )
        for photo in photos
        if photo.split == "test" and photo.label
    ]


def evaluate(
    data: Path, reader: CellReader, *, track: Track, sheet: Path | None = None
) -> dict[str, Any]:
    """Run the protocol.

    Args:
        data: The folder of the sets.
        reader: The pipeline.
        track: Shows how far it is.
        sheet: Where to draw what locator and annotators disagree on, if anywhere.

    Returns:
        A JSON document: `sets` by name, `locator` by set.

    Raises:
        DataMissingError: If a set is not there.
    """
    photos, fields = bccd_photos(data), txl_photos(data)
    pbc = [c for c in pbc_cells(data) if c.split == "test" and c.cell_type is not CellType.OTHER]
    sets = {
        "official_photos": (official_cells(photos), FOUR),
        "official_test_images": (kaggle_test_cells(data), FOUR),
        "pbc_test": (pbc, MATURE),
        "jtsc": (jtsc_cells(data), FOUR),
    }
    boxed = {
        "bccd_test": [p for p in photos if p.split == "test" and p.white],
        "txl_test": [p for p in fields if p.split == "test"],
    }
    scores = {
        name: score(answer_cells(track(cells, name), reader, types), types)
        for name, (cells, types) in sets.items()
    }
    located = {
        name: score_locator(track(some, f"locator {name}"), reader) for name, some in boxed.items()
    }
    if sheet:
        draw_disagreements([photo for some in boxed.values() for photo in some], located, sheet)
    return {"model": asdict(reader.model), "sets": scores, "locator": located}
