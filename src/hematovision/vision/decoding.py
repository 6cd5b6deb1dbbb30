"""Bytes to upright RGB pixels, metadata dropped; which pictures are accepted."""

import io
import math
import re
import struct
import warnings
from collections.abc import Callable

import numpy as np

# Opening a format whose plugin is not loaded makes Pillow import all forty of them.
from PIL import (
    BmpImagePlugin,  # noqa: F401
    Image,
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,
    WebPImagePlugin,  # noqa: F401
)
from PIL.ExifTags import Base as Tag
from PIL.ImageFile import ImageFile

from hematovision.cells import RgbImage
from hematovision.errors import (
    AnimatedImageError,
    EmptyFileError,
    HematoVisionError,
    ImageTooHeavyError,
    ImageTooLargeError,
    ImageTooSmallError,
    UnreadableImageError,
    UnsupportedFormatError,
    rounded,
)
from hematovision.vision.containers import find_kind, refuse_crumbs

MAX_PIXELS = 40_000_000
MIN_SIDE = 32
PILLOW_LIMIT = 2 * (Image.MAX_IMAGE_PIXELS or MAX_PIXELS)
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP")

MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}
DEEP_GREY = {"I;16", "I;16L", "I;16B", "I;16N"}
DARKEST_DEEP = 32
"""The brightest high byte of colours of 16 bits; of 12 bits that nobody scaled it is at most 15."""

DEPTHS = (10, 12, 14, 16)
"""Bits that cameras give; a photo in bright field fills them, for the glass is bright."""

LARGEST_TILE = 2**22

TILE_WIDTH, TILE_LENGTH = 322, 323

TURNS: dict[int, Callable[[RgbImage], RgbImage]] = {
    2: np.fliplr,
    3: lambda photo: np.rot90(photo, 2),
    4: np.flipud,
    5: lambda photo: photo.swapaxes(0, 1),
    6: lambda photo: np.rot90(photo, -1),
    7: lambda photo: np.rot90(photo, 2).swapaxes(0, 1),
    8: np.rot90,
}
"""What makes a photo upright, by its EXIF orientation; 1 is upright."""

# Pillow warns of torn metadata, which is dropped here anyway. A filter for good, because
# `catch_warnings` is not safe in threads; without it, `-W error` would refuse sound pictures.
warnings.filterwarnings("ignore", module=r"PIL\.")


def decode_image(data: bytes, *, max_pixels: int = MAX_PIXELS) -> RgbImage:
    """Decode a picture as it was sent.

    Transparent pixels are laid on white, unless a BMP has no others. Of 16-bit colours the high
    byte is kept; grey values of 16 bits are taken for the 10, 12, 14 or 16 that they fill.

    Args:
        data: The file. Its content decides the format, not its name.
        max_pixels: Larger pictures are refused from their header, before decoding.

    Returns:
        The picture, upright, of shape (height, width, 3), RGB, uint8, 0-255. Of a file with several
        pages it is the first.

    Raises:
        EmptyFileError: If there are no bytes.
        UnsupportedFormatError: If the bytes are not an image format we accept, or colours of 16
            bits use only the lowest of them.
        ImageTooLargeError: If the header announces more than `max_pixels`.
        ImageTooSmallError: If a side is shorter than `MIN_SIDE`.
        AnimatedImageError: If the picture moves.
        UnreadableImageError: If the header is sound but the pixels are not, or the file is cut into
            too many parts.
        ImageTooHeavyError: If there is no memory to decode it.
    """
    image = _open_checked(data, max_pixels)
    is_deep = any(";16" in str(tile.args) for tile in image.tile)
    pixels = _load(image, data)
    if is_deep and image.mode not in DEEP_GREY and pixels.max(initial=0) < DARKEST_DEEP:
        raise UnsupportedFormatError(
            "The picture has colours of 16 bits and uses only the lowest of them, so that nothing "
            "can be seen; let the camera's software scale them."
        )
    turn = TURNS.get(_orientation(image))
    return np.ascontiguousarray(turn(pixels) if turn else pixels)


