"""Cells cut out of their pictures, and changed anew each time they are learnt from."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hematovision.cells import Box, CellType, RgbImage
from hematovision.learning.augmentation import (
    blur_and_compress,
    coarsen_and_stretch,
    cut_side,
    jitter_stain,
    turn,
)
from hematovision.learning.datasets import SAME_CELL, Cell, Photo, load_named
from hematovision.learning.samples import Samples
from hematovision.vision.bundle import CropRule, LocatorRule
from hematovision.vision.classifying import balanced_square, crop_cells
from hematovision.vision.locating import Locator, locate_cells
from hematovision.vision.staining import even_stain, measure_glass, measure_stain

Channels = tuple[float, float, float]

MARGIN = 1.5
"""How much wider than the classifier's square the kept square is, so that turning finds picture."""

MIDDLE_BOX = 0.4
SHARE_CUT = 0.15
SHARE_OF_OTHER = 0.15
SHARE_OF_FEW = 0.65


def locate_middle(cells: Sequence[Cell], *, locator: Locator, rule: LocatorRule) -> list[Cell]:
    """Give each cell that is a crop around itself the box that our own locator finds.

    Args:
        cells: Those with a box are returned as they are.
        locator: The trained network.
        rule: How it looks.

    Returns:
        The same cells, all with boxes; where nothing is found, a box in the middle.
    """
    return [
        cell if cell.box else replace(cell, box=_middle_box(cell.path, locator, rule))
        for cell in cells
    ]


def _middle_box(path: Path, locator: Locator, rule: LocatorRule) -> Box:
    """Find the largest cell that covers the middle of a picture."""
    picture = load_named(path)
    height, width = picture.shape[:2]
    x, y = width // 2, height // 2
    found = locate_cells(picture, measure_glass(picture), locator=locator, rule=rule)
    covering = [box for box in found if box.holds(x, y)]
    if covering:
        return max(covering, key=lambda box: box.area)
    half = round(min(height, width) * MIDDLE_BOX / 2)
    return Box(x - half, y - half, x + half, y + half)


def as_located(cells: Sequence[Cell], *, locator: Locator, rule: LocatorRule) -> list[Cell]:
    """Give cells the boxes that serving will give them, in the place of the annotators'.

    Args:
        cells: With boxes.
        locator: The trained network.
        rule: How it looks.

    Returns:
        The cells that our locator finds at an overlap of 0.5 or more, with its boxes.
    """
    located = []
    for cell in cells:
        picture = load_named(cell.path)
        found = locate_cells(picture, measure_glass(picture), locator=locator, rule=rule)
        box = max(found, key=_box(cell).overlap, default=None)
        if box and box.overlap(_box(cell)) >= SAME_CELL:
            located.append(replace(cell, box=box))
    return located


def red_and_platelet_cells(photos: Sequence[Photo], *, number: int, seed: int) -> list[Cell]:
    """Draw red cells and platelets out of the train photos: *other* things a locator may hit.

    Args:
        photos: With boxes.
        number: Cells to draw of each kind, or as many as there are.
        seed: Of the draw.
    """
    generator = np.random.default_rng(seed)
    drawn = []
    for kind in ("red", "platelets"):
        boxes = [
            (photo, box)
            for photo in photos
            if photo.split == "train"
            for box in getattr(photo, kind)
        ]
        for i in generator.permutation(len(boxes))[:number]:
            photo, box = boxes[i]
            drawn.append(
                Cell(photo.path, photo.source, "train", CellType.OTHER, kind, box, photo.group)
            )
    return drawn


def wide_squares(cells: Sequence[Cell], rule: CropRule) -> NDArray[np.uint8]:
    """Cut squares `MARGIN` times as wide as the classifier sees, white balanced.

    Returns:
        Shape (N, MARGIN * size, MARGIN * size, 3), RGB, uint8.
    """
    wide = replace(rule, size=round(rule.size * MARGIN), context=rule.context * MARGIN)
    squares = []
    for cell in cells:
        photo = load_named(cell.path)
        squares.append(balanced_square(photo, _box(cell), measure_glass(photo), wide))
    return np.stack(squares)


def middle_crops(squares: NDArray[np.uint8], rule: CropRule) -> NDArray[np.uint8]:
    """Cut out of wide squares what the classifier sees, as the reader does.

    Args:
        squares: From `wide_squares`.
        rule: How a crop is made.

    Returns:
        Shape (N, size, size, 3), RGB, uint8.
    """
    edge = (squares.shape[1] - rule.size) // 2
    middle = slice(edge, edge + rule.size)
    return np.stack([even_stain(square[middle, middle], rule) for square in squares])


def plain_crops(cells: Sequence[Cell], rule: CropRule) -> NDArray[np.uint8]:
    """Cut cells out as the reader does.

    Returns:
        Shape (N, size, size, 3), RGB, uint8.
    """
    crops = []
    for cell in cells:
        photo = load_named(cell.path)
        crops.append(crop_cells(photo, [_box(cell)], measure_glass(photo), rule)[0])
    return np.stack(crops)


