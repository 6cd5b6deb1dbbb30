from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.vision.networks import write_tiny_model

from hematovision.cells import Box, CellType, Decision, ModelIdentity, Reading, RgbImage
from hematovision.learning.datasets import Cell
from hematovision.learning.robustness import (
    CELLS_A_TYPE,
    PERTURBATIONS,
    measure_robustness,
    robustness_cells,
)
from hematovision.vision.reader import load_reader

CHANGES = [pytest.param(one, id=name) for name, one in PERTURBATIONS.items()]


def cell(
    path: Path, kind: CellType, *, split: str = "val", box: Box | None = None, centred: bool = True
) -> Cell:
    return Cell(path, "drawn", split, kind, str(kind), box, path.stem, centred)


def spot(x: int, y: int, colour: tuple[int, int, int] = (0, 0, 200)) -> RgbImage:
    """Draw a light field of 160x120 with one dark cell around a point."""
    picture = np.full((120, 160, 3), 240, np.uint8)
    rows, columns = np.mgrid[:120, :160]
    picture[(rows - y) ** 2 + (columns - x) ** 2 < 15**2] = colour
    return picture


def seeded() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.mark.parametrize("one", CHANGES)
def test_every_amount_changes_the_photo_the_same_way_every_time(one: Any) -> None:
    picture = spot(50, 40)
    for amount in one.amounts:
        changed = one.change(picture, amount, seeded())
        assert changed.dtype == np.uint8
        assert changed.shape != picture.shape or (changed != picture).any()
        np.testing.assert_array_equal(changed, one.change(picture, amount, seeded()))
    np.testing.assert_array_equal(picture, spot(50, 40))


@pytest.mark.parametrize("one", CHANGES)
def test_unchanged_is_unchanged_and_no_amount_to_measure(one: Any) -> None:
    assert one.unchanged not in one.amounts
    if one is PERTURBATIONS["jpeg"]:
        return
    picture = spot(50, 40)
    np.testing.assert_array_equal(one.change(picture, one.unchanged, seeded()), picture)
    assert one.move((50, 40), picture, one.unchanged) == pytest.approx((50, 40))


@pytest.mark.parametrize("one", CHANGES)
def test_cell_is_where_it_is_said_to_be(one: Any) -> None:
    for x, y in ((50, 40), (20, 95), (140, 60)):
        picture = spot(x, y)
        for amount in one.amounts:
            column, row = one.move((x, y), picture, amount)
            found = one.change(picture, amount, seeded())[int(row), int(column)]
            assert found[0] < 90, (amount, x, y)


def test_turned_photo_is_whole_and_has_no_black_corner() -> None:
    turn = PERTURBATIONS["rotation"].change
    picture = spot(50, 40)
    assert turn(picture, 90, seeded()).shape == (160, 120, 3)
    assert turn(np.full((60, 300, 3), 240, np.uint8), 45, seeded()).min() > 230
    np.testing.assert_array_equal(turn(picture, 180, seeded()), picture[::-1, ::-1])


@pytest.mark.parametrize(
    ("name", "amount", "expected"),
    [
        pytest.param("brightness", 0.5, (50, 60, 70), id="half the light"),
        pytest.param("brightness", 2, (200, 240, 255), id="too bright is white"),
        pytest.param("white_balance", 0.1, (110, 120, 126), id="warmer"),
        pytest.param("white_balance", -0.1, (90, 120, 154), id="colder"),
    ],
)
def test_light_is_multiplied(name: str, amount: float, expected: tuple[int, int, int]) -> None:
    picture = np.full((4, 4, 3), (100, 120, 140), np.uint8)
    changed = PERTURBATIONS[name].change(picture, amount, seeded())
    np.testing.assert_array_equal(changed[0, 0], expected)


def test_noise_has_the_deviation_that_was_asked_for() -> None:
    grey = np.full((100, 100, 3), 128, np.uint8)
    assert PERTURBATIONS["noise"].change(grey, 20, seeded()).std() == pytest.approx(20, rel=0.05)


