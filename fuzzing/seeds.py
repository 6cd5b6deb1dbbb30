"""Where mutations begin: small pictures of every kind that is accepted, and of some others."""

import io
import struct
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HEIGHT, WIDTH = 40, 56
SHORT, LONG = 3, 4


def make_seeds() -> Mapping[str, bytes]:
    """Draw them: the same ones every time."""
    made: dict[str, bytes] = {}
    for make in (_jpegs, _pngs, _tiffs, _bitmaps, _webps):
        made |= make()
    return made


def _photo() -> Image.Image:
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    noise = np.random.default_rng(0).integers(0, 30, (HEIGHT, WIDTH))
    bands = [5 * rows + noise, 4 * columns, 3 * (rows + columns)]
    return Image.fromarray(np.stack(bands, axis=2).clip(0, 255).astype(np.uint8))


PHOTO = _photo()


def _saved(kind: str, mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    PHOTO.convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    exif.get_ifd(0x8769)[0x9003] = "2026:01:01 00:00:00"
    return exif


def _jpegs() -> Mapping[str, bytes]:
    return {
        "jpeg": _saved("JPEG"),
        "jpeg progressive": _saved("JPEG", progressive=True),
        "jpeg optimized": _saved("JPEG", optimize=True, quality=30),
        "jpeg restart": _saved("JPEG", restart_marker_blocks=2),
        "jpeg 4:4:4": _saved("JPEG", subsampling=0, quality=98),
        "jpeg grey": _saved("JPEG", "L"),
        "jpeg cmyk": _saved("JPEG", "CMYK"),
        "jpeg exif": _saved("JPEG", exif=_exif(), comment=b"a comment"),
        "jpeg profile": _saved("JPEG", icc_profile=bytes(300), xmp=b"<x:xmpmeta/>"),
        "jpeg rgb": _saved("JPEG", keep_rgb=True),
        "mpo": _saved("MPO", save_all=True, append_images=[PHOTO.convert("L").convert("RGB")]),
    }


def _pngs() -> Mapping[str, bytes]:
    table = PHOTO.quantize(16)
    buffer = io.BytesIO()
    table.save(buffer, "PNG", transparency=3)
    deep = np.asarray(PHOTO).astype(np.uint16) * 257
    made = {
        "png": _saved("PNG"),
        "png 1": _saved("PNG", "1"),
        "png grey": _saved("PNG", "L", transparency=7),
        "png grey alpha": _saved("PNG", "LA"),
        "png palette": buffer.getvalue(),
        "png 4 bits": _saved("PNG", "P", bits=4),
        "png alpha": _saved("PNG", "RGBA"),
        "png clear colour": _saved("PNG", transparency=(1, 2, 3)),
        "png exif": _saved("PNG", exif=_exif(), dpi=(72, 72)),
        "png animated": _saved("PNG", save_all=True, append_images=[PHOTO.rotate(90)]),
        "png 16": _png(deep, 2),
        "png 16 grey": _png(deep[:, :, :1], 0),
        "png 16 grey alpha": _png(deep[:, :, :2], 4),
        "png 16 alpha": _png(np.dstack([deep, deep[:, :, 0]]), 6),
        "png interlaced": _png(np.asarray(PHOTO), 2, interlaced=True),
    }
    texts = chunk(b"tEXt", b"key\0text") + chunk(b"zTXt", b"key\0\0" + zlib.compress(b"t" * 99))
    texts += chunk(b"iTXt", b"key\0\1\0en\0\0" + zlib.compress(b"t" * 99))
    profile = chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(200)))
    return made | {"png texts": made["png"][:33] + texts + profile + made["png"][33:]}


