"""Pictures for the page: made anew from pixels, and carried in the page itself."""

import base64

from hematovision.cells import RgbImage
from hematovision.vision.cutting import PHOTO_SIDE, jpeg_of


def photo_uri(photo: RgbImage) -> str:
    """Show a whole photo, its longer side at most `PHOTO_SIDE` pixels.

    Args:
        photo: Shape (height, width, 3), RGB, uint8, 0-255.

    Returns:
        A `data:` URI of a JPEG.
    """
    return _as_uri(jpeg_of(photo, longest=PHOTO_SIDE))


def picture_uri(picture: RgbImage) -> str:
    """Give a picture of shape (height, width, 3) as the `data:` URI of a JPEG."""
    return _as_uri(jpeg_of(picture))


def _as_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
