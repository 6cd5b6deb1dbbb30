"""From a photo to the boxes of its white cells.

The network looks at a coarse view of the photo first. It also finds red cells there, and their
size tells whether the view is fine enough: all red cells are about as large (7 to 8 micrometres).
Where they are too small to be seen, the view is doubled, up to the photo's own resolution.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hematovision.cells import Box, RgbImage
from hematovision.vision.bundle import LocatorRule
from hematovision.vision.staining import GLASS, balanced

STRIDE = 8
WHITE, RED, PLATELET = range(3)
"""The order of the network's heat maps."""

FINEST_SIDE = 4096
TILE = 640
TILE_OVERLAP = 192
RED_IN_SIGHT = 20.0
"""Where red cells are hardly seen, the larger ones are found first and their median is too high."""

WHITE_IN_SIGHT = 40.0
FEWEST_RED = 3
FINEST_FOR_LONE = 1024
CROWDED = 0.25
MOST_WHITE = 2000
MOST_RED = 500
"""Enough for the median of their size."""

RED_SCORE = 0.35

TOGETHER = 64
"""So many boxes are laid on all others at once."""


class Locator(Protocol):
    """A network from views to heat maps and boxes."""

    def __call__(self, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Run on views of shape (N, H, W, 3), H and W multiples of 32.

        Returns:
            Heat of shape (N, H/8, W/8, 3), 0-1, and boxes of shape (N, H/8, W/8, 4): the centre's
            offset and the logarithm of width and height, all in units of 8 pixels.
        """
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """Boxes of one kind in one view.

    Attributes:
        boxes: Shape (N, 4): xmin, ymin, xmax, ymax in pixels, float32.
        scores: Shape (N,), 0-1.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]

    @property
    def diameter(self) -> float:
        """Median of the boxes' mean sides, in pixels; zero when there is none."""
        if not len(self.boxes):
            return 0.0
        sides = (self.boxes[:, 2:] - self.boxes[:, :2]).mean(axis=1)
        return float(np.median(sides))

    def scaled(self, factor: float) -> "Found":
        """Give the same boxes in pixels that are `factor` times as many."""
        return Found(self.boxes * np.float32(factor), self.scores)


NOTHING = Found(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))


def locate_cells(
    photo: RgbImage, glass: NDArray[np.float32], *, locator: Locator, rule: LocatorRule
) -> tuple[Box, ...]:
    """Find the white cells of a photo.

    Args:
        photo: Shape (height, width, 3), RGB, uint8.
        glass: The colour of its empty glass, shape (3,).
        locator: The network.
        rule: How it is to look, from the bundle.

    Returns:
        Boxes in pixels of the photo, from top to bottom; empty when there is none.
    """
    height, width = photo.shape[:2]
    white = _search_views(photo, glass, locator, rule)
    boxes = (_inside(box, width, height) for box in white.boxes)
    return tuple(sorted((box for box in boxes if box.area), key=lambda box: (box.ymin, box.xmin)))


def _search_views(
    photo: RgbImage, glass: NDArray[np.float32], locator: Locator, rule: LocatorRule
) -> Found:
    """Search finer and finer views until red cells are large enough; boxes in photo pixels.

    A large white cell without red ones is a crop around it, unless a finer view shows red cells so
    small that it was a whole crowd.
    """
    longest = max(photo.shape[:2])
    lone = crowd = clearest = NOTHING
    picture = Image.fromarray(photo)
    for side in _sides(longest, rule.side):
        scale = side / longest
        white, red = (
            found.scaled(1 / scale)
            for found in _search(_view(picture, glass, scale), locator, rule)
        )
        if len(red.scores) >= FEWEST_RED:
            if lone.diameter and red.diameter > lone.diameter * CROWDED:
                return lone
            crowd = white
            if red.diameter * scale >= RED_IN_SIGHT:
                return crowd
        elif not lone.diameter and white.diameter * scale >= WHITE_IN_SIGHT:
            lone = white
        elif lone.diameter and side >= FINEST_FOR_LONE:
            break
        if white.scores.sum() > clearest.scores.sum():
            clearest = white
    return next((found for found in (crowd, lone, clearest) if len(found.scores)), NOTHING)


