"""A taught classifier, calibrated on cells it has not learnt from, put into its model folder."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from hematovision.cells import CellType
from hematovision.learning.calibration import class_thresholds, fit_calibration
from hematovision.learning.crops import middle_crops, plain_crops
from hematovision.learning.datasets import Cell
from hematovision.learning.export import (
    check_parity,
    export_classifier,
    fold_calibration,
    write_bundle,
)
from hematovision.learning.keeping import save_arrays
from hematovision.learning.knowing import (
    Seen,
    find_threshold,
    fit_knower,
    leave_one_type_out,
    see_crops,
)
from hematovision.learning.labels import OUT_OF_FOLD_FILE
from hematovision.learning.network import with_views
from hematovision.learning.training import Lesson
from hematovision.learning.workshop import CLASSES, Workshop
from hematovision.vision.bundle import CLASSIFIER_FILE, KNOWN_FILE, LOCATOR_FILE
from hematovision.vision.classifying import softmax
from hematovision.vision.knowing import Knower
from hematovision.vision.runtime import Network

NAME = "blood_cell"
VERSION = "1.1.0"
COVERAGE = 0.95


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Cells, and what a network says of them that has not learnt from them.

    Attributes:
        cells: With the boxes that serving gives them.
        logits: Shape (N, C), not yet calibrated.
        features: Shape (N, 1280).
    """

    cells: list[Cell]
    logits: NDArray[np.float32]
    features: NDArray[np.float32]

    @property
    def labels(self) -> NDArray[np.intp]:
        """Shape (N,), the types' indices."""
        return np.asarray([CLASSES.index(cell.cell_type) for cell in self.cells], np.intp)

    @property
    def sources(self) -> list[str]:
        """The set of each cell."""
        return [cell.source for cell in self.cells]

    @property
    def groups(self) -> list[str]:
        """The field of each cell."""
        return [cell.group for cell in self.cells]


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of held out cells in the end.

    Attributes:
        cells: With the boxes that serving gives them.
        labels: Shape (N,), the types' indices.
        probabilities: Shape (N, C), calibrated.
    """

    cells: list[Cell]
    labels: NDArray[np.intp]
    probabilities: NDArray[np.float64]


def ask(shop: Workshop, network: keras.Model, cells: Sequence[Cell]) -> HeldOut:
    """Ask a network `with_views` of cells, at the boxes that serving gives them."""
    located = shop.located(cells)
    inside = keras.Model(
        network.inputs[0], [network.get_layer("logits").output, network.get_layer("pooler").output]
    )
    crops = plain_crops(located, shop.rule).astype(np.float32)
    logits, features = inside.predict(crops, batch_size=16, verbose=0)
    return HeldOut(located, logits, features)


def assemble(
    shop: Workshop,
    network: keras.Model,
    lesson: Lesson,
    out_of_fold: Sequence[HeldOut],
    folder: Path,
    *,
    fingerprint: str,
    more: Mapping[str, object] | None = None,
) -> Told:
    """Calibrate a classifier on cells it has not learnt from, and write its model folder.

    Args:
        shop: The shared part.
        network: From `training.train_classifier`.
        lesson: What it has learnt from.
        out_of_fold: Cells of BCCD that its likes have not learnt from; the cells of PBC's `val`
            are added here.
        folder: Where to write.
        fingerprint: Of the pictures that the model depends on.
        more: What else stands in the bundle, or another version.

    Returns:
        The held out cells, and what is said of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shipped = with_views(network)
    pbc = [cell for cell in shop.cells([]) if cell.split == "val"]
    held = _joined([*out_of_fold, ask(shop, shipped, pbc)])
    temperature, bias = fit_calibration(held.logits, held.labels, held.sources, held.groups)
    fold_calibration(shipped, temperature, bias)
    copyfile(shop.work / LOCATOR_FILE, folder / LOCATOR_FILE)
    export_classifier(shipped, folder, morphology=network.get_layer("morphology").get_weights())
    difference = check_parity(folder, plain_crops(held.cells[:32], shop.rule))
    probabilities = softmax((held.logits / temperature + bias).astype(np.float32))
    told = Network(folder / CLASSIFIER_FILE)
    knower, known = know(shop, told, lesson)
    knower.save(folder / KNOWN_FILE)
    thresholds = class_thresholds(
        probabilities,
        held.labels,
        held.groups,
        held.sources,
        coverage=COVERAGE,
        classes=CLASSES,
    )
    document: dict[str, Any] = {
        "name": NAME,
        "version": VERSION,
        "classes": CLASSES,
        "prediction_set": {"coverage": COVERAGE, "thresholds": thresholds},
        "known": {"threshold": known},
        "morphology": shop.vocabulary,
        "calibration_folded_into_head": {"temperature": temperature, "bias": bias.tolist()},
        "parity_largest_difference": difference,
        "metrics": {"held_out": _metrics(probabilities, held, thresholds)},
        "recipe": asdict(shop.recipe),
        "recipe_hash": shop.recipe.sha256,
        "data": {"fingerprint": fingerprint, "cells": _census(lesson.cells, held.cells)},
    }
    write_bundle(folder, crop=shop.rule, locator=shop.look, **(document | dict(more or {})))
    return Told(held.cells, held.labels, probabilities)


