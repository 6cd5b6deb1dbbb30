"""The network that finds cells, and how it learns from boxes.

One heat map a kind of cell and one box at every place, after Zhou et al., Objects as Points, 2019,
on MobileNetV2 up to 1/16 with a step back to 1/8.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from hematovision.cells import RgbImage
from hematovision.learning.augmentation import blur_and_compress, jitter_stain
from hematovision.learning.datasets import Photo, load_picture
from hematovision.learning.network import (
    build_backbone,
    falling_adamw,
    freeze_normalisation,
)
from hematovision.learning.samples import Samples
from hematovision.vision.locating import STRIDE
from hematovision.vision.staining import GLASS, balance_white, measure_glass

SIDE = 256
KINDS = 3
KIND_WEIGHTS = (1.0, 0.5, 0.25)
STAIN_STRENGTH = 1.3
DEEP_LAYER = "block_12_add"
FINE_LAYER = "block_6_expand_relu"
LEAST_IN_SIGHT = 0.3
LARGEST_MEMORY_SIDE = 640


def build_locator(weights: str | Path | None) -> keras.Model:
    """Build the network that finds cells.

    Returns:
        A model from (N, H, W, 3), 0-255, sides multiples of 32, to `heat` (N, H/8, W/8, 3), 0-1:
        white cells, red cells, platelets; and `boxes` (N, H/8, W/8, 4), see `vision.locating`.
    """
    backbone = build_backbone(weights)
    deep = _conv(backbone.get_layer(DEEP_LAYER).output, 96, "lateral_deep")
    fine = _conv(backbone.get_layer(FINE_LAYER).output, 96, "lateral_fine")
    merged = keras.layers.Add(name="merge")(
        [keras.layers.UpSampling2D(interpolation="nearest", name="step_back")(deep), fine]
    )
    for number in (1, 2):
        merged = keras.layers.SeparableConv2D(
            96, 3, padding="same", activation="relu", name=f"smooth_{number}"
        )(merged)
    heat = keras.layers.Conv2D(
        KINDS,
        1,
        activation="sigmoid",
        bias_initializer=keras.initializers.Constant(-4.0),
        name="heat",
    )(merged)
    boxes = keras.layers.Conv2D(4, 1, name="boxes")(merged)
    return keras.Model(backbone.inputs[0], {"heat": heat, "boxes": boxes}, name="locator")


def _conv(features: keras.KerasTensor, width: int, name: str) -> keras.KerasTensor:
    """Bring a map of features to a common width."""
    return keras.layers.Conv2D(width, 1, activation="relu", name=name)(features)


def heat_loss(truth: keras.KerasTensor, heat: keras.KerasTensor) -> keras.KerasTensor:
    """Penalty-reduced focal loss (Law and Deng, CornerNet, 2018), a number a picture.

    Each kind is averaged over its own cells: a white cell among twenty red ones counts in full.
    """
    heat = ops.clip(heat, 1e-4, 1 - 1e-4)
    peak = ops.cast(truth > 0.999, heat.dtype)
    hit = peak * (1 - heat) ** 2 * ops.log(heat)
    miss = (1 - peak) * (1 - truth) ** 4 * heat**2 * ops.log(1 - heat)
    cells = ops.maximum(ops.sum(peak, axis=(1, 2)), 1.0)
    by_kind = -ops.sum(hit + miss, axis=(1, 2)) / cells
    return ops.sum(by_kind * ops.convert_to_tensor(KIND_WEIGHTS, heat.dtype), axis=-1)


def box_loss(truth: keras.KerasTensor, boxes: keras.KerasTensor) -> keras.KerasTensor:
    """Weighted absolute error of the boxes; `truth` carries the weight as its fifth channel."""
    weight = truth[..., 4:]
    error = ops.sum(ops.abs(boxes - truth[..., :4]) * weight, axis=(1, 2, 3))
    return error / ops.maximum(ops.sum(weight, axis=(1, 2, 3)), 1.0)


Boxes = NDArray[np.float32]
"""Shape (N, 5): xmin, ymin, xmax, ymax in pixels, and the kind."""


def draw_truth(boxes: Boxes, side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw what the network should say of a view.

    Args:
        boxes: Shape (N, 5), in pixels of the view.
        side: Of the square view, in pixels.

    Returns:
        Heat of shape (side/8, side/8, 3) and boxes with weights of shape (side/8, side/8, 5).
    """
    cells = side // STRIDE
    heat = np.zeros((cells, cells, KINDS), np.float32)
    wanted = np.zeros((cells, cells, 5), np.float32)
    rows, columns = np.mgrid[:cells, :cells].astype(np.float32)
    for xmin, ymin, xmax, ymax, kind in boxes:
        x, y = (xmin + xmax) / 2 / STRIDE, (ymin + ymax) / 2 / STRIDE
        width, height = (xmax - xmin) / STRIDE, (ymax - ymin) / STRIDE
        column, row = min(int(x), cells - 1), min(int(y), cells - 1)
        spread_x, spread_y = max(width / 9, 0.4), max(height / 9, 0.4)
        bump = np.exp(-(((columns - column) / spread_x) ** 2 + ((rows - row) / spread_y) ** 2) / 2)
        heat[..., int(kind)] = np.maximum(heat[..., int(kind)], bump)
        weight = np.where(bump > 0.5, bump, 0) / max(1.0, float((bump > 0.5).sum()) ** 0.5)
        stronger = weight > wanted[..., 4]
        wanted[stronger] = np.stack(
            [
                x - columns - 0.5,
                y - rows - 0.5,
                np.full_like(columns, np.log(width)),
                np.full_like(columns, np.log(height)),
                weight,
            ],
            axis=-1,
        )[stronger]
    return heat, wanted