def chunk(name: bytes, body: bytes) -> bytes:
    """Write a chunk of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _png(pixels: NDArray[np.generic], colour: int, *, interlaced: bool = False) -> bytes:
    """Write what Pillow does not: deep colours, and Adam7."""
    big = pixels.astype(pixels.dtype.newbyteorder(">"))
    steps = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
    steps = [*steps, (1, 0, 2, 1)] if interlaced else [(0, 0, 1, 1)]
    rows = [row for top, left, down, over in steps for row in big[top::down, left::over]]
    depth = 8 * pixels.dtype.itemsize
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour, 0, 0, int(interlaced))
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    half = len(data) // 2
    parts = ((b"IHDR", head), (b"IDAT", data[:half]), (b"IDAT", data[half:]), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def _tiffs() -> Mapping[str, bytes]:
    pixels = np.asarray(PHOTO)
    deep = pixels.astype(np.uint16) * 257
    packed = ("raw", "tiff_lzw", "tiff_deflate", "packbits", "jpeg", "zstd", "lzma")
    made = {f"tiff {how}": _saved("TIFF", compression=how) for how in packed}
    return made | {
        "tiff big": _saved("TIFF", big_tiff=True),
        "tiff group 3": _saved("TIFF", "1", compression="group3"),
        "tiff group 4": _saved("TIFF", "1", compression="group4"),
        "tiff grey": _saved("TIFF", "L"),
        "tiff palette": _saved("TIFF", "P"),
        "tiff alpha": _saved("TIFF", "RGBA", compression="tiff_lzw"),
        "tiff cmyk": _saved("TIFF", "CMYK"),
        "tiff YCbCr": _saved("TIFF", "YCbCr"),
        "tiff exif": _saved("TIFF", exif=_exif()),
        "tiff pages": _saved("TIFF", save_all=True, append_images=[PHOTO.rotate(90)]),
        "tiff tiles": tiff(pixels, tile=16),
        "tiff tiles deflated": tiff(pixels, tile=32, deflated=True),
        "tiff strips": tiff(pixels, rows=8, deflated=True),
        "tiff planes": tiff(pixels, planes=True),
        "tiff planes deflated": tiff(pixels, planes=True, deflated=True),
        "tiff 16": tiff(deep),
        "tiff 16 big endian": tiff(deep, order=">", deflated=True),
        "tiff 16 grey": tiff(deep[:, :, :1]),
        "tiff 16 planes": tiff(deep, planes=True, deflated=True),
    }


def tiff(
    pixels: NDArray[np.generic],
    *,
    order: str = "<",
    deflated: bool = False,
    planes: bool = False,
    tile: int = 0,
    rows: int = HEIGHT,
) -> bytes:
    """Write what Pillow does not: tiles, planes, deep colours."""
    height, width, channels = pixels.shape
    ordered = pixels.astype(pixels.dtype.newbyteorder(order))
    layers = [ordered[:, :, i : i + 1] for i in range(channels)] if planes else [ordered]
    parts = [part for layer in layers for part in _parts(layer, tile, rows)]
    blobs = [zlib.compress(part.tobytes()) if deflated else part.tobytes() for part in parts]
    starts = [8 + sum(map(len, blobs[:i])) for i in range(len(blobs))]
    shape = (
        [(322, SHORT, [tile]), (323, SHORT, [tile]), (324, LONG, starts)]
        if tile
        else [(273, LONG, starts), (278, SHORT, [rows])]
    )
    tags = [
        (256, SHORT, [width]),
        (257, SHORT, [height]),
        (258, SHORT, [8 * pixels.dtype.itemsize] * channels),
        (259, SHORT, [8 if deflated else 1]),
        (262, SHORT, [2 if channels == 3 else 1]),
        (277, SHORT, [channels]),
        (325 if tile else 279, LONG, list(map(len, blobs))),
        (284, SHORT, [2 if planes else 1]),
        *shape,
    ]
    return _directory(b"".join(blobs), sorted(tags), order)


def _parts(layer: NDArray[np.generic], tile: int, rows: int) -> list[NDArray[np.generic]]:
    height, width = layer.shape[:2]
    if not tile:
        return [layer[top : top + rows] for top in range(0, height, rows)]
    wide = np.zeros((height + tile, width + tile, layer.shape[2]), layer.dtype)
    wide[:height, :width] = layer
    return [
        wide[top : top + tile, left : left + tile]
        for top in range(0, height, tile)
        for left in range(0, width, tile)
    ]


def _directory(blob: bytes, tags: list[tuple[int, int, list[int]]], order: str) -> bytes:
    start = 8 + len(blob) + len(blob) % 2
    beyond = start + 2 + 12 * len(tags) + 4
    entries, extra = b"", b""
    for tag, kind, values in tags:
        written = struct.pack(f"{order}{len(values)}{'H' if kind == SHORT else 'I'}", *values)
        if len(written) > 4:
            place = struct.pack(f"{order}I", beyond + len(extra))
            extra += written + bytes(len(written) % 2)
            written = place
        entries += struct.pack(f"{order}HHI", tag, kind, len(values)) + written.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, start)
    number = struct.pack(f"{order}H", len(tags))
    return head + blob + bytes(len(blob) % 2) + number + entries + bytes(4) + extra


def _bitmaps() -> Mapping[str, bytes]:
    rows = np.asarray(PHOTO.convert("RGBA"))[::-1, :, [2, 1, 0, 3]].tobytes()
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    info = struct.pack("<IiiHHIIiiII", 56, WIDTH, HEIGHT, 1, 32, 3, len(rows), 0, 0, 0, 0)
    head = struct.pack("<2sIHHI", b"BM", 14 + 56 + len(rows), 0, 0, 70)
    squeezed = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 8, 1, 300, 0, 0, 256, 0)
    runs = b"".join(bytes([WIDTH, row, 0, 0]) for row in range(HEIGHT)) + b"\0\1"
    return {
        "bmp": _saved("BMP"),
        "bmp 1": _saved("BMP", "1"),
        "bmp grey": _saved("BMP", "L"),
        "bmp palette": _saved("BMP", "P"),
        "bmp alpha": _saved("BMP", "RGBA"),
        "bmp masks": head + info + masks + rows,
        "bmp runs": struct.pack("<2sIHHI", b"BM", 2000, 0, 0, 1078) + squeezed + bytes(1024) + runs,
    }


def _webps() -> Mapping[str, bytes]:
    return {
        "webp": _saved("WEBP", quality=60),
        "webp lossless": _saved("WEBP", lossless=True),
        "webp alpha": _saved("WEBP", "RGBA", quality=60),
        "webp alpha lossless": _saved("WEBP", "RGBA", lossless=True, exact=True),
        "webp exif": _saved("WEBP", exif=_exif(), icc_profile=bytes(200)),
        "webp animated": _saved("WEBP", save_all=True, append_images=[PHOTO.rotate(90)]),
    }
