"""What the locator found, beside the boxes of the annotators."""

from collections.abc import Iterable
from typing import Any

from hematovision.cells import Box, CellReader
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
        found, left, more = match_photo(photo, reader)
        hits += len(found)
        missed += [{"photo": photo.path.name, "box": box.as_list()} for box in left]
        extra += [{"photo": photo.path.name, "box": box.as_list()} for box in more]
    return {
        "annotated": hits + len(missed),
        "located": hits + len(extra),
        "recall": round(hits / max(1, hits + len(missed)), 4),
        "precision": round(hits / max(1, hits + len(extra)), 4),
        "missed": missed,
        "extra": extra,
    }


def match_photo(photo: Photo, reader: CellReader) -> tuple[list[Box], list[Box], list[Box]]:
    """Match the located boxes of a photo with those of the annotators, the largest first.

    Returns:
        The annotated boxes that were found, those that were missed, and located boxes too many.
    """
    found: list[Box] = []
    left, more = list(photo.white), []
    readings = reader.read(load_named(photo.path))
    for reading in sorted(readings, key=lambda reading: -reading.box.area):
        best = max(left, key=reading.box.overlap, default=None)
        if best and best.overlap(reading.box) >= SAME_CELL:
            left.remove(best)
            found.append(best)
        else:
            more.append(reading.box)
    return found, left, more
