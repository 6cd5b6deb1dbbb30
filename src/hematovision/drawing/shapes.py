"""What cells are drawn of: patches of dye with a soft border, a texture and grains."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Plane: TypeAlias = NDArray[np.float32]
"""One number a pixel, shape (height, width)."""

Dye: TypeAlias = NDArray[np.float32]
"""Optical density a pixel and channel, shape (height, width, 3): zero is clear."""

Point: TypeAlias = tuple[float, float]
"""How far to the right and down from the middle of a patch, in pixels."""

Colour: TypeAlias = tuple[int, int, int]
"""Red, green and blue, 0-255, as it shows on clear glass."""

CLEAR = 255.0
WAVES = (2, 3, 4, 5)
"""How often an outline bends in and out around a cell."""


def tint(colour: Colour) -> NDArray[np.float32]:
    """Give the optical density that shows as a colour, shape (3,)."""
    density: NDArray[np.float32] = -np.log(np.asarray(colour, np.float32) / CLEAR)
    return density


def places(reach: int) -> tuple[Plane, Plane]:
    """Give x and y of every pixel of a patch of side 2 * reach + 1, from its middle."""
    steps = np.arange(-reach, reach + 1, dtype=np.float32)
    x, y = np.meshgrid(steps, steps)
    return x, y


def inside_blob(
    generator: np.random.Generator,
    reach: int,
    radius: float,
    waviness: float,
    centre: Point = (0, 0),
) -> Plane:
    """Draw a rounded outline; give how far each pixel lies inside it, in pixels."""
    x, y = places(reach)
    x, y = x - centre[0], y - centre[1]
    angle = np.arctan2(y, x)
    outline = np.full_like(x, radius)
    for waves in WAVES:
        size = generator.normal(0, waviness / waves) * radius
        outline += size * np.cos(waves * angle + generator.uniform(0, 2 * np.pi))
    return outline - np.hypot(x, y)


def inside_chain(
    reach: int, points: Sequence[Point], radii: Sequence[float], waist: float
) -> Plane:
    """Draw lobes on a thread; give how far each pixel lies inside, in pixels.

    Args:
        reach: Half the side of the patch.
        points: The middles of the lobes, one after another.
        radii: Of the lobes.
        waist: Half the width of what joins two lobes.
    """
    x, y = places(reach)
    lobes = [
        radius - np.hypot(x - px, y - py) for (px, py), radius in zip(points, radii, strict=True)
    ]
    threads = [waist - _away(x, y, first, second) for first, second in pairwise(points)]
    return _melted([*lobes, *threads])


def _away(x: Plane, y: Plane, first: Point, second: Point) -> Plane:
    """Give how far each pixel is from the line between two points."""
    along = np.asarray(second, np.float32) - np.asarray(first, np.float32)
    share = ((x - first[0]) * along[0] + (y - first[1]) * along[1]) / max(float(along @ along), 1.0)
    share = np.clip(share, 0, 1)
    away: Plane = np.hypot(x - first[0] - share * along[0], y - first[1] - share * along[1])
    return away


def _melted(parts: Sequence[Plane], softness: float = 2.0) -> Plane:
    """Join parts so that no sharp corner is left between them."""
    melted: Plane = softness * np.logaddexp.reduce(np.stack(parts) / softness, axis=0)
    return melted


def soften(inside: Plane, edge: float = 1.6) -> Plane:
    """Turn how far inside into how much dye, 0-1."""
    share: Plane = np.clip(inside / edge + 0.5, 0, 1)
    return share * share * (3 - 2 * share)


def texture(generator: np.random.Generator, side: int, grain: float) -> Plane:
    """Draw smooth noise of mean zero and spread one; `grain` is the size of its spots, pixels."""
    small = max(4, round(side / grain))
    rough = Image.fromarray(generator.normal(0, 1, (small, small)).astype(np.float32))
    smooth: Plane = np.asarray(rough.resize((side, side), Image.Resampling.BICUBIC))
    even: Plane = (smooth - smooth.mean()) / max(float(smooth.std()), 1e-6)
    return even


def granules(
    generator: np.random.Generator, where: Plane, number: int, sizes: tuple[float, float]
) -> Plane:
    """Scatter round grains over a patch; give how much of each pixel they cover, 0-1.

    Args:
        generator: The source of chance.
        where: How much of a pixel may be covered, 0-1; grains start where it is more than half.
        number: How many.
        sizes: The least and the largest radius, pixels.
    """
    covered = np.zeros_like(where)
    rows, columns = np.nonzero(where > 0.5)
    if not len(rows):
        return covered
    for place in generator.integers(0, len(rows), number):
        radius = generator.uniform(*sizes)
        _spot(covered, rows[place], columns[place], radius)
    return np.minimum(covered, 1) * where


def _spot(covered: Plane, row: int, column: int, radius: float) -> None:
    """Cover one round place."""
    reach = int(radius + 2)
    top, left = max(row - reach, 0), max(column - reach, 0)
    patch = covered[top : row + reach + 1, left : column + reach + 1]
    y = np.arange(top, top + patch.shape[0], dtype=np.float32)[:, None] - row
    x = np.arange(left, left + patch.shape[1], dtype=np.float32)[None, :] - column
    np.maximum(patch, np.clip(radius + 0.5 - np.hypot(x, y), 0, 1), out=patch)
