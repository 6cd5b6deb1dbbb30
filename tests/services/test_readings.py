import hashlib
import io
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from hematovision.cells import CellReader, Reading, RgbImage
from hematovision.errors import (
    EmptyFileError,
    FileTooLargeError,
    HematoVisionError,
    ImageTooLargeError,
    UnreadableImageError,
    UnsupportedFormatError,
)
from hematovision.services.readings import BLOCK, read_image, take_bytes


class Forbidden:
    """A reader that must not be asked."""

    model = None

    def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
        raise AssertionError("A refused picture was read.")


def test_reading_says_what_was_read_and_by_which_model(jpeg: bytes, reader: CellReader) -> None:
    reading = read_image(jpeg, reader=reader).reading
    assert reading.image_sha256 == hashlib.sha256(jpeg).hexdigest()
    assert (reading.width, reading.height) == (128, 96)
    assert reading.model == reader.model
    assert len(reading.cells) == 2
    assert reading.counts == {"neutrophil": 1, "unidentified": 1}


def test_photo_comes_back_as_it_was_decoded(photo: RgbImage, reader: CellReader) -> None:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "PNG")
    np.testing.assert_array_equal(read_image(buffer.getvalue(), reader=reader).photo, photo)


def test_size_is_that_of_the_upright_photo(photo: RgbImage, reader: CellReader) -> None:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photo).save(buffer, "JPEG", exif=exif)
    reading = read_image(buffer.getvalue(), reader=reader).reading
    assert (reading.width, reading.height) == (96, 128)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param(lambda jpeg: b"", EmptyFileError, id="empty"),
        pytest.param(lambda jpeg: b"no picture", UnsupportedFormatError, id="text"),
        pytest.param(lambda jpeg: jpeg[: len(jpeg) // 2], UnreadableImageError, id="cut off"),
    ],
)
def test_refused_picture_is_never_read(jpeg: bytes, change, error: type[HematoVisionError]) -> None:
    with pytest.raises(error):
        read_image(change(jpeg), reader=Forbidden())


def test_limit_of_pixels_is_passed_on(jpeg: bytes) -> None:
    with pytest.raises(ImageTooLargeError):
        read_image(jpeg, reader=Forbidden(), max_pixels=100 * 100)


def test_reasons_are_asked_for_only_when_wanted(jpeg: bytes, reader: CellReader) -> None:
    plain = read_image(jpeg, reader=reader).reading
    explained = read_image(jpeg, reader=reader, explain=True).reading
    assert [cell.heat is None for cell in plain.cells] == [True, True]
    assert [cell.heat is None for cell in explained.cells] == [False, False]


@pytest.mark.parametrize("extra", [0, 1, 2 * BLOCK])
def test_bytes_are_taken_up_to_their_limit(extra: int) -> None:
    limit = BLOCK + 5
    stream = io.BytesIO(b"x" * (limit + extra))
    if not extra:
        assert take_bytes(stream, max_bytes=limit) == b"x" * limit
        return
    with pytest.raises(FileTooLargeError):
        take_bytes(stream, max_bytes=limit)
    assert stream.tell() == limit + 1


def test_limit_beyond_all_memory_costs_nothing() -> None:
    assert take_bytes(io.BytesIO(b"small"), max_bytes=10**15) == b"small"
