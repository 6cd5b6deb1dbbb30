"""What can be said of a model on cells without labels: does it keep to its names?"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hematovision.cells import CellType, RgbImage
from hematovision.learning.augmentation import jitter_stain
from hematovision.vision.bundle import CropRule
from hematovision.vision.staining import even_stain

STAIN = 0.6
DARKER, BRIGHTER = 0.85, 1.12
DEFOCUS = 1.5
"""Standard deviation of the blur, in pixels of the classifier's square."""

COLLAPSED = 1 / 3
FEWEST_TO_COLLAPSE = 10
"""Cells of a type below which its share says too little."""

Classify = Callable[[NDArray[np.uint8]], NDArray[np.floating]]
"""From crops (N, size, size, 3) to logits (N, C)."""


def variants(
    crops: NDArray[np.uint8], rule: CropRule, *, seed: int = 0
) -> Iterator[NDArray[np.uint8]]:
    """Show cells in another stain, darker, brighter and out of focus.

    Args:
        crops: As the classifier sees them, shape (N, size, size, 3), RGB, uint8.
        rule: How the stain is evened; done anew after each change, as in reading.
        seed: Of the stains.

    Yields:
        The same shape, once for each kind of change.
    """
    generator = np.random.default_rng(seed)
    changes: tuple[Callable[[RgbImage], RgbImage], ...] = (
        lambda crop: jitter_stain(crop, generator, strength=STAIN),
        lambda crop: _brighter(crop, DARKER),
        lambda crop: _brighter(crop, BRIGHTER),
        lambda crop: np.asarray(cv2.GaussianBlur(crop, (0, 0), DEFOCUS), np.uint8),
    )
    for change in changes:
        yield np.stack([even_stain(change(crop), rule) for crop in crops])


def _brighter(crop: RgbImage, factor: float) -> RgbImage:
    brighter: RgbImage = np.clip(crop.astype(np.float32) * factor + 0.5, 0, 255).astype(np.uint8)
    return brighter


def agreement(
    named: NDArray[np.intp], views: Sequence[NDArray[np.uint8]], classify: Classify
) -> NDArray[np.float64]:
    """Measure in how many views each cell keeps its name.

    Args:
        named: The index of each cell's type, shape (N,).
        views: From `variants`.
        classify: The model that named them.

    Returns:
        Shape (N,), 0-1.
    """
    kept = [classify(view).argmax(axis=1) == named for view in views]
    return np.asarray(np.mean(kept, axis=0))


def shares(named: NDArray[np.intp], classes: Sequence[CellType]) -> dict[str, float]:
    """Give the share of each type among the names."""
    counted = np.bincount(named, minlength=len(classes)) / len(named)
    return {str(kind): round(float(part), 4) for kind, part in zip(classes, counted, strict=True)}


def collapsed(before: Mapping[str, float], after: Mapping[str, float], cells: int) -> list[str]:
    """Name the types that the new model hardly finds any more.

    A site may be one-sided, so nothing is asked of a share in itself: only that a named type which
    had `FEWEST_TO_COLLAPSE` cells or more keeps a third of them. *Other* may vanish: cells that
    looked foreign for their stain alone are what adapting is for.

    Args:
        before: Share by type, of the old model.
        after: The same of the new one.
        cells: How many cells there are.
    """
    return [
        kind
        for kind, share in before.items()
        if kind != CellType.OTHER
        and share * cells >= FEWEST_TO_COLLAPSE
        and after[kind] < share * COLLAPSED
    ]


def limits_of_share(right: NDArray[Any], *, seed: int = 0, draws: int = 2000) -> list[float]:
    """Give the mean of a number a picture with its 95 % limits by bootstrap over pictures."""
    generator = np.random.default_rng(seed)
    means = right[generator.integers(len(right), size=(draws, len(right)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return [round(float(number), 4) for number in (right.mean(), low, high)]
