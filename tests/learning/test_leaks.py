import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from hematovision.cells import RgbImage
from hematovision.learning.copies import copy_photo
from hematovision.learning.datasets import KNOWN_TWINS, kaggle_test_cells
from hematovision.learning.leaks import (
    LeakError,
    find_sources,
    find_twins,
    group_twins,
    refuse_leaks,
)

from .sets import field, save

pytestmark = pytest.mark.train

WIDE = field(1, 900, 700)
PHOTO = WIDE[:480, :640]


def turned(degrees: float) -> RgbImage:
    matrix = cv2.getRotationMatrix2D((320, 240), degrees, 1)
    return np.asarray(cv2.warpAffine(PHOTO, matrix, (640, 480)), np.uint8)


def sheared() -> RgbImage:
    matrix = np.array([[1, 0.15, -20], [0, 1, 0]])
    return np.asarray(cv2.warpAffine(PHOTO, matrix, (640, 480)), np.uint8)


LOOKS = [
    pytest.param(PHOTO, id="the same"),
    pytest.param(turned(20), id="turned"),
    pytest.param(PHOTO[:, ::-1], id="mirrored"),
    pytest.param(PHOTO[::-1], id="upside down"),
    pytest.param(sheared(), id="sheared"),
    pytest.param(WIDE[150:630, 200:840], id="the same field, shifted"),
    pytest.param(cv2.GaussianBlur(PHOTO, (0, 0), 2), id="another focus"),
    pytest.param(cv2.resize(PHOTO, (320, 240)), id="smaller"),
    pytest.param(np.clip(PHOTO * 1.3 - 30, 0, 255).astype(np.uint8), id="contrast stretched"),
]


def write(folder: Path, *pictures: RgbImage, quality: int = 95) -> list[Path]:
    paths = [folder / f"{number}.jpg" for number in range(len(pictures))]
    for picture, path in zip(pictures, paths, strict=True):
        save(picture, path)
    return paths


@pytest.mark.parametrize("look", LOOKS)
def test_pictures_that_show_the_same_are_twins(tmp_path: Path, look: RgbImage) -> None:
    paths = write(tmp_path, field(2, 640, 480), PHOTO, field(3, 640, 480), look)
    assert [(twin.one, twin.other) for twin in find_twins(paths)] == [(1, 3)]


def test_fields_that_have_nothing_in_common_are_no_twins(tmp_path: Path) -> None:
    assert find_twins(write(tmp_path, *(field(seed, 640, 480) for seed in range(5, 11)))) == []


def test_twins_join_along_a_chain(tmp_path: Path) -> None:
    wide = field(4, 1500, 480)
    places = [wide[:, left : left + 640] for left in (800, 0, 400)]
    paths = write(tmp_path, *places, field(5, 640, 480))
    assert group_twins(4, find_twins(paths)) == [0, 0, 0, 3]


def test_copies_of_one_photo_do_not_hide_the_field_beside_it(tmp_path: Path) -> None:
    wide, chance = field(6, 1080, 480), np.random.default_rng(0)
    paths = [tmp_path / f"{number:02}.jpg" for number in range(40)]
    for number, path in enumerate(paths):
        path.write_bytes(copy_photo(wide[:, :640] if number < 20 else wide[:, 440:], chance))
    assert set(group_twins(40, find_twins(paths))) == {0}


def test_blank_and_broken_files_are_compared_by_their_bytes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    grey = np.full((48, 64, 3), 200, np.uint8)
    paths = write(tmp_path, grey, grey, grey + 20)
    for name in ("broken.jpg", "broken too.jpg"):
        paths.append(tmp_path / name)
        paths[-1].write_bytes(b"no picture")
    assert [(twin.one, twin.other) for twin in find_twins(paths)] == [(0, 1), (3, 4)]
    assert "broken.jpg' is compared by its bytes alone" in caplog.text


def test_copy_comes_from_the_photo_that_it_shows_most_of(tmp_path: Path) -> None:
    near, far = WIDE[150:630, 200:840], WIDE[:480, :640]
    copies = write(tmp_path / "copies", turned(-15)[:, ::-1], field(9, 320, 240))
    photos = write(tmp_path / "photos", field(8, 640, 480), near, far)
    assert find_sources(copies, photos) == [2, None]


def test_split_that_leaks_is_refused_by_name(tmp_path: Path) -> None:
    one, other, third = write(tmp_path, PHOTO, field(2, 640, 480), turned(10))
    refuse_leaks({"learnt": [one, third], "scored": [other]})
    with pytest.raises(LeakError, match=r"0\.jpg \(learnt\) and 2\.jpg \(scored\)"):
        refuse_leaks({"learnt": [one, other], "scored": [third]})


def test_long_list_of_leaks_is_cut(tmp_path: Path) -> None:
    pictures = [field(seed, 320, 240) for seed in range(5)]
    learnt, scored = write(tmp_path / "a", *pictures), write(tmp_path / "b", *pictures)
    with pytest.raises(LeakError, match="and 2 more pairs"):
        refuse_leaks({"learnt": learnt, "scored": scored})


@pytest.mark.real_data
def test_photos_that_are_known_to_share_a_cell_are_found(data_folder: Path) -> None:
    inside = (("00223", "00264"), ("00263", "00264"), ("00243", "00250"), ("00237", "00252"))
    named = {number for pair in (*KNOWN_TWINS, *inside) for number in pair}
    numbers = sorted(named | {f"{number:05}" for number in range(60)})
    photos = data_folder / "bccd" / "photos"
    paths = [p for n in numbers if (p := photos / f"BloodImage_{n}.jpg").is_file()]
    groups = group_twins(len(paths), find_twins(paths))
    group = {path.stem[-5:]: one for path, one in zip(paths, groups, strict=True)}
    missed = [pair for pair in (*KNOWN_TWINS, *inside) if group[pair[0]] != group[pair[1]]]
    assert missed == []
    assert len(set(groups)) > len(paths) - len(named)


@pytest.mark.real_data
def test_copies_of_the_official_test_come_from_the_official_test_photos(data_folder: Path) -> None:
    with (data_folder / "bccd" / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["official_split"] == "test"]
    cells = kaggle_test_cells(data_folder)[::16]
    photos = [data_folder / "bccd" / "photos" / row["photo"] for row in rows]
    sources = find_sources([cell.path for cell in cells], photos)
    assert None not in sources
    found = [rows[source] for source in sources if source is not None]
    assert [row["label_as_published"].lower() for row in found] == [c.cell_type for c in cells]
    names = {row["photo"] for row in found}
    assert {"BloodImage_00062.jpg", "BloodImage_00095.jpg"} <= names
