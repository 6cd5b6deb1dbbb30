from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hematovision.cells import Box, CellType, Decision, ModelIdentity, Reading, RgbImage
from hematovision.learning import refusals
from hematovision.learning.refusals import OTHER_TYPES, score_known

from .sets import write_rows, write_sets

pytestmark = pytest.mark.train

LEVELS = {"neutrophil": 200, "erythroblast": 100, "immature_granulocyte": 60, "platelet": 40}
EVEN_SIDE = 100


def even(picture: RgbImage) -> bool:
    """Tell the drawn cells, which have one level of grey, from everything else."""
    return picture.shape == (EVEN_SIDE, EVEN_SIDE, 3) and bool(np.ptp(picture) == 0)


class GreyReader:
    """Knows cells the better the brighter they are; sees none where the picture is not even."""

    model = ModelIdentity("grey", "0.0.0", "0" * 64)

    def __init__(self, *, knows: bool = True, dark_is_known: bool = False) -> None:
        self._knows, self._dark_is_known = knows, dark_is_known

    def read(self, photo: RgbImage) -> Sequence[Reading]:
        if not even(photo):
            return ()
        level = float(photo[0, 0, 0]) / 255
        known = 1 - level if self._dark_is_known else level
        large, small = Box(0, 0, 60, 60), Box(60, 60, 80, 80)
        return [
            self._reading(small, 0.99 if self._knows else None, named=False),
            self._reading(large, known if self._knows else None, named=known > 0.35),
        ]

    def _reading(self, box: Box, known: float | None, *, named: bool) -> Reading:
        decision = Decision.NAMED if named else Decision.UNIDENTIFIED
        kind = CellType.NEUTROPHIL if named else None
        return Reading(box, decision, kind, 1.0, {}, (CellType.NEUTROPHIL,), known=known)


def silently(items: Iterable[Any], _: str) -> Iterable[Any]:
    return items


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write all sets; in PBC two even cells of each level."""
    write_sets(tmp_path)
    rows = []
    for kind, level in LEVELS.items():
        for number in range(2):
            image = f"{kind}/{number}.png"
            (tmp_path / "pbc" / kind).mkdir(exist_ok=True)
            cell = np.full((EVEN_SIDE, EVEN_SIDE, 3), level + number, np.uint8)
            Image.fromarray(cell).save(tmp_path / "pbc" / image)
            rows.append((image, kind, "test"))
    write_rows(tmp_path / "pbc/cells.csv", "image,cell_type,split", rows)
    return tmp_path


def test_others_are_scored_against_mature_cells_by_the_largest_cell(data: Path) -> None:
    scores = score_known(GreyReader(), data, track=silently)
    assert scores is not None
    assert set(scores["other_types"]) == set(OTHER_TYPES)
    assert scores["other_types"]["platelet"] == {"cells": 2, "auroc": [1.0, 1.0, 1.0], "named": 0}
    assert scores["other_types"]["erythroblast"]["named"] == 2
    assert scores["mature"] == {"cells": 2, "named": 2}
    assert scores["leave_one_type_out"] is False


def test_pictures_without_a_located_cell_are_refused(data: Path) -> None:
    scores = score_known(GreyReader(), data, track=silently)
    assert scores is not None
    everything = scores["not_blood"]["all"]
    kinds = {kind: score for kind, score in scores["not_blood"].items() if kind != "all"}
    assert everything["pictures"] == sum(score["pictures"] for score in kinds.values()) > 100
    assert kinds["photographs"] == {
        "pictures": kinds["photographs"]["pictures"],
        "auroc": [1.0, 1.0, 1.0],
        "named": 0,
    }


def test_any_cell_of_a_picture_without_blood_counts() -> None:
    bright = np.full((EVEN_SIDE, EVEN_SIDE, 3), 10, np.uint8)
    found = refusals._refusals([GreyReader().read(bright), ()])
    np.testing.assert_array_equal(found.known, [0.99, 0.0])


def test_what_networks_said_that_never_saw_a_type_takes_the_place(data: Path) -> None:
    said = {"cells": 2, "auroc": [0.9, 0.8, 1.0], "named": 1}
    blind = {kind: dict(said) for kind in OTHER_TYPES}
    scores = score_known(GreyReader(), data, track=silently, left_out=blind)
    assert scores is not None
    assert scores["leave_one_type_out"] is True
    assert scores["other_types"] == blind
    assert scores["seen_types"]["platelet"]["auroc"] == [1.0, 1.0, 1.0]
    part = score_known(GreyReader(), data, track=silently, left_out={"platelet": blind["platelet"]})
    assert part is not None
    assert part["leave_one_type_out"] is False


def test_model_without_the_score_is_not_measured(data: Path) -> None:
    assert score_known(GreyReader(knows=False), data, track=silently) is None
