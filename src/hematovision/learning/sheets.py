"""A picture of every place where the locator and the annotators disagree."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from hematovision.learning.datasets import Photo, load_picture

TILE = 220
CAPTION = 16
COLUMNS = 6
OURS, THEIRS = (0, 130, 0), (190, 0, 0)


def draw_disagreements(photos: Sequence[Photo], scores: Mapping[str, Any], path: Path) -> int:
    """Draw each photo with a miss or a box too many: the annotators' boxes red, ours green.

    Args:
        photos: Those that were scored.
        scores: By set, from `evaluation.score_locator`.
        path: The picture to write; its suffix says the format.

    Returns:
        The number of photos drawn; with none nothing is written.
    """
    ours: dict[str, list[list[int]]] = {}
    for score in scores.values():
        for case in score["missed"]:
            ours.setdefault(case["photo"], [])
        for case in score["extra"]:
            ours.setdefault(case["photo"], []).append(case["box"])
    drawn = [photo for photo in photos if photo.path.name in ours]
    if not drawn:
        return 0
    rows = -(-len(drawn) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * TILE, rows * (TILE + CAPTION)), "white")
    for place, photo in enumerate(drawn):
        x, y = place % COLUMNS * TILE, place // COLUMNS * (TILE + CAPTION)
        sheet.paste(_tile(photo, ours[photo.path.name]), (x, y + CAPTION))
        ImageDraw.Draw(sheet).text((x + 2, y + 2), photo.path.name, fill="black")
    sheet.save(path)
    return len(drawn)


def _tile(photo: Photo, ours: Sequence[Sequence[int]]) -> Image.Image:
    """Draw the boxes on one photo and make it small."""
    picture = Image.fromarray(load_picture(photo.path))
    pen = ImageDraw.Draw(picture)
    thick = max(2, max(picture.size) // 130)
    for box in photo.white:
        pen.rectangle(box.as_list(), outline=THEIRS, width=thick)
    for mine in ours:
        pen.rectangle(list(mine), outline=OURS, width=thick)
    picture.thumbnail((TILE, TILE))
    return picture