class LocatorSamples(Samples):
    """Views of photos with every box, changed anew each time, the same for the same seed."""

    def __init__(self, photos: Sequence[Photo], **frame: int) -> None:
        """Decode every photo once.

        Args:
            photos: With boxes.
            **frame: Of `Samples`.
        """
        super().__init__(**frame)
        self._photos = [_small_balanced(photo) for photo in photos]
        self._chances = _even_chances(photos)

    def __getitem__(self, step: int) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
        """Give views (N, 256, 256, 3), 0-255, and what the network should say of them."""
        generator = self.generator_of(step)
        views, heats, boxes = [], [], []
        for _ in range(self._batch):
            view, drawn = self._draw(generator)
            heat, wanted = draw_truth(drawn, SIDE)
            views.append(view)
            heats.append(heat)
            boxes.append(wanted)
        truth = {"heat": np.stack(heats), "boxes": np.stack(boxes)}
        return np.stack(views).astype(np.float32), truth

    def _draw(self, generator: np.random.Generator) -> tuple[RgbImage, Boxes]:
        """Draw one view: a part of a photo, a whole one, or four small ones."""
        if generator.random() < 0.3:
            view, boxes = self._mosaic(generator)
        else:
            view, boxes = _window(*self._pick(generator), SIDE, generator)
        view = jitter_stain(view, generator, strength=STAIN_STRENGTH)
        view = blur_and_compress(view, generator)
        return view, boxes

    def _pick(self, generator: np.random.Generator) -> tuple[RgbImage, Boxes]:
        """Pick a photo, turned by quarters and mirrored by chance."""
        photo, boxes = self._photos[generator.choice(len(self._photos), p=self._chances)]
        return _turn_quarters(photo, boxes, int(generator.integers(8)))

    def _mosaic(self, generator: np.random.Generator) -> tuple[RgbImage, Boxes]:
        """Lay four photos side by side, so that cells appear as small as in a wide field."""
        half = SIDE // 2
        canvas = np.empty((SIDE, SIDE, 3), np.uint8)
        boxes = []
        for x, y in ((0, 0), (half, 0), (0, half), (half, half)):
            tile, found = _window(*self._pick(generator), half, generator)
            canvas[y : y + half, x : x + half] = tile
            boxes.append(found + np.asarray([x, y, x, y, 0], np.float32))
        return canvas, np.concatenate(boxes)


def _even_chances(photos: Sequence[Photo]) -> NDArray[np.float64]:
    """Draw photos of a rare cell type more often than their number says, of a common one less."""
    kinds = [(photo.source, photo.label) for photo in photos]
    weights = np.asarray([kinds.count(kind) ** -0.5 for kind in kinds])
    chances: NDArray[np.float64] = weights / weights.sum()
    return chances


def _small_balanced(photo: Photo) -> tuple[RgbImage, Boxes]:
    """Decode a photo as the reader sees it, with its boxes."""
    picture = load_picture(photo.path)
    picture = balance_white(picture, measure_glass(picture))
    kinds = (photo.white, photo.red, photo.platelets)
    boxes = np.asarray(
        [[*box.as_list(), kind] for kind, some in enumerate(kinds) for box in some], np.float32
    ).reshape(-1, 5)
    scale = min(1.0, LARGEST_MEMORY_SIDE / max(picture.shape[:2]))
    if scale < 1:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        boxes[:, :4] *= scale
    return picture, boxes


