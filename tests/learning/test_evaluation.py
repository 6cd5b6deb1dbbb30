from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.conftest import EmptyReader, StubReader

from hematovision.cells import Box, CellType, Decision, ModelIdentity, Reading, RgbImage
from hematovision.learning.datasets import Cell, Photo
from hematovision.learning.evaluation import (
    FOUR,
    MATURE,
    answer_cells,
    evaluate,
    official_cells,
    score_locator,
)
from hematovision.learning.sheets import OURS, THEIRS, draw_disagreements

from .sets import field, save, write_sets

pytestmark = pytest.mark.train

NEUTROPHIL, EOSINOPHIL, *_ = FOUR
WHOLE = Box(0, 0, 100, 80)


class Says:
    """Finds the same cells in every photo: boxes with what they are, and how surely."""

    model = ModelIdentity("stub", "0.0.0", "0" * 64)

    def __init__(self, *cells: tuple[Box, dict[CellType, float]], named: bool = True) -> None:
        decision = Decision.NAMED if named else Decision.UNIDENTIFIED
        self.cells = [
            Reading(
                box,
                decision,
                max(told, key=told.__getitem__) if named else None,
                max(told.values()),
                dict.fromkeys(CellType, 0.0) | told,
                (),
            )
            for box, told in cells
        ]

    def read(self, photo: RgbImage) -> Sequence[Reading]:
        return self.cells


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    save(field(0, 100, 80), tmp_path / "photo.png")
    return tmp_path / "photo.png"


def cell(path: Path, box: Box | None = None, kind: CellType = NEUTROPHIL) -> Cell:
    return Cell(path, "set", "test", kind, kind, box, "group")


SURE, OTHER_TYPE = {NEUTROPHIL: 0.9}, {EOSINOPHIL: 0.9}


@pytest.mark.parametrize(
    ("reader", "box", "named", "right", "refused", "confidence"),
    [
        pytest.param(Says((WHOLE, SURE)), None, NEUTROPHIL, True, False, 0.9, id="right"),
        pytest.param(Says((WHOLE, OTHER_TYPE)), None, EOSINOPHIL, False, False, 0.9, id="wrong"),
        pytest.param(
            Says((WHOLE, SURE), named=False), None, NEUTROPHIL, True, True, 0.9, id="refused"
        ),
        pytest.param(EmptyReader(), None, None, False, True, 0.0, id="none found"),
        pytest.param(
            Says((Box(0, 0, 9, 9), OTHER_TYPE), (WHOLE, SURE)),
            None,
            NEUTROPHIL,
            True,
            False,
            0.9,
            id="the largest cell answers",
        ),
        pytest.param(
            Says((Box(0, 0, 40, 80), SURE)),
            Box(60, 0, 100, 80),
            None,
            False,
            True,
            0.0,
            id="another cell than the annotated one",
        ),
        pytest.param(
            Says((Box(0, 0, 40, 80), SURE)),
            Box(0, 0, 40, 60),
            NEUTROPHIL,
            True,
            False,
            0.9,
            id="the annotated cell",
        ),
        pytest.param(
            Says((WHOLE, {CellType.BASOPHIL: 0.6, NEUTROPHIL: 0.3})),
            None,
            NEUTROPHIL,
            True,
            False,
            0.6,
            id="forced to the types of the set",
        ),
    ],
)
def test_answer_is_judged(
    picture: Path,
    reader: Says,
    box: Box | None,
    named: CellType | None,
    right: bool,
    refused: bool,
    confidence: float,
) -> None:
    (answer,) = answer_cells([cell(picture, box)], reader, FOUR)
    assert (answer.named, answer.right, answer.refused) == (named, right, refused)
    assert answer.confidence == confidence
    assert answer.sure_and_right == (right and confidence == 0.9)
    assert answer.said_right == (right and not refused and confidence == 0.9)


