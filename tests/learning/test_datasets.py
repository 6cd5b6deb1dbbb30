from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from hematovision.cells import Box, CellType
from hematovision.learning import datasets
from hematovision.learning.datasets import (
    KNOWN_TWINS,
    Cell,
    DataMissingError,
    Photo,
    bccd_cells,
    bccd_photos,
    draw_folds,
    fingerprint,
    jtsc_cells,
    kaggle_test_cells,
    load_picture,
    pbc_cells,
    txl_photos,
)

from .sets import BOX, write_sets

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sets(tmp_path_factory.mktemp("data"))


def numbered(photos: list[Photo]) -> dict[str, Photo]:
    return {photo.path.stem.removeprefix("BloodImage_"): photo for photo in photos}


def test_photos_that_share_a_field_with_a_test_photo_do_not_train(drawn: Path) -> None:
    photos = numbered(bccd_photos(drawn))
    assert photos["00004"].group == photos["00001"].group
    assert {number for number, photo in photos.items() if photo.split == "unused"} == {
        "00004",
        "00005",
        "00230",
    }
    assert {number for number, photo in photos.items() if photo.split == "test"} == {
        "00001",
        "00003",
        "00257",
    }


def test_boxes_are_sorted_by_kind_and_those_without_area_dropped(drawn: Path) -> None:
    photos = numbered(bccd_photos(drawn))
    assert photos["00000"].white == (BOX, Box(100, 70, 110, 80))
    assert photos["00000"].red == (Box(90, 9, 120, 40),)
    assert photos["00002"].platelets == (Box(9, 9, 20, 20),)
    assert photos["00003"].white == ()


def test_label_of_several_cells_is_none(drawn: Path) -> None:
    photos = numbered(bccd_photos(drawn))
    assert photos["00005"].label is None
    assert photos["00002"].label is CellType.EOSINOPHIL


def test_cell_of_a_photo_is_the_largest_and_needs_a_box(drawn: Path) -> None:
    cells = {cell.path.stem[-5:]: cell for cell in bccd_cells(bccd_photos(drawn))}
    assert set(cells) == {"00000", "00001", "00002", "00257"}
    assert cells["00000"].box == BOX


def test_types_without_a_name_are_other(drawn: Path) -> None:
    types = {cell.published_type: cell.cell_type for cell in pbc_cells(drawn)}
    assert types["platelet"] is CellType.OTHER
    assert types["basophil"] is CellType.BASOPHIL


def test_copy_and_basophil_of_jtsc_are_left_out(drawn: Path) -> None:
    assert [cell.path.name for cell in jtsc_cells(drawn)] == ["001.png"]


@pytest.mark.parametrize(
    ("read", "file"),
    [
        pytest.param(bccd_photos, "bccd/boxes.csv", id="bccd boxes"),
        pytest.param(bccd_photos, "bccd/labels.csv", id="bccd labels"),
        pytest.param(txl_photos, "txl/boxes.csv", id="txl"),
        pytest.param(pbc_cells, "pbc/cells.csv", id="pbc"),
        pytest.param(jtsc_cells, "jtsc/labels.csv", id="jtsc"),
        pytest.param(kaggle_test_cells, "kaggle/TEST", id="kaggle"),
    ],
)
def test_missing_set_is_named_and_says_what_to_do(tmp_path: Path, read, file: str) -> None:
    write_sets(tmp_path)
    (tmp_path / file).rename(tmp_path / "elsewhere")
    with pytest.raises(DataMissingError, match=rf"{file} is missing; docs/data\.md says"):
        read(tmp_path)


def test_picture_is_decoded_as_the_server_would(drawn: Path) -> None:
    path = drawn / "jtsc/images/001.png"
    assert (load_picture(path) == Image.open(path).convert("RGB")).all()


def test_fingerprint_knows_names_and_content_but_no_order(tmp_path: Path) -> None:
    one, other = tmp_path / "a", tmp_path / "b"
    one.write_bytes(b"1")
    other.write_bytes(b"2")
    first = fingerprint([one, other], tmp_path)
    assert fingerprint([other, one, one], tmp_path) == first
    assert fingerprint([one], tmp_path) != first
    other.write_bytes(b"3")
    assert fingerprint([one, other], tmp_path) != first


@pytest.mark.real_data
def test_photos_of_bccd_are_split_as_published_but_for_the_twins(photos: list[Photo]) -> None:
    assert Counter(photo.split for photo in photos) == {
        "train": 221,
        "val": 42,
        "test": 71,
        "unused": 33,
    }
    assert Counter(photo.label for photo in photos if photo.split == "test") == {
        CellType.NEUTROPHIL: 48,
        CellType.EOSINOPHIL: 13,
        CellType.LYMPHOCYTE: 6,
        CellType.MONOCYTE: 4,
    }


@pytest.mark.real_data
@pytest.mark.parametrize("pair", [("train", "val"), ("train", "test"), ("val", "test")])
def test_no_field_is_on_both_sides_of_a_split(photos: list[Photo], pair: tuple[str, str]) -> None:
    one, other = ({p.group for p in photos if p.split == side} for side in pair)
    assert one
    assert other
    assert not one & other