def check_header(data: bytes, *, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse what its first bytes rule out, without decoding a pixel.

    Args:
        data: The file.
        max_pixels: Larger pictures are refused.

    Raises:
        HematoVisionError: Whatever `decode_image` refuses by the header, under the same name; what
            passes may still turn out to be torn or of a kind that is not read.
    """
    _open_checked(data, max_pixels)


def _open_checked(data: bytes, max_pixels: int) -> ImageFile:
    """Read the header, and refuse what it rules out."""
    if not data:
        raise EmptyFileError("The file is empty.")
    refuse_crumbs(data)
    image = _open(data, max_pixels)
    try:
        _refuse_by_header(image, max_pixels)
    except HematoVisionError:
        raise
    except Exception as error:  # A number of the header may be a text, or many numbers.
        raise _refusal_of_header(data) from error
    return image


def _open(data: bytes, max_pixels: int) -> ImageFile:
    """Read the header only."""
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        limit = min(max_pixels, PILLOW_LIMIT)
        pixels = re.search(r"\((\d+) pixels\)", str(error))
        raise _too_large(int(pixels[1]) if pixels else limit + 1, limit) from error
    except MemoryError as error:
        raise ImageTooHeavyError.of_any() from error
    except Exception as error:  # Hostile bytes make plugins raise whatever they stumble over.
        raise _refusal_of_header(data) from error


def _refuse_by_header(image: ImageFile, max_pixels: int) -> None:
    """Refuse what the header alone rules out."""
    width, height = image.size
    if width * height > max_pixels:
        raise _too_large(width * height, max_pixels)
    if min(width, height) < MIN_SIDE:
        raise ImageTooSmallError(
            "Too small: %(width)s x %(height)s pixels, a side needs at least %(least)s.",
            width=width,
            height=height,
            least=MIN_SIDE,
        )
    if _has_huge_tiles(image, max(width * height, LARGEST_TILE)):
        raise UnreadableImageError("The parts of this TIFF are larger than its picture.")
    # The further pages of a TIFF and pictures of an MPO are no animation; the first is read.
    if image.format in {"PNG", "WEBP"} and getattr(image, "is_animated", False):
        raise AnimatedImageError("The picture moves: it has several frames.")
    if any(tile.codec_name == "bmp_rle" for tile in image.tile):
        # Pillow would decode it in Python, run by run.
        raise UnsupportedFormatError("A BMP with run-length coding is not read.")
    if image.mode not in MODES | DEEP_GREY or _is_deep_planar(image):
        raise UnsupportedFormatError(
            "This kind of %(kind)s is not read; pixels must be grey or colours of 8 or 16 bits.",
            kind=image.format,
        )


def _has_huge_tiles(image: ImageFile, most: int) -> bool:
    """Tell whether one part of a TIFF would be decoded to far more than the picture."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    width, length = (int(image.tag_v2.get(tag, 0)) for tag in (TILE_WIDTH, TILE_LENGTH))
    return width * length > most


def _is_deep_planar(image: ImageFile) -> bool:
    """Tell whether channels of 16 bits lie apart and uncompressed, which Pillow reads wrongly."""
    return (
        isinstance(image, TiffImagePlugin.TiffImageFile)
        and image.info.get("compression") == "raw"
        and image.tag_v2.get(TiffImagePlugin.PLANAR_CONFIGURATION) == 2
        and max(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,))) > 8
    )


def _load(image: ImageFile, data: bytes) -> RgbImage:
    """Decode the pixels into shape (height, width, 3), not yet upright."""
    try:
        image.load()
        return _deep_grey(image) if image.mode in DEEP_GREY else _to_rgb(image)
    except MemoryError as error:
        raise ImageTooHeavyError.of_any() from error
    except Exception as error:  # As above: a torn picture raises anything.
        if _ends_early(data, error):
            raise UnreadableImageError("The file ends in the middle of the picture.") from error
        raise UnreadableImageError(
            "The pixels of this %(kind)s are damaged.", kind=image.format
        ) from error


