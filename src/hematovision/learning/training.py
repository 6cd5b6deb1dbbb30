"""Make the networks: the locator, then the head of the classifier, then all of it."""

import csv
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from hematovision.cells import CellType
from hematovision.learning import LearningError
from hematovision.learning.crops import CellSamples
from hematovision.learning.datasets import Cell, Photo
from hematovision.learning.locator import LocatorSamples, build_locator, compile_locator
from hematovision.learning.network import (
    build_classifier,
    falling_adamw,
    freeze_backbone,
    unfreeze,
)
from hematovision.vision.bundle import CropRule

STEPS_AN_EPOCH = 100


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what comes out of training, beside the data.

    Attributes:
        seed: Of weights, samples and the validation draw.
        locator_steps: Batches that the locator learns from.
        locator_batch: Views a batch.
        locator_rate: Highest learning rate of the locator.
        head_steps: Batches that the classifier's head learns from, the backbone frozen.
        fine_steps: Batches that the whole classifier learns from.
        batch: Cells a batch.
        head_rate: Learning rate of the head alone.
        fine_rate: Highest learning rate of fine-tuning.
        stain_strength: See `CropRule`.
        context: See `CropRule`.
        label_smoothing: Share of each label spread over all types.
    """

    seed: int = 7
    locator_steps: int = 3000
    locator_batch: int = 8
    locator_rate: float = 1e-3
    head_steps: int = 200
    fine_steps: int = 1800
    batch: int = 32
    head_rate: float = 1e-3
    fine_rate: float = 3e-4
    stain_strength: float = 0.7
    context: float = 1.35
    label_smoothing: float = 0.05


class RecipeMismatchError(LearningError):
    """The work folder holds a run of another recipe; it cannot be continued with this one."""


def open_work(folder: Path, recipe: Recipe, **origin: str) -> None:
    """Make a work folder, or go on in one of the same recipe, data and weights.

    Args:
        folder: The work folder.
        recipe: How to learn.
        **origin: What else must be the same, such as hashes of the data.

    Raises:
        RecipeMismatchError: If it holds a run of another recipe, other data or other weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / "recipe.json"
    run = asdict(recipe) | origin
    if written.is_file() and json.loads(written.read_text()) != run:
        raise RecipeMismatchError(
            f"{folder} holds a run of another recipe, other data or other weights; choose another "
            "--work, or delete it."
        )
    written.write_text(json.dumps(run, indent=2) + "\n")


def train_locator(
    photos: Sequence[Photo], *, backbone_weights: str | Path, work: Path, recipe: Recipe
) -> keras.Model:
    """Teach the locator, or take it from the work folder where it is done.

    Args:
        photos: With boxes; those of split `train` are learnt from.
        backbone_weights: `imagenet`, or the path of a `.weights.h5`.
        work: Keeps weights, history and what is needed to go on after a stop.
        recipe: How to learn.
    """
    network = build_locator(backbone_weights)
    done = work / "locator.weights.h5"
    if done.is_file():
        network.load_weights(done)
        return network
    keras.utils.set_random_seed(recipe.seed)
    compile_locator(network, steps=recipe.locator_steps, rate=recipe.locator_rate)
    samples = LocatorSamples(
        [photo for photo in photos if photo.split == "train" and photo.white],
        steps=STEPS_AN_EPOCH,
        batch=recipe.locator_batch,
        seed=recipe.seed,
        workers=1,
    )
    fit(network, samples, name="locator", steps=recipe.locator_steps, work=work)
    network.save_weights(done)
    return network


def train_classifier(
    cells: Sequence[Cell],
    squares: NDArray[np.uint8],
    *,
    classes: Sequence[CellType],
    rule: CropRule,
    backbone_weights: str | Path,
    work: Path,
    recipe: Recipe,
) -> keras.Model:
    """Teach the classifier, head first, or take it from the work folder where it is done.

    Args:
        cells: To learn from.
        squares: Theirs, from `crops.wide_squares`.
        classes: The order of the outputs.
        rule: How a crop is made.
        backbone_weights: `imagenet`, or the path of a `.weights.h5`.
        work: Keeps weights, history and what is needed to go on after a stop.
        recipe: How to learn.
    """
    keras.utils.set_random_seed(recipe.seed)
    network = build_classifier(backbone_weights, classes=len(classes), size=rule.size)
    stages = (
        ("head", freeze_backbone, recipe.head_steps, recipe.head_rate),
        ("fine", unfreeze, recipe.fine_steps, recipe.fine_rate),
    )
    for name, prepare, steps, rate in stages:
        done = work / f"{name}.weights.h5"
        if done.is_file():
            network.load_weights(done)
            continue
        prepare(network)
        network.compile(
            optimizer=falling_adamw(steps, rate),
            loss=keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing),
            metrics=["accuracy"],
        )
        samples = CellSamples(
            cells,
            squares,
            classes=classes,
            rule=rule,
            steps=STEPS_AN_EPOCH,
            batch=recipe.batch,
            seed=recipe.seed,
            workers=1,
        )
        fit(network, samples, name=name, steps=steps, work=work)
        network.save_weights(done)
    return network


def fit(
    network: keras.Model,
    samples: LocatorSamples | CellSamples,
    *,
    name: str,
    steps: int,
    work: Path,
) -> None:
    """Fit a compiled network to samples; a stopped run goes on at its last whole epoch.

    Args:
        network: Ends with the moving average of its weights.
        samples: `STEPS_AN_EPOCH` batches an epoch.
        name: Of this stage; its history is `<name>.csv` in the work folder.
        steps: Batches altogether, rounded up to whole epochs.
        work: The work folder.
    """
    history = work / f"{name}.csv"
    samples.start_at(epochs_done(history))
    network.fit(
        samples,
        epochs=math.ceil(steps / STEPS_AN_EPOCH),
        callbacks=[
            keras.callbacks.BackupAndRestore(work / f"{name}-backup"),
            keras.callbacks.CSVLogger(history, append=True),
        ],
        verbose="auto" if sys.stdout.isatty() else 2,
    )


def epochs_done(history: Path) -> int:
    """Count the epochs that a history tells of."""
    if not history.is_file():
        return 0
    with history.open(newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.DictReader(file))
