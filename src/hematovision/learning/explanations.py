"""Whether explanations hold: what blanking takes away, where heat lies, which words are right."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hematovision.cells import Box, CellType, Heat, RgbImage
from hematovision.learning import Track
from hematovision.learning.datasets import Cell, jtsc_cells, load_picture, pbc_cells
from hematovision.vision.classifying import softmax, square_around
from hematovision.vision.explaining import heat_of, spread
from hematovision.vision.morphology import SURE, attribute_probabilities
from hematovision.vision.reader import PhotoReader
from hematovision.vision.staining import GLASS

CELLS = 200
BLANKED = 0.1
DRAWS = 2000
RIVALS = ("random", "random_in_cell", "middle")
"""What is blanked instead: smooth patches anywhere in the crop, inside the disc that the cell's box
holds, and a disc in the middle, where every cell lies and a map that knows nothing would point."""

CYTOPLASM, NUCLEUS = 128, 255
"""The values of JTSC's masks; zero is background."""


def measure_explanations(
    reader: PhotoReader, data: Path, *, track: Track, cells: int = CELLS
) -> dict[str, Any] | None:
    """Test where the network says its answers come from.

    Args:
        reader: The pipeline.
        data: The folder of the sets.
        track: Shows how far it is.
        cells: At most so many of PBC's test part, as many of each type.

    Returns:
        `deletion` (see `delete_hottest`) and `inside` (see `weigh_inside`), ready for JSON; None
        where the network does not explain.

    Raises:
        DataMissingError: If a set is not there.
    """
    if not reader.explains:
        return None
    mature = [c for c in pbc_cells(data) if c.split == "test" and c.cell_type is not CellType.OTHER]
    some = every_type(mature, cells)
    masked = jtsc_cells(data)
    return {
        "deletion": delete_hottest(track(some, "explanations: deletion"), reader),
        "inside": weigh_inside(track(masked, "explanations: masks"), reader),
    }


