"""What a file is cut into; one that would keep its reader busy is refused before it is opened.

Pillow walks over the parts of a file in Python, one after the other and padding byte by byte, so
that a small file of nothing but parts would cost seconds. So would many scans of one JPEG: each
goes over all pixels.
"""

import re
import struct
from collections.abc import Callable

from hematovision.errors import UnreadableImageError

MAX_PARTS = 1_000
"""Segments of a JPEG, chunks of a PNG beside its pixels, entries of a TIFF's directory."""

MAX_PADDING = 2**14
"""Bytes between the segments of a JPEG that belong to none."""

MAX_SCANS = 64
"""A progressive JPEG has about ten."""

MAX_EXIF = 2**20
"""Bytes of Exif in a JPEG, which Pillow glues together, copying all of it for every segment."""

MAX_STRIPS = 50_000
"""Strips or tiles of a TIFF; a row of pixels may be one."""

SMALL_CHUNK = 256
"""Bytes; a PNG may cut its pixels into ever so many chunks, but not into crumbs."""

SIGNATURES = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "BMP": rb"BM.{4}\0{4}",
    "WebP": rb"RIFF.{4}WEBP",
}

_MARKER = re.compile(
    rb"(?:[^\xff]|\xff\0){0,%d}+\xff{1,%d}+([^\xff])" % (MAX_PADDING, MAX_PADDING), re.S
)
_MARKER_BEHIND_PIXELS = re.compile(rb"\xff++([^\0\xd0-\xd7])", re.S)
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_WITHOUT_LENGTH = {0x00, 0x01, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)}
_STRIPS, _TILES = 273, 324


def find_kind(data: bytes) -> str | None:
    """Name the format by its first bytes; None if it is not one that is accepted."""
    return next((name for name, start in SIGNATURES.items() if re.match(start, data, re.S)), None)


def refuse_crumbs(data: bytes) -> None:
    """Refuse a file that is cut into far too many parts.

    What is torn or misnamed is left to the decoder, which says so.

    Args:
        data: The file. WebP and BMP pass: the one is walked by its library, the other has no parts.

    Raises:
        UnreadableImageError: If there are more parts, or more padding, than a picture has.
    """
    kind = find_kind(data)
    if kind in _WALKS and _WALKS[kind](data):
        raise UnreadableImageError(
            "This %(kind)s has more parts, or more padding, than a picture.", kind=kind
        )


def _jpeg_is_crumbs(data: bytes) -> bool:
    """Walk as far as the end of the picture."""
    place = padding = scans = exif = 0
    for _ in range(MAX_PARTS):
        marker = (_MARKER_BEHIND_PIXELS.search if scans else _MARKER.match)(data, place)
        if marker is None:
            return not scans and len(data) - place > MAX_PADDING
        code = marker[1][0]
        padding += 0 if scans else marker.end() - place - 2
        scans += code == _START_OF_SCAN
        if padding > MAX_PADDING or scans > MAX_SCANS:
            return True
        place = marker.end()
        if code == _END_OF_IMAGE and scans:
            return False
        if code not in _WITHOUT_LENGTH:
            length = max(2, int.from_bytes(data[place : place + 2]))
            exif += length if data[place + 2 : place + 8] == b"Exif\0\0" else 0
            if exif > MAX_EXIF:
                return True
            place += length
    return True


def _png_is_crumbs(data: bytes) -> bool:
    """Walk over all chunks: those behind the pixels are read as well."""
    place, pixels, others = 8, 0, 0
    while place + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        if name == b"IEND":
            return False
        place += 12 + length
        if name in {b"IDAT", b"fdAT"}:
            pixels += 1
        else:
            others += 1
        if others > MAX_PARTS or pixels > MAX_PARTS + len(data) // SMALL_CHUNK:
            return True
    return False


def _tiff_is_crumbs(data: bytes) -> bool:
    """Walk over the first directory."""
    order = "<" if data[:1] == b"I" else ">"
    # Where the directory is, how many entries it has, and one of them; twice as wide in a BigTIFF.
    start, number, entry = ("8xQ", "Q", "HHQ8x") if b"+" in data[2:4] else ("4xI", "H", "HHI4x")
    try:
        (place,) = struct.unpack_from(order + start, data)
        (entries,) = struct.unpack_from(order + number, data, place)
        if entries > MAX_PARTS:
            return True
        place += struct.calcsize(order + number)
        tags = [
            struct.unpack_from(order + entry, data, place + at * struct.calcsize(order + entry))
            for at in range(entries)
        ]
    except (struct.error, OverflowError):
        return False
    return any(count > MAX_STRIPS for tag, _, count in tags if tag in {_STRIPS, _TILES})


_WALKS: dict[str, Callable[[bytes], bool]] = {
    "JPEG": _jpeg_is_crumbs,
    "PNG": _png_is_crumbs,
    "TIFF": _tiff_is_crumbs,
}
