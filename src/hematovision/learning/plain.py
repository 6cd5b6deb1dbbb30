"""The recipe that most people use for this data, and what its score is worth.

The whole picture at 224x224, MobileNetV2 with ImageNet's weights frozen, global average pooling and
a softmax; Adam, categorical cross-entropy, five epochs, a fifth of TRAIN held out by chance.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hematovision.cells import CellType
from hematovision.learning import Track
from hematovision.learning.datasets import BCCD_TYPES, DataMissingError, load_picture
from hematovision.learning.network import build_backbone

SIZE = 224
EPOCHS = 5
BATCH = 32
HELD_SHARE = 0.2
TYPES = tuple(BCCD_TYPES.values())
AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Described:
    """Pictures as the frozen backbone describes them, beside their types.

    Attributes:
        features: Shape (N, 1280), float32, averaged over the picture.
        labels: Shape (N, 4), float32, one-hot in the order of `TYPES`.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.float32]

    def __len__(self) -> int:
        """Pictures described."""
        return len(self.labels)

    def only(self, chosen: NDArray[np.intp]) -> "Described":
        """Give some of them, by index."""
        return Described(self.features[chosen], self.labels[chosen])


def leaky_and_honest(
    data: Path,
    *,
    backbone_weights: str | Path,
    seed: int,
    track: Track,
    limit: int | None = None,
) -> dict[str, Any]:
    """Train the plain recipe once and score it twice: on copies of what it learnt, and on TEST.

    Args:
        data: The folder of the sets.
        backbone_weights: `imagenet`, or the path of a `.weights.h5`.
        seed: Of the split, of the head's weights and of the order of learning.
        track: Shows how far it is.
        limit: Pictures of each type to take from TRAIN and from TEST; all when left out.

    Returns:
        `random_split` and `photo_split`, shares that are right, and a `note` that says of what.

    Raises:
        DataMissingError: If the set is not there.
    """
    describer = build_describer(backbone_weights)
    train, test = (
        describe(
            track(whole_pictures(data, part, limit=limit, seed=seed), f"plain recipe, {part}"),
            describer,
        )
        for part in ("TRAIN", "TEST")
    )
    learnt, held = split_by_chance(train, seed=seed)
    head = fit_plain(learnt, held, seed=seed)[0]
    return {
        "random_split": round(share_right(head, held), 4),
        "photo_split": round(share_right(head, test), 4),
        "note": (
            f"One network of the plain recipe ({SIZE}x{SIZE}, frozen MobileNetV2, {EPOCHS} epochs, "
            f"learnt from {len(learnt)} pictures of TRAIN), scored on the {len(held)} pictures of "
            f"TRAIN that were held out by chance, copies of the same photos, and on {len(test)} "
            "pictures of TEST, which shares no photo with TRAIN."
        ),
    }


def whole_pictures(
    data: Path, part: str, *, limit: int | None = None, seed: int = 0
) -> list[tuple[Path, CellType]]:
    """List the pictures of one part of the Kaggle set with their types.

    Args:
        data: The folder of the sets.
        part: `TRAIN`, `TEST` or `TEST_SIMPLE`.
        limit: Of each type draw as many by chance; all when left out.
        seed: Of the draw.

    Raises:
        DataMissingError: If the set is not there.
    """
    folder = data / "kaggle" / part
    generator = np.random.default_rng(seed)
    pictures = []
    for name, kind in BCCD_TYPES.items():
        paths = sorted((folder / name).glob("*.jpeg"))
        if limit is not None and limit < len(paths):
            paths = [paths[i] for i in sorted(generator.permutation(len(paths))[:limit])]
        pictures += [(path, kind) for path in paths]
    if not pictures:
        raise DataMissingError(f"{folder} is missing; docs/data.md says where to get the set.")
    return pictures


def build_describer(weights: str | Path | None) -> keras.Model:
    """Build the part of the plain recipe that never learns: the frozen backbone, averaged.

    Args:
        weights: See `network.build_backbone`.

    Returns:
        A model from (N, 224, 224, 3), 0-255, to (N, 1280).
    """
    backbone = build_backbone(weights, size=SIZE)
    pooled = keras.layers.GlobalAveragePooling2D(name="pooler")(backbone.output)
    return keras.Model(backbone.inputs[0], pooled, name="describer")


def describe(pictures: Iterable[tuple[Path, CellType]], describer: keras.Model) -> Described:
    """Press whole pictures into squares and let the frozen backbone describe them.

    As nothing in front of the head learns and no picture is changed, once is enough.

    Args:
        pictures: From `whole_pictures`.
        describer: From `build_describer`.
    """
    features, kinds = [], []
    for some in _batches(pictures):
        squares = np.stack([squeezed(path) for path, _ in some])
        features.append(describer.predict_on_batch(squares))
        kinds += [TYPES.index(kind) for _, kind in some]
    return Described(np.concatenate(features), np.eye(len(TYPES), dtype=np.float32)[kinds])


def _batches(
    pictures: Iterable[tuple[Path, CellType]],
) -> Iterator[list[tuple[Path, CellType]]]:
    """Hand pictures over a batch at a time."""
    waiting = iter(pictures)
    while some := list(islice(waiting, AT_ONCE)):
        yield some


def squeezed(path: Path) -> NDArray[np.float32]:
    """Decode a picture and press it into a square, whatever its shape.

    Returns:
        Shape (224, 224, 3), RGB, float32, 0-255.
    """
    picture = Image.fromarray(load_picture(path))
    return np.asarray(picture.resize((SIZE, SIZE), Image.Resampling.BILINEAR), np.float32)


def split_by_chance(described: Described, *, seed: int) -> tuple[Described, Described]:
    """Hold a fifth out by chance, blind to which pictures are copies of one photo.

    Returns:
        What is learnt from, and what is held out.
    """
    learnt, held = places_by_chance(len(described), seed=seed)
    return described.only(learnt), described.only(held)


def places_by_chance(number: int, *, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Say of so many pictures which are learnt from, and which fifth is held out.

    Returns:
        Their places in the list, each of shape (N,).
    """
    order = np.random.default_rng(seed).permutation(number)
    held = round(HELD_SHARE * number)
    return order[held:], order[:held]


def fit_plain(
    learnt: Described, held: Described, *, seed: int, epochs: int = EPOCHS
) -> tuple[keras.Model, dict[str, list[float]]]:
    """Teach the softmax on top of the frozen backbone.

    Args:
        learnt: To learn from.
        held: To watch; nothing is chosen by it.
        seed: Of the weights and of the order.
        epochs: How often everything is learnt from.

    Returns:
        A model from features (N, 1280) to probabilities (N, 4), and Keras's history by epoch.
    """
    keras.utils.set_random_seed(seed)
    features = keras.Input(learnt.features.shape[1:], name="features")
    predictions = keras.layers.Dense(len(TYPES), activation="softmax", name="predictions")(features)
    head = keras.Model(features, predictions)
    head.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    history = head.fit(
        learnt.features,
        learnt.labels,
        validation_data=(held.features, held.labels),
        batch_size=BATCH,
        epochs=epochs,
        verbose=0,
    )
    return head, history.history


def share_right(head: keras.Model, described: Described) -> float:
    """Say how many pictures are named right, 0 to 1."""
    said = keras.ops.convert_to_numpy(head(described.features)).argmax(axis=1)
    return float((said == described.labels.argmax(axis=1)).mean())
