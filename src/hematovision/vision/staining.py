"""Take out of a photo what its lamp and its stain put in, so that microscopes look alike."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hematovision.cells import RgbImage
from hematovision.vision.bundle import CropRule

GLASS = 240.0
"""What empty glass looks like after balancing, 0-255 in every channel."""

DARKEST_GLASS = 16.0
STAINED = 0.15
BLACK = 12
"""What is as dark as this in every channel is no stain but the outside of a turned picture."""

FEWEST_STAINED = 0.02
EVEN = 0.05

_LEVELS = np.clip(np.arange(256, dtype=np.float32), 1, GLASS)
_DENSITY = np.log(GLASS / _LEVELS)
"""Optical density against glass of every grey level, never below zero."""

_LOG_DENSITY = np.log(np.maximum(_DENSITY, EVEN))


def measure_glass(photo: RgbImage) -> NDArray[np.float32]:
    """Measure the colour of the empty glass: the median of the brightest quarter of the photo.

    Args:
        photo: Shape (height, width, 3), RGB, uint8.

    Returns:
        Shape (3,), float32, 0-255; never darker than `DARKEST_GLASS`.
    """
    step = max(1, max(photo.shape[:2]) // 160)
    channels = [np.ascontiguousarray(photo[::step, ::step, channel]) for channel in range(3)]
    red, green, blue = (channel.astype(np.uint16) for channel in channels)
    brightness = red + green + blue
    brightest = brightness >= _quantile(np.bincount(brightness.reshape(-1)), 0.75)
    glass = [_quantile(np.bincount(channel[brightest]), 0.5) for channel in channels]
    return np.maximum(np.asarray(glass, np.float32), np.float32(DARKEST_GLASS))


def _quantile(counts: NDArray[np.intp], share: float) -> float:
    """Give what `numpy.quantile` gives of whole numbers, from how often each is there."""
    upto = np.cumsum(counts)
    place = share * (int(upto[-1]) - 1)
    lower = int(np.searchsorted(upto, int(place), side="right"))
    upper = int(np.searchsorted(upto, int(np.ceil(place)), side="right"))
    return lower + (upper - lower) * (place - int(place))


def balance_white(picture: RgbImage, glass: NDArray[np.float32]) -> RgbImage:
    """Scale each channel so that glass becomes neutral and equally bright everywhere.

    Args:
        picture: Shape (..., 3), RGB, uint8.
        glass: Shape (3,), the colour of glass in the photo the picture was cut from.

    Returns:
        The same shape, uint8; brighter than white is cut off.
    """
    return np.asarray(balanced(Image.fromarray(picture), glass))


def balanced(picture: Image.Image, glass: NDArray[np.float32]) -> Image.Image:
    """Balance the white of an RGB picture of Pillow's; see `balance_white`."""
    levels = np.arange(256, dtype=np.float32)[:, None] * (GLASS / glass)
    return _looked_up(picture, np.clip(levels + 0.5, 0, 255).astype(np.uint8))


def _looked_up(picture: Image.Image, table: NDArray[np.uint8]) -> Image.Image:
    """Put every level of every channel through a table of shape (256, 3)."""
    return picture.point(table.T.reshape(-1).tolist())


def measure_stain(crop: RgbImage, context: float) -> NDArray[np.float32] | None:
    """Measure a cell's stain: mean and spread of the logarithm of its optical density.

    Only the disc that the cell's box holds is looked at, and in it only what is stained.

    Args:
        crop: A balanced square around one cell, shape (size, size, 3), RGB, uint8.
        context: Side of the square as a multiple of the box's longer side.

    Returns:
        Shape (2, 3): mean and standard deviation a channel; None where hardly anything is stained.
    """
    size = crop.shape[0]
    red, green, blue = crop.reshape(-1, 3).T.take(disc_in(size, context), axis=1)
    seen = np.maximum(np.maximum(red, green), blue) > BLACK
    density = _DENSITY.take(red) + _DENSITY.take(green) + _DENSITY.take(blue)
    stained = seen & (density > 3 * STAINED)
    number = int(np.count_nonzero(stained))
    if number < FEWEST_STAINED * size * size:
        return None
    shares = [
        np.bincount(channel[stained], minlength=256) / number for channel in (red, green, blue)
    ]
    means = [share @ _LOG_DENSITY for share in shares]
    spreads = [
        np.sqrt(share @ (_LOG_DENSITY - mean) ** 2)
        for share, mean in zip(shares, means, strict=True)
    ]
    return np.asarray([means, spreads], np.float32)


def even_stain(crop: RgbImage, rule: CropRule) -> RgbImage:
    """Move one cell's stain towards the reference that the model has learnt.

    Optical density d becomes a * d**p a channel, so clear glass stays clear (mean and spread are
    matched as in Reinhard et al., Color transfer between images, 2001, here on log density).

    Args:
        crop: A balanced square around one cell, shape (size, size, 3), RGB, uint8.
        rule: Says how far, and to which reference.

    Returns:
        The same shape, uint8; the crop itself where hardly anything is stained.
    """
    stain = measure_stain(crop, rule.context) if rule.stain_strength else None
    return move_stain(crop, stain, rule)


def move_stain(crop: RgbImage, stain: NDArray[np.float32] | None, rule: CropRule) -> RgbImage:
    """Move one cell's stain, which was measured, towards the reference; see `even_stain`."""
    if stain is None or not rule.stain_strength:
        return crop
    mean, spread = stain
    wanted_mean = mean + rule.stain_strength * (np.asarray(rule.stain_mean) - mean)
    power = np.clip(np.asarray(rule.stain_spread) / np.maximum(spread, EVEN), 0.5, 2.0)
    power = 1 + rule.stain_strength * (power - 1)
    levels = np.arange(256, dtype=np.float32)[:, None]
    moved = np.exp(wanted_mean - power * mean) * _DENSITY[:, None] ** power
    table = np.where(levels >= GLASS, levels, GLASS * np.exp(-moved))
    table = np.clip(table + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(_looked_up(Image.fromarray(crop), table))


@cache
def disc_in(size: int, context: float) -> NDArray[np.intp]:
    """Give the places, row by row, of a square's pixels that lie in the disc of the cell's box.

    Args:
        size: Side of the square.
        context: Side of the square as a multiple of the box's longer side.
    """
    rows, columns = np.ogrid[:size, :size]
    middle, radius = (size - 1) / 2, size / context / 2
    return np.flatnonzero((rows - middle) ** 2 + (columns - middle) ** 2 <= radius**2)
