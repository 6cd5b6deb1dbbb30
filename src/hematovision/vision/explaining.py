"""Why: where in a cell's surroundings the answer comes from."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hematovision.cells import Box, CellType, Heat, Reading

DECIMALS = 4


def explain_cells(
    readings: Sequence[Reading],
    activations: NDArray[np.float32],
    squares: Sequence[Box],
    classes: Sequence[CellType],
) -> tuple[Reading, ...]:
    """Say of every cell where its answer comes from: its name, or the most probable type.

    Args:
        readings: One a cell.
        activations: Shape (N, h, w, C), what each place adds to the logits.
        squares: What the network saw of each cell.
        classes: The order of C.
    """
    parts = zip(readings, activations, squares, strict=True)
    return tuple(
        replace(reading, heat=heat_of(_answer(reading), activation, square, classes))
        for reading, activation, square in parts
    )


def _answer(reading: Reading) -> CellType:
    return max(reading.probabilities, key=reading.probabilities.__getitem__)


def heat_of(
    cell_type: CellType, activation: NDArray[np.float32], square: Box, classes: Sequence[CellType]
) -> Heat:
    """Turn class activation (Zhou et al., 2016) into what speaks for one type.

    Softmax only sees how far the logits lie apart, so what a place adds to all types alike says
    nothing and is taken away; then what speaks against the type is.

    Args:
        cell_type: The type.
        activation: Shape (h, w, C), what each place adds to the logits.
        square: What the network saw.
        classes: The order of C.

    Returns:
        Weights of 0-1; all zero where nothing speaks for the type.
    """
    apart = activation - activation.mean(axis=2, keepdims=True)
    heat = np.maximum(apart[..., classes.index(cell_type)].astype(np.float64), 0.0)
    heat = np.round(heat / max(float(heat.max()), np.finfo(np.float32).tiny), DECIMALS)
    return Heat(cell_type, square, tuple(tuple(map(float, row)) for row in heat))


def spread(heat: Heat, area: Box, size: int) -> NDArray[np.float32]:
    """Lay heat smoothly over a square part of the photo.

    Args:
        heat: Of one cell.
        area: The part, square, in pixels of the photo; it need not be what the network saw.
        size: Side of the result, in pixels.

    Returns:
        Shape (size, size), float32, 0-1; zero where the network did not look.
    """
    grid = np.asarray(heat.weights, np.float32)
    rows, columns = grid.shape
    across, down = columns / heat.square.width, rows / heat.square.height
    place = (
        across * area.width / size,
        0.0,
        across * (area.xmin - heat.square.xmin),
        0.0,
        down * area.height / size,
        down * (area.ymin - heat.square.ymin),
    )
    spread = Image.fromarray(grid).transform(
        (size, size), Image.Transform.AFFINE, place, Image.Resampling.BICUBIC
    )
    return np.clip(np.asarray(spread, np.float32), 0.0, 1.0)


def share_inside(heat: Heat, box: Box) -> float:
    """Say which share of all heat lies in a box.

    Args:
        heat: Of one cell.
        box: In pixels of the photo.

    Returns:
        0-1; zero where there is no heat at all.
    """
    side = heat.square.width
    laid = spread(heat, heat.square, side)
    left, top = box.xmin - heat.square.xmin, box.ymin - heat.square.ymin
    inside = laid[max(top, 0) : top + box.height, max(left, 0) : left + box.width]
    return float(inside.sum(dtype=np.float64) / max(laid.sum(dtype=np.float64), 1e-9))


def least_of(heat: NDArray[np.float32], share: float) -> float:
    """Find the least heat of the hottest places that together hold a share of all of it.

    Args:
        heat: Any shape, not negative.
        share: 0-1.

    Returns:
        That heat; infinite where there is none at all.
    """
    ranked = np.sort(heat, axis=None)[::-1]
    held = np.cumsum(ranked, dtype=np.float64)
    if held[-1] <= 0:
        return float("inf")
    return float(ranked[np.searchsorted(held, share * held[-1])])
