from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hematovision.cells import Box, CellType
from hematovision.learning.crops import (
    MARGIN,
    SHARE_OF_FEW,
    SHARE_OF_OTHER,
    CellSamples,
    as_located,
    locate_middle,
    plain_crops,
    red_and_platelet_cells,
    reference_stain,
    wide_squares,
)
from hematovision.learning.datasets import Cell, Photo
from hematovision.vision.bundle import CropRule, LocatorRule

from .sets import save

pytestmark = pytest.mark.train

RULE = CropRule(32, 4 / 3, 0.0, (-0.5,) * 3, (0.3,) * 3)
LOOK = LocatorRule(256, 0.5, 0.5)
DARK, PALE = CellType.LYMPHOCYTE, CellType.MONOCYTE


def cell(path: Path, kind: CellType, *, source: str = "pbc", box: Box | None = None) -> Cell:
    return Cell(path, source, "train", kind, kind, box, "group")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Draw a dark cell in the middle of a photo of 200 pixels."""
    picture = np.full((200, 200, 3), 240, np.uint8)
    picture[70:130, 70:130] = (90, 60, 140)
    save(picture, tmp_path / "cell.png")
    return tmp_path / "cell.png"


class Sees:
    """Sees one box, in pixels of a view as large as the photo."""

    def __init__(self, *boxes: Box) -> None:
        self.boxes = boxes

    def __call__(self, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        _, height, width, _ = pictures.shape
        heat = np.zeros((1, height // 8, width // 8, 3), np.float32)
        boxes = np.zeros((1, height // 8, width // 8, 4), np.float32)
        for box in self.boxes:
            x, y = (box.xmin + box.xmax) / 16, (box.ymin + box.ymax) / 16
            heat[0, int(y), int(x), 0] = 1
            sides = np.log([box.width / 8, box.height / 8])
            boxes[0, int(y), int(x)] = (x - int(x) - 0.5, y - int(y) - 0.5, *sides)
        return [heat, boxes]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param([Box(70, 70, 130, 132)], Box(70, 70, 130, 132), id="found"),
        pytest.param([], Box(60, 60, 140, 140), id="nothing found"),
        pytest.param([Box(10, 10, 50, 50)], Box(60, 60, 140, 140), id="another cell"),
        pytest.param(
            [Box(86, 86, 114, 114), Box(30, 60, 150, 180)],
            Box(30, 60, 150, 180),
            id="the largest",
        ),
    ],
)
def test_crop_gets_the_box_of_the_cell_in_its_middle(
    path: Path, seen: Sequence[Box], expected: Box
) -> None:
    look = replace(LOOK, side=200, overlap=1.0)
    (found,) = locate_middle([cell(path, DARK)], locator=Sees(*seen), rule=look)
    assert found.box == expected


def test_annotated_box_is_kept(path: Path) -> None:
    annotated = cell(path, DARK, box=Box(1, 2, 3, 4))
    assert locate_middle([annotated], locator=Sees(), rule=LOOK) == [annotated]


@pytest.mark.parametrize(
    ("seen", "boxes"),
    [
        pytest.param([Box(72, 70, 130, 130)], [Box(72, 70, 130, 130)], id="found"),
        pytest.param([Box(5, 5, 45, 45)], [], id="another cell"),
        pytest.param([], [], id="nothing found"),
    ],
)
def test_validation_cells_get_the_boxes_of_serving(
    path: Path, seen: Sequence[Box], boxes: Sequence[Box]
) -> None:
    annotated = cell(path, DARK, box=Box(70, 70, 130, 132))
    look = replace(LOOK, side=200)
    assert [c.box for c in as_located([annotated], locator=Sees(*seen), rule=look)] == boxes


def test_wide_square_holds_the_readers_crop_in_its_middle(path: Path) -> None:
    cells = [cell(path, DARK, box=Box(88, 80, 112, 100))]
    wide, plain = wide_squares(cells, RULE), plain_crops(cells, RULE)
    assert wide.shape == (1, 48, 48, 3)
    assert plain.shape == (1, 32, 32, 3)
    np.testing.assert_array_equal(wide[:, 8:40, 8:40], plain)


def test_cell_without_a_box_is_a_bug(path: Path) -> None:
    with pytest.raises(ValueError, match=r"cell\.png has no box; call locate_middle first"):
        plain_crops([cell(path, DARK)], RULE)


def test_other_things_are_drawn_from_train_photos_alone() -> None:
    boxes = tuple(Box(i, i, i + 9, i + 9) for i in range(8))
    photos = [
        Photo(Path(f"{split}.jpg"), "txl-pbc", split, red=boxes, platelets=boxes[:2])
        for split in ("train", "val", "test", "unused")
    ]
    cells = red_and_platelet_cells(photos, number=5, seed=1)
    assert {cell.path.stem for cell in cells} == {"train"}
    assert {cell.cell_type for cell in cells} == {CellType.OTHER}
    assert [cell.published_type for cell in cells] == ["red"] * 5 + ["platelets"] * 2
    assert len({(cell.published_type, cell.box) for cell in cells}) == 7
    assert cells == red_and_platelet_cells(photos, number=5, seed=1)


def test_reference_stain_is_the_usual_one(path: Path) -> None:
    cells = [cell(path, DARK, box=Box(70, 70, 130, 130))] * 3
    squares = wide_squares(cells, RULE)
    squares[2] = 240
    mean, spread = reference_stain(squares, RULE)
    inked = np.log(np.log(240 / np.asarray([90, 60, 140])))
    np.testing.assert_allclose(mean, inked, atol=0.01)
    np.testing.assert_allclose(spread, 0, atol=0.05)


@pytest.fixture
def squares() -> NDArray[np.uint8]:
    """Draw one dark cell of each source and nine pale ones."""
    side = round(RULE.size * MARGIN)
    levels = [60, 60, *[200] * 9]
    random = np.random.default_rng(0)
    shades = random.integers(0, 30, (11, side, side, 3))
    return (shades + np.asarray(levels)[:, None, None, None]).astype(np.uint8)


def samples(squares: NDArray[np.uint8], *, seed: int = 1, batch: int = 16) -> CellSamples:
    path = Path("cell.png")
    cells = [cell(path, DARK, source="bccd"), cell(path, DARK)]
    cells += [cell(path, PALE) for _ in range(9)]
    return CellSamples(
        cells,
        squares,
        words=np.eye(11, dtype=np.float32),
        classes=(DARK, PALE),
        rule=RULE,
        strengths=(0.0, 0.7),
        coarse=True,
        steps=4,
        batch=batch,
        seed=seed,
    )


def test_batch_has_the_shapes_that_the_network_takes(squares: NDArray[np.uint8]) -> None:
    crops, truth = samples(squares)[0]
    labels = truth["predictions"]
    assert truth["morphology"].shape == (16, 11)
    assert crops.shape == (16, 32, 32, 3)
    assert crops.dtype == labels.dtype == np.float32
    assert (crops.min() >= 0, crops.max() <= 255, crops.max() > 1) == (True, True, True)
    assert labels.shape == (16, 2)
    assert (labels.sum(axis=1) == 1).all()
    assert len(samples(squares)) == 4


def test_labels_stay_with_their_cells_and_types_are_drawn_equally_often(
    squares: NDArray[np.uint8],
) -> None:
    crops, truth = samples(squares, batch=400)[0]
    brightness, pale = np.median(crops, axis=(1, 2, 3)), truth["predictions"][:, 1] == 1
    np.testing.assert_array_equal(truth["morphology"][:, :2].sum(axis=1) == 0, pale)
    assert np.quantile(brightness[pale], 0.02) > np.quantile(brightness[~pale], 0.98)
    assert pale.mean() == pytest.approx(0.5, abs=0.08)


def test_few_cells_of_photos_are_drawn_more_often_than_their_number_says(
    squares: NDArray[np.uint8],
) -> None:
    cells = [cell(Path("cell.png"), DARK, source="bccd")]
    cells += [cell(Path("cell.png"), DARK) for _ in range(9)]
    drawn = CellSamples(
        cells,
        squares,
        words=np.eye(11, dtype=np.float32),
        classes=(DARK,),
        rule=RULE,
        strengths=(0.0, 0.7),
        coarse=True,
        steps=1,
        batch=400,
        seed=1,
    )[0][1]["morphology"].mean(axis=0)
    assert drawn[0] == pytest.approx(SHARE_OF_FEW, abs=0.08)


def test_other_cells_are_drawn_less_often(squares: NDArray[np.uint8]) -> None:
    cells = [cell(Path("cell.png"), kind) for kind in (DARK, PALE, CellType.OTHER)]
    drawn = CellSamples(
        cells,
        squares,
        words=np.eye(11, dtype=np.float32),
        classes=(DARK, PALE, CellType.OTHER),
        rule=RULE,
        strengths=(0.0, 0.7),
        coarse=True,
        steps=1,
        batch=400,
        seed=1,
    )[0][1]["predictions"].mean(axis=0)
    assert drawn[2] == pytest.approx(SHARE_OF_OTHER, abs=0.05)
    assert drawn[0] == pytest.approx(drawn[1], abs=0.1)


def test_batches_are_the_same_for_the_same_seed_and_epoch(squares: NDArray[np.uint8]) -> None:
    one, other = samples(squares), samples(squares)
    np.testing.assert_array_equal(one[2][0], other[2][0])
    assert (one[0][0] != one[2][0]).any()
    assert (samples(squares, seed=2)[2][0] != one[2][0]).any()
    first = one[2][0]
    one.on_epoch_begin()
    assert (one[2][0] != first).any()
    other.start_at(1)
    np.testing.assert_array_equal(one[2][0], other[2][0])