def _box(cell: Cell) -> Box:
    """Insist on a box."""
    if cell.box is None:
        raise ValueError(f"{cell.path} has no box; call locate_middle first.")
    return cell.box


def reference_stain(squares: NDArray[np.uint8], rule: CropRule) -> tuple[Channels, Channels]:
    """Measure the usual stain of the cells that are learnt from.

    Args:
        squares: From `wide_squares`.
        rule: Its context says how large the cell lies in the square.

    Returns:
        Median over the cells of mean and of spread of log density, a channel each.
    """
    stains = [measure_stain(square, rule.context * MARGIN) for square in squares]
    mean, spread = np.median([stain for stain in stains if stain is not None], axis=0)
    return _channels(mean), _channels(spread)


def _channels(values: NDArray[np.float32]) -> Channels:
    """Round three numbers as they stand in the bundle."""
    red, green, blue = (round(float(value), 4) for value in values)
    return red, green, blue


class CellSamples(Samples):
    """Batches of crops, changed anew each time, the same for the same seed.

    Every named type comes equally often, and in `SHARE_OF_FEW` from the photos of BCCD where it is
    found there; *other* comes in `SHARE_OF_OTHER`, each of its kinds equally often.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        squares: NDArray[np.uint8],
        *,
        words: NDArray[np.float32],
        classes: Sequence[CellType],
        rule: CropRule,
        strengths: Sequence[float],
        coarse: bool,
        **frame: int,
    ) -> None:
        """Sort the cells by type and origin.

        Args:
            cells: To learn from.
            squares: Theirs, from `wide_squares`.
            words: Theirs, from `attributes.attribute_targets`.
            classes: The order of the labels.
            rule: How a crop is made.
            strengths: How far a crop's stain is moved; one is drawn for each crop.
            coarse: Whether crops are also coarsened and stretched, and moved more.
            **frame: Of `Samples`.
        """
        super().__init__(**frame)
        self._squares, self._words, self._rule = squares, words, rule
        self._coarse = coarse
        self._rules = [replace(rule, stain_strength=strength) for strength in strengths]
        self._labels = np.eye(len(classes), dtype=np.float32)
        self._chances = _chances(classes)
        pools: list[dict[str, list[int]]] = [{} for _ in classes]
        for i, cell in enumerate(cells):
            other = cell.cell_type is CellType.OTHER
            # PBC says platelet, the others platelets.
            origin = cell.published_type.removesuffix("s") if other else cell.source
            pools[classes.index(cell.cell_type)].setdefault(origin, []).append(i)
        self._pools = [list(pool.values()) for pool in pools]
        self._shares = [_shares(list(pool)) for pool in pools]

    def __getitem__(self, step: int) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
        """Give crops (N, size, size, 3), 0-255, labels (N, C), and words (N, M)."""
        generator = self.generator_of(step)
        kinds = generator.choice(len(self._pools), size=self._batch, p=self._chances)
        drawn = [self._draw(int(kind), generator) for kind in kinds]
        crops = np.stack([self._change(cell, generator) for cell in drawn]).astype(np.float32)
        return crops, {"predictions": self._labels[kinds], "morphology": self._words[drawn]}

    def _draw(self, kind: int, generator: np.random.Generator) -> int:
        """Draw a cell of a type."""
        pool = self._pools[kind][generator.choice(len(self._shares[kind]), p=self._shares[kind])]
        return pool[generator.integers(len(pool))]

    def _change(self, cell: int, generator: np.random.Generator) -> RgbImage:
        """Make a crop as another microscope might have shown it, then prepare it as the reader."""
        square, size = self._squares[cell], self._rule.size
        zoom, shift = (0.22, 0.06) if self._coarse else (0.15, 0.04)
        crop = turn(square, generator, zoom=zoom, shift=shift, side=size)
        crop = jitter_stain(crop, generator, strength=1.0)
        if generator.random() < SHARE_CUT:
            crop = cut_side(crop, generator)
        crop = blur_and_compress(crop, generator)
        if self._coarse:
            crop = coarsen_and_stretch(crop, generator)
        crop = even_stain(crop, self._rules[generator.integers(len(self._rules))])
        return jitter_stain(crop, generator, strength=0.3)


def _shares(origins: Sequence[str]) -> NDArray[np.float64]:
    """Say how often a cell of a type is drawn from each of its origins."""
    few = [origin == "bccd" for origin in origins]
    shares = np.where(few, SHARE_OF_FEW, 1 - SHARE_OF_FEW) if any(few) else np.ones(len(few))
    return np.asarray(shares / shares.sum()) if len(origins) else shares


def _chances(classes: Sequence[CellType]) -> NDArray[np.float64]:
    """Say how often each type is drawn."""
    named = 1 - SHARE_OF_OTHER if CellType.OTHER in classes else 1
    number = sum(kind is not CellType.OTHER for kind in classes)
    return np.asarray(
        [SHARE_OF_OTHER if kind is CellType.OTHER else named / number for kind in classes]
    )
