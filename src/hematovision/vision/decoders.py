"""Who decodes: this process itself, or a few that are kept for it and have nothing to lose."""

import sys
from typing import Protocol

from hematovision.cells import RgbImage
from hematovision.machine import cores
from hematovision.vision.decoding import MAX_PIXELS, check_header, decode_image

FEWEST, MOST = 2, 4
"""Processes by cores; with one, a picture that takes long would hold everybody up."""


class Decoder(Protocol):
    """Turns bytes into pixels.

    Attributes:
        restarts: Processes that died or were killed since the start.
    """

    restarts: int

    def decode(self, data: bytes, *, max_pixels: int = MAX_PIXELS) -> RgbImage:
        """Decode a picture; see `decode_image`."""
        ...

    def check(self, data: bytes, *, max_pixels: int = MAX_PIXELS) -> None:
        """Refuse what its first bytes rule out; see `check_header`."""
        ...

    def warm(self) -> None:
        """Be ready for the first picture."""
        ...


class Here:
    """Decodes in this very process: for those who choose their own pictures, and for tests."""

    restarts = 0

    def decode(self, data: bytes, *, max_pixels: int = MAX_PIXELS) -> RgbImage:
        """Decode a picture."""
        return decode_image(data, max_pixels=max_pixels)

    def check(self, data: bytes, *, max_pixels: int = MAX_PIXELS) -> None:
        """Refuse what its first bytes rule out."""
        check_header(data, max_pixels=max_pixels)

    def warm(self) -> None:
        """Be ready: this process is."""


HERE = Here()


def open_decoders(number: int = 0, *, max_pixels: int = MAX_PIXELS) -> Decoder:
    """Keep processes that decode; each starts when it is needed first.

    Args:
        number: How many at most; 0 for as many as there are cores, 2 to 4.
        max_pixels: Larger pictures are refused.

    Returns:
        A pool of them; what decodes in this process where the system is not Linux.
    """
    if sys.platform != "linux":
        return HERE
    from hematovision.vision.decoder_pool import DecoderPool

    return DecoderPool(number or min(max(cores(), FEWEST), MOST), max_pixels=max_pixels)
