"""Cells cut out of a photo as people look at them: all of one scale, as JPEGs made from pixels."""

import io
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin  # noqa: F401 - without it saving loads all plugins

from hematovision.cells import Box, RgbImage

CROP_SIDE = 240
CROP_CONTEXT = 1.35
MIN_CROP_PIXELS = 64
PHOTO_SIDE = 1600
QUALITY = 90


def areas_around(photo: RgbImage, boxes: Sequence[Box]) -> list[Box]:
    """Say which square to show of every cell: all of one scale, so that a large cell looks large.

    Args:
        photo: Shape (height, width, 3).
        boxes: Where the cells lie.

    Returns:
        A square a box, each of the same number of photo pixels. At the photo's border it is moved
        inside; it reaches beyond where the whole photo is smaller.
    """
    if not boxes:
        return []
    longest = max(max(box.width, box.height) for box in boxes)
    side = max(MIN_CROP_PIXELS, round(CROP_CONTEXT * longest))
    height, width = photo.shape[:2]
    starts = (
        (
            _start((box.xmin + box.xmax) // 2, side, width),
            _start((box.ymin + box.ymax) // 2, side, height),
        )
        for box in boxes
    )
    return [Box(left, top, left + side, top + side) for left, top in starts]


def square_on(box: Box, side: int) -> Box:
    """Give the square of so many photo pixels whose middle is the cell's; it may reach beyond."""
    left, top = (box.xmin + box.xmax - side) // 2, (box.ymin + box.ymax - side) // 2
    return Box(left, top, left + side, top + side)


def crop_pictures(
    photo: RgbImage, areas: Iterable[Box], *, beyond: int | None = None
) -> list[RgbImage]:
    """Cut squares out of a photo.

    Args:
        photo: Shape (height, width, 3), RGB, uint8, 0-255.
        areas: Squares.
        beyond: The grey, 0-255, that they get beyond the photo; the median colour of the photo's
            border when left out.

    Returns:
        One of shape (CROP_SIDE, CROP_SIDE, 3) a square.
    """
    fill = _border_colour(photo) if beyond is None else np.full(3, beyond, np.uint8)
    size = (CROP_SIDE, CROP_SIDE)
    squares = (Image.fromarray(_square(photo, area, fill)) for area in areas)
    return [np.asarray(square.resize(size, Image.Resampling.LANCZOS)) for square in squares]


def cut_squares(photo: RgbImage, areas: Iterable[Box]) -> list[RgbImage]:
    """Cut squares out of a photo and leave their pixels as they are.

    Args:
        photo: Shape (height, width, 3), RGB, uint8, 0-255.
        areas: Squares; beyond the photo they get the median colour of its border.

    Returns:
        One of shape (side, side, 3) a square.
    """
    fill = _border_colour(photo)
    return [_square(photo, area, fill) for area in areas]


def jpeg_of(picture: RgbImage, *, longest: int | None = None) -> bytes:
    """Write a picture as a JPEG.

    Args:
        picture: Shape (height, width, 3), RGB, uint8, 0-255.
        longest: The longer side is made no longer than this.
    """
    image = Image.fromarray(picture)
    if longest:
        image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    # Full colour resolution: the stain is what people look at.
    image.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return buffer.getvalue()


def _square(photo: RgbImage, area: Box, fill: NDArray[np.uint8]) -> RgbImage:
    """Cut a square, as far as the photo goes."""
    square = np.empty((area.height, area.width, 3), np.uint8)
    square[:] = fill
    y, x = max(area.ymin, 0), max(area.xmin, 0)
    part = photo[y : area.ymax, x : area.xmax]
    top, left = y - area.ymin, x - area.xmin
    square[top : top + part.shape[0], left : left + part.shape[1]] = part
    return square


def _start(middle: int, side: int, length: int) -> int:
    """Say where the square begins: inside the photo, or around it where the photo is smaller."""
    if side > length:
        return (length - side) // 2
    return min(max(middle - side // 2, 0), length - side)


def _border_colour(photo: RgbImage) -> NDArray[np.uint8]:
    border = np.concatenate([photo[0], photo[-1], photo[:, 0], photo[:, -1]])
    return np.asarray(np.median(border, axis=0), np.uint8)
