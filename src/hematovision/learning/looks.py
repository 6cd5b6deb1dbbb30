"""How the pictures look that a model was made from, measured by the model itself."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from hematovision.cells import MEASURES, CellReader, CellType, Measured
from hematovision.learning import LearningError, Track, untracked
from hematovision.learning.datasets import bccd_photos, load_named, pbc_cells
from hematovision.vision.looks import HELD

MOST = 600
"""Photos of a set that are measured: more change no range by as much as a person could see."""

FEWEST = 40
"""From fewer photos nobody can say where 95 of 100 lie."""

DECIMALS = 4
LEARNT = ("train", "val")


class TooFewPhotosError(LearningError):
    """There are too few photos with a cell to say how photos look."""


def learnt_pictures(data: Path) -> Mapping[str, Sequence[Path]]:
    """List the pictures that the types with names were learnt from, by set.

    Raises:
        DataMissingError: If a set is not there.
    """
    named = [cell for cell in pbc_cells(data) if cell.cell_type is not CellType.OTHER]
    return {
        "bccd": [photo.path for photo in bccd_photos(data) if photo.split in LEARNT],
        "pbc": [cell.path for cell in named if cell.split in LEARNT],
    }


def measure_looks(
    reader: CellReader, sets: Mapping[str, Sequence[Path]], *, track: Track = untracked
) -> dict[str, Any]:
    """Read photos, and say where most of each set lie in every measure.

    Args:
        reader: The model.
        sets: Photos by set; of large sets `MOST` are read, spread evenly.
        track: Shows how far it is.

    Returns:
        The document of `vision.looks`.

    Raises:
        TooFewPhotosError: If fewer than `FEWEST` photos of a set have a cell.
        PictureUnreadableError: If a picture cannot be decoded.
    """
    return {
        "model": asdict(reader.model),
        "held": HELD,
        "sets": {name: _set(reader, name, paths, track) for name, paths in sets.items()},
    }


def _set(
    reader: CellReader, name: str, paths: Sequence[Path], track: Track
) -> Mapping[str, object]:
    step = max(1, -(-len(paths) // MOST))
    found = [reader.read(load_named(path)) for path in track(paths[::step], f"Measuring {name}")]
    photos = [Measured.mean(cell.measured for cell in cells) for cells in found if cells]
    if len(photos) < FEWEST:
        raise TooFewPhotosError(
            f"{name}: a white cell is found in {len(photos)} photos; give {FEWEST} or more."
        )
    spreads = {measure: _spread(photos, measure) for measure in MEASURES}
    return {
        "photos": len(photos),
        "measures": {measure: spread for measure, spread in spreads.items() if spread},
    }


def _spread(photos: Sequence[Measured], measure: str) -> list[float] | None:
    values = [value for photo in photos if (value := getattr(photo, measure)) is not None]
    if len(values) < FEWEST:
        return None
    ends = np.quantile(values, [(1 - HELD) / 2, 0.5, (1 + HELD) / 2])
    return [round(float(end), DECIMALS) for end in ends]