def _sides(longest: int, coarsest: int) -> Iterator[int]:
    """Give the longer side of each view in turn: doubling, up to the photo's own."""
    finest = min(longest, FINEST_SIDE)
    side = coarsest
    yield side
    while side < finest:
        side = min(2 * side, finest)
        yield side


def _view(photo: Image.Image, glass: NDArray[np.float32], scale: float) -> RgbImage:
    """Resize a photo and balance its white; glass is laid on to a multiple of 32 pixels."""
    width, height = (max(1, round(side * scale)) for side in photo.size)
    small = photo.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    view = np.full((-(-height // 32) * 32, -(-width // 32) * 32, 3), round(GLASS), np.uint8)
    view[:height, :width] = np.asarray(balanced(small, glass))
    return view


def _search(view: RgbImage, locator: Locator, rule: LocatorRule) -> tuple[Found, Found]:
    """Find white and red cells in a view, tile by tile where it is large."""
    whites: list[Found] = []
    reds: list[Found] = []
    for top in _starts(view.shape[0]):
        for left in _starts(view.shape[1]):
            tile = view[top : top + TILE, left : left + TILE]
            heat, boxes = locator(tile[None])
            corner = np.asarray([left, top, left, top], np.float32)
            whites.append(_peaks(heat[0, :, :, WHITE], boxes[0], corner, rule.score))
            reds.append(_peaks(heat[0, :, :, RED], boxes[0], corner, RED_SCORE))
    return (
        _best(_joined(whites), rule.overlap, most=MOST_WHITE),
        _best(_joined(reds), rule.overlap, most=MOST_RED),
    )


def _starts(length: int) -> range:
    """Give the starts of the tiles along one side; neighbours share `TILE_OVERLAP` or more."""
    return range(0, max(1, length - TILE_OVERLAP), TILE - TILE_OVERLAP)


def _peaks(
    heat: NDArray[np.float32],
    boxes: NDArray[np.float32],
    corner: NDArray[np.float32],
    score: float,
) -> Found:
    """Take the local maxima of a heat map, and the boxes that the network puts there."""
    y, x = np.nonzero((heat >= score) & (heat == _highest_around(heat)))
    dx, dy, width, height = boxes[y, x].T
    centre = np.stack([x + 0.5 + dx, y + 0.5 + dy], axis=1) * STRIDE
    half = np.exp(np.stack([width, height], axis=1)) * STRIDE / 2
    found = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
    return Found(found + corner, heat[y, x])


def _highest_around(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the highest heat of every place and its eight neighbours; heat is never below zero."""
    padded = np.zeros((heat.shape[0] + 2, heat.shape[1] + 2), np.float32)
    padded[1:-1, 1:-1] = heat
    rows = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
    highest: NDArray[np.float32] = np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    return highest


def _joined(found: list[Found]) -> Found:
    """Put the finds of all tiles together."""
    return Found(
        np.concatenate([one.boxes for one in found]), np.concatenate([one.scores for one in found])
    )


def _best(found: Found, overlap: float, *, most: int) -> Found:
    """Of boxes that lie on one another keep the one with the best score, `most` at the most."""
    order = np.argsort(-found.scores, kind="stable")[:most]
    boxes, scores = found.boxes[order], found.scores[order]
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    alive = np.ones(len(boxes), bool)
    for start in range(0, len(boxes), TOGETHER):
        better = start + np.flatnonzero(alive[start : start + TOGETHER])
        ends = np.minimum(boxes[better, None, 2:], boxes[start:, 2:])
        sides = np.maximum(ends - np.maximum(boxes[better, None, :2], boxes[start:, :2]), 0)
        shared = sides[..., 0] * sides[..., 1]
        apart = shared <= overlap * np.minimum(area[better, None], area[start:])
        for place, row in zip(better, apart, strict=True):
            if alive[place]:
                alive[place + 1 :] &= row[place - start + 1 :]
    return Found(boxes[alive], scores[alive])


def _inside(box: NDArray[np.float32], width: int, height: int) -> Box:
    """Round a box to whole pixels and cut it at the photo's border."""
    xmin, ymin, xmax, ymax = (round(float(side)) for side in box)
    return Box(
        min(max(xmin, 0), width),
        min(max(ymin, 0), height),
        min(max(xmax, 0), width),
        min(max(ymax, 0), height),
    )
