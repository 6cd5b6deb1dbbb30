import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from hematovision.cells import RgbImage
from hematovision.errors import (
    AnimatedImageError,
    EmptyFileError,
    HematoVisionError,
    ImageTooLargeError,
    ImageTooSmallError,
    UnreadableImageError,
    UnsupportedFormatError,
)
from hematovision.vision.decoding import MIN_SIDE, _has_huge_tiles, decode_image

from .pictures import (
    DEEP,
    GREY3,
    PHOTO,
    SAMPLES,
    as_mode,
    png_chunk,
    save,
    several,
    smooth,
    with_orientation,
    write_png,
)
from .tiff_writer import write_tiff

# pytest puts "error" in front of the filter that decoding.py sets; in a plain process that filter
# is in front, as `test_torn_metadata_warns_nobody` shows.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")

JPEG = as_mode("RGB", "JPEG", quality=95)
PNG = as_mode("RGB", "PNG")
TIFF = as_mode("RGB", "TIFF")
WEBP = as_mode("RGB", "WEBP", lossless=True)


def assert_looks_like(photo: RgbImage, expected: RgbImage, tolerance: int) -> None:
    assert photo.shape == expected.shape
    assert photo.dtype == np.uint8
    assert photo.flags.c_contiguous
    assert photo.flags.writeable
    assert np.abs(photo.astype(int) - expected.astype(int)).max() <= tolerance


@pytest.mark.parametrize(
    ("make", "expected", "tolerance"),
    [pytest.param(*sample, id=name) for name, sample in SAMPLES.items()],
)
def test_every_accepted_kind_decodes_to_its_colours(
    make: Callable[[], bytes], expected: RgbImage, tolerance: int
) -> None:
    assert_looks_like(decode_image(make()), expected, tolerance)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, None),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (4, Image.Transpose.FLIP_TOP_BOTTOM),
        (5, Image.Transpose.TRANSPOSE),
        (6, Image.Transpose.ROTATE_270),
        (7, Image.Transpose.TRANSVERSE),
        (8, Image.Transpose.ROTATE_90),
        (9, None),
    ],
)
def test_orientation_is_applied(kind: str, orientation: int, turn: Image.Transpose | None) -> None:
    upright = Image.fromarray(PHOTO)
    expected = np.array(upright if turn is None else upright.transpose(turn))
    tolerance = 12 if kind == "JPEG" else 0
    assert_looks_like(decode_image(with_orientation(kind, orientation)), expected, tolerance)


@pytest.mark.parametrize(
    "exif",
    [
        pytest.param(b"Exif\0\0" + b"\xff" * 40, id="noise"),
        pytest.param(b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01", id="cut off"),
        pytest.param(
            b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x09\0\0\0\xff\xff\xff\x7f\0\0\0\0",
            id="orientation is a text far away",
        ),
        pytest.param(
            b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x03\0\0\0up\0\0\0\0\0\0",
            id="orientation is a word",
        ),
    ],
)
def test_broken_exif_does_not_stop_the_picture(exif: bytes) -> None:
    broken = as_mode("RGB", "JPEG", quality=95, exif=exif)
    assert_looks_like(decode_image(broken), PHOTO, 12)


def test_transparent_pixels_are_laid_on_white() -> None:
    alpha = np.full(PHOTO.shape[:2], 255, np.uint8)
    alpha[:20], alpha[20:30] = 0, 128
    seen = np.dstack([PHOTO, alpha])
    expected = PHOTO.copy()
    expected[:20] = 255
    expected[20:30] = (PHOTO[20:30].astype(int) * 128 + 255 * 127) // 255
    for kind, options in [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True, "exact": True})]:
        assert_looks_like(decode_image(save(Image.fromarray(seen), kind, **options)), expected, 1)


def test_transparent_grey_is_laid_on_white() -> None:
    grey = np.dstack([GREY3[:, :, 0], np.zeros(PHOTO.shape[:2], np.uint8)])
    assert (decode_image(save(Image.fromarray(grey, "LA"), "PNG")) == 255).all()
    deep = np.dstack([DEEP[:, :, 0], np.zeros(PHOTO.shape[:2], np.uint16)])
    assert (decode_image(write_png(deep, 4)) == 255).all()


