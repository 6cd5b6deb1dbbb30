import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hematovision.errors import UnreadableImageError, UnsupportedFormatError
from hematovision.vision.containers import (
    MAX_PADDING,
    MAX_PARTS,
    MAX_SCANS,
    MAX_STRIPS,
    find_kind,
    refuse_crumbs,
)
from hematovision.vision.decoding import decode_image

from .pictures import PHOTO, SAMPLES, as_mode, png_chunk, save, smooth, write_png
from .tiff_writer import write_tiff

JPEG = as_mode("RGB", "JPEG")
PROGRESSIVE = as_mode("RGB", "JPEG", progressive=True)
PNG = write_png(PHOTO, 2)
BIG_TIFF = as_mode("RGB", "TIFF", big_tiff=True)
EMPTY_CHUNK = png_chunk(b"teSt", b"")
COMMENT = b"\xff\xfe\0\2"


def behind_the_start(data: bytes, *parts: bytes) -> bytes:
    return data[:2] + b"".join(parts) + data[2:]


def before_the_end(data: bytes, *parts: bytes) -> bytes:
    """Put chunks between the pixels of a PNG and its end."""
    return data[:-12] + b"".join(parts) + data[-12:]


def repeat_last_scan(times: int) -> bytes:
    last = PROGRESSIVE.rindex(b"\xff\xda")
    return PROGRESSIVE[:-2] + PROGRESSIVE[last:-2] * times + PROGRESSIVE[-2:]


def entries(number: int) -> bytes:
    """Write the directory of a BigTIFF that has nothing else."""
    listed = b"".join(struct.pack("<HHQQ", 400 + place, 1, 1, 1) for place in range(number))
    return struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, number) + listed + bytes(8)


def with_strips(number: int) -> bytes:
    entry = struct.pack("<HHI4x", 273, 4, number)
    return struct.pack("<2sHIH", b"II", 42, 8, 1) + entry + bytes(4)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(behind_the_start(JPEG, b"\xff" * 2 * MAX_PADDING), id="fill bytes"),
        pytest.param(b"\xff\xd8\xff\xe0\0\2" + b"\xff" * 2**20, id="nothing but fill bytes"),
        pytest.param(behind_the_start(JPEG, COMMENT, bytes(2 * MAX_PADDING)), id="junk"),
        pytest.param(behind_the_start(JPEG, b"\xff\0" * MAX_PADDING), id="escaped junk"),
        pytest.param(
            behind_the_start(JPEG, *[COMMENT + b"\xff" * 64] * (1 + MAX_PADDING // 64)),
            id="fill bytes here and there",
        ),
        pytest.param(behind_the_start(JPEG, COMMENT * MAX_PARTS), id="comments"),
        pytest.param(behind_the_start(JPEG, b"\xff\xd0" * MAX_PARTS), id="restart markers"),
        pytest.param(repeat_last_scan(MAX_SCANS), id="scans"),
        pytest.param(write_png(PHOTO, 2, *[(b"teSt", b"")] * MAX_PARTS), id="chunks"),
        pytest.param(before_the_end(PNG, EMPTY_CHUNK * MAX_PARTS), id="chunks behind the pixels"),
        pytest.param(
            before_the_end(PNG, png_chunk(b"IDAT", b"") * 2 * MAX_PARTS), id="crumbs of pixels"
        ),
        pytest.param(entries(MAX_PARTS + 1), id="entries"),
        pytest.param(with_strips(MAX_STRIPS + 1), id="strips"),
    ],
)
def test_file_of_nothing_but_parts_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableImageError, match="more parts, or more padding"):
        decode_image(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(behind_the_start(JPEG, b"\xff" * 64), id="fill bytes"),
        pytest.param(behind_the_start(JPEG, COMMENT * 500), id="comments"),
        pytest.param(as_mode("RGB", "JPEG", icc_profile=bytes(2**22)), id="profile in 65 segments"),
        pytest.param(as_mode("RGB", "JPEG", restart_marker_blocks=1), id="restart markers"),
        pytest.param(repeat_last_scan(20), id="scans"),
        pytest.param(JPEG + bytes(2**16), id="something behind a JPEG"),
        pytest.param(JPEG + b"\xff\xda" * 2 * MAX_PARTS, id="scans behind a JPEG"),
        pytest.param(before_the_end(PNG, EMPTY_CHUNK * 500), id="chunks"),
        pytest.param(PNG + EMPTY_CHUNK * MAX_PARTS, id="chunks behind a PNG"),
        pytest.param(BIG_TIFF, id="BigTIFF"),
        pytest.param(write_tiff(PHOTO), id="TIFF"),
    ],
)
def test_file_of_many_parts_is_read(data: bytes) -> None:
    assert decode_image(data).shape == PHOTO.shape


def test_pixels_of_a_png_may_lie_in_thousands_of_chunks() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1100, 1000, 3), dtype=np.uint8)
    whole = save(Image.fromarray(noise), "PNG", compress_level=0)
    stream, place = b"", 8
    while place < len(whole):
        length, name = struct.unpack_from(">I4s", whole, place)
        stream += whole[place + 8 : place + 8 + length] if name == b"IDAT" else b""
        place += 12 + length
    pieces = [stream[at : at + 512] for at in range(0, len(stream), 512)]
    assert len(pieces) > 5 * MAX_PARTS
    cut = whole[:33] + b"".join(png_chunk(b"IDAT", piece) for piece in pieces) + whole[-12:]
    assert np.array_equal(decode_image(cut), noise)


@pytest.mark.parametrize("name", SAMPLES)
def test_torn_file_is_left_to_the_decoder(name: str) -> None:
    data = SAMPLES[name][0]()
    for length in range(0, len(data), max(1, len(data) // 97)):
        refuse_crumbs(data[:length])


@pytest.mark.real_data
def test_real_photos_pass(data_folder: Path) -> None:
    photos = sorted((data_folder / "bccd" / "photos").glob("*.jpg"))
    assert photos
    for photo in photos:
        refuse_crumbs(photo.read_bytes())


def test_runs_of_a_bmp_are_not_counted() -> None:
    header = struct.pack("<2sIHHI", b"BM", 0, 0, 0, 1078)
    header += struct.pack("<IiiHHIIiiII", 40, 64, 64, 1, 8, 1, 0, 0, 0, 256, 0)
    with pytest.raises(UnsupportedFormatError, match="run-length"):
        decode_image(header + bytes(1024) + b"\xff\0" * 64)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        pytest.param(JPEG, "JPEG", id="jpeg"),
        pytest.param(PNG, "PNG", id="png"),
        pytest.param(BIG_TIFF, "TIFF", id="big tiff"),
        pytest.param(save(Image.fromarray(smooth()), "WEBP"), "WebP", id="webp"),
        pytest.param(save(Image.fromarray(smooth()), "BMP"), "BMP", id="bmp"),
        pytest.param(b"a letter", None, id="text"),
        pytest.param(b"", None, id="nothing"),
    ],
)
def test_first_bytes_tell_the_kind(data: bytes, kind: str | None) -> None:
    assert find_kind(data) == kind
