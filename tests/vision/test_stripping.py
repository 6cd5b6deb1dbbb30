import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hematovision.cells import RgbImage
from hematovision.vision.decoding import decode_image
from hematovision.vision.stripping import strip

SECRET = b"patient Doe"
FORMATS = ["JPEG", "PNG", "TIFF", "BMP", "WEBP"]


def encode(photo: RgbImage, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, kind, **options)
    return buffer.getvalue()


def metadata(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("kind", FORMATS)
def test_pixels_stay_as_they_are_in_every_format(photo: RgbImage, kind: str) -> None:
    data = encode(photo, kind)
    decoded = decode_image(data)
    np.testing.assert_array_equal(decode_image(strip(data, decoded)), decoded)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_metadata_goes_and_the_photo_stays_upright(
    photo: RgbImage, kind: str, orientation: int
) -> None:
    data = encode(photo, kind, exif=metadata(orientation))
    assert SECRET in data
    decoded = decode_image(data)
    stripped = strip(data, decoded)
    assert SECRET not in stripped
    np.testing.assert_array_equal(decode_image(stripped), decoded)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"comment": SECRET}, id="comment"),
        pytest.param({"icc_profile": SECRET}, id="profile"),
        pytest.param({"xmp": SECRET}, id="xmp"),
        pytest.param({"comment": SECRET, "progressive": True}, id="progressive"),
        pytest.param({"comment": SECRET, "optimize": True, "restart_marker_rows": 1}, id="restart"),
    ],
)
def test_jpeg_stays_a_jpeg_without_what_came_along(
    photo: RgbImage, options: dict[str, object]
) -> None:
    data = encode(photo, "JPEG", **options) + SECRET
    stripped = strip(data, decode_image(data))
    assert SECRET in data
    assert SECRET not in stripped
    assert stripped.startswith(b"\xff\xd8\xff")
    assert len(stripped) <= len(data) - len(SECRET)


def test_thumbnail_of_the_header_goes(photo: RgbImage) -> None:
    data = encode(photo, "JPEG")
    assert data[2:4] == b"\xff\xe0"
    thumbnail = SECRET + bytes(12 - len(SECRET))
    fat = data[:4] + b"\0" * 0 + data[4:18] + b"\x02\x02" + thumbnail + data[20:]
    fat = fat[:4] + (16 + 12).to_bytes(2) + fat[6:]
    stripped = strip(fat, decode_image(fat))
    assert SECRET not in stripped
    assert stripped.startswith(b"\xff\xd8\xff\xe0")


@pytest.mark.parametrize("mode", ["CMYK", "L"])
def test_other_colours_decode_to_the_same(photo: RgbImage, mode: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(photo).convert(mode).save(buffer, "JPEG", comment=SECRET)
    decoded = decode_image(buffer.getvalue())
    stripped = strip(buffer.getvalue(), decoded)
    assert SECRET not in stripped
    np.testing.assert_array_equal(decode_image(stripped), decoded)


def test_jpeg_that_cannot_be_walked_becomes_a_png(photo: RgbImage) -> None:
    data = encode(photo, "JPEG")
    odd = data[:2] + b"\xff" + data[2:]
    decoded = decode_image(odd)
    stripped = strip(odd, decoded)
    assert stripped.startswith(b"\x89PNG")
    np.testing.assert_array_equal(decode_image(stripped), decoded)


@pytest.mark.real_data
def test_real_photos_keep_their_size(data_folder: Path) -> None:
    paths = sorted((data_folder / "bccd" / "photos").glob("*.jpg"))[:20]
    assert len(paths) == 20
    for path in paths:
        data = path.read_bytes()
        stripped = strip(data, decode_image(data))
        assert stripped.startswith(b"\xff\xd8\xff")
        assert len(stripped) <= len(data)