def test_transparent_palette_entry_is_white() -> None:
    indexed = Image.fromarray(PHOTO).quantize(4)
    see_through = np.array(indexed) == 2
    for transparency in (2, b"\xff\xff\x00\xff"):
        photo = decode_image(save(indexed, "PNG", transparency=transparency))
        assert (photo[see_through] == 255).all()
        assert not (photo[~see_through] == 255).all()


@pytest.mark.parametrize(
    ("pixels", "colour", "transparency"),
    [
        pytest.param(PHOTO, 2, b"\0\0\0\0\0\0", id="colours"),
        pytest.param(DEEP, 2, b"\xff\xff\xff\xff\xff\xff", id="deep colours"),
        pytest.param(DEEP[:, :, 0], 0, b"\xff\xff", id="deep grey"),
        pytest.param(PHOTO[:, :, 0], 0, b"\xff\xff", id="grey out of range"),
    ],
)
def test_transparent_colour_does_not_stop_the_picture(
    pixels: RgbImage, colour: int, transparency: bytes
) -> None:
    photo = decode_image(write_png(pixels, colour, (b"tRNS", transparency)))
    assert photo.shape == PHOTO.shape


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        pytest.param(b"", EmptyFileError, "empty", id="empty"),
        pytest.param(b"A letter, not a picture.", UnsupportedFormatError, "not a", id="text"),
        pytest.param(b"BMW: a car, not a picture.", UnsupportedFormatError, "not a", id="BM text"),
        pytest.param(b"<!doctype html><img>", UnsupportedFormatError, "not a", id="HTML"),
        pytest.param(b"<svg xmlns='http://www.w3.org'/>", UnsupportedFormatError, "not", id="SVG"),
        pytest.param(b"%PDF-1.7\n%\xe2\xe3", UnsupportedFormatError, "not a", id="PDF"),
        pytest.param(save(Image.fromarray(PHOTO), "GIF"), UnsupportedFormatError, "not", id="GIF"),
        pytest.param(save(Image.fromarray(PHOTO), "PPM"), UnsupportedFormatError, "not", id="PPM"),
        pytest.param(save(Image.fromarray(PHOTO), "ICO"), UnsupportedFormatError, "not", id="ICO"),
        pytest.param(several("PNG"), AnimatedImageError, "several frames", id="moving PNG"),
        pytest.param(several("WEBP"), AnimatedImageError, "several frames", id="moving WebP"),
        pytest.param(JPEG[:-90], UnreadableImageError, "ends in", id="most of a JPEG"),
        pytest.param(PNG[: len(PNG) // 2], UnreadableImageError, "ends in", id="half a PNG"),
        pytest.param(TIFF[: len(TIFF) // 2], UnreadableImageError, "ends in", id="half a TIFF"),
        pytest.param(WEBP[: len(WEBP) // 2], UnreadableImageError, "ends in", id="half a WebP"),
        pytest.param(JPEG[:9], UnreadableImageError, "header is damaged", id="head of a JPEG"),
        pytest.param(PNG[:12], UnreadableImageError, "header is damaged", id="head of a PNG"),
        pytest.param(b"II*\0\xff\xff\0\0", UnreadableImageError, "damaged", id="head of a TIFF"),
        pytest.param(
            PNG.replace(b"IDAT", b"IDAT" + bytes(3)), UnreadableImageError, "damaged", id="torn PNG"
        ),
        pytest.param(
            write_png(PHOTO, 2, (b"zTXt", b"a\0\0" + zlib.compress(bytes(2**22)))),
            UnreadableImageError,
            "damaged",
            id="text bomb",
        ),
        pytest.param(
            write_tiff(PHOTO.astype(np.uint32)[:, :, 0]), UnsupportedFormatError, "not", id="32 bit"
        ),
        pytest.param(
            write_tiff(PHOTO.astype(np.float32)[:, :, 0]), UnsupportedFormatError, "not", id="float"
        ),
        pytest.param(
            write_tiff(PHOTO.astype(np.float32)), UnsupportedFormatError, "not", id="float colours"
        ),
        pytest.param(
            write_tiff(DEEP, planar=True), UnsupportedFormatError, "not", id="deep planar"
        ),
        pytest.param(as_mode("LAB", "TIFF"), UnsupportedFormatError, "not", id="Lab"),
        pytest.param(
            save(Image.fromarray(smooth(MIN_SIDE - 1, 80)), "PNG"),
            ImageTooSmallError,
            "80 x 31",
            id="too small",
        ),
    ],
)
def test_refused_under_its_name(data: bytes, error: type[HematoVisionError], message: str) -> None:
    with pytest.raises(error, match=message):
        decode_image(data)


def _without_columns(data: bytes, offset: int, length: int) -> bytes:
    return data[:offset] + bytes(length) + data[offset + length :]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            b"\x89PNG\r\n\x1a\n"
            + png_chunk(b"IHDR", bytes(8) + b"\x08\x02\0\0\0")
            + png_chunk(b"IEND", b""),
            id="PNG",
        ),
        pytest.param(_without_columns(as_mode("RGB", "BMP"), 18, 4), id="BMP"),
        pytest.param(_without_columns(JPEG, JPEG.index(b"\xff\xc0") + 7, 2), id="JPEG"),
        pytest.param(write_tiff(PHOTO[:, :0]), id="TIFF"),
    ],
)
def test_picture_without_pixels_is_too_small(data: bytes) -> None:
    with pytest.raises(ImageTooSmallError, match="no pixels"):
        decode_image(data)


def _announcing(width: int, height: int) -> bytes:
    size = width.to_bytes(4) + height.to_bytes(4)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", size + b"\x08\x02\0\0\0") + PNG[33:]


@pytest.mark.parametrize(
    ("width", "height", "message"),
    [
        pytest.param(8000, 5001, "Too large: 41 megapixels, the limit is 40.", id="just over"),
        pytest.param(10_000, 9_000, "Too large: 90 megapixels", id="where Pillow warns"),
        pytest.param(20_000, 10_600, "Too large: 212 megapixels", id="where Pillow refuses"),
        pytest.param(2**31 - 1, 2**31 - 1, "Too large", id="a bomb"),
    ],
)
def test_too_large_is_refused_from_the_header(width: int, height: int, message: str) -> None:
    with pytest.raises(ImageTooLargeError, match=message):
        decode_image(_announcing(width, height))


def test_limit_beyond_that_of_pillow_does_not_lift_it() -> None:
    with pytest.raises(ImageTooLargeError, match=r"212 megapixels, the limit is 178\.957"):
        decode_image(_announcing(20_000, 10_600), max_pixels=10**9)


def test_limit_itself_is_accepted() -> None:
    height, width, _ = PHOTO.shape
    assert decode_image(PNG, max_pixels=height * width).shape == PHOTO.shape
    with pytest.raises(ImageTooLargeError):
        decode_image(PNG, max_pixels=height * width - 1)


def test_same_bytes_decode_alike_in_threads() -> None:
    files = [make() for make, *_ in SAMPLES.values()] * 3
    with ThreadPoolExecutor(8) as pool:
        assert all(
            np.array_equal(photo, decode_image(data))
            for photo, data in zip(pool.map(decode_image, files), files, strict=True)
        )


def test_torn_metadata_warns_nobody() -> None:
    torn = as_mode("RGB", "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01")
    program = (
        "import sys; from hematovision.vision.decoding import decode_image;"
        "print(decode_image(sys.stdin.buffer.read()).shape)"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-W", "error", "-c", program], input=torn, capture_output=True, check=True
    )
    assert done.stdout.strip() == str(PHOTO.shape).encode()
    assert done.stderr == b""


def mutate(data: bytes, random: np.random.Generator, other: bytes) -> bytes:
    """Damage a file: overwrite, cut, splice or repeat a part, early bytes more often."""
    torn = bytearray(data)
    for _ in range(random.integers(1, 6)):
        place = int(len(torn) * random.random() ** 3)
        match random.integers(5):
            case 0 if torn:
                torn[min(place, len(torn) - 1)] = random.integers(256)
            case 1:
                torn[place : place + 4] = random.bytes(4)
            case 2:
                torn = torn[: max(1, len(torn) - place)]
            case 3:
                start = random.integers(len(other))
                torn[place:place] = other[start : start + random.integers(1, 64)]
            case 4:
                torn[place : place + random.integers(1, 32)] = b""
    return bytes(torn)


def fuzz(name: str, rounds: int, seed: int) -> int:
    """Count the damaged files that still give a picture; every other has a named error."""
    random = np.random.default_rng(seed)
    others = [make() for make, *_ in SAMPLES.values()]
    data = SAMPLES[name][0]()
    decoded, refusals = 0, []
    for _ in range(rounds):
        torn = mutate(data, random, others[random.integers(len(others))])
        try:
            photo = decode_image(torn, max_pixels=1_000_000)
        except HematoVisionError as error:
            refusals.append(error.message)
        else:
            assert photo.ndim == 3
            assert photo.dtype == np.uint8
            decoded += 1
    assert all(refusals)
    return decoded


@pytest.mark.parametrize("name", SAMPLES)
def test_damaged_files_give_pictures_or_named_errors(name: str) -> None:
    assert fuzz(name, rounds=300, seed=1) < 300


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_grey_of_few_bits_in_sixteen_is_as_bright_as_it_was(bits: int) -> None:
    grey = smooth()[:, :, 0].astype(np.uint16)
    grey[0, 0] = 255
    decoded = decode_image(write_png(grey << (bits - 8), 0))
    assert np.abs(decoded[:, :, 0].astype(int) - grey).max() <= 1


@pytest.mark.parametrize(("bits", "refused"), [(10, True), (12, True), (14, False), (16, False)])
def test_colours_that_use_the_lowest_bits_alone_are_refused(bits: int, refused: bool) -> None:
    colours = smooth().astype(np.uint16)
    colours[0, 0] = 255
    for picture in (write_png(colours << (bits - 8), 2), write_tiff(colours << (bits - 8))):
        if refused:
            with pytest.raises(UnsupportedFormatError, match="uses only the lowest"):
                decode_image(picture)
        else:
            decode_image(picture)


def test_empty_fourth_byte_of_a_bitmap_is_no_transparency() -> None:
    photo = smooth()
    height, width = photo.shape[:2]
    header = struct.pack("<IiiHHIIiiII", 124, width, -height, 1, 32, 3, 0, 0, 0, 0, 0)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000).ljust(124 - 40, b"\0")
    pixels = np.dstack([photo[:, :, ::-1], np.zeros((height, width), np.uint8)]).tobytes()
    start = struct.pack("<2sIHHI", b"BM", 14 + 124 + len(pixels), 0, 0, 14 + 124)
    np.testing.assert_array_equal(decode_image(start + header + masks + pixels), photo)


