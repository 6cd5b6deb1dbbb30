"""Small pictures of every accepted kind, and what they must decode to."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hematovision.cells import RgbImage

from .tiff_writer import write_tiff


def smooth(height: int = 40, width: int = 56) -> RgbImage:
    """Draw slopes that survive lossy compression; no two corners are alike."""
    rows, columns = np.mgrid[0:height, 0:width]
    red, green = 255 * rows // height, 255 * columns // width
    return np.stack([red, green, (red + green) // 2], axis=2).astype(np.uint8)


PHOTO = smooth()
GREY = PHOTO[:, :, 0]
DEEP = (PHOTO.astype(np.uint16) << 8) | 0x80
DEEP_GREY = DEEP[:, :, 0]


def save(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def as_mode(mode: str, kind: str, **options: object) -> bytes:
    return save(Image.fromarray(PHOTO).convert(mode), kind, **options)


def write_png(pixels: NDArray[np.generic], colour: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """Write a PNG by hand, big endian, any depth; `chunks` go in front of the pixels."""
    height, width = pixels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.dtype.itemsize, colour, 0, 0, 0)
    big = pixels.astype(pixels.dtype.newbyteorder(">"))
    rows = b"".join(b"\0" + row.tobytes() for row in big)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts)


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def frames(count: int = 2) -> list[Image.Image]:
    return [Image.fromarray(np.roll(PHOTO, 5 * i, axis=1)) for i in range(count)]


def several(kind: str, **options: object) -> bytes:
    first, *others = frames()
    return save(first, kind, save_all=True, append_images=others, **options)


def with_orientation(kind: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    if kind == "TIFF":
        return save(Image.fromarray(PHOTO), kind, exif=exif)
    options = {"quality": 95} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    return save(Image.fromarray(PHOTO), kind, exif=exif, **options)


def _palette_png() -> bytes:
    return save(Image.fromarray(PHOTO).quantize(256), "PNG")


def _bilevel() -> RgbImage:
    return np.array(Image.fromarray(PHOTO).convert("1").convert("RGB"))


GREY3 = np.repeat(np.array(Image.fromarray(PHOTO).convert("L"))[:, :, np.newaxis], 3, axis=2)
RED3 = np.repeat(GREY[:, :, np.newaxis], 3, axis=2)

SAMPLES: dict[str, tuple[Callable[[], bytes], RgbImage, int]] = {
    "jpeg": (lambda: as_mode("RGB", "JPEG", quality=95), PHOTO, 12),
    "jpeg progressive": (lambda: as_mode("RGB", "JPEG", quality=95, progressive=True), PHOTO, 12),
    "jpeg grey": (lambda: as_mode("L", "JPEG", quality=95), GREY3, 6),
    "jpeg cmyk, inverted by Adobe": (lambda: as_mode("CMYK", "JPEG", quality=95), PHOTO, 12),
    "jpeg of several pictures": (lambda: several("MPO", quality=95), PHOTO, 12),
    "png": (lambda: as_mode("RGB", "PNG"), PHOTO, 0),
    "png grey": (lambda: as_mode("L", "PNG"), GREY3, 0),
    "png one bit": (lambda: as_mode("1", "PNG"), _bilevel(), 0),
    "png palette": (_palette_png, PHOTO, 24),
    "png 16 bit": (lambda: write_png(DEEP, 2), PHOTO, 0),
    "png 16 bit grey": (lambda: write_png(DEEP_GREY, 0), RED3, 0),
    "tiff": (lambda: as_mode("RGB", "TIFF"), PHOTO, 0),
    "tiff lzw": (lambda: as_mode("RGB", "TIFF", compression="tiff_lzw"), PHOTO, 0),
    "tiff grey": (lambda: as_mode("L", "TIFF"), GREY3, 0),
    "tiff cmyk": (lambda: as_mode("CMYK", "TIFF"), PHOTO, 0),
    "tiff of several pages": (lambda: several("TIFF"), PHOTO, 0),
    "tiff planar": (lambda: write_tiff(PHOTO, planar=True), PHOTO, 0),
    "tiff 16 bit grey, white is zero": (
        lambda: write_tiff(~DEEP_GREY, photometric=0),
        RED3,
        0,
    ),
    "tiff 16 bit, differences": (
        lambda: write_tiff(DEEP, compression="lzw", predictor=True),
        PHOTO,
        0,
    ),
    "tiff 16 bit, planar": (
        lambda: write_tiff(DEEP, compression="deflate", planar=True),
        PHOTO,
        0,
    ),
    "bmp": (lambda: as_mode("RGB", "BMP"), PHOTO, 0),
    "webp": (lambda: as_mode("RGB", "WEBP", lossless=True), PHOTO, 0),
    "webp lossy": (lambda: as_mode("RGB", "WEBP", quality=95), PHOTO, 16),
}
for name, order in (("little", "<"), ("big", ">")):
    for packing in ("raw", "lzw", "deflate"):
        SAMPLES[f"tiff 16 bit, {packing}, {name} endian"] = (
            lambda order=order, packing=packing: write_tiff(DEEP, order=order, compression=packing),
            PHOTO,
            0,
        )
        SAMPLES[f"tiff 16 bit grey, {packing}, {name} endian"] = (
            lambda order=order, packing=packing: write_tiff(
                DEEP_GREY, order=order, compression=packing
            ),
            RED3,
            0,
        )
