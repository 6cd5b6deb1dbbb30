"""A model's twin in whole numbers of 8 bits, as a model folder of its own."""

import logging
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from hematovision.cells import Box, RgbImage
from hematovision.learning import LearningError, Track, untracked
from hematovision.learning.datasets import (
    Cell,
    Photo,
    bccd_photos,
    load_named,
    pbc_cells,
    txl_photos,
)
from hematovision.learning.export import check_output, ship, write_bundle
from hematovision.learning.integers import find_steps, kept_in_bytes, write_integers
from hematovision.learning.rounding import MOST, round_convolutions, with_rounded
from hematovision.learning.slimming import Graph, fold_constants, slim_classifier
from hematovision.vision.bundle import (
    CLASSIFIER_FILE,
    KERAS_FILE,
    LOCATOR_FILE,
    Bundle,
)
from hematovision.vision.classifying import crop_cells, softmax
from hematovision.vision.locating import Locator, locate_cells
from hematovision.vision.reader import load_reader
from hematovision.vision.runtime import Network
from hematovision.vision.staining import measure_glass

KEPT_OF_CLASSIFIER = ("heat_of_views",)
KEPT_OF_LOCATOR = ("lateral_", "smooth_", "heat", "boxes")
"""Layers of `learning.locator` that stay in floating point: they say the logarithm of a size, and
are an eighth of its multiplications."""

ZOOMS = (1.2, 1.8)
"""Sides of close-ups, in sides of the cell's box."""

NUMBERS = {"bccd": 96, "txl": 48, "pbc": 96}
"""Photos of each set that are watched while rounding; more change nothing."""

NOT_OF_A_TWIN = {"crop", "locator", "files", "parity_largest_difference"}
MARK = "int8"

log = logging.getLogger(__name__)


class NoTwinError(LearningError):
    """A model has no twin in whole numbers; the message says why."""


@dataclass(slots=True)
class Watched:
    """What the two networks of a model look at, one picture at a time.

    Attributes:
        crops: Of cells, shape (1, size, size, 3), RGB, uint8 each.
        views: Of photos, shape (1, height, width, 3), RGB, uint8 each.
    """

    crops: list[NDArray[np.uint8]] = field(default_factory=list)
    views: list[NDArray[np.uint8]] = field(default_factory=list)


