from dataclasses import replace
from pathlib import Path

import pytest

from hematovision.cells import Box, CellType
from hematovision.learning.datasets import Photo
from hematovision.learning.protocol import (
    FOUR,
    MATURE,
    TITLES,
    external,
    jtsc,
    official_cells,
    pbc_test,
    without_shared,
)

from .sets import field, save, write_sets

NEUTROPHIL, EOSINOPHIL, *_ = FOUR
WHOLE = Box(0, 0, 100, 80)


def test_official_photo_without_a_box_takes_any_cell(picture: Path) -> None:
    photos = [
        Photo(picture, "bccd", "test", label=NEUTROPHIL),
        Photo(picture, "bccd", "test", white=(Box(0, 0, 9, 9), WHOLE), label=EOSINOPHIL),
        Photo(picture, "bccd", "test"),
        Photo(picture, "bccd", "train", label=NEUTROPHIL),
    ]
    assert [cell.box for cell in official_cells(photos)] == [None, WHOLE]
    assert len(MATURE) == 5


def test_photos_that_share_a_field_with_another_part_are_left_out(picture: Path) -> None:
    photo = Photo(picture, "bccd", "test", label=NEUTROPHIL, group="alone")
    photos = [
        photo,
        replace(photo, group="shared"),
        replace(photo, split="unused", group="shared"),
        replace(photo, split="train", group="elsewhere"),
    ]
    assert without_shared(photos) == [photo]


@pytest.mark.real_data
def test_official_photos_are_71_and_some_share_a_field(photos: list[Photo]) -> None:
    alone = official_cells(without_shared(photos))
    assert len(official_cells(photos)) == 71
    assert 50 < len(alone) <= 66
    fields = {photo.group for photo in photos if photo.split != "test"}
    assert not fields & {cell.group for cell in alone}


def test_sets_of_the_protocol_say_what_must_be_known(tmp_path: Path) -> None:
    data = write_sets(tmp_path)
    assert {cell.cell_type for cell in pbc_test(data).cells} == {"neutrophil", "basophil"}
    assert pbc_test(data).types == MATURE
    assert jtsc(data).types == FOUR
    assert "design choices" in jtsc(data).note
    assert all(title and note for title, note in TITLES.values())


def test_added_set_has_five_types_only_where_it_has_basophils(tmp_path: Path) -> None:
    save(field(1), tmp_path / "set/Neutrophil/a.png")
    four = external("mine", tmp_path / "set")
    assert (four.title, four.types) == ("mine", FOUR)
    assert "The folder set;" in four.note
    save(field(1), tmp_path / "set/BASO/a.png")
    assert external("mine", tmp_path / "set").types == MATURE
    assert CellType.OTHER not in MATURE
