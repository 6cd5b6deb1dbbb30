"""Pictures without a white cell: which are learnt to be refused, and which are kept for the score.

Drawn kinds differ between the two. Photos are inverted in both, and fields of red cells are cut in
both, from photos of different splits; photographs of the world are in the score alone.
"""

from collections.abc import Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hematovision.cells import Box, RgbImage
from hematovision.learning.datasets import Photo, load_picture
from hematovision.learning.strangers import (
    EXPOSED,
    SCORED,
    Stranger,
    draw_strangers,
    invert,
)
from hematovision.vision.bundle import CropRule, LocatorRule
from hematovision.vision.classifying import crop_cells
from hematovision.vision.locating import Locator, locate_cells
from hematovision.vision.staining import DARKEST_GLASS, measure_glass

NUMBER = 40
"""Pictures of each kind."""

MOST_A_PICTURE = 4
"""Located crops of one picture, so that none outweighs the others."""

PHOTOGRAPHS = (
    ("sklearn", "datasets/images/china.jpg"),
    ("sklearn", "datasets/images/flower.jpg"),
    ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
)
DRAWINGS = (
    ("matplotlib", "mpl-data/sample_data/logo2.png"),
    ("matplotlib", "mpl-data/sample_data/Minduka_Present_Blue_Pack.png"),
)
FIELD_SIDES = (0.3, 0.7)
TRIES = 30
CLEARANCE = 4
"""Pixels between a field and the nearest white cell."""


def pictures_to_refuse(
    photos: Sequence[Photo], crops: Sequence[Path], *, split: str = "train", seed: int
) -> list[Stranger]:
    """Give what the score is fitted to refuse.

    Args:
        photos: With boxes.
        crops: Pictures of one cell of that split, to be inverted.
        split: Of the photos: `train` to fit, `val` to choose the threshold.
        seed: The source of chance.
    """
    generator = np.random.default_rng(seed)
    fields = _draw([p.path for p in photos if p.split == split], NUMBER, generator)
    cells = _draw(crops, NUMBER, generator)
    return [
        *draw_strangers(EXPOSED, number=NUMBER, seed=seed),
        *(Stranger("inverted", invert(load_picture(path))) for path in fields + cells),
        *fields_without_white(photos, split=split, number=2 * NUMBER, seed=seed),
    ]


def pictures_to_score(
    photos: Sequence[Photo], crops: Sequence[Path], *, seed: int
) -> list[Stranger]:
    """Give what known or not is scored on; no kind but the last two was learnt from.

    Args:
        photos: With boxes; those of `test` are used.
        crops: Test pictures of one cell, to be inverted.
        seed: The source of chance.
    """
    generator = np.random.default_rng(seed)
    inverted = _draw([p.path for p in photos if p.split == "test"], NUMBER, generator)
    inverted += _draw(crops, NUMBER, generator)
    return [
        *natural_pictures(seed=seed),
        *draw_strangers(SCORED, number=NUMBER, seed=seed),
        *(Stranger("inverted", invert(load_picture(path))) for path in inverted),
        *fields_without_white(photos, split="test", number=2 * NUMBER, seed=seed),
    ]


def stranger_crops(
    strangers: Sequence[Stranger],
    *,
    locator: Locator,
    look: LocatorRule,
    rule: CropRule,
    squares: int,
    seed: int,
) -> tuple[NDArray[np.uint8], list[str]]:
    """Cut out of strangers what the reader would take for cells, and squares at random places.

    Args:
        strangers: Pictures without a white cell.
        locator: The trained network.
        look: How it looks.
        rule: How a crop is made.
        squares: Squares cut out of each picture beside those that are located.
        seed: Of the places of the squares.

    Returns:
        Crops of shape (N, size, size, 3), RGB, uint8, and the kind of each.
    """
    generator = np.random.default_rng(seed)
    crops, kinds = [np.zeros((0, rule.size, rule.size, 3), np.uint8)], []
    for stranger in strangers:
        glass = measure_glass(stranger.picture)
        if glass.max() <= DARKEST_GLASS:
            continue
        boxes = [_random_box(stranger.picture, generator) for _ in range(squares)]
        boxes += locate_cells(stranger.picture, glass, locator=locator, rule=look)[:MOST_A_PICTURE]
        crops.append(crop_cells(stranger.picture, boxes, glass, rule))
        kinds += [stranger.kind] * len(boxes)
    return np.concatenate(crops), kinds