class Listening:
    """A locator that remembers what it looks at."""

    def __init__(self, locator: Locator, views: list[NDArray[np.uint8]]) -> None:
        """Stand before another locator."""
        self._locator, self._views = locator, views

    def __call__(self, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Remember, then ask the other."""
        self._views.append(pictures.copy())
        return self._locator(pictures)


def pictures_of(data: Path) -> dict[str, list[Path]]:
    """List pictures to watch and to compare on, by split; none of `test`, and none of JTSC.

    Args:
        data: The folder of the sets.

    Returns:
        Of `train` and of `val`, as many of each set as `NUMBERS` says, spread evenly.

    Raises:
        DataMissingError: If a set is not there.
    """
    sets: dict[str, Sequence[Photo | Cell]] = {
        "bccd": bccd_photos(data),
        "txl": txl_photos(data),
        "pbc": pbc_cells(data),
    }
    return {
        split: [
            path
            for name, some in sets.items()
            for path in _evenly([one.path for one in some if one.split == split], NUMBERS[name])
        ]
        for split in ("train", "val")
    }


def _evenly(paths: Sequence[Path], number: int) -> Sequence[Path]:
    """Take some, spread evenly."""
    return paths[:: max(1, -(-len(paths) // number))]


def watch_model(bundle: Bundle, photos: Iterable[RgbImage], *, closer: bool = False) -> Watched:
    """Let a model read photos, and keep what its networks look at: all views, the largest cell.

    Args:
        bundle: The model.
        photos: Shape (height, width, 3), RGB, uint8 each.
        closer: Whether the locator looks at the largest cell of each from near as well, as there
            are laboratories that send no more of it; these views come last.
    """
    watched, near = Watched(), Watched()
    network = Network(bundle.folder / LOCATOR_FILE)
    locator, from_near = (Listening(network, one.views) for one in (watched, near))
    for number, photo in enumerate(photos):
        glass = measure_glass(photo)
        found = locate_cells(photo, glass, locator=locator, rule=bundle.locator)
        largest = sorted(found, key=lambda box: -box.area)[:1]
        if largest:
            watched.crops.append(crop_cells(photo, largest, glass, bundle.crop))
        for box in largest if closer else ():
            near_photo = close_up(photo, box, zoom=ZOOMS[number % len(ZOOMS)])
            glass = measure_glass(near_photo)
            locate_cells(near_photo, glass, locator=from_near, rule=bundle.locator)
    watched.views += near.views
    return watched


def close_up(photo: RgbImage, box: Box, *, zoom: float) -> RgbImage:
    """Cut out the square around a cell, as far as the photo reaches.

    Args:
        photo: Shape (height, width, 3), RGB, uint8.
        box: The cell.
        zoom: Side of the square, in longer sides of the box.
    """
    side = round(max(box.width, box.height) * zoom)
    left = max(0, (box.xmin + box.xmax - side) // 2)
    top = max(0, (box.ymin + box.ymax - side) // 2)
    return np.ascontiguousarray(photo[top : top + side, left : left + side])


def quantise(
    model: onnx.ModelProto,
    pictures: Sequence[NDArray[np.uint8]],
    *,
    kept: Sequence[str],
    seed: int,
    cut: bool = True,
) -> onnx.ModelProto:
    """Turn a network into whole numbers.

    Args:
        model: A network with one input.
        pictures: What it usually sees, one a time: shape (1, height, width, 3), RGB, uint8.
        kept: Outputs of convolutions that stay in floating point.
        seed: Of the places at which its layers are watched.
        cut: Whether rare large values between its layers are cut off.

    Raises:
        NoTwinError: If there is nothing to be seen, or nothing to be rounded.
    """
    if not pictures:
        raise NoTwinError("No picture shows a cell; nothing says what the network usually sees.")
    folded = fold_constants(model)
    if {node.output[0] for node in Graph(folded).convolutions} <= set(kept):
        raise NoTwinError("The network has no convolution to round.")
    rounded = round_convolutions(folded, pictures, kept=kept, seed=seed)
    names = kept_in_bytes(folded, rounded)
    steps = find_steps(with_rounded(folded, rounded), names, list(pictures[::2]), cut=cut)
    return write_integers(folded, rounded, steps)


def convolutions_of(model: onnx.ModelProto, layers: Sequence[str]) -> list[str]:
    """List the outputs of the convolutions of layers whose names Keras begins like that."""
    names = [str(node.output[0]) for node in Graph(model).convolutions]
    return [name for name in names if any(f"/{layer}" in name for layer in layers)]


def quantise_model(
    folder: Path, data: Path, output: Path, *, seed: int, track: Track = untracked
) -> dict[str, Any]:
    """Make the twin of a model folder, and say how far its answers lie from the model's.

    Args:
        folder: The model.
        data: The folder of the published sets; `train` is watched, `val` is compared.
        output: The folder to make, or to replace once the new one is whole.
        seed: The source of chance.
        track: Shows how far it is.

    Returns:
        What stands in the new bundle's `integers`.

    Raises:
        ModelMissingError: If there is no whole model folder.
        ModelDamagedError: If a file of it is not the one that was shipped.
        NoTwinError: If the model is such a twin already, or cannot be rounded.
        GraphUnknownError: If its classifier was not written by `learning.export`.
        DataMissingError: If a set is not there.
        OutputRefusedError: If something that is no model lies where it is to be.
    """
    bundle = load_reader(folder).bundle
    if "integers" in bundle.document:
        raise NoTwinError(f"{folder} is in whole numbers already.")
    check_output(output, folder)
    pictures = pictures_of(data)
    learnt, held = (
        watch_model(
            bundle,
            map(load_named, track(pictures[split], f"Looking at {split}")),
            closer=split == "train",
        )
        for split in ("train", "val")
    )
    return write_twin(bundle, learnt, held, output, seed=seed)


def write_twin(
    bundle: Bundle, learnt: Watched, held: Watched, output: Path, *, seed: int
) -> dict[str, Any]:
    """Round both networks of a model and write them as a folder; whole, or not at all.

    Args:
        bundle: The model.
        learnt: What its networks looked at, of pictures that it learnt from.
        held: The same, of pictures to compare its answers on.
        output: The folder to make or to replace.
        seed: The source of chance.

    Returns:
        What stands in the new bundle's `integers`.
    """
    classifier, locator = (
        onnx.load(bundle.folder / name) for name in (CLASSIFIER_FILE, LOCATOR_FILE)
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as beside:
        made = Path(beside) / output.name
        made.mkdir()
        for name in bundle.files:
            if name not in {CLASSIFIER_FILE, LOCATOR_FILE, KERAS_FILE}:
                shutil.copyfile(bundle.folder / name, made / name)
        log.info("Rounding the classifier")
        slim = slim_classifier(classifier)
        whole = quantise(slim, learnt.crops, kept=KEPT_OF_CLASSIFIER, seed=seed)
        onnx.save(whole, made / CLASSIFIER_FILE)
        log.info("Rounding the locator")
        folded = fold_constants(locator)
        kept = convolutions_of(folded, KEPT_OF_LOCATOR)
        whole = quantise(folded, learnt.views, kept=kept, seed=seed, cut=False)
        onnx.save(whole, made / LOCATOR_FILE)
        record = {
            "base": bundle.identity.sha256,
            "seed": seed,
            "largest_weight": MOST,
            "watched": {"crops": len(learnt.crops), "views": len(learnt.views)},
            **compare(bundle.folder, made, held),
        }
        document = {k: v for k, v in bundle.document.items() if k not in NOT_OF_A_TWIN}
        document |= {"version": twin_version(bundle.identity.version), "integers": record}
        write_bundle(made, crop=bundle.crop, locator=bundle.locator, **document)
        ship(made, output)
    return record


def twin_version(version: str) -> str:
    """Name the version of a twin: `1.1.0+int8`, or `1.1.0+site.NAME.1.int8`."""
    return f"{version}{'.' if '+' in version else '+'}{MARK}"


def compare(base: Path, twin: Path, held: Watched) -> dict[str, Any]:
    """Say how far the answers of a twin lie from those of its model.

    Args:
        base: Folder of the model.
        twin: Folder of the twin.
        held: What both are asked of.
    """
    networks = [Network(one / CLASSIFIER_FILE) for one in (base, twin)]
    before, after = (
        np.concatenate([network(crop, outputs=[0])[0] for crop in held.crops])
        for network in networks
    )
    chances = np.abs(softmax(before) - softmax(after)).max(axis=1)
    locators = [Network(one / LOCATOR_FILE) for one in (base, twin)]
    heats = [np.abs(locators[0](view)[0] - locators[1](view)[0]).max() for view in held.views]
    return {
        "compared": {"crops": len(held.crops), "views": len(held.views)},
        "logits_apart": round(float(np.sqrt(((before - after) ** 2).mean())), 4),
        "probability_apart": [round(float(chances.mean()), 4), round(float(chances.max()), 4)],
        "same_name": round(float((before.argmax(axis=1) == after.argmax(axis=1)).mean()), 4),
        "heat_apart": [round(float(np.mean(heats)), 4), round(float(np.max(heats)), 4)],
    }
