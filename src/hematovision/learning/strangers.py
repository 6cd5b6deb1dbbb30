"""Pictures that show no blood, drawn by code: some to learn to refuse, others to be scored on.

No kind stands in both tables, so a score says how refusal carries over to what was never seen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hematovision.cells import RgbImage

SIDE = 256
WORDS = ("blood", "Smear 12", "x100", "2024-05-17", "scale 10 um", "SAMPLE", "?!", "0123456789")
STAINS = ((96, 48, 140), (70, 30, 110), (150, 90, 170), (180, 110, 150), (60, 50, 120))
"""Colours that dye leaves on glass, RGB."""

Drawn = Callable[[np.random.Generator], RgbImage]
"""Draws one picture of shape (SIDE, SIDE, 3), RGB, uint8."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """A picture that shows no white cell.

    Attributes:
        kind: What it is.
        picture: Shape (height, width, 3), RGB, uint8.
    """

    kind: str
    picture: RgbImage


def draw_strangers(kinds: Mapping[str, Drawn], *, number: int, seed: int) -> list[Stranger]:
    """Draw pictures of every kind.

    Args:
        kinds: `EXPOSED` or `SCORED`.
        number: Pictures a kind.
        seed: The source of chance; the same pictures for the same seed.
    """
    generator = np.random.default_rng(seed)
    return [Stranger(kind, draw(generator)) for kind, draw in kinds.items() for _ in range(number)]


def invert(photo: RgbImage) -> RgbImage:
    """Give the negative of a photo."""
    return 255 - photo


def _any_colour(generator: np.random.Generator) -> NDArray[np.float32]:
    """Draw one colour, shape (3,), 0-255."""
    return generator.uniform(0, 255, 3).astype(np.float32)


def _blend(mask: NDArray[np.float32], generator: np.random.Generator) -> RgbImage:
    """Paint a map of 0-1, shape (SIDE, SIDE), between two colours."""
    one, other = _any_colour(generator), _any_colour(generator)
    picture: RgbImage = (one + mask[..., None] * (other - one)).astype(np.uint8)
    return picture


def _places() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give row and column of every pixel, 0-1."""
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE
    return rows, columns


def _canvas(colour: Sequence[float] | NDArray[np.floating]) -> RgbImage:
    """Fill a picture with one colour."""
    return np.full((SIDE, SIDE, 3), np.asarray(colour), np.uint8)


def _tuple(colour: Sequence[float] | NDArray[np.floating]) -> tuple[float, ...]:
    """Give a colour as OpenCV takes it."""
    return tuple(float(value) for value in colour)


def fractal(generator: np.random.Generator, *, channels: int = 3) -> NDArray[np.float32]:
    """Draw noise whose power falls with frequency, as in clouds.

    Returns:
        Shape (SIDE, SIDE, channels), 0-1.
    """
    steepness = generator.uniform(0.6, 1.8)
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
    frequency[0, 0] = 1
    shape = (channels, *frequency.shape)
    waves = generator.normal(size=shape) + 1j * generator.normal(size=shape)
    clouds = np.fft.irfft2(waves / frequency**steepness, (SIDE, SIDE)).transpose(1, 2, 0)
    clouds -= clouds.min(axis=(0, 1))
    scaled: NDArray[np.float32] = (clouds / clouds.max(axis=(0, 1))).astype(np.float32)
    return scaled


def draw_clouds(generator: np.random.Generator) -> RgbImage:
    """Draw coloured fractal noise."""
    return (255 * fractal(generator)).astype(np.uint8)


def draw_slope(generator: np.random.Generator) -> RgbImage:
    """Draw a slope between two colours, straight or round."""
    rows, columns = _places()
    y, x = generator.uniform(-1, 1, 2)
    straight, round_ = y * rows + x * columns, np.hypot(rows - abs(y), columns - abs(x))
    slope = straight if generator.random() < 0.5 else round_
    return _blend((slope - slope.min()) / np.ptp(slope), generator)


def draw_board(generator: np.random.Generator) -> RgbImage:
    """Draw a checkerboard."""
    fields = int(generator.integers(2, 20))
    rows, columns = _places()
    board = (np.floor(rows * fields) + np.floor(columns * fields)) % 2
    return _blend(board.astype(np.float32), generator)


def draw_leaves(generator: np.random.Generator) -> RgbImage:
    """Draw discs of any colour on one another (the dead leaves model)."""
    picture = _canvas(_any_colour(generator))
    for radius in generator.pareto(1.5, int(generator.integers(20, 200))) * 8 + 4:
        x, y = generator.integers(0, SIDE, 2)
        size = int(min(radius, SIDE / 3))
        cv2.circle(picture, (int(x), int(y)), size, _tuple(_any_colour(generator)), -1)
    return picture


def draw_shapes(generator: np.random.Generator) -> RgbImage:
    """Draw a few filled polygons on paper."""
    picture = _canvas(generator.uniform(200, 255, 3))
    for _ in range(generator.integers(1, 5)):
        corners = generator.integers(0, SIDE, (int(generator.integers(3, 6)), 1, 2))
        cv2.fillPoly(picture, [corners.astype(np.int32)], _tuple(_any_colour(generator)))
    return picture