def every_type(cells: Sequence[Cell], number: int) -> list[Cell]:
    """Choose as many cells of each type, evenly over each type's list."""
    types = sorted({cell.cell_type for cell in cells})
    chosen: list[Cell] = []
    for kind in types:
        some = [cell for cell in cells if cell.cell_type is kind]
        share = min(len(some), number // len(types))
        chosen += [some[i * len(some) // share] for i in range(share)]
    return chosen


def delete_hottest(
    cells: Iterable[Cell], reader: PhotoReader, *, blanked: float = BLANKED, seed: int = 0
) -> dict[str, Any]:
    """Blank the hottest places of each crop, or as many of its `RIVALS`, and see the answer drop.

    The deletion test of Petsiuk, Das and Saenko (2018) at one size. What is blanked becomes glass.

    Args:
        cells: Each in the middle of its picture.
        reader: The pipeline.
        blanked: The share of the crop that is blanked.
        seed: Of the patches.

    Returns:
        Number of cells; by what was blanked, the mean drop of the answer's probability; and the
        share of cells that lose more by the hottest places than by each rival. All with 95 % limits
        by bootstrap.
    """
    generator = np.random.default_rng(seed)
    rows = []
    for picture, box in _located(cells, reader):
        crop = reader.cut(picture, [box])
        heat, before = _explain(reader, crop, box)
        masks = _places(heat, reader.bundle.crop.context, crop.shape[1], blanked, generator)
        after = softmax(reader.look(_blank(crop[0], masks)).logits)
        rows.append(before - after[:, reader.bundle.classes.index(heat.cell_type)])
    hottest, *others = np.asarray(rows).reshape(-1, 1 + len(RIVALS)).T
    rivals = dict(zip(RIVALS, others, strict=True))
    return {
        "cells": len(hottest),
        "blanked": blanked,
        "drop": {name: _with_limits(drop) for name, drop in {"hottest": hottest, **rivals}.items()},
        "hottest_loses_more": {name: _with_limits(hottest > drop) for name, drop in rivals.items()},
    }


def _located(cells: Iterable[Cell], reader: PhotoReader) -> Iterator[tuple[RgbImage, Box]]:
    """Give each picture with the largest located cell that holds its middle, if there is one."""
    for cell in cells:
        picture = load_picture(cell.path)
        box = _middle_box(picture, reader)
        if box:
            yield picture, box


def _middle_box(picture: RgbImage, reader: PhotoReader) -> Box | None:
    height, width = picture.shape[:2]
    holding = [box for box in reader.locate(picture) if box.holds(width // 2, height // 2)]
    return max(holding, key=lambda box: box.area, default=None)


def _explain(reader: PhotoReader, crop: NDArray[np.uint8], box: Box) -> tuple[Heat, float]:
    """Give the heat of one crop's most probable type, and its probability."""
    seen = reader.look(crop, explain=True)
    if seen.activations is None:
        raise ValueError("the network has no activations")
    (probabilities,) = softmax(seen.logits)
    best = int(probabilities.argmax())
    classes, square = reader.bundle.classes, square_around(box, reader.bundle.crop)
    heat = heat_of(classes[best], seen.activations[0], square, classes)
    return heat, float(probabilities[best])


def _places(
    heat: Heat, context: float, size: int, share: float, generator: np.random.Generator
) -> list[NDArray[np.bool_]]:
    """Mark a share of a crop: the hottest places, then each of the `RIVALS`."""
    rows, columns = np.ogrid[:size, :size]
    middle, radius = (size - 1) / 2, size / context / 2
    distance = (rows - middle) ** 2 + (columns - middle) ** 2
    hot = spread(heat, heat.square, size)
    anywhere, inside = (_patches(heat, size, generator) for _ in range(2))
    ranked = (hot, anywhere, np.where(distance <= radius**2, inside, -1.0), -distance)
    return [_highest(values, round(share * size * size)) for values in ranked]


def _patches(heat: Heat, size: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Draw a map as smooth as heat is: shape (size, size)."""
    drawn = generator.random(np.shape(heat.weights))
    weights = tuple(tuple(map(float, row)) for row in drawn)
    return spread(Heat(heat.cell_type, heat.square, weights), heat.square, size)


def _highest(values: NDArray[np.floating], number: int) -> NDArray[np.bool_]:
    """Mark the so many highest values."""
    marked = np.zeros(values.size, np.bool_)
    marked[np.argsort(-values, axis=None, kind="stable")[:number]] = True
    return marked.reshape(values.shape)


def _blank(crop: RgbImage, masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.uint8]:
    """Give the crop once a mask, with glass where it is marked."""
    return np.stack([np.where(mask[..., np.newaxis], np.uint8(GLASS), crop) for mask in masks])


def weigh_inside(cells: Iterable[Cell], reader: PhotoReader) -> dict[str, Any]:
    """Compare the share of heat inside drawn masks with the share of area, which is chance.

    Args:
        cells: Of JTSC, whose masks lie beside the pictures.
        reader: The pipeline.

    Returns:
        Number of cells; by `cell` and `nucleus` the mean shares of heat and of area, with 95 %
        limits by bootstrap. What lies beyond the picture is in no mask.
    """
    rows = []
    for cell in cells:
        picture = load_picture(cell.path)
        box = _middle_box(picture, reader)
        if box is None:
            continue
        heat, _ = _explain(reader, reader.cut(picture, [box]), box)
        mask = load_picture(cell.path.parents[1] / "masks" / cell.path.name)[..., 0]
        rows.append(_shares(heat, _cut_mask(mask, heat.square)))
    shares = np.asarray(rows).reshape(-1, 2, 2)
    return {
        "cells": len(shares),
        **{
            part: {
                of: _with_limits(shares[:, place, which])
                for which, of in enumerate(("heat", "area"))
            }
            for place, part in enumerate(("cell", "nucleus"))
        },
    }


def _cut_mask(mask: NDArray[np.uint8], square: Box) -> NDArray[np.uint8]:
    """Cut a square out of a mask; beyond it lies background."""
    height, width = mask.shape
    cut = np.zeros((square.height, square.width), np.uint8)
    top, left = max(square.ymin, 0), max(square.xmin, 0)
    part = mask[top : min(square.ymax, height), left : min(square.xmax, width)]
    y, x = top - square.ymin, left - square.xmin
    cut[y : y + part.shape[0], x : x + part.shape[1]] = part
    return cut


def _shares(heat: Heat, mask: NDArray[np.uint8]) -> list[list[float]]:
    """Give shares of heat and of area, in the cell and in its nucleus."""
    laid = spread(heat, heat.square, heat.square.width).astype(np.float64)
    total = max(float(laid.sum()), 1e-9)
    parts = (mask >= CYTOPLASM, mask == NUCLEUS)
    return [[float(laid[part].sum()) / total, float(part.mean())] for part in parts]


def measure_morphology(
    reader: PhotoReader, data: Path, *, track: Track
) -> dict[str, dict[str, float]] | None:
    """Compare the attributes that the network reads off PBC's test cells with those published.

    Args:
        reader: The pipeline.
        data: The folder of the sets.
        track: Shows how far it is.

    Returns:
        By attribute: cells, accuracy, balanced accuracy, the share of the commonest value, the
        share that is sure enough to be said, and the accuracy of what is said. None where the
        model describes no cells. Cells that were not found are left out.

    Raises:
        DataMissingError: If the set is not there.
    """
    rule = reader.bundle.morphology
    if not rule:
        return None
    published = _attributes(data)
    mature = [c for c in pbc_cells(data) if c.split == "test" and c.cell_type is not CellType.OTHER]
    truths: list[dict[str, str]] = []
    logits: list[NDArray[np.float32] | None] = []
    for cell in track(mature, "morphology"):
        picture = load_picture(cell.path)
        box = _middle_box(picture, reader)
        if box:
            truths.append(published[cell.path.relative_to(data / "pbc").as_posix()])
            logits.append(reader.look(reader.cut(picture, [box])).attributes)
    said = attribute_probabilities(np.concatenate([row for row in logits if row is not None]), rule)
    return {
        attribute: _judge([truth[attribute] for truth in truths], rule[attribute], said[attribute])
        for attribute in rule
    }


def _attributes(data: Path) -> dict[str, dict[str, str]]:
    """Read the published attributes, by picture."""
    with (data / "pbc" / "cells.csv").open(newline="", encoding="utf-8") as file:
        return {row["image"]: row for row in csv.DictReader(file)}


def _judge(
    truths: Sequence[str], values: Sequence[str], probabilities: NDArray[np.float64]
) -> dict[str, float]:
    """Put numbers to what is said of one attribute."""
    truth = np.asarray([values.index(value) for value in truths])
    right = probabilities.argmax(axis=1) == truth
    spoken = probabilities.max(axis=1) >= SURE
    numbers = {
        "accuracy": right.mean(),
        "balanced_accuracy": np.mean([right[truth == value].mean() for value in np.unique(truth)]),
        "majority": np.bincount(truth).max() / len(truth),
        "said": spoken.mean(),
        "right_when_said": right[spoken].mean() if spoken.any() else 0.0,
    }
    return {"cells": len(truth), **{name: round(float(n), 4) for name, n in numbers.items()}}


def _with_limits(values: NDArray[Any], seed: int = 0) -> list[float]:
    """Give a mean and its 95 % limits by bootstrap over cells."""
    drawn = np.random.default_rng(seed).integers(0, len(values), (DRAWS, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])
    return [round(float(number), 4) for number in (values.mean(), low, high)]