@pytest.mark.real_data
def test_known_twins_of_test_photos_are_learnt_from_by_nothing(photos: list[Photo]) -> None:
    assert {numbered(photos)[twin].split for _, twin in KNOWN_TWINS} == {"unused"}
    learnt = {cell.path.stem[-5:] for cell in bccd_cells(photos) if cell.split != "test"}
    assert not learnt & {twin for _, twin in KNOWN_TWINS}


@pytest.mark.real_data
@pytest.mark.parametrize(("one", "other"), KNOWN_TWINS)
def test_known_twins_are_one_group(photos: list[Photo], one: str, other: str) -> None:
    assert numbered(photos)[one].group == numbered(photos)[other].group


@pytest.mark.real_data
def test_val_draw_follows_its_seed(photos: list[Photo]) -> None:
    whole = [photo for photo in photos if photo.split in {"train", "test"}]
    draws = [datasets._draw_val(whole, seed) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def labelled(*groups: tuple[str, CellType | None]) -> list[Photo]:
    return [
        Photo(Path(f"{i}.jpg"), "drawn", "train", label=label, group=group)
        for i, (group, label) in enumerate(groups)
    ]


def test_folds_keep_groups_together_and_leave_out_what_has_no_label() -> None:
    pairs = [(f"group {i // 2}", CellType.MONOCYTE) for i in range(12)]
    folds = draw_folds(labelled(*pairs, ("alone", None)), 3, seed=1)
    assert len(folds) == 12
    assert all(folds[f"{i}.jpg"] == folds[f"{i + 1}.jpg"] for i in range(0, 12, 2))
    assert Counter(folds.values()) == {0: 4, 1: 4, 2: 4}


def test_folds_spread_each_type_evenly() -> None:
    kinds = [CellType.MONOCYTE] * 5 + [CellType.NEUTROPHIL] * 23
    photos = labelled(*((f"group {i}", kind) for i, kind in enumerate(kinds)))
    folds = draw_folds(photos, 5, seed=1)
    for kind in set(kinds):
        counts = Counter(folds[photo.path.name] for photo in photos if photo.label is kind)
        assert len(counts) == 5
        assert max(counts.values()) - min(counts.values()) <= 1


def test_folds_follow_their_seed_and_not_the_order_of_the_photos() -> None:
    photos = labelled(*((f"group {i}", CellType.MONOCYTE) for i in range(20)))
    assert draw_folds(photos, 5, seed=1) == draw_folds(photos[::-1], 5, seed=1)
    assert draw_folds(photos, 5, seed=1) != draw_folds(photos, 5, seed=2)


@pytest.mark.real_data
def test_folds_of_bccd_hold_every_type_and_share_no_field(photos: list[Photo]) -> None:
    folds = draw_folds(photos, 5, seed=7)
    assert len(folds) == 348
    fold_of = {photo.group: folds[photo.path.name] for photo in photos if photo.label}
    assert all(folds[p.path.name] == fold_of[p.group] for p in photos if p.label)
    for fold in range(5):
        held = Counter(p.label for p in photos if folds.get(p.path.name) == fold)
        assert held[CellType.MONOCYTE] == 4
        assert held[CellType.LYMPHOCYTE] >= 6
        assert held[CellType.NEUTROPHIL] in {41, 42}


@pytest.mark.real_data
def test_txl_splits_are_disjoint_and_hold_both_microscopes(data_folder: Path) -> None:
    photos = txl_photos(data_folder)
    assert Counter((photo.split, photo.source) for photo in photos) == {
        ("train", "txl-pbc"): 175,
        ("train", "txl-raabin"): 175,
        ("val", "txl-pbc"): 25,
        ("val", "txl-raabin"): 25,
        ("test", "txl-pbc"): 60,
        ("test", "txl-raabin"): 58,
        ("unused", "txl-raabin"): 2,
    }
    assert len({photo.path for photo in photos}) == len(photos)
    assert all(photo.path.is_file() for photo in photos)


def by_split(cells: list[Cell]) -> Counter[str]:
    return Counter(cell.split for cell in cells)


@pytest.mark.real_data
def test_cells_of_the_other_sets_are_all_there(data_folder: Path) -> None:
    pbc, jtsc, kaggle = (read(data_folder) for read in (pbc_cells, jtsc_cells, kaggle_test_cells))
    assert by_split(pbc) == {"train": 2503, "val": 488, "test": 1008, "unused": 9}
    assert by_split(jtsc) == {"test": 298}
    assert by_split(kaggle) == {"test": 2487}
    assert set(Counter(cell.cell_type for cell in pbc)) == set(CellType)
    assert all(cell.path.is_file() for cell in (*pbc, *jtsc))


@pytest.mark.real_data
def test_jtsc_is_never_learnt_from() -> None:
    scoring = {"datasets", "protocol", "parts", "explanations", "targets", "report", "site_trials"}
    makers = [
        path.read_text()
        for path in Path(datasets.__file__).parent.glob("*.py")
        if path.stem not in scoring
    ]
    assert makers
    assert not any("jtsc" in text for text in makers)
