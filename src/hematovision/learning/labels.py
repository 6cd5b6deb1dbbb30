"""Published labels that the model, taught without them, would not give."""

import csv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from hematovision.cells import CellType
from hematovision.learning import LearningError
from hematovision.learning.datasets import DataMissingError, load_picture
from hematovision.learning.sheets import Tile, draw_sheet

OUT_OF_FOLD_FILE = "out_of_fold.npz"


class OutOfFoldError(LearningError):
    """There is no usable table of what was said of cells that were not learnt from."""


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """What networks said of the cells that each of them had not learnt from.

    Attributes:
        paths: The picture of each cell, relative to the folder of the sets.
        labels: Shape (N,), the published types' indices.
        probabilities: Shape (N, C), calibrated.
        classes: The order of the probabilities.
    """

    paths: tuple[str, ...]
    labels: NDArray[np.intp]
    probabilities: NDArray[np.float64]
    classes: tuple[CellType, ...]


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A label that is perhaps wrong.

    Attributes:
        path: The picture, relative to the folder of the sets.
        published: The label as published.
        suggested: The most probable type.
        quality: How well the published label fits what was said, 0 not at all to 1 wholly.
    """

    path: str
    published: CellType
    suggested: CellType
    quality: float


def read_out_of_fold(work: Path) -> OutOfFold:
    """Read what training said of cells that were held out.

    Args:
        work: The work folder of `hematovision train`.

    Raises:
        OutOfFoldError: If the table is not there or cannot be understood.
    """
    path = work / OUT_OF_FOLD_FILE
    if not path.is_file():
        raise OutOfFoldError(
            f"{path} is missing; “hematovision train” writes it to its --work folder."
        )
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as table:
            told = OutOfFold(
                paths=tuple(map(str, table["paths"])),
                labels=table["labels"].astype(np.intp),
                probabilities=table["probabilities"].astype(np.float64),
                classes=tuple(CellType(str(name)) for name in table["classes"]),
            )
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise OutOfFoldError(f"{path} cannot be understood: {error}") from error
    shape = (len(told.paths), len(told.classes))
    if told.probabilities.shape != shape or told.labels.shape != shape[:1] or not shape[0]:
        raise OutOfFoldError(f"{path} cannot be understood: its columns do not fit each other.")
    return told


def suspicious_labels(told: OutOfFold) -> list[Suspicion]:
    """List published labels that are perhaps wrong, the most doubtful first.

    Confident learning (Northcutt, Jiang and Chuang, 2021): a cell is suspicious when it is as
    probably of another type as cells of that type usually are. Nothing is changed: labels stay as
    published.

    Args:
        told: What was said of cells that were not learnt from.
    """
    from cleanlab.filter import find_label_issues  # type: ignore[import-untyped]
    from cleanlab.rank import get_label_quality_scores  # type: ignore[import-untyped]

    occurring = np.unique(told.labels)
    labels = np.searchsorted(occurring, told.labels)
    said = told.probabilities[:, occurring]
    said = said / said.sum(axis=1, keepdims=True)
    found = np.flatnonzero(
        find_label_issues(labels, said, filter_by="confident_learning", n_jobs=1)
    )
    quality = get_label_quality_scores(labels, said, method="normalized_margin")
    return [
        Suspicion(
            path=told.paths[cell],
            published=told.classes[told.labels[cell]],
            suggested=told.classes[occurring[said[cell].argmax()]],
            quality=float(quality[cell]),
        )
        for cell in sorted(found, key=lambda cell: quality[cell])
    ]


def write_table(suspicions: Sequence[Suspicion], file: TextIO) -> None:
    """Write suspicions as CSV, a row each."""
    table = csv.writer(file)
    table.writerow(["picture", "published", "suggested", "quality"])
    table.writerows([s.path, s.published, s.suggested, f"{s.quality:.4f}"] for s in suspicions)


def draw_suspicions(suspicions: Sequence[Suspicion], data: Path, path: Path) -> None:
    """Draw the picture of each suspicion with both names; with none nothing is written.

    Args:
        suspicions: In the order of drawing.
        data: The folder of the sets.
        path: The picture to write; its suffix says the format.

    Raises:
        DataMissingError: If a picture is not there.
    """
    tiles = []
    for one in suspicions:
        if not (data / one.path).is_file():
            raise DataMissingError(f"{data / one.path} is missing; is --data the right folder?")
        caption = f"{Path(one.path).stem}: {one.published} or {one.suggested}?"
        tiles.append(Tile(caption, load_picture(data / one.path)))
    draw_sheet(tiles, path)
