"""Pictures for the page: made anew from pixels, and carried in the page itself."""

import base64
import io

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


def crop_uris(photo: RgbImage, boxes: list[Box]) -> list[str]:
    """Show every cell at one scale, so that a large cell looks large.

    Args:
        photo: Shape (height, width, 3), RGB, uint8, 0-255.
        boxes: Where the cells lie.

    Returns:
        A `data:` URI of a square JPEG a box, each of the same number of photo pixels. At the
        photo's border the square is moved inside; where the whole photo is smaller than the
        square, the rest has the median colour of the border.
    """
    if not boxes:
        return []
    longest = max(max(box.width, box.height) for box in boxes)
    side = max(MIN_CROP_PIXELS, round(CROP_CONTEXT * longest))
    fill = _border_colour(photo)
    size = (CROP_SIDE, CROP_SIDE)
    squares = (Image.fromarray(_square(photo, box, side, fill)) for box in boxes)
    return [_as_uri(square.resize(size, Image.Resampling.LANCZOS)) for square in squares]


def _square(photo: RgbImage, box: Box, side: int, fill: NDArray[np.uint8]) -> RgbImage:
    """Cut the square of `side` pixels around the middle of a box, as far as the photo goes."""
    height, width = photo.shape[:2]
    top = _start((box.ymin + box.ymax) // 2, side, height)
    left = _start((box.xmin + box.xmax) // 2, side, width)
    square = np.empty((side, side, 3), np.uint8)
    square[:] = fill
    y, x = max(top, 0), max(left, 0)
    part = photo[y : top + side, x : left + side]
    square[y - top : y - top + part.shape[0], x - left : x - left + part.shape[1]] = part
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