def know(shop: Workshop, network: Network, lesson: Lesson) -> tuple[Knower, float]:
    """Fit the known-or-not score to what was learnt, and choose from which score on to name.

    Args:
        shop: The shared part.
        network: The classifier as it is served.
        lesson: What it has learnt from.

    Returns:
        The score, and its threshold, chosen on PBC's `val` cells and on strangers of their own.
    """
    knower = fit_knower(_learnt(network, lesson), classes=CLASSES)
    return knower, find_threshold(knower, _validation(shop, network), CLASSES)


def score_left_out(
    shop: Workshop, network: keras.Model, lesson: Lesson, without: str
) -> dict[str, Any]:
    """Score a type that neither network nor knower has seen, on PBC's `test` split.

    Args:
        shop: The shared part.
        network: From `training.train_classifier`, taught without the type.
        lesson: What it has learnt from.
        without: The type.
    """
    with TemporaryDirectory(dir=shop.work) as folder:
        words = network.get_layer("morphology").get_weights()
        export_classifier(with_views(network), Path(folder), morphology=words)
        served = Network(Path(folder) / CLASSIFIER_FILE)
    named = {str(kind) for kind in CLASSES if kind is not CellType.OTHER} | {without}
    test = [c for c in shop.cells([]) if c.split == "test" and c.published_type in named]
    return leave_one_type_out(
        _learnt(served, lesson),
        _validation(shop, served),
        _see(shop, served, test),
        classes=CLASSES,
        without=without,
    )


def _learnt(network: Network, lesson: Lesson) -> Seen:
    """Show a network what it has learnt from."""
    crops = middle_crops(lesson.squares, lesson.rule)
    kinds = (cell.published_type for cell in lesson.cells)
    return see_crops(network, crops, kinds, (cell.source for cell in lesson.cells))


def _validation(shop: Workshop, network: Network) -> Seen:
    """Show a network PBC's `val` cells, and strangers of their own."""
    cells = _see(shop, network, [cell for cell in shop.cells([]) if cell.split == "val"])
    crops = middle_crops(shop.strangers["val"], shop.rule)
    number = len(crops)
    strangers = see_crops(network, crops, ["stranger"] * number, ["drawn"] * number)
    return Seen(
        np.concatenate([cells.logits, strangers.logits]),
        np.concatenate([cells.features, strangers.features]),
        cells.kinds + strangers.kinds,
        cells.sources + strangers.sources,
    )


def _see(shop: Workshop, network: Network, cells: Sequence[Cell]) -> Seen:
    """Show a network cells, at the boxes that serving gives them."""
    located = shop.located(cells)
    kinds = (cell.published_type for cell in located)
    sources = (cell.source for cell in located)
    return see_crops(network, plain_crops(located, shop.rule), kinds, sources)


def write_out_of_fold(told: Told, data: Path, work: Path) -> None:
    """Keep what was said of held out cells of the sets, for those who look for wrong labels."""
    kept = [i for i, cell in enumerate(told.cells) if cell.path.is_relative_to(data)]
    paths = [told.cells[i].path.relative_to(data).as_posix() for i in kept]
    save_arrays(
        work / OUT_OF_FOLD_FILE,
        paths=np.asarray(paths),
        labels=told.labels[kept],
        probabilities=told.probabilities[kept],
        classes=np.asarray([str(kind) for kind in CLASSES]),
    )


def _joined(parts: Sequence[HeldOut]) -> HeldOut:
    """Put the cells of several networks together."""
    return HeldOut(
        [cell for part in parts for cell in part.cells],
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.features for part in parts]),
    )


def _census(learnt: Sequence[Cell], held: Sequence[Cell]) -> dict[str, dict[str, int]]:
    """Count cells by use, source and published type."""
    counted: dict[str, dict[str, int]] = {}
    for name, cells in (("train", learnt), ("val", held)):
        kinds = Counter(f"{cell.source} {cell.published_type}" for cell in cells)
        counted[name] = dict(sorted(kinds.items()))
    return counted


def _metrics(
    probabilities: NDArray[np.float64], held: HeldOut, thresholds: Mapping[CellType, float]
) -> dict[str, dict[str, float]]:
    """Say how many held out cells of each source are right, and how many their sets hold."""
    own = np.asarray([thresholds[kind] for kind in CLASSES])[held.labels]
    covered = probabilities[np.arange(len(held.labels)), held.labels] >= own
    right = probabilities.argmax(axis=1) == held.labels
    sources = np.asarray(held.sources)
    return {
        str(source): {
            "cells": int((sources == source).sum()),
            "accuracy": round(float(right[sources == source].mean()), 4),
            "coverage": round(float(covered[sources == source].mean()), 4),
        }
        for source in np.unique(sources)
    }
