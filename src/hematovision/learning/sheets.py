"""Sheets of small pictures: where the locator and the annotators disagree, and others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from hematovision.cells import RgbImage
from hematovision.learning.datasets import Photo, load_picture

TILE = 220
CAPTION = 16
COLUMNS = 6
OURS, THEIRS = (0, 130, 0), (190, 0, 0)


@dataclass(frozen=True, slots=True)
class Tile:
    """A picture on a sheet.

    Attributes:
        caption: What stands above it.
        picture: Shape (height, width, 3), RGB, uint8.
    """

    caption: str
    picture: RgbImage


def draw_disagreements(photos: Sequence[Photo], scores: Mapping[str, Any], path: Path) -> int:
    """Draw each photo with a miss or a box too many: the annotators' boxes red, ours green.

    Args:
        photos: Those that were scored.
        scores: By set, from `findings.score_locator`.
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
    tiles = [Tile(p.path.name, _with_boxes(p, ours[p.path.name])) for p in drawn]
    draw_sheet(tiles, path)
    return len(drawn)


def draw_sheet(tiles: Sequence[Tile], path: Path) -> None:
    """Draw pictures in rows, each with its caption above; with none nothing is written.

    Args:
        tiles: In the order of drawing.
        path: The picture to write; its suffix says the format.
    """
    if not tiles:
        return
    rows = -(-len(tiles) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * TILE, rows * (TILE + CAPTION)), "white")
    for place, tile in enumerate(tiles):
        x, y = place % COLUMNS * TILE, place // COLUMNS * (TILE + CAPTION)
        small = Image.fromarray(tile.picture)
        small.thumbnail((TILE, TILE))
        sheet.paste(small, (x, y + CAPTION))
        ImageDraw.Draw(sheet).text((x + 2, y + 2), tile.caption, fill="black")
    sheet.save(path)


def _with_boxes(photo: Photo, ours: Sequence[Sequence[int]]) -> RgbImage:
    """Draw the boxes on one photo."""
    picture = Image.fromarray(load_picture(photo.path))
    pen = ImageDraw.Draw(picture)
    thick = max(2, max(picture.size) // 130)
    for box in photo.white:
        pen.rectangle(box.as_list(), outline=THEIRS, width=thick)
    for mine in ours:
        pen.rectangle(list(mine), outline=OURS, width=thick)
    return np.asarray(picture)
