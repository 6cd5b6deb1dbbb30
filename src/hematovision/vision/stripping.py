"""A picture to keep: its pixels as they were sent, and nothing else that came with the file."""

import io
import re

import numpy as np
from PIL import Image, PngImagePlugin  # noqa: F401 - without it saving loads all plugins

from hematovision.cells import RgbImage
from hematovision.errors import HematoVisionError
from hematovision.vision.containers import find_kind
from hematovision.vision.decoders import HERE, Decoder

# Tables and headers of pixels; JFIF without its thumbnail, and Adobe's word on colours.
_NEEDED = {0xC4, 0xCC, 0xDB, 0xDD, *range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC)}
_JFIF, _ADOBE, _START_OF_SCAN, _END_OF_IMAGE = 0xE0, 0xEE, 0xDA, 0xD9
_JFIF_BYTES, _ADOBE_BYTES = 16, 14
_BEHIND_PIXELS = re.compile(rb"\xff[^\0\xd0-\xd7\xff]")


def strip(data: bytes, photo: RgbImage, decoder: Decoder = HERE) -> bytes:
    """Make a file of a picture without its metadata: no camera, no date, no place, no comment.

    A JPEG keeps its compressed pixels, so that it stays small. All else becomes a PNG.

    Args:
        data: The file as it was sent.
        photo: What it decodes to, shape (height, width, 3), RGB, uint8, 0-255.
        decoder: Shows whether the pixels are still the same.

    Returns:
        A file that decodes to the very same pixels.
    """
    stripped = _strip_jpeg(data) if find_kind(data) == "JPEG" else None
    if stripped is not None and (stripped == data or _decodes_to(stripped, photo, decoder)):
        return stripped
    # It stood on its side, or is a JPEG of a kind of its own.
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _strip_jpeg(data: bytes) -> bytes | None:
    """Take over the segments that the pixels need; None where it cannot be walked."""
    kept, place = [data[:2]], 2
    while data[place : place + 1] == b"\xff" and place + 2 <= len(data):
        code = data[place + 1]
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4])
        if code == _END_OF_IMAGE:
            return b"".join([*kept, data[place : place + 2]])
        if code == _START_OF_SCAN:
            behind = _BEHIND_PIXELS.search(data, end)
            if behind is None:
                return None
            end = behind.start()
        kept.append(_segment(code, data[place:end]))
        place = end
    return None


def _segment(code: int, segment: bytes) -> bytes:
    """Give what is kept of a segment."""
    if code in _NEEDED or code == _START_OF_SCAN:
        return segment
    if code == _JFIF and segment[4:9] == b"JFIF\0":
        return b"\xff\xe0\0\x10" + segment[4:_JFIF_BYTES] + b"\0\0"
    if code == _ADOBE and segment[4:9] == b"Adobe":
        return b"\xff\xee\0\x0e" + segment[4 : _ADOBE_BYTES + 2]
    return b""


def _decodes_to(data: bytes, photo: RgbImage, decoder: Decoder) -> bool:
    try:
        return np.array_equal(decoder.decode(data, max_pixels=photo.size), photo)
    except HematoVisionError:
        return False
