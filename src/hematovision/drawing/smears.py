"""Fields of a smear, drawn: red cells, platelets and the white cells that are asked for."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from hematovision.cells import Box, RgbImage
from hematovision.drawing.cells import RED, Drawn, draw_platelet, draw_red, draw_white
from hematovision.drawing.shapes import Dye, texture

WIDTH, HEIGHT = 960, 720
WORDS = "DRAWN, not a photo"
"""Stands in a corner of every picture."""

GLASS = (247, 234, 226)
MOST_RED = 62
PLATELETS = (3, 8)
EACH = 8
"""White cells a field of a film."""

TRIES = 400
APART = 1.08
"""White cells are so many times their radii from one another."""

CORNER = (250, 44)
"""Width and height of the place of the words, pixels."""

QUALITY = 88


@dataclass(frozen=True, slots=True)
class DrawnCell:
    """A white cell of a drawn field.

    Attributes:
        box: Where it lies.
        label: The code of what it was drawn as.
    """

    box: Box
    label: str


@dataclass(frozen=True, slots=True)
class Smear:
    """A drawn field.

    Attributes:
        picture: A JPEG that says in its corner that it is drawn.
        cells: The white cells in it.
    """

    picture: bytes
    cells: tuple[DrawnCell, ...]


def draw_film(mix: Mapping[str, float], *, fields: int, seed: int) -> list[Smear]:
    """Draw fields of one film.

    Args:
        mix: The share of each kind among its white cells, by the code of its label; sums to one.
        fields: How many.
        seed: The source of chance; the same film for the same seed.
    """
    generator = np.random.default_rng(seed)
    kinds = generator.choice(list(mix), (fields, EACH), p=list(mix.values())).tolist()
    seeds = generator.integers(0, 2**32, fields).tolist()
    return [draw_smear(some, seed=one) for some, one in zip(kinds, seeds, strict=True)]


def draw_portraits(kinds: Sequence[str], *, seed: int) -> list[bytes]:
    """Draw a cell of each kind with what lies around it; give them as JPEGs of their own.

    Args:
        kinds: The codes of their labels, a dozen at the most.
        seed: The source of chance.
    """
    smear = draw_smear(kinds, seed=seed)
    with Image.open(io.BytesIO(smear.picture)) as picture:
        return [_jpeg(picture.crop(_around(cell.box))) for cell in smear.cells]


def _around(box: Box) -> tuple[int, int, int, int]:
    """Give a square around a cell, with a little room."""
    reach = round(max(box.width, box.height) * 0.65)
    x, y = (box.xmin + box.xmax) // 2, (box.ymin + box.ymax) // 2
    return x - reach, y - reach, x + reach, y + reach


def draw_smear(kinds: Sequence[str], *, seed: int) -> Smear:
    """Draw a field.

    Args:
        kinds: The codes of the labels of its white cells, a dozen at the most.
        seed: The source of chance; the same field for the same seed.
    """
    generator = np.random.default_rng(seed)
    dye = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    white = [(kind, draw_white(kind, generator)) for kind in kinds]
    spots = _find_room(generator, [cell.radius for _, cell in white])
    _lay_red(generator, dye, spots)
    cells = []
    for (kind, cell), spot in zip(white, spots, strict=True):
        _lay(dye, cell, spot[:2])
        cells.append(DrawnCell(_box(spot), kind))
    pixels = _expose(generator, dye)
    return Smear(_write(pixels), tuple(cells))


Spot = tuple[float, float, float]
"""x and y of the middle of a cell, and its radius, in pixels."""


def _find_room(generator: np.random.Generator, radii: Sequence[float]) -> list[Spot]:
    """Find a place for each white cell, wholly in the picture and apart from the others."""
    spots: list[Spot] = []
    for radius in radii:
        spots += [next(spot for spot in _try_places(generator, radius) if _is_free(spot, spots))]
    return spots


def _try_places(generator: np.random.Generator, radius: float) -> Iterator[Spot]:
    edge = radius * 1.15
    while True:
        yield (
            generator.uniform(edge, WIDTH - edge),
            generator.uniform(edge, HEIGHT - edge - CORNER[1]),
            radius,
        )


def _is_free(spot: Spot, others: Sequence[Spot]) -> bool:
    return all(
        np.hypot(spot[0] - x, spot[1] - y) > APART * (spot[2] + radius) for x, y, radius in others
    )


def _lay_red(generator: np.random.Generator, dye: Dye, spots: Sequence[Spot]) -> None:
    """Lay red cells and platelets beside white cells; a few lie on one another."""
    taken = list(spots)
    for _ in range(TRIES):
        radius = RED * generator.normal(1, 0.05)
        spot = generator.uniform(-20, WIDTH + 20), generator.uniform(-20, HEIGHT + 20), radius
        near = 0.97 if generator.random() < 0.85 else 0.6
        if all(_gap(spot, other) > (near if other[2] < RED * 1.2 else 1.0) for other in taken):
            _lay(dye, draw_red(generator, radius), spot[:2], add=True)
            taken.append(spot)
        if len(taken) >= MOST_RED:
            break
    for _ in range(int(generator.integers(*PLATELETS))):
        cell = draw_platelet(generator)
        spot = generator.uniform(0, WIDTH), generator.uniform(0, HEIGHT), cell.radius
        if all(_gap(spot, other) > 1 for other in taken):
            _lay(dye, cell, spot[:2])


def _gap(one: Spot, other: Spot) -> float:
    """Give how far apart two cells are, as a multiple of both radii."""
    return float(np.hypot(one[0] - other[0], one[1] - other[1]) / (one[2] + other[2]))


def _lay(dye: Dye, cell: Drawn, middle: tuple[float, float], *, add: bool = False) -> None:
    """Lay a cell on the field: over what is there, or, as glass lets through, upon it."""
    side = len(cell.cover)
    left, top = (round(place - side / 2) for place in middle)
    rows = slice(max(top, 0), max(min(top + side, HEIGHT), 0))
    columns = slice(max(left, 0), max(min(left + side, WIDTH), 0))
    part = (
        slice(rows.start - top, rows.stop - top),
        slice(columns.start - left, columns.stop - left),
    )
    ground, cover = dye[rows, columns], cell.cover[part][..., None]
    ground += cell.dye[part] if add else (cell.dye[part] - ground) * cover


def _box(spot: Spot) -> Box:
    x, y, radius = spot
    return Box(*(round(side) for side in (x - radius, y - radius, x + radius, y + radius)))


def _expose(generator: np.random.Generator, dye: Dye) -> RgbImage:
    """Let light through: an uneven lamp, a lens that is not quite sharp, a camera with grain."""
    lamp = 1 + 0.02 * _stretched(texture(generator, 32, 16))
    light = np.asarray(GLASS, np.float32) * lamp[..., None] * np.exp(-dye)
    picture = Image.fromarray(np.clip(light, 0, 255).astype(np.uint8))
    sharp = np.asarray(picture.filter(ImageFilter.GaussianBlur(1.0)), np.float32)
    sharp = sharp + 2 * generator.standard_normal((HEIGHT, WIDTH, 1), np.float32)
    sharp += generator.standard_normal(sharp.shape, np.float32)
    return np.clip(sharp, 0, 255).astype(np.uint8)


def _stretched(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    image = Image.fromarray(plane).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    return np.asarray(image)


def _write(pixels: RgbImage) -> bytes:
    """Write the words into the corner, and the picture as a JPEG."""
    picture = Image.fromarray(pixels)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(22)
    place = (WIDTH - CORNER[0], HEIGHT - CORNER[1])
    pen.rectangle((*place, WIDTH, HEIGHT), fill="white")
    pen.text((place[0] + 16, place[1] + 8), WORDS, fill="black", font=font)
    return _jpeg(picture)


def _jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
