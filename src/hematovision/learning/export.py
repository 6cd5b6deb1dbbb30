"""From trained networks to the model folder: `blood_cell.h5`, ONNX twins, `bundle.json`."""

import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from hematovision.learning import LearningError
from hematovision.vision.bundle import (
    BUNDLE_FILE,
    CLASSIFIER_FILE,
    KERAS_FILE,
    LOCATOR_FILE,
    CropRule,
    LocatorRule,
    sha256_of,
)
from hematovision.vision.classifying import softmax
from hematovision.vision.runtime import Network

LARGEST_DIFFERENCE = 1e-4


class ParityError(LearningError):
    """`blood_cell.h5` and `blood_cell.onnx` do not give one answer; nothing is shipped."""


def fold_temperature(network: keras.Model, temperature: float) -> None:
    """Divide the head by the temperature, so that every twin gives calibrated probabilities."""
    head = network.get_layer("logits")
    head.set_weights([weights / temperature for weights in head.get_weights()])


def export_locator(network: keras.Model, path: Path) -> None:
    """Write the locator as ONNX: pictures of any size in, heat and boxes out."""
    outputs = [network.output["heat"], network.output["boxes"]]
    _export(keras.Model(network.inputs[0], outputs), path)


def export_classifier(network: keras.Model, folder: Path) -> None:
    """Write `blood_cell.h5`, which ends in probabilities, and its twin of logits and features."""
    network.save(folder / KERAS_FILE, include_optimizer=False)
    outputs = [network.get_layer("logits").output, network.get_layer("pooler").output]
    _export(keras.Model(network.inputs[0], outputs), folder / CLASSIFIER_FILE)


def _export(network: keras.Model, path: Path) -> None:
    """Write a network as ONNX."""
    size = network.inputs[0].shape[1] or 64
    network(np.zeros((1, size, size, 3), np.float32))
    network.export(path, format="onnx", verbose=False)


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
    logits, _ = Network(folder / CLASSIFIER_FILE)(crops)
    difference = float(np.abs(by_keras - softmax(logits)).max())
    if difference > LARGEST_DIFFERENCE:
        raise ParityError(f"{KERAS_FILE} and {CLASSIFIER_FILE} differ by {difference:.2g}.")
    return difference


def write_bundle(folder: Path, *, crop: CropRule, locator: LocatorRule, **document: Any) -> None:
    """Write `bundle.json` for the networks that lie in a folder.

    Args:
        folder: Holds the networks.
        crop: How cells are cut out.
        locator: How photos are searched.
        **document: Everything else, as JSON.
    """
    names = (KERAS_FILE, CLASSIFIER_FILE, LOCATOR_FILE)
    document |= {
        "crop": asdict(crop),
        "locator": asdict(locator),
        "files": {name: sha256_of(folder / name) for name in names},
    }
    text = json.dumps(document, indent=2, sort_keys=True)
    (folder / BUNDLE_FILE).write_text(text + "\n")


def ship(made: Path, folder: Path) -> None:
    """Put a made folder in the place of the shipped one; a stop in between leaves one whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
        fresh, old = Path(beside) / "fresh", Path(beside) / "old"
        shutil.copytree(made, fresh)
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