def _deep_grey(image: ImageFile) -> RgbImage:
    """Keep the highest byte that grey pixels fill."""
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    announced = tags.get(TiffImagePlugin.BITSPERSAMPLE, (16,))[0]
    values = np.asarray(image)
    used = int(values.max(initial=0)).bit_length()
    bits = min(announced, next(depth for depth in DEPTHS if used <= depth))
    grey = (values >> (bits - 8)).astype(np.uint8)
    if tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0:
        grey = ~grey
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)


def _to_rgb(file: ImageFile) -> RgbImage:
    """Convert 8-bit pixels of any mode, transparent ones on white."""
    image: Image.Image = file
    if image.has_transparency_data:
        is_bitmap = file.format == "BMP"
        image = image.convert("RGBA")
        if is_bitmap and image.getchannel("A").getextrema() == (0, 0):
            # Programs that know no transparency leave the fourth byte empty.
            return np.array(image.convert("RGB"))
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    # Pillow would copy a picture that is RGB already: 160 MB at the limit.
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _orientation(image: ImageFile) -> int:
    """Read the EXIF orientation; one that cannot be read counts as upright."""
    try:
        return int(image.getexif().get(Tag.Orientation, 1))
    except Exception:  # Torn metadata is no reason to refuse a sound picture.
        return 1


def _ends_early(data: bytes, error: Exception) -> bool:
    """Tell whether the file stops before its picture does."""
    return isinstance(error, EOFError) or "truncated" in str(error).lower()


def _too_large(pixels: int, max_pixels: int) -> ImageTooLargeError:
    """Say how large, rounded up so that it never reads as the limit itself."""
    megapixels = math.ceil(pixels / 1e6)
    return ImageTooLargeError(
        "Too large: %(megapixels)s megapixels, the limit is %(limit)s.",
        megapixels=megapixels,
        limit=rounded(max_pixels / 1e6),
    )


def _refusal_of_header(data: bytes) -> HematoVisionError:
    """Find out why Pillow would not open the file."""
    kind = find_kind(data)
    if kind is None:
        return UnsupportedFormatError("The file is not a JPEG, PNG, TIFF, BMP or WebP picture.")
    if kind == "WebP" and struct.unpack_from("<I", data, 4)[0] + 8 > len(data):
        return UnreadableImageError("The file ends in the middle of the picture.")
    size = _announced_size(kind, data)
    if size is not None and 0 in size:
        return ImageTooSmallError("The picture has no pixels.")
    if kind == "TIFF" and size is not None:
        return UnsupportedFormatError("This kind of TIFF is not read.")
    return UnreadableImageError(
        "It begins like a %(kind)s file, but its header is damaged.", kind=kind
    )


def _announced_size(kind: str, data: bytes) -> tuple[int, int] | None:
    """Read width and height by hand where Pillow gave up; None where they cannot be found."""
    try:
        return SIZES[kind](data)
    except Exception:  # The header is known to be damaged.
        return None


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Find the frame header, marker C0 to C2."""
    frame = re.search(rb"\xff[\xc0-\xc2]..\x08(..)(..)", data, re.S)
    if frame is None:
        raise ValueError("no frame header")
    return int.from_bytes(frame[2]), int.from_bytes(frame[1])


def _tiff_size(data: bytes) -> tuple[int, int]:
    """Read the first directory."""
    file = io.BytesIO(data)
    directory = TiffImagePlugin.ImageFileDirectory_v2(file.read(16 if data[2] == 43 else 8))
    file.seek(directory.next)
    directory.load(file)
    return directory[TiffImagePlugin.IMAGEWIDTH], directory[TiffImagePlugin.IMAGELENGTH]


SIZES: dict[str, Callable[[bytes], tuple[int, int]]] = {
    "JPEG": _jpeg_size,
    "PNG": lambda data: struct.unpack_from(">II", data, 16),
    "TIFF": _tiff_size,
    "BMP": lambda data: struct.unpack_from("<ii", data, 18),
}
