"""From the published sets to the model folder, in one go."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from hematovision.cells import CellType
from hematovision.learning.calibration import class_thresholds, fit_temperature
from hematovision.learning.crops import (
    as_located,
    locate_middle,
    plain_crops,
    red_and_platelet_cells,
    reference_stain,
    wide_squares,
)
from hematovision.learning.datasets import (
    SAME_CELL,
    Cell,
    Photo,
    bccd_cells,
    bccd_photos,
    fingerprint,
    load_picture,
    pbc_cells,
    txl_photos,
)
from hematovision.learning.export import (
    check_parity,
    export_classifier,
    export_locator,
    fold_temperature,
    ship,
    write_bundle,
)
from hematovision.learning.locator import SIDE
from hematovision.learning.network import CLASSIFIER_SIZE
from hematovision.learning.plots import plot_history
from hematovision.learning.training import Recipe, open_work, train_classifier, train_locator
from hematovision.vision.bundle import (
    CLASSIFIER_FILE,
    LOCATOR_FILE,
    CropRule,
    LocatorRule,
    sha256_of,
)
from hematovision.vision.classifying import softmax
from hematovision.vision.locating import Locator, locate_cells
from hematovision.vision.runtime import Network
from hematovision.vision.staining import measure_glass

NAME = "blood_cell"
VERSION = "1.0.0"
COVERAGE = 0.95
CLASSES = (
    CellType.EOSINOPHIL,
    CellType.LYMPHOCYTE,
    CellType.MONOCYTE,
    CellType.NEUTROPHIL,
    CellType.BASOPHIL,
    CellType.OTHER,
)
LOCATOR_OVERLAP = 0.6
SCORES = tuple(round(0.2 + 0.05 * step, 2) for step in range(10))
OTHER_THINGS = 250

log = logging.getLogger(__name__)


def make_model(
    data: Path, *, backbone_weights: str | Path, work: Path, folder: Path, recipe: Recipe
) -> None:
    """Train locator and classifier and write the model folder.

    Args:
        data: The folder of the sets.
        backbone_weights: `imagenet`, or the path of a `.weights.h5`.
        work: Keeps everything that is needed to go on after a stop, histories and plots.
        folder: The model folder to make, or to replace once the new one is whole.
        recipe: How to learn.

    Raises:
        DataMissingError: If a set is not there.
        RecipeMismatchError: If the work folder holds a run of another recipe.
        ParityError: If `blood_cell.h5` and its ONNX twin do not give one answer.
    """
    log.info("Looking for photos that show one field")
    photos = [*bccd_photos(data, seed=recipe.seed), *txl_photos(data)]
    labelled = [*bccd_cells(photos), *pbc_cells(data)]
    used = [photo.path for photo in photos if photo.split in {"train", "val"}]
    used += [cell.path for cell in labelled if cell.split in {"train", "val"}]
    learnt_from = fingerprint(used, data)
    open_work(work, recipe, data=learnt_from, backbone_weights=_origin(backbone_weights))
    made = work / NAME
    made.mkdir(exist_ok=True)

    network = train_locator(photos, backbone_weights=backbone_weights, work=work, recipe=recipe)
    export_locator(network, made / LOCATOR_FILE)
    locator = Network(made / LOCATOR_FILE)
    validation = [photo for photo in photos if photo.split == "val" and photo.white]
    look = choose_score(validation, locator, LocatorRule(SIDE, SCORES[0], LOCATOR_OVERLAP))

    log.info("Cutting out the cells")
    cells = locate_middle(labelled, locator=locator, rule=look)
    learnt = [cell for cell in cells if cell.split == "train"]
    learnt += red_and_platelet_cells(photos, number=OTHER_THINGS, seed=recipe.seed)
    held = as_located([c for c in cells if c.split == "val"], locator=locator, rule=look)
    rule = CropRule(CLASSIFIER_SIZE, recipe.context, recipe.stain_strength, (0.0,) * 3, (1.0,) * 3)
    squares = wide_squares(learnt, rule)
    mean, spread = reference_stain(squares, rule)
    rule = replace(rule, stain_mean=mean, stain_spread=spread)

    classifier = train_classifier(
        learnt,
        squares,
        classes=CLASSES,
        rule=rule,
        backbone_weights=backbone_weights,
        work=work,
        recipe=recipe,
    )
    crops = plain_crops(held, rule)
    labels = np.asarray([CLASSES.index(cell.cell_type) for cell in held])
    sources = [cell.source for cell in held]
    temperature = fit_temperature(_logits(classifier, crops), labels, sources)
    fold_temperature(classifier, temperature)
    export_classifier(classifier, made)
    difference = check_parity(made, crops[:64])
    logits, _ = Network(made / CLASSIFIER_FILE)(crops)
    probabilities = softmax(logits)
    thresholds = class_thresholds(
        probabilities,
        labels,
        [cell.group for cell in held],
        sources,
        coverage=COVERAGE,
        classes=CLASSES,
    )
    write_bundle(
        made,
        crop=rule,
        locator=look,
        name=NAME,
        version=VERSION,
        classes=CLASSES,
        prediction_set={"coverage": COVERAGE, "thresholds": thresholds},
        temperature_folded_into_head=temperature,
        parity_largest_difference=difference,
        data={
            "fingerprint": learnt_from,
            "cells": _census(learnt, held),
            "photos": {s: sum(p.split == s for p in photos) for s in ("train", "val", "unused")},
        },
        metrics={"validation": _validation(probabilities, labels, held, thresholds)},
        recipe=asdict(recipe),
    )
    plot_history(work)
    ship(made, folder)
    log.info("Wrote %s", folder)


def choose_score(photos: Sequence[Photo], locator: Locator, rule: LocatorRule) -> LocatorRule:
    """Choose the score below which boxes are dropped: the best F1 on validation photos.

    Where several scores are as good, the one in their middle is taken.

    Args:
        photos: With boxes of every white cell, not learnt from.
        locator: The trained network.
        rule: Everything but the score.
    """
    pictures = [load_picture(photo.path) for photo in photos]

    def f1(candidate: LocatorRule) -> float:
        hits = located = 0
        for picture, photo in zip(pictures, photos, strict=True):
            found = locate_cells(picture, measure_glass(picture), locator=locator, rule=candidate)
            located += len(found)
            hits += sum(any(box.overlap(one) >= SAME_CELL for one in found) for box in photo.white)
        return 2 * hits / (located + sum(len(photo.white) for photo in photos))

    candidates = [replace(rule, score=score) for score in SCORES]
    reached = [f1(candidate) for candidate in candidates]
    best = [one for one, value in zip(candidates, reached, strict=True) if value == max(reached)]
    return best[len(best) // 2]


def _origin(weights: str | Path) -> str:
    """Say where the backbone starts, so that a run is not continued from elsewhere."""
    return "imagenet" if weights == "imagenet" else sha256_of(Path(weights))


def _logits(network: keras.Model, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Ask a classifier for logits, shape (N, C)."""
    head = keras.Model(network.inputs[0], network.get_layer("logits").output)
    logits: NDArray[np.float32] = head.predict(crops.astype(np.float32), verbose=0)
    return logits


def _census(learnt: Sequence[Cell], held: Sequence[Cell]) -> dict[str, dict[str, int]]:
    """Count cells by split, source and type."""
    counted: dict[str, dict[str, int]] = {}
    for name, cells in (("train", learnt), ("val", held)):
        counted[name] = {}
        for cell in cells:
            key = f"{cell.source} {cell.published_type}"
            counted[name][key] = counted[name].get(key, 0) + 1
    return counted


def _validation(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.intp],
    cells: Sequence[Cell],
    thresholds: Mapping[CellType, float],
) -> dict[str, dict[str, float]]:
    """Say how many held-out cells of each source are right, and how many the thresholds keep."""
    right = probabilities.argmax(axis=1) == labels
    least = np.asarray([thresholds[kind] for kind in CLASSES])[labels]
    covered = probabilities[np.arange(len(labels)), labels] >= least
    sources = np.asarray([cell.source for cell in cells])
    return {
        source: {
            "cells": int((sources == source).sum()),
            "accuracy": round(float(right[sources == source].mean()), 4),
            "coverage": round(float(covered[sources == source].mean()), 4),
        }
        for source in sorted(set(sources))
    }
