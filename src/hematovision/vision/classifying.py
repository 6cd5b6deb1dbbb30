"""From a photo and its boxes to what is said of every cell."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hematovision.cells import Box, CellType, Decision, Doubt, Reading, RgbImage
from hematovision.vision.bundle import Bundle, CropRule
from hematovision.vision.staining import balanced, measure_stain, move_stain


def crop_cells(
    photo: RgbImage, boxes: Sequence[Box], glass: NDArray[np.float32], rule: CropRule
) -> NDArray[np.uint8]:
    """Cut a square around every cell, with its white balanced and its stain evened.

    Args:
        photo: Shape (height, width, 3), RGB, uint8.
        boxes: One a cell, in pixels of the photo.
        glass: The colour of the photo's empty glass, shape (3,).
        rule: Size, context and reference stain, from the bundle.

    Returns:
        Shape (N, size, size, 3), RGB, uint8; beyond the photo's border lies glass.
    """
    return cut_cells(photo, boxes, glass, rule).crops


class Cut(NamedTuple):
    """Cells that are cut out.

    Attributes:
        crops: Shape (N, size, size, 3), RGB, uint8, with their stain evened.
        stains: What their stain was before: shape (2, 3) each, from `measure_stain`.
    """

    crops: NDArray[np.uint8]
    stains: tuple[NDArray[np.float32] | None, ...]


def cut_cells(
    photo: RgbImage, boxes: Sequence[Box], glass: NDArray[np.float32], rule: CropRule
) -> Cut:
    """Cut a square around every cell, and keep how it was stained; see `crop_cells`."""
    squares = [balanced_square(photo, box, glass, rule) for box in boxes]
    stains = [measure_stain(square, rule.context) for square in squares]
    crops = [move_stain(*pair, rule) for pair in zip(squares, stains, strict=True)]
    shape = (0, rule.size, rule.size, 3)
    return Cut(np.stack(crops) if crops else np.zeros(shape, np.uint8), tuple(stains))


def square_around(box: Box, rule: CropRule) -> Box:
    """Say which square around a cell is cut out; it may reach beyond the photo."""
    side = max(1, round(max(box.width, box.height) * rule.context))
    left = (box.xmin + box.xmax - side) // 2
    top = (box.ymin + box.ymax - side) // 2
    return Box(left, top, left + side, top + side)


def balanced_square(
    photo: RgbImage, box: Box, glass: NDArray[np.float32], rule: CropRule
) -> RgbImage:
    """Cut the square around one cell and balance its white.

    Returns:
        Shape (size, size, 3), RGB, uint8.
    """
    height, width = photo.shape[:2]
    around = square_around(box, rule)
    side, left, top = around.width, around.xmin, around.ymin
    square = np.empty((side, side, 3), np.uint8)
    square[:] = np.clip(glass, 0, 255).astype(np.uint8)
    from_left, to_right = max(left, 0), min(left + side, width)
    from_top, to_bottom = max(top, 0), min(top + side, height)
    square[from_top - top : to_bottom - top, from_left - left : to_right - left] = photo[
        from_top:to_bottom, from_left:to_right
    ]
    resized = Image.fromarray(square).resize(
        (rule.size, rule.size), Image.Resampling.BICUBIC, reducing_gap=2.0
    )
    return np.asarray(balanced(resized, glass))


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Turn logits of shape (N, C) into probabilities of the same shape."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return probabilities


def read_cells(
    boxes: Sequence[Box],
    logits: NDArray[np.float32],
    bundle: Bundle,
    known: NDArray[np.floating] | None = None,
) -> tuple[Reading, ...]:
    """Say of every cell what it is, or that it is not known.

    A type conforms when it reaches the bundle's threshold for it. A cell is named when exactly one
    type conforms, that type is the most probable one and has a name, and the cell resembles those
    that were learnt.

    Args:
        boxes: One a cell.
        logits: Shape (N, C), calibrated: temperature and bias are folded into the network's head.
        bundle: Class order and thresholds.
        known: Shape (N,), how much each cell resembles those that were learnt, 0-1; None where the
            model does not say.

    Returns:
        One reading a cell, in the order given.
    """
    scores = [None] * len(boxes) if known is None else [float(score) for score in known]
    rows = zip(boxes, softmax(logits), scores, strict=True)
    return tuple(_read(box, row, bundle, score) for box, row, score in rows)


def conforming_types(
    probabilities: Mapping[CellType, float], thresholds: Mapping[CellType, float]
) -> tuple[CellType, ...]:
    """List the types that reach their thresholds: the set whose coverage is promised.

    It may be empty. What a reading shows is never empty, and so holds the true type more often.
    """
    return tuple(kind for kind, share in probabilities.items() if share >= thresholds[kind])


def _read(
    box: Box, probabilities: NDArray[np.float64], bundle: Bundle, known: float | None
) -> Reading:
    """Decide on one cell."""
    ranked = [(bundle.classes[i], float(probabilities[i])) for i in np.argsort(-probabilities)]
    best, confidence = ranked[0]
    conforming = conforming_types(dict(ranked), bundle.set_thresholds)
    doubts = _doubts(best, conforming, resembles=_resembles(known, bundle))
    return Reading(
        box=box,
        decision=Decision.UNIDENTIFIED if doubts else Decision.NAMED,
        cell_type=None if doubts else best,
        confidence=confidence,
        probabilities=dict(zip(bundle.classes, map(float, probabilities), strict=True)),
        prediction_set=_shown_set(conforming, ranked, bundle.coverage),
        doubts=doubts,
        known=known,
    )


def _doubts(
    best: CellType, conforming: tuple[CellType, ...], *, resembles: bool
) -> tuple[Doubt, ...]:
    """Give what speaks against naming a cell after its most probable type; nothing if it may be."""
    doubts = []
    if best is CellType.OTHER:
        doubts.append(Doubt.OTHER)
    elif not conforming:
        doubts.append(Doubt.NONE)
    elif conforming != (best,):
        doubts.append(Doubt.SEVERAL)
    if not resembles:
        doubts.append(Doubt.UNFAMILIAR)
    return tuple(doubts)


def _resembles(known: float | None, bundle: Bundle) -> bool:
    """Tell whether nothing speaks against the cell being one of those that were learnt."""
    return known is None or bundle.known_threshold is None or known >= bundle.known_threshold


def _shown_set(
    conforming: tuple[CellType, ...], ranked: Sequence[tuple[CellType, float]], coverage: float
) -> tuple[CellType, ...]:
    """Give the conforming types, and the most probable one where it is not among them."""
    best = ranked[0][0]
    if best is CellType.OTHER:
        return (CellType.OTHER,)
    if not conforming:
        return _likeliest(ranked, coverage)
    return conforming if best in conforming else (best, *conforming)


def _likeliest(ranked: Sequence[tuple[CellType, float]], coverage: float) -> tuple[CellType, ...]:
    """Where no type conforms, give the likeliest two or more that reach the coverage together."""
    total = 0.0
    likeliest: list[CellType] = []
    for kind, probability in ranked:
        if total >= coverage and len(likeliest) > 1:
            break
        likeliest.append(kind)
        total += probability
    return tuple(likeliest)