def test_tile_that_is_far_larger_than_its_picture_is_refused() -> None:
    buffer = io.BytesIO()
    Image.fromarray(smooth()).save(buffer, "TIFF")
    tags = {322: 16384, 323: 16384}
    buffer.seek(0)
    with Image.open(buffer) as image:
        image.tag_v2.update(tags)
        assert _has_huge_tiles(image, 2**22)
        assert not _has_huge_tiles(image, 2**29)


def test_jpeg_of_ever_so_much_exif_is_refused() -> None:
    segment = b"\xff\xe1\xff\xff" + b"Exif\0\0".ljust(0xFFFD, b"x")
    assert decode_image(JPEG[:2] + segment * 3 + JPEG[2:]).shape == PHOTO.shape
    with pytest.raises(UnreadableImageError, match="more parts"):
        decode_image(JPEG[:2] + segment * 20 + JPEG[2:])


@pytest.mark.parametrize("tag", [322, 323, 258], ids=["tile width", "tile length", "bits"])
def test_number_of_a_tiff_that_is_a_text_is_refused_by_name(tag: int) -> None:
    # A tag that Pillow does not need says its value in bytes; found by `make fuzz`.
    tiff = bytearray(TIFF)
    start = int.from_bytes(tiff[4:8], "little")
    places = range(
        start + 2, start + 2 + 12 * int.from_bytes(tiff[start : start + 2], "little"), 12
    )
    place = next(
        (one for one in places if int.from_bytes(tiff[one : one + 2], "little") == tag), places[-1]
    )
    tiff[place : place + 12] = struct.pack("<HHI4s", tag, 7, 4, b"text")
    with pytest.raises(HematoVisionError):
        decode_image(bytes(tiff))
