from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.vision.networks import write_tiny_model

from hematovision.cells import Box
from hematovision.learning.datasets import bccd_photos
from hematovision.learning.laboratory import (
    LaboratorySetError,
    is_laboratory_set,
    laboratory_cells,
    photos_of,
)
from hematovision.learning.leaks import LeakError, refuse_leaks
from hematovision.learning.making import _parts
from hematovision.learning.refining import FOLDS, cross_validate, grouped_folds
from hematovision.learning.sites import MOST_LABELLED, SiteLabelsError, read_labelled
from hematovision.vision.bundle import Bundle, read_bundle
from hematovision.vision.runtime import Network

from .sets import field, save, write_rows, write_sets

pytestmark = pytest.mark.train

HEADER = "picture,photo,film,xmin,ymin,xmax,ymax,label,cell_type,people"
TYPES = ("neutrophil", "lymphocyte")
Row = tuple[int, int, str, str]


def name_of(photo: int) -> str:
    return f"{photo:064x}"


def write_set(folder: Path, rows: Sequence[Row]) -> Path:
    """Write a set as the export does: photo, film, label and type of every cell."""
    table = []
    for number, (photo, film, label, kind) in enumerate(rows):
        path = folder / f"photos/{name_of(photo)}.png"
        if not path.exists():
            save(field(500 + photo, 120, 100), path)
        box = (10 + number % 3, 10, 50, 50)
        table.append((f"photos/{path.name}", name_of(photo), film, *box, label, kind, 1))
    write_rows(folder / "cells.csv", HEADER, table)
    return folder


def write_row(folder: Path, *row: object) -> None:
    """Let a set have this row alone."""
    write_rows(folder / "cells.csv", HEADER, [row])


def some_rows(photos: int, cells: int = 2) -> list[Row]:
    """Two photos a film, some cells a photo, of two types."""
    return [
        (photo, photo // 2, TYPES[(photo + cell) % 2], TYPES[(photo + cell) % 2])
        for photo in range(photos)
        for cell in range(cells)
    ]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(write_tiny_model(tmp_path / "model"))


@pytest.fixture
def locator(bundle: Bundle) -> Network:
    return Network(bundle.folder / "locator.onnx")


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """Give a set of one cell."""
    return write_set(tmp_path / "set", [(0, 1, "neutrophil", "neutrophil")])


def test_cells_come_with_box_type_and_group(tmp_path: Path) -> None:
    rows = [(0, 1, "band", "neutrophil"), (1, 1, "lymphocyte", "lymphocyte"), (2, 2, "own", "")]
    folder = write_set(tmp_path / "set", rows)
    assert is_laboratory_set(folder)
    first, second = laboratory_cells(folder)
    assert first.box == Box(10, 10, 50, 50)
    assert (first.published_type, first.cell_type) == ("band", "neutrophil")
    assert first.group == second.group
    assert photos_of([second, first]) == [name_of(0), name_of(1)]


def test_no_film_and_no_photo_is_on_both_sides(tmp_path: Path) -> None:
    # The photo 99 is in every film of the second half: they are one group.
    rows = some_rows(40) + [(99, film, "monocyte", "monocyte") for film in range(10, 20)]
    cells = laboratory_cells(write_set(tmp_path / "set", rows))
    names = {cell.group for cell in cells}
    assert len(names) == 11
    for name in names:
        assert len({cell.split for cell in cells if cell.group == name}) == 1
    held = [cell for cell in cells if cell.split == "val"]
    assert 0 < len(held) < len(cells)
    assert cells == laboratory_cells(tmp_path / "set")


@pytest.mark.parametrize(
    ("picture", "photo"),
    [
        pytest.param("../secret.png", name_of(0), id="above"),
        pytest.param("/etc/hostname", name_of(0), id="root"),
        pytest.param("photos/../photos/x.png", name_of(0), id="around"),
        pytest.param(f"photos/{name_of(7)}.png", name_of(7), id="missing"),
        pytest.param(f"photos/{name_of(0)}.png", name_of(1), id="another"),
    ],
)
def test_picture_that_is_elsewhere_is_refused(one: Path, picture: str, photo: str) -> None:
    write_row(one, picture, photo, 1, 1, 1, 9, 9, "neutrophil", "neutrophil", 1)
    with pytest.raises(LaboratorySetError, match="not there"):
        laboratory_cells(one)


def test_picture_that_is_a_link_is_refused(one: Path, tmp_path: Path) -> None:
    (picture,) = (one / "photos").iterdir()
    picture.rename(tmp_path / "elsewhere.png")
    picture.symlink_to(tmp_path / "elsewhere.png")
    with pytest.raises(LaboratorySetError, match="not there"):
        laboratory_cells(one)


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(b"image,cell_type,split\na,b,c\n", id="of another set"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe", id="no words"),
    ],
)
def test_table_that_is_none_is_refused(tmp_path: Path, table: bytes) -> None:
    (tmp_path / "cells.csv").write_bytes(table)
    with pytest.raises(LaboratorySetError, match=r"no table of cells|cannot be read"):
        laboratory_cells(tmp_path)


