import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hematovision.learning.checks import (
    CheckError,
    check_pictures,
    draw_examples,
    list_pictures,
    write_groups,
)

from .sets import field, save

pytestmark = pytest.mark.train


@pytest.fixture
def leaking(tmp_path: Path) -> Path:
    """Draw four pictures; one of TEST is one of TRAIN, mirrored."""
    folder = tmp_path / "set"
    for number in range(3):
        save(field(number, 320, 240), folder / "TRAIN" / "EOSINOPHIL" / f"{number}.jpg")
    save(field(1, 320, 240)[:, ::-1], folder / "TEST" / "EOSINOPHIL" / "copy.jpg")
    return folder


def test_folders_called_train_and_test_are_splits(leaking: Path) -> None:
    (leaking / "TRAIN" / ".hidden.jpg").write_bytes(b"")
    (leaking / "TRAIN" / "notes.txt").write_text("none")
    assert [(one.name, one.split) for one in list_pictures([leaking])] == [
        ("set/TEST/EOSINOPHIL/copy.jpg", "TEST"),
        ("set/TRAIN/EOSINOPHIL/0.jpg", "TRAIN"),
        ("set/TRAIN/EOSINOPHIL/1.jpg", "TRAIN"),
        ("set/TRAIN/EOSINOPHIL/2.jpg", "TRAIN"),
    ]


def test_each_of_several_folders_is_a_split(leaking: Path) -> None:
    found = list_pictures([leaking / "TEST", leaking / "TRAIN" / "EOSINOPHIL"])
    assert {one.split for one in found} == {"TEST", "EOSINOPHIL"}


def test_table_names_the_splits(leaking: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("photo,official_split\n0.jpg,train\nTEST/EOSINOPHIL/copy.jpg,test\n1.jpg,\n")
    found = list_pictures([leaking], table)
    assert {one.path.name: one.split for one in found} == {"0.jpg": "train", "copy.jpg": "test"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param("photo,label\n", "needs a column", id="no split"),
        pytest.param("name,split\n", "needs a column", id="no picture"),
        pytest.param("", "needs a column", id="empty"),
        pytest.param("photo,split\nother.jpg,train\n", "no picture", id="names none of them"),
    ],
)
def test_table_that_says_nothing_is_refused(
    leaking: Path, tmp_path: Path, content: str, said: str
) -> None:
    (tmp_path / "splits.csv").write_text(content)
    with pytest.raises(CheckError, match=said):
        list_pictures([leaking], tmp_path / "splits.csv")


def test_table_that_is_no_text_is_refused(leaking: Path, tmp_path: Path) -> None:
    (tmp_path / "splits.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CheckError, match="cannot be read as a table"):
        list_pictures([leaking], tmp_path / "splits.csv")


def test_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="There is no picture"):
        list_pictures([tmp_path])


def test_twins_in_another_split_are_counted(leaking: Path) -> None:
    found = check_pictures(list_pictures([leaking]))
    assert dict(found.shared) == {("TEST", "TRAIN"): 1, ("TRAIN", "TEST"): 1}
    assert [one.path.name for one in found.members[0]] == ["copy.jpg", "1.jpg"]


def test_copies_of_one_photo_are_one_group_even_where_they_do_not_overlap(tmp_path: Path) -> None:
    wide = field(7, 640, 240)
    save(wide, tmp_path / "photos" / "whole.jpg")
    save(wide[:, :300], tmp_path / "set" / "train" / "left.jpg")
    save(wide[:, 340:], tmp_path / "set" / "test" / "=right.jpg")
    photos = [tmp_path / "photos" / "whole.jpg"]
    found = check_pictures(list_pictures([tmp_path / "set"]), photos)
    assert found.sources == [photos[0], photos[0]]
    assert set(found.groups) == {0}
    file = io.StringIO()
    write_groups(found, file)
    rows = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert [row["in_other_splits"] for row in rows] == ["train", "test"]
    assert [row["source"] for row in rows] == ["whole.jpg", "whole.jpg"]


def test_pairs_across_splits_are_drawn_first(leaking: Path, tmp_path: Path) -> None:
    assert draw_examples(check_pictures(list_pictures([leaking])), tmp_path / "sheet.png") == 1
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert np.asarray(sheet).std() > 20


def test_broken_twins_are_drawn_as_dots(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"no picture")
    assert draw_examples(check_pictures(list_pictures([tmp_path])), tmp_path / "sheet.png") == 1
