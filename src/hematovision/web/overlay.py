"""Where the numbered boxes and their tags lie over a photo, in units of a 640x480 screen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hematovision.cells import Box

Table = NDArray[np.float64]

SCREEN = (640, 480)
TAG_HEIGHT = 18.0
LETTER_WIDTH = 8.0
TAG_MARGIN = 12.0
GAP = 4.0
PHONE = 1.75
"""How much larger, at most, the style sheet draws a tag on a phone; room is kept for it."""


class Area(NamedTuple):
    """A rectangle in units."""

    x: float
    y: float
    width: float
    height: float

    def shared_with(self, other: "Area") -> float:
        """Give the area that both cover."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(width, 0.0) * max(height, 0.0)


class Tag(NamedTuple):
    """A box's number and letter.

    Attributes:
        area: Where it lies.
        grows: The corner that stays when a phone draws it larger, as classes of the style sheet.
    """

    area: Area
    grows: str


@dataclass(frozen=True, slots=True)
class Overlay:
    """What is drawn over a photo.

    Attributes:
        width: Of the drawing; the photo fills it.
        height: Of the drawing.
        boxes: One a cell.
        tags: One a cell.
    """

    width: float
    height: float
    boxes: tuple[Area, ...]
    tags: tuple[Tag, ...]


def lay_over(width: int, height: int, boxes: Sequence[Box], texts: Sequence[str]) -> Overlay:
    """Place the boxes of a photo and a tag at each.

    A tag goes where it hides least: first of all no other tag, then no other cell, then not its
    own. It never leaves the photo while there is room inside.

    Args:
        width: Pixels across the photo.
        height: Pixels down the photo.
        boxes: One a cell.
        texts: What the tags say.
    """
    unit = max(width / SCREEN[0], height / SCREEN[1])
    whole = Area(0, 0, width / unit, height / unit)
    areas = [
        Area(box.xmin / unit, box.ymin / unit, box.width / unit, box.height / unit) for box in boxes
    ]
    cells = _table(areas)
    large = np.zeros((len(areas), 4))
    tags: list[Tag] = []
    for area, text in zip(areas, texts, strict=True):
        tag = _place(area, len(text), whole, cells, large[: len(tags)])
        large[len(tags)] = _enlarged(tag)
        tags.append(tag)
    return Overlay(whole.width, whole.height, tuple(areas), tuple(tags))


def _place(area: Area, letters: int, whole: Area, cells: Table, tags: Table) -> Tag:
    """Choose among above, below and inside, at the left and at the right end.

    Args:
        area: The cell.
        letters: Of the tag.
        whole: The photo.
        cells: All cells.
        tags: Those that have their place, as a phone draws them.
    """
    width = TAG_MARGIN + LETTER_WIDTH * letters
    left, right = area.x, area.x + area.width - width
    bottom = area.y + area.height
    rows = (
        (area.y - GAP - TAG_HEIGHT, "up"),
        (bottom + GAP, "down"),
        (area.y + GAP, "down"),
    )
    columns = ((left, "start"), (right, "end"))
    candidates = [
        Tag(Area(x, y, width, TAG_HEIGHT), f"{up} {end}") for y, up in rows for x, end in columns
    ]
    large = _table([_enlarged(tag) for tag in candidates])
    outside = large[:, 2] * large[:, 3] - _shared(large, _table([whole]))
    hidden = 100 * outside + 10 * _shared(large, tags) + _shared(large, cells)
    return candidates[int(np.argmin(hidden))]


def _table(areas: Sequence[Area]) -> Table:
    """Give areas as rows of x, y, width and height, of shape (areas, 4)."""
    return np.array(areas, dtype=np.float64).reshape(-1, 4)


def _shared(ones: Table, others: Table) -> NDArray[np.float64]:
    """Give how much of each one all the others cover, of shape (ones,)."""
    sides = [
        np.minimum.outer(ones[:, at] + ones[:, at + 2], others[:, at] + others[:, at + 2])
        - np.maximum.outer(ones[:, at], others[:, at])
        for at in (0, 1)
    ]
    across, down = np.maximum(sides, 0.0)
    shared: NDArray[np.float64] = (across * down).sum(axis=1)
    return shared


def _enlarged(tag: Tag) -> Area:
    """Give the area of a tag on a phone."""
    x, y, width, height = tag.area
    wide, high = PHONE * width, PHONE * height
    return Area(
        x + width - wide if "end" in tag.grows else x,
        y + height - high if "up" in tag.grows else y,
        wide,
        high,
    )
