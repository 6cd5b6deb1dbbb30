"""Sheets of small pictures: where the locator and the annotators disagree, and others."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from hematovision.cells import Box, RgbImage
from hematovision.learning.datasets import Photo, load_picture

TILE = 220
CAPTION = 16
GAP = 4
COLUMNS = 6
QUALITY = 80
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
    tiles = [
        Tile(
            photo.path.name,
            with_boxes(
                load_picture(photo.path),
                theirs=photo.white,
                ours=[Box(*sides) for sides in ours[photo.path.name]],
            ),
        )
        for photo in drawn
    ]
    draw_sheet(tiles, path)
    return len(drawn)


def draw_sheet(tiles: Sequence[Tile], path: Path) -> None:
    """Draw pictures in rows, each with its caption above; with none nothing is written.

    Args:
        tiles: In the order of drawing.
        path: The picture to write; its suffix says the format.
    """
    if tiles:
        _sheet_of(tiles, COLUMNS, TILE).save(path)


def sheet_jpeg(tiles: Sequence[Tile], *, columns: int = COLUMNS, side: int = TILE) -> bytes:
    """Draw pictures in rows, each with its caption above, as the bytes of a small JPEG.

    Args:
        tiles: One or more, in the order of drawing.
        columns: Pictures in a row, at most.
        side: Room for a picture, in pixels; none is made larger than it is.
    """
    buffer = io.BytesIO()
    _sheet_of(tiles, min(columns, len(tiles)), side).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def _sheet_of(tiles: Sequence[Tile], columns: int, side: int) -> Image.Image:
    """Draw a sheet; every row is as high as its highest picture."""
    smalls = [_small(tile, side) for tile in tiles]
    rows = [smalls[start : start + columns] for start in range(0, len(smalls), columns)]
    heights = [CAPTION + max(small.height for small in row) for row in rows]
    sheet = Image.new("RGB", (columns * side, sum(heights)), "white")
    pen = ImageDraw.Draw(sheet)
    for place, (tile, small) in enumerate(zip(tiles, smalls, strict=True)):
        x, y = place % columns * side, sum(heights[: place // columns])
        sheet.paste(small, (x, y + CAPTION))
        pen.text((x + 2, y + 2), tile.caption, fill="black")
    return sheet


def _small(tile: Tile, side: int) -> Image.Image:
    small = Image.fromarray(tile.picture)
    small.thumbnail((side - GAP, side))
    return small


def with_boxes(
    picture: RgbImage, *, theirs: Sequence[Box] = (), ours: Sequence[Box] = ()
) -> RgbImage:
    """Draw boxes on a picture: the annotators' red, ours green.

    Args:
        picture: Shape (height, width, 3), RGB, uint8; not changed.
        theirs: In pixels of the picture.
        ours: The same.
    """
    drawn = Image.fromarray(picture)
    pen = ImageDraw.Draw(drawn)
    thick = max(2, max(drawn.size) // 130)
    for boxes, colour in ((theirs, THEIRS), (ours, OURS)):
        for box in boxes:
            pen.rectangle(box.as_list(), outline=colour, width=thick)
    return np.asarray(drawn)
