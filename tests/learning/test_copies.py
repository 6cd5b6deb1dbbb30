import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hematovision.learning import untracked
from hematovision.learning.copies import copy_photo, try_lens

from .sets import field, save

pytestmark = pytest.mark.train


def test_copies_are_as_large_as_kaggles_and_come_from_chance() -> None:
    photo = field(0, 640, 480)
    one, again, other = (copy_photo(photo, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert Image.open(io.BytesIO(one)).size == (320, 240)
    assert one == again != other


def test_copies_are_told_right(tmp_path: Path) -> None:
    wide = field(1, 900, 480)
    pictures = [wide[:, :640], field(2, 640, 480), field(3, 640, 480), wide[:, 260:]]
    photos = [tmp_path / f"{number}.png" for number in range(len(pictures))]
    for picture, path in zip(pictures, photos, strict=True):
        save(picture, path)
    (tmp_path / "copies").mkdir()
    found = try_lens(photos, 3, tmp_path / "copies", seed=0, track=untracked)
    assert found.pop("seconds") > 0
    assert found == {
        "copies": 12,
        "right": 12,
        "wrong": 0,
        "none": 0,
        "alone": 0,
        "apart": 0,
        "merged": 0,
    }