@pytest.mark.parametrize(
    ("found", "named"),
    [
        pytest.param(Box(20, 20, 90, 70), NEUTROPHIL, id="the cell in the middle"),
        pytest.param(Box(60, 0, 100, 80), None, id="a neighbour"),
    ],
)
def test_answer_about_a_centred_cell_is_about_the_middle(
    picture: Path, found: Box, named: CellType | None
) -> None:
    centred = replace(cell(picture), centred=True)
    (answer,) = answer_cells([centred], Says((found, SURE)), FOUR)
    assert answer.named is named


def test_located_boxes_are_compared_with_the_annotators(picture: Path) -> None:
    first, second = Box(0, 0, 40, 40), Box(50, 0, 90, 40)
    photo = Photo(picture, "set", "test", white=(first, second))
    found = (Box(2, 0, 42, 40), Box(4, 4, 40, 40), Box(60, 50, 90, 80))
    result = score_locator([photo], Says(*((box, SURE) for box in found)))
    assert (result["annotated"], result["located"]) == (2, 3)
    assert result["recall"] == 0.5
    assert result["precision"] == round(1 / 3, 4)
    assert result["missed"] == [{"photo": "photo.png", "box": [50, 0, 90, 40]}]
    assert [one["box"] for one in result["extra"]] == [[4, 4, 40, 40], [60, 50, 90, 80]]


def test_nothing_located_has_no_recall_and_divides_by_nothing(picture: Path) -> None:
    result = score_locator([Photo(picture, "set", "test", white=(WHOLE,))], EmptyReader())
    assert (result["recall"], result["precision"], result["located"]) == (0, 0, 0)


def test_whole_protocol_runs_over_all_sets(tmp_path: Path) -> None:
    tracked: list[str] = []

    def track(items: Iterable[Any], what: str) -> Iterable[Any]:
        tracked.append(what)
        return items

    report = evaluate(write_sets(tmp_path), StubReader(), track=track)
    sets = report["sets"]
    assert [(name, one["right"], one["pictures"]) for name, one in sets.items()] == [
        ("official_photos", 1, 3),
        ("official_test_images", 1, 2),
        ("pbc_test", 0, 2),
        ("jtsc", 0, 1),
    ]
    assert report["locator"]["bccd_test"]["recall"] == 1
    assert report["locator"]["txl_test"]["precision"] == 0.5
    assert report["model"] == {"name": "stub", "version": "0.0.0", "sha256": "0" * 64}
    assert tracked == [*sets, "locator bccd_test", "locator txl_test"]


def test_disagreements_are_drawn_in_two_colours(picture: Path, tmp_path: Path) -> None:
    photos = [Photo(picture, "set", "test", white=(Box(10, 10, 50, 50),))]
    scores = {"set": score_locator(photos, Says((Box(60, 30, 90, 70), SURE)))}
    sheet = tmp_path / "sheet.png"
    assert draw_disagreements(photos, scores, sheet) == 1
    with Image.open(sheet) as drawn:
        pixels = {tuple(pixel) for row in np.asarray(drawn).tolist() for pixel in row}
    assert {OURS, THEIRS} <= pixels


def test_agreement_draws_nothing(picture: Path, tmp_path: Path) -> None:
    photos = [Photo(picture, "set", "test", white=(WHOLE,))]
    scores = {"set": score_locator(photos, Says((WHOLE, SURE)))}
    assert draw_disagreements(photos, scores, tmp_path / "sheet.png") == 0
    assert not (tmp_path / "sheet.png").exists()


def test_official_photo_without_a_box_takes_any_cell(picture: Path) -> None:
    photos = [
        Photo(picture, "bccd", "test", label=NEUTROPHIL),
        Photo(picture, "bccd", "test", white=(Box(0, 0, 9, 9), WHOLE), label=EOSINOPHIL),
        Photo(picture, "bccd", "test"),
        Photo(picture, "bccd", "train", label=NEUTROPHIL),
    ]
    assert [cell.box for cell in official_cells(photos)] == [None, WHOLE]
    assert len(MATURE) == 5
