"""Blood cells, drawn: each kind with the nucleus, the cytoplasm and the granules it is known by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from hematovision.drawing.shapes import (
    Colour,
    Dye,
    Plane,
    Point,
    granules,
    inside_blob,
    inside_chain,
    places,
    soften,
    texture,
    tint,
)

RED = 38.0
"""Radius of a red cell in pixels; the sizes of all others are told by it."""

CHROMATIN = (92, 50, 138)
LACY = (112, 72, 152)
DENSE = (70, 36, 112)
PALE_PINK = (226, 198, 214)
LILAC_GRAINS = (176, 132, 178)
VIOLET = (196, 160, 200)
ORANGE = (222, 150, 148)
BRICK = (190, 98, 96)
DEEP_SKY = (128, 150, 206)
SKY = (150, 168, 214)
GREY_BLUE = (146, 152, 194)
GREY_PINK = (186, 160, 176)
VIOLET_BLACK = (58, 30, 92)
HAEMOGLOBIN = (206, 162, 154)
PLATELET = (176, 140, 190)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A cell on a patch of its own.

    Attributes:
        dye: Its optical density, shape (side, side, 3).
        cover: How much of each pixel it covers, 0-1, shape (side, side).
        radius: Of its outline, pixels.
    """

    dye: Dye
    cover: Plane
    radius: float


@dataclass(frozen=True, slots=True)
class Look:
    """What a kind of white cell is painted with.

    Attributes:
        size: Its radius, as a multiple of that of a red cell.
        cytoplasm: Its dye.
        nucleus: Draws how far each pixel lies inside the nucleus.
        chromatin: The dye of the nucleus.
        clumps: How much the chromatin varies.
        grains: How many there are, and their least and largest radius in pixels.
        grain_dye: Theirs.
        over_nucleus: How much of the grains shows over the nucleus, 0-1.
        waviness: How uneven the outline is.
    """

    size: tuple[float, float]
    cytoplasm: Colour
    nucleus: Callable[[np.random.Generator, int, float], Plane]
    chromatin: Colour = CHROMATIN
    clumps: float = 0.13
    grains: tuple[int, tuple[float, float]] = (0, (1, 2))
    grain_dye: Colour = LILAC_GRAINS
    over_nucleus: float = 0.0
    waviness: float = 0.06


def draw_white(kind: str, generator: np.random.Generator) -> Drawn:
    """Draw a white cell.

    Args:
        kind: The code of a label that has a look.
        generator: The source of chance.
    """
    look = LOOKS[kind]
    radius = RED * generator.uniform(*look.size)
    reach = round(radius * 1.3) + 3
    body = inside_blob(generator, reach, radius, look.waviness)
    cover = soften(body, 2.2)
    nucleus = soften(np.minimum(look.nucleus(generator, reach, radius), body - 1.5), 2.0)
    shown = 1 - (1 - look.over_nucleus) * nucleus
    number, sizes = look.grains
    grains = granules(generator, cover * ((cover > 0.9) & (shown > 0.3)), number, sizes)
    dye = _cytoplasm(generator, look, body)
    chromatin = tint(look.chromatin) * _chromatin(generator, look, nucleus)[..., None]
    dye += (chromatin - dye) * nucleus[..., None]
    dye += (tint(look.grain_dye) - dye) * (grains * shown)[..., None]
    return Drawn(dye, cover, radius)


def _cytoplasm(generator: np.random.Generator, look: Look, body: Plane) -> Dye:
    """Paint the cell without its nucleus; its rim is a little darker."""
    cloudy = 1 + 0.08 * texture(generator, len(body), 7) + 0.07 * texture(generator, len(body), 2.5)
    rim: Plane = 1 + np.float32(0.3) * np.exp(-np.maximum(body, 0) / 3)
    return tint(look.cytoplasm) * (cloudy * rim)[..., None]


def _chromatin(generator: np.random.Generator, look: Look, nucleus: Plane) -> Plane:
    """Say how dense the chromatin is: clumps, threads and a dark border."""
    side = len(nucleus)
    clumps = look.clumps * texture(generator, side, 7) + 0.6 * look.clumps * texture(
        generator, side, 3
    )
    border = 0.12 * (1 - np.abs(2 * nucleus - 1))
    return np.maximum(1 + clumps + border, 0.35)


def draw_red(generator: np.random.Generator, radius: float) -> Drawn:
    """Draw a red cell, thin in the middle."""
    reach = round(radius * 1.35) + 3
    body = inside_blob(generator, reach, radius, 0.05)
    middle = (generator.normal(0, 0.05) * radius, generator.normal(0, 0.05) * radius)
    x, y = places(reach)
    out = np.hypot(x - middle[0], y - middle[1]) / radius
    pallor = generator.uniform(0.45, 0.8) * np.exp(-((out / generator.uniform(0.36, 0.5)) ** 2))
    thickness = soften(body, 3.0) * (1 - pallor) * generator.normal(1, 0.06)
    return Drawn(tint(HAEMOGLOBIN) * thickness[..., None], soften(body, 3.0), radius)


def draw_platelet(generator: np.random.Generator) -> Drawn:
    """Draw a platelet: small, with a violet middle."""
    radius = RED * generator.uniform(0.2, 0.34)
    reach = round(radius * 1.5) + 3
    body = inside_blob(generator, reach, radius, 0.25)
    cover = soften(body, 3.0)
    grains = granules(generator, cover, 14, (1.0, 2.0))
    dye = tint(PLATELET) * (1 + 1.1 * grains)[..., None]
    return Drawn(dye, cover, radius)


