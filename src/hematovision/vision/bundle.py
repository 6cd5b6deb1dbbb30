"""The model folder: weights, class order, preprocessing, thresholds, hashes, metrics."""

import hashlib
import json
import math
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
KNOWN_FILE = "known.npz"


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
        set_thresholds: The least probability that keeps a type in the prediction set, by type.
        known_threshold: The least known-or-not score of a cell that may be named, 0-1; None where
            the model has no such score.
        morphology: The values of each attribute in the order of the network's fourth output; empty
            where the model does not describe cells.
        files: sha256 of every file of the folder but `bundle.json`, by name.
        document: All of `bundle.json`, metrics and data fingerprint included.
    """

    folder: Path
    identity: ModelIdentity
    classes: tuple[CellType, ...]
    crop: CropRule
    locator: LocatorRule
    coverage: float
    set_thresholds: Mapping[CellType, float]
    known_threshold: float | None
    morphology: Mapping[str, tuple[str, ...]]
    files: Mapping[str, str]
    document: Mapping[str, Any]


def damaged_by(path: Path, error: Exception) -> ModelDamagedError:
    """Say that a file of the model folder cannot be understood, and why."""
    return ModelDamagedError("%(path)s cannot be understood: %(reason)s", path=path, reason=error)


def read_bundle(folder: Path) -> Bundle:
    """Read a model folder.

    Args:
        folder: Holds `bundle.json`, `blood_cell.onnx` and `locator.onnx`.

    Raises:
        ModelMissingError: If the folder or one of these files is not there, or may not be read.
        ModelDamagedError: If `bundle.json` cannot be understood.
    """
    try:
        for name in (BUNDLE_FILE, CLASSIFIER_FILE, LOCATOR_FILE):
            if not (folder / name).is_file():
                raise ModelMissingError(
                    "No model is loaded: %(path)s is missing.", path=folder / name
                )
        raw = (folder / BUNDLE_FILE).read_bytes()
    except OSError as error:
        raise ModelMissingError(
            "No model is loaded: %(path)s cannot be read: %(reason)s.",
            path=error.filename or folder,
            reason=error.strerror,
        ) from error
    try:
        document = json.loads(raw)
        classes = tuple(CellType(name) for name in document["classes"])
        return Bundle(
            folder=folder,
            identity=ModelIdentity(
                _text(document["name"]), _text(document["version"]), hashlib.sha256(raw).hexdigest()
            ),
            classes=classes,
            crop=_crop_rule(**document["crop"]),
            locator=_locator_rule(**document["locator"]),
            coverage=_share(document["prediction_set"]["coverage"]),
            set_thresholds=_set_thresholds(document["prediction_set"], classes),
            known_threshold=_known_threshold(document),
            morphology=_morphology(document.get("morphology") or {}),
            files=_hashes(document["files"]),
            document=document,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise damaged_by(folder / BUNDLE_FILE, error) from error


def _hashes(files: Mapping[str, str]) -> dict[str, str]:
    """Insist on a hash of each network that reads."""
    return {CLASSIFIER_FILE: files[CLASSIFIER_FILE], LOCATOR_FILE: files[LOCATOR_FILE]} | dict(
        files
    )


def _set_thresholds(rule: Mapping[str, Any], classes: Sequence[CellType]) -> dict[CellType, float]:
    """Give every type its threshold; documents of version 1.0 have one for all of them."""
    if "thresholds" not in rule:
        return dict.fromkeys(classes, _share(rule["threshold"]))
    thresholds = {CellType(name): _share(value) for name, value in rule["thresholds"].items()}
    if set(thresholds) != set(classes):
        raise ValueError("the thresholds of the prediction sets are not of its classes")
    return thresholds


def _known_threshold(document: Mapping[str, Any]) -> float | None:
    """Insist on the file that a threshold of the known-or-not score belongs to."""
    if document.get("known") is None:
        return None
    if KNOWN_FILE not in document["files"]:
        raise ValueError(f"there is a threshold of the known-or-not score and no {KNOWN_FILE}")
    return _share(document["known"]["threshold"])


def _morphology(rule: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Turn the lists of JSON into tuples."""
    for attribute, values in rule.items():
        if not isinstance(values, list) or len(set(values)) < max(len(values), 1):
            raise ValueError(f"the values of {attribute} are not a list of different words")
    return {attribute: tuple(values) for attribute, values in rule.items()}


def _text(value: object) -> str:
    """Insist on a text."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _share(value: object) -> float:
    """Insist on a number of 0 to 1; JSON also has text, true and NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{value!r} is not a number of 0 to 1")
    return float(value)


def _crop_rule(
    *,
    size: object,
    context: object,
    stain_strength: object,
    stain_mean: Sequence[object],
    stain_spread: Sequence[object],
) -> CropRule:
    """Turn JSON into a rule, insisting on numbers."""
    red, green, blue = map(_number, stain_mean)
    spread_red, spread_green, spread_blue = map(_number, stain_spread)
    return CropRule(
        size=_whole(size),
        context=_positive(context),
        stain_strength=_share(stain_strength),
        stain_mean=(red, green, blue),
        stain_spread=(spread_red, spread_green, spread_blue),
    )


def _locator_rule(*, side: object, score: object, overlap: object) -> LocatorRule:
    """Turn JSON into a rule, insisting on numbers."""
    return LocatorRule(_whole(side), _share(score), _share(overlap))


def _number(value: object) -> float:
    """Insist on a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a finite number")
    return float(value)


def _positive(value: object) -> float:
    """Insist on a finite number above zero."""
    if _number(value) <= 0:
        raise ValueError(f"{value!r} is not above zero")
    return _number(value)


def _whole(value: object) -> int:
    """Insist on a whole number above zero."""
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError(f"{value!r} is not a whole number above zero")
    return value


def damaged_files(bundle: Bundle) -> tuple[str, ...]:
    """Name the files of the folder that are missing or are not those that were shipped."""
    return tuple(
        name for name, digest in bundle.files.items() if sha256_of(bundle.folder / name) != digest
    )


def sha256_of(path: Path) -> str:
    """Hash a file; one that cannot be read has the empty digest, which equals no other."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
