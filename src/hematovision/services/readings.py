"""Read a picture: from the bytes that were sent to what is said of every white cell."""

import hashlib
from dataclasses import dataclass
from typing import IO

from hematovision.cells import CellReader, PhotoReading, RgbImage, engine_of
from hematovision.errors import FileTooLargeError
from hematovision.observing.signals import Stage, stage
from hematovision.vision.decoders import HERE, Decoder
from hematovision.vision.decoding import MAX_PIXELS


@dataclass(frozen=True, slots=True)
class ReadPhoto:
    """A photo and what was said of it.

    Attributes:
        photo: The upright photo of shape (height, width, 3), RGB, uint8, 0-255.
        reading: What was said.
    """

    photo: RgbImage
    reading: PhotoReading


BLOCK = 2**20


def take_bytes(stream: IO[bytes], *, max_bytes: int) -> bytes:
    """Take the bytes of a picture, block by block: its limit may be larger than the memory.

    Args:
        stream: From where they come.
        max_bytes: Of more no more than this is read.

    Raises:
        FileTooLargeError: If there are more than `max_bytes`.
        OSError: If they cannot be read.
    """
    blocks, left = [], max_bytes + 1
    while left and (block := stream.read(min(BLOCK, left))):
        blocks.append(block)
        left -= len(block)
    if not left:
        raise FileTooLargeError.over(max_bytes)
    return b"".join(blocks)


def read_image(
    data: bytes,
    *,
    reader: CellReader,
    max_pixels: int = MAX_PIXELS,
    explain: bool = False,
    decoder: Decoder = HERE,
) -> ReadPhoto:
    """Decode a picture, find its white cells and name them.

    Args:
        data: The file as it was sent.
        reader: Finds and names the cells.
        max_pixels: Larger pictures are refused.
        explain: Whether to say as well where each answer comes from.
        decoder: Turns the bytes into pixels.

    Returns:
        The decoded photo and its reading.

    Raises:
        HematoVisionError: Whatever `decode_image` refuses, under its own name.
    """
    with stage(Stage.DECODE):
        photo = decoder.decode(data, max_pixels=max_pixels)
    height, width = photo.shape[:2]
    cells = reader.read(photo, explain=explain)
    return ReadPhoto(
        photo=photo,
        reading=PhotoReading(
            image_sha256=hashlib.sha256(data).hexdigest(),
            width=width,
            height=height,
            model=reader.model,
            cells=tuple(cells),
            engine=engine_of(cells),
        ),
    )
