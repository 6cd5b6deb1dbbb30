import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import EmptyReader

from hematovision.cells import Box, CellType
from hematovision.learning.answers import (
    Answer,
    Remembering,
    answer_cells,
    pool_copies,
)
from hematovision.learning.datasets import Cell, PictureUnreadableError, load_picture
from hematovision.learning.protocol import FOUR

from .answers import answer
from .readers import Says

NEUTROPHIL, EOSINOPHIL, LYMPHOCYTE, _ = FOUR
WHOLE = Box(0, 0, 100, 80)


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


def test_answer_carries_what_was_said(picture: Path) -> None:
    (said,) = answer_cells([cell(picture)], Says((WHOLE, SURE)), FOUR)
    assert said.probabilities == dict.fromkeys(CellType, 0.0) | SURE
    assert said.prediction_set == (NEUTROPHIL,)
    assert said.shown is NEUTROPHIL
    assert said.known is None


def test_answer_is_the_same_after_json(picture: Path) -> None:
    answers = answer_cells([cell(picture)], Says((WHOLE, SURE)), FOUR)
    answers += [answer(NEUTROPHIL, None), answer(NEUTROPHIL, EOSINOPHIL, known=0.5, refused=True)]
    written = json.dumps([one.as_document() for one in answers])
    assert [Answer.from_document(one) for one in json.loads(written)] == answers


def test_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "torn.jpg").write_bytes(b"no picture")
    with pytest.raises(PictureUnreadableError, match=r"torn\.jpg"):
        answer_cells([cell(tmp_path / "torn.jpg")], EmptyReader(), FOUR)


def test_same_pixels_are_read_once(picture: Path) -> None:
    reader = Says((WHOLE, SURE))
    once = Remembering(reader)
    photo = load_picture(picture)
    first = once.read(photo)
    assert once.read(photo.copy()) is first
    assert reader.read_pictures == 1
    once.read(photo[:-1])
    once.read(photo.reshape(photo.shape[1], photo.shape[0], 3))
    assert reader.read_pictures == 3
    assert once.model == reader.model


def test_copies_are_pooled_by_their_mean() -> None:
    copies = [
        answer(NEUTROPHIL, NEUTROPHIL, group="field", confidence=0.9),
        answer(NEUTROPHIL, EOSINOPHIL, group="field", confidence=0.6),
        answer(NEUTROPHIL, None, group="field"),
        answer(EOSINOPHIL, EOSINOPHIL),
    ]
    photos = ["one.jpg", "one.jpg", "one.jpg", "two.jpg"]
    one, two = pool_copies(copies, photos, FOUR)
    assert (one.name, one.group, one.named) == ("one.jpg", "field", NEUTROPHIL)
    assert one.probabilities[NEUTROPHIL] == pytest.approx((0.9 + 0.08) / 2)
    assert sum(one.probabilities.values()) == pytest.approx(1)
    assert one.refused
    assert two.shown is EOSINOPHIL


@pytest.mark.parametrize(
    ("named", "shown"),
    [
        pytest.param([NEUTROPHIL, NEUTROPHIL, None], NEUTROPHIL, id="most are named so"),
        pytest.param([NEUTROPHIL, None], NEUTROPHIL, id="half are named so"),
        pytest.param([NEUTROPHIL, None, None], None, id="most are not"),
        pytest.param([None, None], None, id="none has a cell"),
    ],
)
def test_pooled_name_is_shown_where_half_of_the_copies_show_it(
    named: list[CellType | None], shown: CellType | None
) -> None:
    copies = [answer(NEUTROPHIL, name) for name in named]
    (pooled,) = pool_copies(copies, ["photo"] * len(copies), FOUR)
    assert pooled.shown is shown
    assert bool(pooled.prediction_set) == any(named)


def test_pooled_set_holds_what_half_of_the_sets_hold() -> None:
    both = (NEUTROPHIL, EOSINOPHIL)
    copies = [
        answer(NEUTROPHIL, NEUTROPHIL, shown_set=both, known=0.2),
        answer(NEUTROPHIL, NEUTROPHIL, shown_set=(*both, LYMPHOCYTE), known=0.4),
        answer(NEUTROPHIL, NEUTROPHIL),
    ]
    (pooled,) = pool_copies(copies, ["photo"] * 3, FOUR)
    assert pooled.prediction_set == both
    assert pooled.known == pytest.approx(0.3)
