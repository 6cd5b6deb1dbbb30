"""Pictures for the page: made anew from pixels, and carried in the page itself."""

import base64
import io
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin  # noqa: F401 - without it saving loads all plugins

from hematovision.cells import Box, RgbImage

PHOTO_SIDE = 1600
CROP_SIDE = 240
CROP_CONTEXT = 1.35
MIN_CROP_PIXELS = 64
QUALITY = 90


def photo_uri(photo: RgbImage) -> str:
    """Show a whole photo, its longer side at most `PHOTO_SIDE` pixels.

    Args:
        photo: Shape (height, width, 3), RGB, uint8, 0-255.

    Returns:
        A `data:` URI of a JPEG.
    """
    image = Image.fromarray(photo)
    image.thumbnail((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.LANCZOS)
    return _as_uri(image)


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


def crop_pictures(photo: RgbImage, areas: Iterable[Box]) -> list[RgbImage]:
    """Cut squares out of a photo.

    Args:
        photo: Shape (height, width, 3), RGB, uint8, 0-255.
        areas: Squares; beyond the photo they get the median colour of its border.

    Returns:
        One of shape (CROP_SIDE, CROP_SIDE, 3) a square.
    """
    fill = _border_colour(photo)
    size = (CROP_SIDE, CROP_SIDE)
    squares = (Image.fromarray(_square(photo, area, fill)) for area in areas)
    return [np.asarray(square.resize(size, Image.Resampling.LANCZOS)) for square in squares]


def picture_uri(picture: RgbImage) -> str:
    """Give a picture of shape (height, width, 3) as the `data:` URI of a JPEG."""
    return _as_uri(Image.fromarray(picture))


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


def _as_uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    # Full colour resolution: the stain is what people look at.
    image.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
