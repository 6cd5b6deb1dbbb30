"""How cells look: numbers that tell whether one laboratory's pictures are like another's."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hematovision.cells import Measured, Reading, RgbImage
from hematovision.vision.bundle import CropRule
from hematovision.vision.classifying import Cut
from hematovision.vision.staining import disc_in

COARSE = 2
"""Pixels of a crop that are looked at as one: noise and compression live in finer detail, and so
does what a small cell cannot have."""

FLAT = 1.0
"""A crop whose grey levels vary by less has no detail to speak of."""


def measure_cells(
    readings: Sequence[Reading],
    cut: Cut,
    distances: NDArray[np.floating] | None,
    rule: CropRule,
) -> Sequence[Reading]:
    """Add to readings how their cells look.

    Args:
        readings: One a cell.
        cut: The same cells.
        distances: Shape (N,), how far each is from those learnt; None where the model is not asked.
        rule: How they were cut.

    Returns:
        The same readings, each with what was measured.
    """
    apart = [None] * len(readings) if distances is None else [float(one) for one in distances]
    rows = zip(readings, cut.crops, cut.stains, apart, strict=True)
    return [
        replace(reading, measured=_measured(crop, stain, distance, rule))
        for reading, crop, stain, distance in rows
    ]


def measure_focus(crop: RgbImage, context: float) -> float | None:
    """Measure how sharp a cell is: the part of its contrast that lies in fine detail.

    It is the variance of the Laplacian (Pech-Pacheco et al., Diatom autofocusing in brightfield
    microscopy, 2000) as a part of the variance of the grey levels, so that neither light nor stain
    count. Crops show every cell at one size, so neither does the camera's resolution.

    Args:
        crop: A square around one cell, shape (size, size, 3), RGB, uint8.
        context: Side of the square as a multiple of the box's longer side.

    Returns:
        The logarithm; None where there is no contrast.
    """
    grey = _coarse(crop)
    disc = disc_in(grey.shape[0], context)
    edges = np.zeros_like(grey)
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    edges[1:-1, 1:-1] = around - 4 * grey[1:-1, 1:-1]
    contrast, detail = float(grey.take(disc).var()), float(edges.take(disc).var())
    return float(np.log(detail / contrast)) if contrast > FLAT and detail > 0 else None


def _coarse(crop: RgbImage) -> NDArray[np.float32]:
    """Give grey levels, the sum of the channels, as means of two by two pixels."""
    side = COARSE * (crop.shape[0] // COARSE)
    red, green, blue = np.moveaxis(crop[:side, :side], 2, 0)
    grey = red.astype(np.float32) + green + blue
    rows = grey[::COARSE] + grey[1::COARSE]
    sums: NDArray[np.float32] = rows[:, ::COARSE] + rows[:, 1::COARSE]
    return sums * np.float32(1 / COARSE**2)


def _measured(
    crop: RgbImage, stain: NDArray[np.float32] | None, distance: float | None, rule: CropRule
) -> Measured:
    focus = measure_focus(crop, rule.context)
    if stain is None:
        return Measured(focus=focus, distance=distance)
    red, green, blue = map(float, stain[0])
    return Measured(red, green, blue, float(stain[1].mean()), focus, distance)
