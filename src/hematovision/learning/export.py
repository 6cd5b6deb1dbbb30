"""From trained networks to the model folder: `blood_cell.h5`, ONNX twins, `bundle.json`."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
from keras import ops
from numpy.typing import NDArray

from hematovision.learning import LearningError
from hematovision.learning.network import backbone_of
from hematovision.vision.bundle import (
    BUNDLE_FILE,
    CLASSIFIER_FILE,
    KERAS_FILE,
    KNOWN_FILE,
    LOCATOR_FILE,
    CropRule,
    LocatorRule,
    sha256_of,
)
from hematovision.vision.classifying import softmax
from hematovision.vision.runtime import Network

LARGEST_DIFFERENCE = 1e-4
MORPHOLOGY_FILE = "morphology.npz"
"""The head that describes cells; `blood_cell.h5` has no place for it."""


class ParityError(LearningError):
    """`blood_cell.h5` and `blood_cell.onnx` do not give one answer; nothing is shipped."""


def fold_calibration(network: keras.Model, temperature: float, bias: NDArray[np.float64]) -> None:
    """Put temperature and bias into the head, so that every twin gives calibrated probabilities.

    Args:
        network: Its head `logits` is changed.
        temperature: What logits are divided by.
        bias: What is then added, shape (C,).
    """
    head = network.get_layer("logits")
    kernel, old_bias = head.get_weights()
    head.set_weights([kernel / temperature, old_bias / temperature + bias])


def export_locator(network: keras.Model, path: Path) -> None:
    """Write the locator as ONNX: pictures of any size in, heat and boxes out."""
    outputs = [network.output["heat"], network.output["boxes"]]
    _export(keras.Model(network.inputs[0], outputs), path, ("heat", "boxes"))


def export_classifier(
    network: keras.Model, folder: Path, *, morphology: Sequence[NDArray[np.float32]] | None = None
) -> None:
    """Write `blood_cell.h5`, which ends in probabilities, and its twin, which is served.

    Args:
        network: From `network.with_views`.
        folder: Where to write.
        morphology: Kernel (1280, M) and bias (M,) of the head that describes cells; taken from the
            folder's `morphology.npz` where left out, and written there where given.
    """
    network.save(folder / KERAS_FILE, include_optimizer=False)
    if morphology is not None:
        kernel, bias = morphology
        np.savez(folder / MORPHOLOGY_FILE, kernel=kernel, bias=bias)
    with np.load(folder / MORPHOLOGY_FILE) as words:
        twin = _serving_twin(network, words["kernel"], words["bias"])
    _export(twin, folder / CLASSIFIER_FILE, ("logits", "features", "heat", "morphology"))


def _serving_twin(
    network: keras.Model, kernel: NDArray[np.float32], bias: NDArray[np.float32]
) -> keras.Model:
    """Build the same network with views along the batch, which engines run faster.

    The class activation map (Zhou et al., 2016) is the head applied at each place; its mean over
    the places, and the head's bias, are the logits.
    """
    size = network.inputs[0].shape[1]
    pictures = keras.Input((size, size, 3), name="pictures")
    axes = ((), (2,), (1,), (1, 2))
    views = ops.concatenate([ops.flip(pictures, axis=some) if some else pictures for some in axes])
    every_map = backbone_of(network)(views)
    stacked = ops.reshape(every_map, (len(axes), -1, *every_map.shape[1:]))
    turned = [
        ops.flip(stacked[number], axis=some) if some else stacked[number]
        for number, some in enumerate(axes)
    ]
    mean_map = sum(turned[1:], turned[0]) / len(axes)
    features = keras.layers.GlobalAveragePooling2D(name="features")(mean_map)
    head = network.get_layer("logits")
    heat = keras.layers.Dense(head.units, use_bias=False, name="heat")
    words = keras.layers.Dense(len(bias), name="morphology")
    outputs = [head(features), features, heat(mean_map), words(features)]
    heat.set_weights(head.get_weights()[:1])
    words.set_weights([kernel, bias])
    return keras.Model(pictures, outputs, name="blood_cell")


def _export(network: keras.Model, path: Path, outputs: Sequence[str]) -> None:
    """Write a network as ONNX, its outputs named."""
    size = network.inputs[0].shape[1] or 64
    network(np.zeros((1, size, size, 3), np.float32))
    network.export(path, format="onnx", verbose=False)
    graph = onnx.load(path)
    for found, name in zip(graph.graph.output, outputs, strict=True):
        for node in graph.graph.node:
            node.output[:] = [name if one == found.name else one for one in node.output]
            node.input[:] = [name if one == found.name else one for one in node.input]
        found.name = name
    onnx.save(graph, path)


def check_parity(folder: Path, crops: NDArray[np.uint8]) -> float:
    """Compare the probabilities of `blood_cell.h5`, opened afresh, with those of its ONNX twin.

    Args:
        folder: Holds both.
        crops: Shape (N, size, size, 3), RGB, uint8.

    Returns:
        The largest difference of a probability.

    Raises:
        ParityError: If it is above `LARGEST_DIFFERENCE`.
    """
    by_keras = keras.models.load_model(folder / KERAS_FILE).predict(
        crops.astype(np.float32), verbose=0
    )
    logits, *_ = Network(folder / CLASSIFIER_FILE)(crops)
    difference = float(np.abs(by_keras - softmax(logits)).max())
    if difference > LARGEST_DIFFERENCE:
        raise ParityError(f"{KERAS_FILE} and {CLASSIFIER_FILE} differ by {difference:.2g}.")
    return difference


def write_bundle(folder: Path, *, crop: CropRule, locator: LocatorRule, **document: Any) -> None:
    """Write `bundle.json` for the networks that lie in a folder.

    Keys keep their order: that of the attributes is the order of the network's outputs.

    Args:
        folder: Holds the networks.
        crop: How cells are cut out.
        locator: How photos are searched.
        **document: Everything else, as JSON.
    """
    names = [KERAS_FILE, CLASSIFIER_FILE, LOCATOR_FILE, MORPHOLOGY_FILE, KNOWN_FILE]
    document |= {
        "crop": asdict(crop),
        "locator": asdict(locator),
        "files": {n: sha256_of(folder / n) for n in names if (folder / n).is_file()},
    }
    (folder / BUNDLE_FILE).write_text(json.dumps(document, indent=2) + "\n")


class OutputRefusedError(LearningError):
    """What lies where the model folder is to be is none, and would be lost."""


def check_output(folder: Path, work: Path) -> None:
    """Insist that a folder may be replaced by a model folder: it is one, empty, or not there.

    Args:
        folder: Where the model folder is to be.
        work: Keeps what is needed to go on after a stop.

    Raises:
        OutputRefusedError: If anything else lies there.
    """
    if work.resolve().is_relative_to(folder.resolve()):
        raise OutputRefusedError(f"{folder} holds the work folder; choose another --output.")
    is_folder = folder.is_dir()
    if folder.exists() and not is_folder:
        raise OutputRefusedError(f"{folder} is a file; choose another --output.")
    if is_folder and any(folder.iterdir()) and not (folder / BUNDLE_FILE).is_file():
        raise OutputRefusedError(
            f"{folder} holds something that is no model, which would be lost; choose another "
            "--output."
        )


def ship(made: Path, folder: Path) -> None:
    """Put a made folder in the place of the shipped one.

    The old one is thrown away at last; a stop on the way leaves it, or the new one, beside.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    fresh, old = beside / "fresh", beside / "old"
    shutil.copytree(made, fresh)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(beside)