def _turn_quarters(picture: RgbImage, boxes: Boxes, turn: int) -> tuple[RgbImage, Boxes]:
    """Give one of the eight ways to lay a picture."""
    boxes = boxes.copy()
    if turn & 1:
        picture = picture[:, ::-1]
        boxes[:, [0, 2]] = picture.shape[1] - boxes[:, [2, 0]]
    if turn & 2:
        picture = picture[::-1]
        boxes[:, [1, 3]] = picture.shape[0] - boxes[:, [3, 1]]
    if turn & 4:
        picture = picture.transpose(1, 0, 2)
        boxes = boxes[:, [1, 0, 3, 2, 4]]
    return picture, boxes


def _window(
    picture: RgbImage, boxes: Boxes, side: int, generator: np.random.Generator
) -> tuple[RgbImage, Boxes]:
    """Cut a square window by chance: the whole photo, a part of it, or one white cell tightly."""
    height, width = picture.shape[:2]
    white = boxes[boxes[:, 4] == 0]
    if len(white) and generator.random() < 0.2:
        xmin, ymin, xmax, ymax, _ = white[generator.integers(len(white))]
        span = max(xmax - xmin, ymax - ymin) * generator.uniform(1.0, 2.0)
        slack = 0.1 * span
        x = (xmin + xmax - span) / 2 + generator.uniform(-slack, slack)
        y = (ymin + ymax - span) / 2 + generator.uniform(-slack, slack)
    else:
        span = max(height, width) * np.exp(generator.uniform(np.log(0.5), np.log(1.8)))
        x = generator.uniform(min(0, width - span), max(0, width - span))
        y = generator.uniform(min(0, height - span), max(0, height - span))
    scale = side / span
    stretch = np.exp(generator.uniform(-0.1, 0.1))
    matrix = np.asarray(
        [[scale * stretch, 0, -x * scale], [0, scale / stretch, -y * scale]], np.float32
    )
    view = cv2.warpAffine(
        _shrunk(picture, scale),
        matrix @ np.diag([*_shrink_factors(picture, scale), 1]).astype(np.float32),
        (side, side),
        flags=cv2.INTER_LINEAR,
        borderValue=(round(GLASS),) * 3,
    )
    return view, _seen(boxes, matrix, side, (width, height))


def _shrink_factors(picture: RgbImage, scale: float) -> tuple[float, float]:
    """Say by what whole factor a picture is averaged before it is warped, against aliasing."""
    factor = max(1, int(1 / max(scale, 1e-3)))
    height, width = picture.shape[:2]
    return width / max(1, width // factor), height / max(1, height // factor)


def _shrunk(picture: RgbImage, scale: float) -> RgbImage:
    """Average a picture to the size that `_shrink_factors` says."""
    across, down = _shrink_factors(picture, scale)
    height, width = picture.shape[:2]
    if across == 1 and down == 1:
        return np.ascontiguousarray(picture)
    size = (round(width / across), round(height / down))
    small: RgbImage = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return small


def _seen(boxes: Boxes, matrix: NDArray[np.float32], side: int, photo: tuple[int, int]) -> Boxes:
    """Move boxes into the window, cut them at its border, drop those hardly seen."""
    moved = boxes.copy()
    moved[:, [0, 2]] = boxes[:, [0, 2]] * matrix[0, 0] + matrix[0, 2]
    moved[:, [1, 3]] = boxes[:, [1, 3]] * matrix[1, 1] + matrix[1, 2]
    area = np.prod(moved[:, 2:4] - moved[:, :2], axis=1)
    moved[:, :4] = np.clip(moved[:, :4], 0, side)
    sides = moved[:, 2:4] - moved[:, :2]
    seen = (np.prod(sides, axis=1) >= LEAST_IN_SIGHT * area) & (sides.min(axis=1) >= 4)
    kept: Boxes = moved[seen]
    return kept


def compile_locator(network: keras.Model, *, steps: int, rate: float = 1e-3) -> None:
    """Choose optimizer and losses; the learning rate falls to nothing over `steps` batches."""
    freeze_normalisation(network)
    network.compile(
        optimizer=falling_adamw(steps, rate),
        loss={"heat": heat_loss, "boxes": box_loss},
    )
