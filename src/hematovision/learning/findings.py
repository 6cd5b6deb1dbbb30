"""What the locator found, beside the boxes of the annotators."""

from collections.abc import Iterable
from typing import Any

from hematovision.cells import CellReader
from hematovision.learning.datasets import SAME_CELL, Photo, load_named


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
        readings = reader.read(load_named(photo.path))
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