@pytest.mark.parametrize(
    ("kind", "box", "says"),
    [
        pytest.param("leukocyte", (1, 1, 9, 9), "cannot be understood", id="type"),
        pytest.param("neutrophil", ("a", 1, 9, 9), "cannot be understood", id="number"),
        pytest.param("neutrophil", (9, 1, 9, 9), "holds nothing", id="empty box"),
        pytest.param("", (1, 1, 9, 9), "no cell that a model can learn", id="no type"),
    ],
)
def test_row_that_is_wrong_is_refused(
    one: Path, kind: str, box: tuple[object, ...], says: str
) -> None:
    write_row(one, f"photos/{name_of(0)}.png", name_of(0), 1, *box, "x", kind, 1)
    with pytest.raises(LaboratorySetError, match=says):
        laboratory_cells(one)


def test_adapter_takes_a_set_with_its_groups(
    bundle: Bundle, locator: Network, tmp_path: Path
) -> None:
    folder = write_set(tmp_path / "set", some_rows(12, 3))
    labelled = read_labelled(folder, bundle, locator=locator)
    assert labelled.crops.shape == (36, 32, 32, 3)
    assert labelled.groups is not None
    assert len(set(labelled.groups.tolist())) == 6
    assert list(labelled.photos) == [name_of(photo) for photo in range(12)]


def test_of_many_cells_some_are_drawn_of_every_type_and_photo(
    bundle: Bundle, locator: Network, tmp_path: Path
) -> None:
    rows = some_rows(12, 20) + [(photo, photo // 2, "monocyte", "monocyte") for photo in range(6)]
    rows += [(0, 0, "basophil", "basophil")]
    labelled = read_labelled(write_set(tmp_path / "set", rows), bundle, locator=locator)
    counted = np.bincount(labelled.labels, minlength=6).tolist()
    names = dict(zip(map(str, bundle.classes), counted, strict=True))
    assert len(labelled.labels) == MOST_LABELLED
    assert (names["monocyte"], names["basophil"]) == (6, 0)
    assert names["neutrophil"] == names["lymphocyte"]
    assert len(labelled.photos) == 12


def test_cells_of_few_photos_are_refused(bundle: Bundle, locator: Network, tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", some_rows(FOLDS - 1, 20))
    with pytest.raises(SiteLabelsError, match="come from 4 photos"):
        read_labelled(folder, bundle, locator=locator)


def test_groups_stay_on_one_side_and_are_dealt_evenly() -> None:
    groups = np.repeat(np.arange(20), 6)
    labels = np.random.default_rng(0).integers(0, 3, len(groups))
    folds = grouped_folds(labels, groups, seed=1)
    assert all(len(set(folds[groups == group])) == 1 for group in range(20))
    assert np.bincount(folds, minlength=FOLDS).tolist() == [24] * FOLDS


def test_what_tells_the_film_and_not_the_type_is_no_score() -> None:
    generator = np.random.default_rng(2)
    groups = np.repeat(np.arange(20), 6)
    labels = np.repeat(generator.permutation(np.arange(20) % 2), 6)
    film = generator.normal(0, 3, (20, 40))[groups]
    features = (film + generator.normal(0, 0.1, film.shape)).astype(np.float32)
    logits = np.zeros((len(groups), 2), np.float32)
    by_cell = cross_validate(logits, features, labels).argmax(axis=1) == labels
    by_film = cross_validate(logits, features, labels, groups).argmax(axis=1) == labels
    assert by_cell.mean() > 0.95
    assert by_film.mean() < 0.8


def test_photo_that_shows_what_judges_is_refused(tmp_path: Path) -> None:
    data = write_sets(tmp_path / "data")
    folder = write_set(tmp_path / "set", some_rows(6))
    photos = [photo for photo in bccd_photos(data) if photo.split == "test"]

    def refuse() -> None:
        parts = _parts(data, photos, laboratory_cells(folder))
        refuse_leaks({name: parts[name] for name in ("learnt", "scored")})

    refuse()
    with Image.open(photos[0].path) as picture:
        picture.save(folder / f"photos/{name_of(0)}.png")
    with pytest.raises(LeakError, match=rf"{photos[0].path.name} \(scored\)"):
        refuse()
