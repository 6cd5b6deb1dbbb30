"""What is not known, scored end to end: other types of cells, and pictures without blood."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hematovision.cells import CellReader, CellType, Decision, Reading
from hematovision.learning import Track
from hematovision.learning.datasets import bccd_photos, load_named, pbc_cells, txl_photos
from hematovision.learning.no_blood import pictures_to_score
from hematovision.learning.strangers import Stranger

OTHER_TYPES = ("erythroblast", "immature_granulocyte", "platelet")
DRAWS = 2000


class Refusals(NamedTuple):
    """What was said of pictures.

    Attributes:
        known: Highest score of the cells that count, zero where none was found; shape (N,).
        named: Whether one of them was named; shape (N,).
    """

    known: NDArray[np.float64]
    named: NDArray[np.bool_]


def auroc_with_limits(
    known: NDArray[np.floating], strange: NDArray[np.floating], *, seed: int = 0
) -> list[float]:
    """Give the AUROC and its 95 % limits, by bootstrap over both kinds.

    It is the chance that a known one scores above a strange one; ties count half.
    """
    above = _above(known, strange)
    generator = np.random.default_rng(seed)
    rows, columns = (
        generator.multinomial(size, np.full(size, 1 / size), size=DRAWS) for size in above.shape
    )
    drawn = ((rows @ above) * columns).sum(axis=1) / above.size
    numbers = (above.mean(), *np.percentile(drawn, [2.5, 97.5]))
    return [round(float(number), 4) for number in numbers]


def _above(known: NDArray[np.floating], strange: NDArray[np.floating]) -> NDArray[np.float64]:
    """Compare each strange score with each known one: shape (strange, known), 1, 0, or a half."""
    pairs = np.sign(known[None] - strange[:, None])
    compared: NDArray[np.float64] = (pairs.astype(np.float64) + 1) / 2
    return compared


def score_known(
    reader: CellReader,
    data: Path,
    *,
    track: Track,
    left_out: Mapping[str, Any] | None = None,
) -> dict[str, Any] | None:
    """Measure end to end how well what is not known is told from the five mature types.

    Args:
        reader: The pipeline.
        data: The folder of the sets.
        track: Shows how far it is.
        left_out: What networks that have not seen a type said of it, by type.

    Returns:
        Scores of the other types of PBC and of pictures without blood against the mature cells of
        PBC's test split; None where the model has no score of known or not. `other_types` are
        scored by networks that have not seen them where their scores are given for all
        (`leave_one_type_out` says so); `seen_types` always by this one.
        `mature` says how many of the mature cells were named.

    Raises:
        DataMissingError: If a set is not there.
    """
    cells = [cell for cell in pbc_cells(data) if cell.split == "test"]
    mature = [cell.path for cell in cells if cell.cell_type is not CellType.OTHER]
    if not _says_known(reader, mature):
        return None
    others = {
        kind: [cell.path for cell in cells if cell.published_type == kind] for kind in OTHER_TYPES
    }
    known = _read_cells(reader, track(mature, "known, mature"))
    seen = {
        kind: _score(known, _read_cells(reader, track(paths, f"known, {kind}")), "cells")
        for kind, paths in others.items()
    }
    blind_scores = left_out or {}
    whole = set(blind_scores) == set(OTHER_TYPES)
    strangers = pictures_to_score([*bccd_photos(data), *txl_photos(data)], mature, seed=0)
    return {
        "other_types": {kind: blind_scores[kind] for kind in OTHER_TYPES} if whole else seen,
        "leave_one_type_out": whole,
        "seen_types": seen,
        "not_blood": _score_strangers(reader, known, track(strangers, "known, no blood")),
        "mature": {"cells": len(mature), "named": int(known.named.sum())},
    }


def _says_known(reader: CellReader, paths: Iterable[Path]) -> bool:
    """Tell by the first cell that is found whether a reader has the score."""
    for path in paths:
        for reading in reader.read(load_named(path)):
            return reading.known is not None
    return False


def _read_cells(reader: CellReader, paths: Iterable[Path]) -> Refusals:
    """Read pictures of one cell; the largest that is located counts."""
    said = [reader.read(load_named(path)) for path in paths]
    return _refusals([sorted(one, key=lambda reading: -reading.box.area)[:1] for one in said])


def _refusals(said: Sequence[Sequence[Reading]]) -> Refusals:
    """Sum up the readings that count of each picture."""
    return Refusals(
        np.asarray([max((cell.known or 0.0 for cell in one), default=0.0) for one in said]),
        np.asarray([any(cell.decision is Decision.NAMED for cell in one) for one in said], bool),
    )


def _score(known: Refusals, strange: Refusals, what: str) -> dict[str, Any]:
    """Compare one kind of strangers with the mature cells."""
    return {
        what: len(strange.known),
        "auroc": auroc_with_limits(known.known, strange.known),
        "named": int(strange.named.sum()),
    }


def _score_strangers(
    reader: CellReader, known: Refusals, strangers: Iterable[Stranger]
) -> dict[str, Any]:
    """Read pictures without blood, any cell that is located counts, and score them by kind."""
    kinds, said = [], []
    for stranger in strangers:
        kinds.append(stranger.kind)
        said.append(reader.read(stranger.picture))
    refusals, of = _refusals(said), np.asarray(kinds)
    parts = {"all": np.ones(len(of), bool)} | {kind: of == kind for kind in dict.fromkeys(kinds)}
    return {
        kind: _score(known, Refusals(refusals.known[part], refusals.named[part]), "pictures")
        for kind, part in parts.items()
    }