def test_validation_cells_are_chosen_and_few_of_each_type(tmp_path: Path) -> None:
    kinds = (CellType.MONOCYTE, CellType.BASOPHIL, CellType.OTHER)
    crops = [cell(tmp_path / f"{kind}_{i:02}.png", kind) for kind in kinds for i in range(12)]
    in_photos = [
        cell(tmp_path / f"photo_{i:02}.png", CellType.MONOCYTE, box=Box(0, 0, 9, 9), centred=False)
        for i in range(12)
    ]
    others = [
        cell(tmp_path / f"{split}.png", CellType.MONOCYTE, split=split)
        for split in ("train", "test", "unused")
    ]
    chosen = robustness_cells([*reversed(crops), *in_photos, *others])
    assert [one for one in chosen if not one.centred] == in_photos
    assert [one for one in chosen if one.centred] == sorted(
        [*crops[:CELLS_A_TYPE], *crops[12 : 12 + CELLS_A_TYPE]], key=lambda one: one.path
    )


class DimReader:
    """Names one box: neutrophil where the photo is light, unidentified where it is dim."""

    model = ModelIdentity("dim", "0.0.0", "0" * 64)

    def __init__(self, box: Box) -> None:
        self.box = box

    def read(self, photo: RgbImage) -> Sequence[Reading]:
        dim = photo.mean() < 150
        said = dict.fromkeys(CellType, 0.01) | {CellType.NEUTROPHIL: 0.6, CellType.OTHER: 0.9}
        said |= {CellType.MONOCYTE: 0.7 if dim else 0.2}
        decision, name = (
            (Decision.UNIDENTIFIED, None) if dim else (Decision.NAMED, CellType.NEUTROPHIL)
        )
        return (Reading(self.box, decision, name, 0.9, said, (CellType.NEUTROPHIL,)),)


def silent(items: Iterable[Any], what: str) -> Iterable[Any]:
    return items


@pytest.fixture
def cells(tmp_path: Path) -> list[Cell]:
    """Draw three neutrophils and a monocyte, each in the middle of its picture."""
    kinds = [CellType.NEUTROPHIL] * 3 + [CellType.MONOCYTE]
    chosen = [cell(tmp_path / f"{i}.png", kind) for i, kind in enumerate(kinds)]
    for one in chosen:
        Image.fromarray(spot(80, 60)).save(one.path)
    return chosen


def test_points_tell_accuracy_and_refusal_at_every_amount(cells: list[Cell]) -> None:
    report = measure_robustness(DimReader(Box(0, 0, 400, 400)), cells, track=silent)
    assert list(report) == list(PERTURBATIONS)
    for name, one in PERTURBATIONS.items():
        assert report[name]["unit"] == one.unit
        amounts = [point["amount"] for point in report[name]["points"]]
        assert amounts == sorted({one.unchanged, *one.amounts})
    by_gain = {point.pop("amount"): point for point in report["brightness"]["points"]}
    assert by_gain[1] == {"accuracy": 0.75, "balanced": 0.5, "refused": 0}
    assert by_gain[0.5] == {"accuracy": 0.25, "balanced": 0.5, "refused": 1}


def test_answer_about_another_cell_is_wrong_and_refused(cells: list[Cell]) -> None:
    report = measure_robustness(DimReader(Box(0, 0, 30, 30)), cells, track=silent)
    for point in report["noise"]["points"]:
        assert (point["accuracy"], point["refused"]) == (0, 1)


def test_labelled_box_says_which_cell_is_meant(tmp_path: Path) -> None:
    one = cell(tmp_path / "a.png", CellType.NEUTROPHIL, box=Box(10, 10, 30, 30), centred=False)
    Image.fromarray(spot(20, 20)).save(one.path)
    report = measure_robustness(DimReader(Box(0, 0, 30, 30)), [one], track=silent)
    assert [point["accuracy"] for point in report["noise"]["points"]] == [1] * 5
    assert [point["accuracy"] for point in report["scale"]["points"]] == [1, 1, 1, 1, 0]


def test_networks_read_the_same_twice(tmp_path: Path) -> None:
    reader = load_reader(write_tiny_model(tmp_path / "model"))
    box = Box(35, 25, 65, 55)
    one = cell(tmp_path / "a.png", CellType.NEUTROPHIL, box=box, centred=False)
    Image.fromarray(spot(50, 40)).save(one.path)
    first = measure_robustness(reader, [one], track=silent)
    assert first == measure_robustness(reader, [one], track=silent)
    unchanged = {point["amount"]: point for point in first["rotation"]["points"]}[0]
    assert unchanged == {"amount": 0, "accuracy": 1, "balanced": 1, "refused": 0}
