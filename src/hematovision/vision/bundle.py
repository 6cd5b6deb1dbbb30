"""The model folder: weights, class order, preprocessing, thresholds, hashes, metrics."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hematovision.cells import CellType, ModelIdentity
from hematovision.errors import ModelDamagedError, ModelMissingError

BUNDLE_FILE = "bundle.json"
CLASSIFIER_FILE = "blood_cell.onnx"
LOCATOR_FILE = "locator.onnx"
KERAS_FILE = "blood_cell.h5"


@dataclass(frozen=True, slots=True)
class CropRule:
    """How a located cell becomes the classifier's input.

    Attributes:
        size: Side of the square input, in pixels.
        context: Side of the square that is cut out, as a multiple of the box's longer side.
        stain_strength: How far each cell's stain is moved to the reference: 0 not at all, 1 wholly.
        stain_mean: Reference mean of the optical density of stained pixels, one a channel.
        stain_spread: Reference standard deviation of the same.
    """

    size: int
    context: float
    stain_strength: float
    stain_mean: tuple[float, float, float]
    stain_spread: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class LocatorRule:
    """How the locator looks at a photo.

    Attributes:
        side: Longer side of the coarsest view, in pixels.
        score: Boxes below this score are dropped.
        overlap: Of two boxes that share more than this part of the smaller one, the better stays.
    """

    side: int
    score: float
    overlap: float


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model folder, read and checked.

    Attributes:
        folder: Where it lies.
        identity: Name, version, and the sha256 over its content.
        classes: The order of the classifier's outputs.
        crop: How cells are cut out.
        locator: How the photo is searched.
        coverage: The nominal coverage of the prediction sets.
        set_threshold: The least probability that keeps a type in the prediction set.
        files: sha256 of every file of the folder but `bundle.json`, by name.
        document: All of `bundle.json`, metrics and data fingerprint included.
    """

    folder: Path
    identity: ModelIdentity
    classes: tuple[CellType, ...]
    crop: CropRule
    locator: LocatorRule
    coverage: float
    set_threshold: float
    files: Mapping[str, str]
    document: Mapping[str, Any]


def read_bundle(folder: Path) -> Bundle:
    """Read a model folder.

    Args:
        folder: Holds `bundle.json`, `blood_cell.onnx` and `locator.onnx`.

    Raises:
        ModelMissingError: If the folder or one of these files is not there.
        ModelDamagedError: If `bundle.json` cannot be understood.
    """
    for name in (BUNDLE_FILE, CLASSIFIER_FILE, LOCATOR_FILE):
        if not (folder / name).is_file():
            raise ModelMissingError(f"No model is loaded: {folder / name} is missing.")
    raw = (folder / BUNDLE_FILE).read_bytes()
    try:
        document = json.loads(raw)
        return Bundle(
            folder=folder,
            identity=ModelIdentity(
                document["name"], document["version"], hashlib.sha256(raw).hexdigest()
            ),
            classes=tuple(CellType(name) for name in document["classes"]),
            crop=_crop_rule(**document["crop"]),
            locator=LocatorRule(**document["locator"]),
            coverage=float(document["prediction_set"]["coverage"]),
            set_threshold=float(document["prediction_set"]["threshold"]),
            files=_hashes(document["files"]),
            document=document,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ModelDamagedError(f"{folder / BUNDLE_FILE} cannot be understood: {error}") from error


def _hashes(files: Mapping[str, str]) -> dict[str, str]:
    """Insist on a hash of each network that reads."""
    return {CLASSIFIER_FILE: files[CLASSIFIER_FILE], LOCATOR_FILE: files[LOCATOR_FILE]} | dict(
        files
    )


def _crop_rule(
    *, stain_mean: Sequence[float], stain_spread: Sequence[float], **others: Any
) -> CropRule:
    """Turn the lists of JSON into the tuples of a rule."""
    red, green, blue = stain_mean
    spread_red, spread_green, spread_blue = stain_spread
    return CropRule(
        **others,
        stain_mean=(red, green, blue),
        stain_spread=(spread_red, spread_green, spread_blue),
    )


def damaged_files(bundle: Bundle) -> tuple[str, ...]:
    """Name the files of the folder that are missing or are not those that were shipped."""
    return tuple(
        name for name, digest in bundle.files.items() if sha256_of(bundle.folder / name) != digest
    )


def sha256_of(path: Path) -> str:
    """Hash a file; a missing one has the empty digest, which equals no other."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
