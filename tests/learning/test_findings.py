from pathlib import Path

import numpy as np
from PIL import Image
from tests.conftest import EmptyReader

from hematovision.cells import Box
from hematovision.learning.datasets import Photo
from hematovision.learning.findings import score_locator
from hematovision.learning.protocol import FOUR
from hematovision.learning.sheets import OURS, THEIRS, draw_disagreements

from .readers import Says

WHOLE = Box(0, 0, 100, 80)
SURE = {FOUR[0]: 0.9}


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
