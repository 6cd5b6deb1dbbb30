from pathlib import Path

import pytest

from hematovision.learning.fields import group_fields

from .sets import field, save

pytestmark = pytest.mark.train


@pytest.mark.parametrize(
    ("x", "y"),
    [
        pytest.param(0, 0, id="same place"),
        pytest.param(80, 0, id="to the side"),
        pytest.param(150, 110, id="both ways"),
    ],
)
def test_shifted_photos_of_one_field_are_grouped(tmp_path: Path, x: int, y: int) -> None:
    wide = field(1, 900, 700)
    pictures = [field(2, 640, 480), wide[:480, :640], field(3, 640, 480)]
    pictures += [wide[y : y + 480, x : x + 640]]
    paths = [tmp_path / f"{i}.jpg" for i in range(len(pictures))]
    for picture, path in zip(pictures, paths, strict=True):
        save(picture, path)
    assert group_fields(paths) == [0, 1, 2, 1]


def test_groups_join_along_a_chain(tmp_path: Path) -> None:
    wide = field(4, 1500, 480)
    paths = [tmp_path / f"{i}.jpg" for i in range(4)]
    for place, path in zip((800, 0, 400, None), paths, strict=True):
        save(field(5, 640, 480) if place is None else wide[:, place : place + 640], path)
    assert group_fields(paths) == [0, 0, 0, 3]


def test_one_photo_is_its_own_group(tmp_path: Path) -> None:
    save(field(6, 640, 480), tmp_path / "one.jpg")
    assert group_fields([tmp_path / "one.jpg"]) == [0]
