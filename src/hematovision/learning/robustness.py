"""What is left of accuracy when the photo gets worse: focus, noise, light, colour, turn, size."""

import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from hematovision.cells import CellReader, CellType, Decision, Reading, RgbImage
from hematovision.learning.datasets import Cell, load_picture

SEED = 7
CELLS_A_TYPE = 8
"""How many cells of each type are taken from a set that has a cell to a picture."""

MATURE = tuple(kind for kind in CellType if kind is not CellType.OTHER)

Point: TypeAlias = tuple[float, float]
"""Columns from the left and rows from the top, in pixels."""


def _stay(point: Point, photo: RgbImage, amount: float) -> Point:
    """Leave a point where it is."""
    return point


@dataclass(frozen=True, slots=True)
class Perturbation:
    """One way in which a photo gets worse.

    Attributes:
        unit: What an amount counts.
        unchanged: The amount at which nothing is changed.
        amounts: Those to measure.
        change: Gives the photo that was changed so much; the generator is the source of noise.
        move: Gives the place of a point in the changed photo.
    """

    unit: str
    unchanged: float
    amounts: tuple[float, ...]
    change: Callable[[RgbImage, float, np.random.Generator], RgbImage]
    move: Callable[[Point, RgbImage, float], Point] = _stay


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What was said of one cell: whether its forced name is right, and whether it was refused."""

    truth: CellType
    right: bool
    refused: bool


def robustness_cells(cells: Iterable[Cell]) -> list[Cell]:
    """Choose the cells to measure on; no test cell is among them.

    Args:
        cells: Labelled ones of any split.

    Returns:
        The validation cells of the five mature types: all that lie in photos, and the first
        `CELLS_A_TYPE` of each type of those that are the middle of their pictures.
    """
    chosen: list[Cell] = []
    for cell in sorted(cells, key=lambda cell: cell.path):
        if cell.split != "val" or cell.cell_type not in MATURE:
            continue
        alike = sum(one.centred and one.cell_type is cell.cell_type for one in chosen)
        if not cell.centred or alike < CELLS_A_TYPE:
            chosen.append(cell)
    return chosen


def measure_robustness(
    reader: CellReader,
    cells: Sequence[Cell],
    *,
    track: Callable[[Iterable[Any], str], Iterable[Any]],
) -> dict[str, dict[str, Any]]:
    """Read the photos of cells as they are and changed by every amount of every perturbation.

    Of each photo counts the largest located cell that covers the middle of the labelled one, its
    name forced to the best of the five mature types. If there is none, the answer is wrong and
    counts as refused.

    Args:
        reader: The pipeline.
        cells: From `robustness_cells`.
        track: Wraps a list to show how far it is; the second argument says of what.

    Returns:
        By perturbation its `unit` and `points` in the order of their `amount`, each with
        `accuracy`, `balanced` accuracy and the `refused` share.
    """
    outcomes: dict[tuple[str, float], list[_Outcome]] = {
        (name, amount): [] for name, one in PERTURBATIONS.items() for amount in one.amounts
    }
    plain: list[_Outcome] = []
    for number, cell in enumerate(track(cells, "changed photos")):
        photo = load_picture(cell.path)
        middle = _middle(cell, photo)
        plain.append(_ask(reader, photo, middle, cell.cell_type))
        for (name, amount), told in outcomes.items():
            one = PERTURBATIONS[name]
            changed = one.change(photo, amount, np.random.default_rng([SEED, number]))
            place = one.move(middle, photo, amount)
            told.append(_ask(reader, changed, place, cell.cell_type))
    return {
        name: {
            "unit": one.unit,
            "points": [
                {"amount": amount} | _score(outcomes.get((name, amount), plain))
                for amount in sorted({one.unchanged, *one.amounts})
            ],
        }
        for name, one in PERTURBATIONS.items()
    }


def _middle(cell: Cell, photo: RgbImage) -> Point:
    """Give the middle of the labelled cell."""
    if cell.box:
        return (cell.box.xmin + cell.box.xmax) / 2, (cell.box.ymin + cell.box.ymax) / 2
    return photo.shape[1] / 2, photo.shape[0] / 2


def _ask(reader: CellReader, photo: RgbImage, middle: Point, truth: CellType) -> _Outcome:
    """Read a photo and judge what is said of one of its cells."""
    x, y = (math.floor(side) for side in middle)
    covering = [reading for reading in reader.read(photo) if reading.box.holds(x, y)]
    if not covering:
        return _Outcome(truth, right=False, refused=True)
    largest = max(covering, key=lambda reading: reading.box.area)
    return _Outcome(
        truth, _forced(largest) is truth, refused=largest.decision is Decision.UNIDENTIFIED
    )


def _forced(reading: Reading) -> CellType:
    """Force the name to the best of the mature types."""
    return max(MATURE, key=lambda kind: reading.probabilities.get(kind, 0.0))


def _score(outcomes: Sequence[_Outcome]) -> dict[str, float]:
    """Put numbers to outcomes."""
    truths = {one.truth for one in outcomes}
    recalls = [np.mean([one.right for one in outcomes if one.truth is kind]) for kind in truths]
    return {
        "accuracy": round(float(np.mean([one.right for one in outcomes])), 4),
        "balanced": round(float(np.mean(recalls)), 4),
        "refused": round(float(np.mean([one.refused for one in outcomes])), 4),
    }


def defocus(photo: RgbImage, sigma: float, _: np.random.Generator) -> RgbImage:
    """Blur by a Gaussian of this standard deviation, in pixels of the photo."""
    return np.asarray(Image.fromarray(photo).filter(ImageFilter.GaussianBlur(sigma)))


def add_noise(photo: RgbImage, sigma: float, generator: np.random.Generator) -> RgbImage:
    """Add normal noise of this standard deviation, in grey levels, to every channel."""
    return _clipped(photo + generator.normal(0, sigma, photo.shape))


def compress(photo: RgbImage, quality: float, _: np.random.Generator) -> RgbImage:
    """Save as JPEG of this quality and open again."""
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", quality=round(quality))
    return np.asarray(Image.open(buffer).convert("RGB"))


def brighten(photo: RgbImage, gain: float, _: np.random.Generator) -> RgbImage:
    """Multiply every channel by this gain; what is too bright is white."""
    return _clipped(photo * np.float64(gain))


def shift_white(photo: RgbImage, shift: float, _: np.random.Generator) -> RgbImage:
    """Take this share more of red and less of blue; below zero, the other way round."""
    return _clipped(photo * np.asarray([1 + shift, 1.0, 1 - shift]))


def turn(photo: RgbImage, degrees: float, _: np.random.Generator) -> RgbImage:
    """Turn the whole photo against the clock; mirrored photo fills the corners."""
    width, height = _turned_size(photo, degrees)
    reach = math.hypot(width, height)
    aside, above = (math.ceil((reach - side) / 2) for side in (photo.shape[1], photo.shape[0]))
    wide = np.pad(photo, ((above, above), (aside, aside), (0, 0)), mode="reflect")
    turned = Image.fromarray(wide).rotate(degrees, Image.Resampling.BICUBIC)
    left, top = (turned.width - width) // 2, (turned.height - height) // 2
    return np.asarray(turned.crop((left, top, left + width, top + height)))


def turn_point(point: Point, photo: RgbImage, degrees: float) -> Point:
    """Say where `turn` puts a point of the photo."""
    right, down = point[0] - photo.shape[1] / 2, point[1] - photo.shape[0] / 2
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    width, height = _turned_size(photo, degrees)
    return width / 2 + right * cos + down * sin, height / 2 - right * sin + down * cos


def _turned_size(photo: RgbImage, degrees: float) -> tuple[int, int]:
    """Give the width and height that hold the whole turned photo, whose middle stays a middle."""
    cos, sin = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    height, width = photo.shape[:2]
    across, down = width * cos + height * sin, width * sin + height * cos
    return 2 * math.ceil(across / 2 - 1e-9), 2 * math.ceil(down / 2 - 1e-9)


def scale(photo: RgbImage, factor: float, _: np.random.Generator) -> RgbImage:
    """Resize the whole photo by this factor."""
    size = (round(photo.shape[1] * factor), round(photo.shape[0] * factor))
    return np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS))


def scale_point(point: Point, photo: RgbImage, factor: float) -> Point:
    """Say where `scale` puts a point of the photo."""
    return point[0] * factor, point[1] * factor


def _clipped(photo: NDArray[np.floating]) -> RgbImage:
    """Round to whole grey levels."""
    return np.asarray(np.clip(np.rint(photo), 0, 255), np.uint8)


PERTURBATIONS = {
    "defocus": Perturbation("standard deviation of a Gaussian, pixels", 0, (1, 2, 4, 8), defocus),
    "noise": Perturbation("standard deviation, grey levels", 0, (5, 10, 20, 40), add_noise),
    "jpeg": Perturbation("quality; 100: as published", 100, (5, 10, 25, 50), compress),
    "brightness": Perturbation("gain", 1, (0.5, 0.7, 1.2, 1.4), brighten),
    "white_balance": Perturbation(
        "share more of red and less of blue", 0, (-0.3, -0.15, 0.15, 0.3), shift_white
    ),
    "rotation": Perturbation("degrees", 0, (15, 45, 90, 180), turn, turn_point),
    "scale": Perturbation("times the size", 1, (0.5, 0.7, 1.4, 2), scale, scale_point),
}