def _random_box(picture: RgbImage, generator: np.random.Generator) -> Box:
    """Draw a square place of a cell's usual size."""
    height, width = picture.shape[:2]
    side = round(min(height, width) * generator.uniform(0.25, 0.75))
    x, y = (int(generator.integers(0, length - side + 1)) for length in (width, height))
    return Box(x, y, x + side, y + side)


def natural_pictures(*, seed: int, number: int = NUMBER // 2) -> list[Stranger]:
    """Cut squares of several sizes out of the photographs that ship with installed packages.

    Args:
        seed: Of the places.
        number: Squares a photograph, beside the whole.
    """
    generator = np.random.default_rng(seed)
    drawings = [_open(files(package) / path) for package, path in DRAWINGS]
    photographs = [_open(files(package) / path) for package, path in PHOTOGRAPHS]
    cut = [_square(one, _place(one, generator)) for one in photographs for _ in range(number)]
    return [
        *(Stranger("photographs", picture) for picture in (*photographs, *cut)),
        *(Stranger("drawings", picture) for picture in drawings),
    ]


def fields_without_white(
    photos: Sequence[Photo], *, split: str, number: int, seed: int
) -> list[Stranger]:
    """Cut squares out of photos where there are red cells, or nothing, but no white cell.

    Args:
        photos: With boxes. Those without a white one are left out: theirs may be missing.
        split: Of the photos.
        number: Squares to cut at the most, one a photo.
        seed: Of the photos and the places.
    """
    generator = np.random.default_rng(seed)
    boxed = [photo for photo in photos if photo.split == split and photo.white]
    fields: list[Stranger] = []
    for i in generator.permutation(len(boxed)):
        picture = load_picture(boxed[i].path)
        places = (_place(picture, generator) for _ in range(TRIES))
        free = next((p for p in places if not _touches(p, boxed[i].white)), None)
        if free and len(fields) < number:
            fields.append(Stranger("red cells only", _square(picture, free)))
    return fields


def _touches(place: Box, boxes: Sequence[Box]) -> bool:
    """Tell whether a place comes near a box."""
    wide = Box(
        place.xmin - CLEARANCE,
        place.ymin - CLEARANCE,
        place.xmax + CLEARANCE,
        place.ymax + CLEARANCE,
    )
    return any(wide.overlap(box) > 0 for box in boxes)


def _place(picture: RgbImage, generator: np.random.Generator) -> Box:
    """Draw a square place in a picture."""
    height, width = picture.shape[:2]
    side = round(min(height, width) * generator.uniform(*FIELD_SIDES))
    x, y = (int(generator.integers(0, length - side + 1)) for length in (width, height))
    return Box(x, y, x + side, y + side)


def _square(picture: RgbImage, place: Box) -> RgbImage:
    """Cut a place out."""
    cut: RgbImage = picture[place.ymin : place.ymax, place.xmin : place.xmax].copy()
    return cut


def _open(path: Traversable) -> RgbImage:
    """Open a picture of a package, as it is."""
    with path.open("rb") as file, Image.open(file) as picture:
        return np.asarray(picture.convert("RGB"))


def _draw(paths: Sequence[Path], number: int, generator: np.random.Generator) -> list[Path]:
    """Draw some paths."""
    return [paths[i] for i in generator.permutation(len(paths))[:number]]
