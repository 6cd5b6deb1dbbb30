from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.vision.networks import SPOT, write_tiny_model, write_whole_model

from hematovision.cells import Box, CellType, RgbImage
from hematovision.learning.datasets import Cell, DataMissingError, jtsc_cells, pbc_cells
from hematovision.learning.explanations import (
    CYTOPLASM,
    NUCLEUS,
    RIVALS,
    delete_hottest,
    every_type,
    measure_explanations,
    measure_morphology,
    weigh_inside,
)
from hematovision.vision.reader import PhotoReader, load_reader

from .sets import save, write_rows

pytestmark = pytest.mark.train

SIDE = 256
AT = 120
COLOURS = {CellType.NEUTROPHIL: (10, 30, 200), CellType.EOSINOPHIL: (10, 200, 30)}
LOOKS = {
    CellType.NEUTROPHIL: ("yes", "small", "pink"),
    CellType.EOSINOPHIL: ("yes", "coarse", "red"),
}


def track(things: Iterable[Any], words: str) -> Iterable[Any]:
    return things


def spot_of(kind: CellType) -> RgbImage:
    picture = np.full((SIDE, SIDE, 3), 240, np.uint8)
    picture[AT : AT + SPOT, AT : AT + SPOT] = COLOURS[kind]
    return picture


def write_data(data: Path, *, looks: dict[CellType, tuple[str, ...]] = LOOKS) -> Path:
    """Write PBC's test part and JTSC, three cells a type; a nucleus fills the left half."""
    attributes, labels = [], []
    for kind in COLOURS:
        for number in range(3):
            name = f"{kind}/{number}.png"
            save(spot_of(kind), data / "pbc" / name)
            attributes.append((name, kind, "test", *looks[kind]))
            save(spot_of(kind), data / "jtsc/images" / f"{kind}{number}.png")
            save(drawn_mask(), data / "jtsc/masks" / f"{kind}{number}.png")
            labels.append((f"{kind}{number}.png", kind))
    header = "image,cell_type,split,granularity,granule_type,granule_colour"
    write_rows(data / "pbc/cells.csv", header, attributes)
    write_rows(data / "jtsc/labels.csv", "image,cell_type", labels)
    return data


def drawn_mask() -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[AT : AT + SPOT, AT : AT + SPOT] = CYTOPLASM
    mask[AT : AT + SPOT, AT : AT + SPOT // 2] = NUCLEUS
    return mask


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("sets"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> PhotoReader:
    return load_reader(write_whole_model(tmp_path_factory.mktemp("whole") / "model"), threads=1)


def test_blanking_what_mattered_costs_more_than_blanking_glass(
    whole: PhotoReader, data: Path
) -> None:
    measured = delete_hottest(pbc_cells(data), whole)
    assert measured["cells"] == 6
    assert list(measured["drop"]) == ["hottest", *RIVALS]
    hottest, low, high = measured["drop"]["hottest"]
    assert 0 < low <= hottest <= high <= 1
    assert hottest > measured["drop"]["random"][0]
    assert measured["hottest_loses_more"]["random"][0] > 0.5


def test_same_seed_blanks_the_same_places(whole: PhotoReader, data: Path) -> None:
    assert delete_hottest(pbc_cells(data), whole) == delete_hottest(pbc_cells(data), whole)


def test_area_in_a_mask_is_that_of_the_square_that_was_seen(whole: PhotoReader, data: Path) -> None:
    measured = weigh_inside(jtsc_cells(data), whole)
    assert measured["cells"] == 6
    assert measured["cell"]["area"] == [0.25] * 3
    assert measured["nucleus"]["area"] == [0.125] * 3
    assert measured["nucleus"]["heat"][0] < measured["cell"]["heat"][0]


def test_cell_that_is_not_found_is_left_out(whole: PhotoReader, data: Path, tmp_path: Path) -> None:
    save(np.full((SIDE, SIDE, 3), 240, np.uint8), tmp_path / "empty.png")
    empty = replace(pbc_cells(data)[0], path=tmp_path / "empty.png")
    assert delete_hottest([empty, *pbc_cells(data)], whole)["cells"] == 6


def test_all_is_ready_for_the_evaluation(whole: PhotoReader, data: Path) -> None:
    measured = measure_explanations(whole, data, track=track, cells=4)
    assert measured
    assert list(measured) == ["deletion", "inside"]
    assert (measured["deletion"]["cells"], measured["inside"]["cells"]) == (4, 6)


def test_words_are_compared_with_those_published(whole: PhotoReader, data: Path) -> None:
    assert measure_morphology(whole, data, track=track) == {
        "granularity": {**RIGHT, "majority": 1.0},
        "granule_type": RIGHT,
        "granule_colour": RIGHT,
    }


RIGHT = {
    "cells": 6,
    "accuracy": 1.0,
    "balanced_accuracy": 1.0,
    "majority": 0.5,
    "said": 1.0,
    "right_when_said": 1.0,
}


def test_wrong_words_lower_the_numbers(whole: PhotoReader, tmp_path: Path) -> None:
    looks = LOOKS | {CellType.EOSINOPHIL: ("yes", "small", "red")}
    measured = measure_morphology(whole, write_data(tmp_path, looks=looks), track=track)
    assert measured
    assert measured["granule_type"]["accuracy"] == 0.5
    assert measured["granule_type"]["balanced_accuracy"] == 0.5
    assert measured["granule_type"]["majority"] == 1.0
    assert measured["granule_colour"] == RIGHT


def test_model_that_does_not_explain_is_not_measured(data: Path, tmp_path: Path) -> None:
    reader = load_reader(write_tiny_model(tmp_path / "tiny"), threads=1)
    assert measure_explanations(reader, data, track=track) is None
    assert measure_morphology(reader, data, track=track) is None


def test_missing_set_is_said(whole: PhotoReader, tmp_path: Path) -> None:
    with pytest.raises(DataMissingError):
        measure_explanations(whole, tmp_path, track=track)


def test_every_type_has_as_many_cells_from_all_over_its_list() -> None:
    cells = [
        Cell(Path(f"{kind}{i}"), "", "test", kind, kind, Box(0, 0, 1, 1), "")
        for kind, number in ((CellType.NEUTROPHIL, 9), (CellType.EOSINOPHIL, 2))
        for i in range(number)
    ]
    chosen = [cell.path.name for cell in every_type(cells, 6)]
    assert chosen == ["eosinophil0", "eosinophil1", "neutrophil0", "neutrophil3", "neutrophil6"]