def _lobes(generator: np.random.Generator, reach: int, radius: float, number: int) -> Plane:
    """Draw a nucleus of lobes along a bow."""
    start, turn = generator.uniform(0, 2 * np.pi), generator.choice([-1, 1])
    step = generator.uniform(1.15, 1.45) if number > 2 else generator.uniform(1.8, 2.3)
    size = {2: 0.4, 3: 0.33, 4: 0.29, 5: 0.26}[number]
    points: list[Point] = []
    for lobe in range(number):
        far = radius * generator.uniform(0.4, 0.52)
        points.append(_round_about(start + turn * step * lobe, far))
    radii = [radius * size * generator.uniform(0.88, 1.12) for _ in points]
    return inside_chain(reach, points, radii, radius * 0.07)


def _segments(generator: np.random.Generator, reach: int, radius: float) -> Plane:
    """Draw the nucleus of a neutrophil: three or four lobes, seldom five."""
    return _lobes(generator, reach, radius, int(generator.choice([3, 4, 5], p=[0.5, 0.4, 0.1])))


def _spectacles(generator: np.random.Generator, reach: int, radius: float) -> Plane:
    """Draw the nucleus of an eosinophil: two lobes."""
    return _lobes(generator, reach, radius, 2)


def _sausage(generator: np.random.Generator, reach: int, radius: float) -> Plane:
    """Draw the nucleus of a band: a bow without lobes."""
    return _bow(generator, reach, radius, span=3.0, width=0.24, far=0.46)


def _bean(generator: np.random.Generator, reach: int, radius: float) -> Plane:
    """Draw the nucleus of a monocyte: large, bent in on one side or folded."""
    if generator.random() < 0.4:
        span = generator.uniform(2.4, 3.3)
        return _bow(generator, reach, radius, span=span, width=0.36, far=0.42)
    start = generator.uniform(0, 2 * np.pi)
    points = [_round_about(start + turn, 0.34 * radius) for turn in (0.0, 2.0, 4.0)]
    radii = [radius * generator.uniform(0.38, 0.46) for _ in points]
    return inside_chain(reach, points, radii, radius * 0.25)


def _bow(
    generator: np.random.Generator,
    reach: int,
    radius: float,
    *,
    span: float,
    width: float,
    far: float,
) -> Plane:
    """Draw a thick bow around the middle."""
    start = generator.uniform(0, 2 * np.pi)
    angles = np.linspace(start, start + span, 6)
    points = [_round_about(angle, radius * far) for angle in angles]
    radii = [radius * width * generator.uniform(0.9, 1.1) for _ in points]
    return inside_chain(reach, points, radii, radius * width * 0.9)


def _round_about(angle: float, far: float) -> Point:
    """Give the point at an angle, so far from the middle."""
    return far * float(np.cos(angle)), far * float(np.sin(angle))


def _round(generator: np.random.Generator, reach: int, radius: float) -> Plane:
    """Draw the nucleus of a lymphocyte: round, and almost as large as the cell."""
    aside = radius * 0.1
    centre = (generator.normal(0, 0.5) * aside, generator.normal(0, 0.5) * aside)
    return inside_blob(generator, reach, radius * generator.uniform(0.86, 0.93), 0.06, centre)


def _folded(generator: np.random.Generator, reach: int, radius: float) -> Plane:
    """Draw the nucleus of an atypical lymphocyte: aside, and bent in."""
    angle = generator.uniform(0, 2 * np.pi)
    return inside_blob(generator, reach, radius * 0.6, 0.12, _round_about(angle, 0.2 * radius))


def _small_round(generator: np.random.Generator, reach: int, radius: float) -> Plane:
    """Draw the nucleus of an erythroblast: round, small and dense."""
    return inside_blob(generator, reach, radius * 0.58, 0.05)


NEUTROPHIL = Look((1.45, 1.7), PALE_PINK, _segments, DENSE, grains=(260, (0.7, 1.5)))
LOOKS: Mapping[str, Look] = {
    "neutrophil": NEUTROPHIL,
    "band": replace(NEUTROPHIL, nucleus=_sausage),
    "eosinophil": Look(
        (1.4, 1.6), ORANGE, _spectacles, clumps=0.12, grains=(420, (1.6, 2.8)), grain_dye=BRICK
    ),
    "basophil": Look(
        (1.25, 1.45),
        VIOLET,
        _spectacles,
        grains=(330, (1.8, 3.6)),
        grain_dye=VIOLET_BLACK,
        over_nucleus=0.85,
    ),
    "lymphocyte": Look((1.08, 1.28), SKY, _round, DENSE, clumps=0.1),
    "atypical_lymphocyte": Look((1.45, 1.75), DEEP_SKY, _folded, LACY, clumps=0.09, waviness=0.13),
    "monocyte": Look(
        (1.6, 1.9), GREY_BLUE, _bean, LACY, clumps=0.07, grains=(160, (0.6, 1.1)), waviness=0.09
    ),
    "erythroblast": Look((1.0, 1.15), GREY_PINK, _small_round, VIOLET_BLACK, clumps=0.15),
}
"""Every kind of cell with a nucleus that can be drawn, by the code of its label."""