def draw_text(generator: np.random.Generator) -> RgbImage:
    """Draw words on paper."""
    picture = _canvas(generator.uniform(180, 255, 3))
    ink = _tuple(generator.uniform(0, 120, 3))
    for _ in range(generator.integers(2, 9)):
        word = WORDS[generator.integers(len(WORDS))]
        x, y = generator.integers(0, SIDE, 2)
        size, width = generator.uniform(0.5, 3), int(generator.integers(1, 6))
        cv2.putText(
            picture, word, (int(x) // 2, int(y)), cv2.FONT_HERSHEY_SIMPLEX, size, ink, width
        )
    return picture


def draw_blots(generator: np.random.Generator) -> RgbImage:
    """Draw blots of dye on glass: lumps of ellipses with soft borders."""
    picture = _canvas(generator.uniform(215, 245, 3))
    for _ in range(generator.integers(1, 4)):
        middle, spread = generator.integers(40, SIDE - 40, 2), generator.uniform(8, 40)
        for _ in range(generator.integers(1, 12)):
            place = (middle + generator.normal(0, spread, 2)).astype(int)
            axes = generator.uniform(4, 45, 2).astype(int)
            angle = generator.uniform(0, 180)
            dye = np.asarray(STAINS[generator.integers(len(STAINS))]) + generator.normal(0, 15, 3)
            colour = _tuple(np.clip(dye, 0, 255))
            cv2.ellipse(picture, _pair(place), _pair(axes), angle, 0, 360, colour, -1)
    soft: RgbImage = cv2.GaussianBlur(picture, (0, 0), generator.uniform(0.5, 6))
    return _grainy(soft, generator)


def draw_rings(generator: np.random.Generator) -> RgbImage:
    """Draw pale discs with a paler middle, as red cells look, and no nucleus."""
    picture = _canvas(generator.uniform(215, 245, 3))
    colour = np.asarray((215, 160, 160)) + generator.normal(0, 20, 3)
    radius = int(generator.integers(12, 70))
    for _ in range(int(generator.integers(1, 4 + 3000 // radius**2))):
        place = _pair(generator.integers(0, SIDE, 2))
        cv2.circle(picture, place, radius, _tuple(np.clip(colour, 0, 255)), -1)
        cv2.circle(picture, place, radius // 3, _tuple(np.clip(colour + 25, 0, 255)), -1)
    soft: RgbImage = cv2.GaussianBlur(picture, (0, 0), generator.uniform(1, 5))
    return _grainy(soft, generator)


def draw_blank(generator: np.random.Generator) -> RgbImage:
    """Draw one colour with a little grain."""
    return _grainy(_canvas(_any_colour(generator)), generator)


def _pair(values: NDArray[np.int_]) -> tuple[int, int]:
    """Give two whole numbers as OpenCV takes them."""
    return int(values[0]), int(values[1])


def _grainy(picture: RgbImage, generator: np.random.Generator) -> RgbImage:
    """Add the noise of a camera."""
    grain = generator.normal(0, generator.uniform(0, 6), picture.shape)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


def draw_white_noise(generator: np.random.Generator) -> RgbImage:
    """Draw noise of every frequency, each pixel or each block of pixels by itself."""
    block = int(2 ** generator.integers(0, 5))
    coarse = generator.integers(0, 256, (SIDE // block, SIDE // block, 3)).astype(np.uint8)
    return np.kron(coarse, np.ones((block, block, 1), np.uint8))


def draw_salt_and_pepper(generator: np.random.Generator) -> RgbImage:
    """Draw black and white grains on one colour."""
    picture = _canvas(_any_colour(generator))
    chance = generator.random((SIDE, SIDE))
    share = generator.uniform(0.02, 0.3)
    picture[chance < share / 2], picture[chance > 1 - share / 2] = 0, 255
    return picture


def draw_waves(generator: np.random.Generator) -> RgbImage:
    """Draw two waves that cross, between two colours."""
    rows, columns = _places()
    waves = np.zeros_like(rows)
    for _ in range(2):
        y, x = generator.normal(0, 40, 2)
        waves += np.sin(y * rows + x * columns + generator.uniform(0, 6)) / 4
    return _blend(waves + 0.5, generator)


def draw_cracks(generator: np.random.Generator) -> RgbImage:
    """Draw a plane parted by nearest points, a colour each (Voronoi)."""
    number = int(generator.integers(5, 60))
    points, colours = generator.random((number, 2)), generator.integers(0, 256, (number, 3))
    rows, columns = _places()
    distance = (rows[..., None] - points[:, 0]) ** 2 + (columns[..., None] - points[:, 1]) ** 2
    picture: RgbImage = colours[distance.argmin(axis=2)].astype(np.uint8)
    return picture


def draw_smudge(generator: np.random.Generator) -> RgbImage:
    """Draw debris of dye on glass: clouds cut at a level, coloured by their depth."""
    depth = fractal(generator, channels=1)[..., 0]
    level = np.quantile(depth, generator.uniform(0.6, 0.95))
    amount = np.clip((depth - level) / (1 - level) * generator.uniform(1, 4), 0, 1)[..., None]
    dye = np.asarray(STAINS[generator.integers(len(STAINS))]) + generator.normal(0, 15, 3)
    glass = generator.uniform(215, 245, 3)
    return _grainy(np.clip(glass + amount * (dye - glass), 0, 255).astype(np.uint8), generator)


def draw_plain(generator: np.random.Generator) -> RgbImage:
    """Draw nothing: black, white, or one colour without grain."""
    choice = generator.integers(4)
    return _canvas(_any_colour(generator) if choice > 1 else (255.0 * choice,) * 3)


EXPOSED: dict[str, Drawn] = {
    "clouds": draw_clouds,
    "slope": draw_slope,
    "board": draw_board,
    "leaves": draw_leaves,
    "shapes": draw_shapes,
    "text": draw_text,
    "blots": draw_blots,
    "rings": draw_rings,
    "grainy blank": draw_blank,
}
"""What the score of *known* is fitted to refuse."""

SCORED: dict[str, Drawn] = {
    "noise": draw_white_noise,
    "salt and pepper": draw_salt_and_pepper,
    "waves": draw_waves,
    "cracks": draw_cracks,
    "smudge": draw_smudge,
    "blank": draw_plain,
}
"""What it is measured on."""
