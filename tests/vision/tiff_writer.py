"""Writes the deep TIFF files that Pillow cannot write itself."""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

SHORT, LONG = 3, 4
COMPRESSION = {"raw": 1, "lzw": 5, "deflate": 8}


def write_tiff(
    pixels: NDArray[np.generic],
    *,
    order: str = "<",
    compression: str = "raw",
    planar: bool = False,
    predictor: bool = False,
    photometric: int | None = None,
) -> bytes:
    """Write one strip a plane; the directory lies behind the pixels.

    Args:
        pixels: Shape (height, width) or (height, width, channels), any dtype.
        order: `<` for little endian, `>` for big endian.
        compression: One of `COMPRESSION`.
        planar: Whether each channel lies in a strip of its own.
        predictor: Whether each pixel is written as the difference from the one on its left.
        photometric: How numbers become colours; None for black is zero, or RGB.
    """
    pixels = pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels
    height, width, channels = pixels.shape
    if predictor:
        pixels = np.diff(pixels, axis=1, prepend=pixels.dtype.type(0))
    ordered = pixels.astype(pixels.dtype.newbyteorder(order))
    planes = [ordered[:, :, i] for i in range(channels)] if planar else [ordered]
    strips = [_compress(plane.tobytes(), compression) for plane in planes]
    starts = [8 + sum(map(len, strips[:i])) for i in range(len(strips))]
    default = 2 if channels > 1 else 1
    tags = [
        (256, LONG, [width]),
        (257, LONG, [height]),
        (258, SHORT, [8 * pixels.dtype.itemsize] * channels),
        (259, SHORT, [COMPRESSION[compression]]),
        (262, SHORT, [default if photometric is None else photometric]),
        (273, LONG, starts),
        (277, SHORT, [channels]),
        (278, LONG, [height]),
        (279, LONG, [len(strip) for strip in strips]),
        (284, SHORT, [2 if planar else 1]),
        (317, SHORT, [2 if predictor else 1]),
        (339, SHORT, [{"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]] * channels),
    ]
    body = b"".join(strips)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    head = mark + struct.pack(order + "I", 8 + len(body))
    return head + body + _directory(tags, 8 + len(body), order)


def _directory(tags: list[tuple[int, int, list[int]]], start: int, order: str) -> bytes:
    """Lay out the tags, and behind them the values that do not fit in four bytes."""
    entries, extra = b"", b""
    behind = start + 2 + 12 * len(tags) + 4
    for tag, kind, values in tags:
        packed = struct.pack(order + ("H" if kind == SHORT else "I") * len(values), *values)
        if len(packed) > 4:
            place = struct.pack(order + "I", behind + len(extra))
            extra += packed
        else:
            place = packed.ljust(4, b"\0")
        entries += struct.pack(order + "HHI", tag, kind, len(values)) + place
    return struct.pack(order + "H", len(tags)) + entries + b"\0\0\0\0" + extra


def _compress(strip: bytes, compression: str) -> bytes:
    if compression == "deflate":
        return zlib.compress(strip)
    return _lzw(strip) if compression == "lzw" else strip


def _lzw(strip: bytes) -> bytes:
    """Write literals only, clearing the table before codes grow past nine bits."""
    clear, end, run = 256, 257, 250
    codes: list[int] = []
    for start in range(0, len(strip), run):
        codes += [clear, *strip[start : start + run]]
    bits = "".join(f"{code:09b}" for code in [*codes, end])
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8)
