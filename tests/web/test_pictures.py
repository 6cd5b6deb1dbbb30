import base64
import io

import numpy as np
import pytest
from PIL import Image

from hematovision.cells import RgbImage
from hematovision.web.pictures import photo_uri, picture_uri


def opened(uri: str) -> RgbImage:
    head, _, body = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(body))))


def plain(height: int, width: int, colour: tuple[int, int, int] = (200, 190, 180)) -> RgbImage:
    return np.full((height, width, 3), colour, np.uint8)


@pytest.mark.parametrize(
    ("shape", "shown"),
    [
        pytest.param((96, 128), (96, 128), id="small stays"),
        pytest.param((1500, 2000), (1200, 1600), id="large shrinks"),
        pytest.param((2000, 500), (1600, 400), id="tall shrinks"),
    ],
)
def test_photo_is_shown_whole(shape: tuple[int, int], shown: tuple[int, int]) -> None:
    assert opened(photo_uri(plain(*shape))).shape[:2] == shown


def test_picture_travels_in_the_page() -> None:
    picture = plain(24, 30)
    assert np.abs(opened(picture_uri(picture)).astype(int) - picture).max() < 8
