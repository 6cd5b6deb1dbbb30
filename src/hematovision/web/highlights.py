"""What mattered in a cell, shown on its picture: the rest in grey, and contour lines."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from hematovision.cells import Box, Heat, RgbImage
from hematovision.vision.explaining import least_of, spread

SHARES = (0.8, 0.55, 0.25)
"""Parts of all heat that the lines hold; beyond the first the picture is grey."""

FINE = 2
"""Lines are drawn so many times finer than the picture, then made smooth."""

LINE, RIM = 1, 2
"""How far a line and its light rim reach to both sides, in fine pixels."""

FADE = 2.0
LIGHTER = 0.5


def highlight(picture: RgbImage, area: Box, heat: Heat) -> RgbImage:
    """Keep the stain where it mattered, and grey the rest.

    Args:
        picture: Of one cell, shape (side, side, 3), RGB, uint8; not changed.
        area: What it shows, in pixels of the photo.
        heat: Where the cell's answer comes from.

    Returns:
        The same shape. What mattered keeps its very colours, but for the lines.
    """
    side = picture.shape[0]
    coarse, fine = (spread(heat, area, size) for size in (side, FINE * side))
    regions = [fine >= least_of(coarse, share) for share in SHARES]
    kept = _smooth(Image.fromarray(regions[0]).convert("L").filter(ImageFilter.GaussianBlur(FADE)))
    shown = kept * picture + (1 - kept) * _lightened_grey(picture)
    lines = np.logical_or.reduce([_outline(region) for region in regions])
    for reach, ink in ((RIM, 255.0), (LINE, 17.0)):
        drawn = _smooth(_widened(lines, reach))
        shown = drawn * ink + (1 - drawn) * shown
    return np.round(shown).astype(np.uint8)


def _outline(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Give the inner border of a region; the picture's own border is none."""
    padded = np.pad(region, 1, mode="edge")
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    outline: NDArray[np.bool_] = region & ~inside
    return outline


def _widened(lines: NDArray[np.bool_], reach: int) -> Image.Image:
    blurred = Image.fromarray(lines).convert("L").filter(ImageFilter.BoxBlur(reach))
    return blurred.point([0, *[255] * 255])


def _smooth(mask: Image.Image) -> NDArray[np.float64]:
    """Bring a fine mask to the size of the picture: shape (side, side, 1), 0-1."""
    return np.asarray(mask.reduce(FINE), np.float64)[..., np.newaxis] / 255


def _lightened_grey(picture: RgbImage) -> NDArray[np.float64]:
    """Give brightness alone, half way to white: shape (side, side, 1)."""
    grey = np.asarray(Image.fromarray(picture).convert("L"), np.float64)[..., np.newaxis]
    return grey + LIGHTER * (255 - grey)
