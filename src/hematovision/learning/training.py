"""Teach the networks: the locator, the trunk that every classifier starts from, classifiers."""

import csv
import hashlib
import json
import math
import sys
from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from hematovision.cells import CellType
from hematovision.learning import LearningError
from hematovision.learning.attributes import AttributeLoss, Vocabulary
from hematovision.learning.crops import CellSamples
from hematovision.learning.datasets import Cell, Photo
from hematovision.learning.keeping import write_whole
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
    """Everything that decides what comes out of training, beside the data and this very code.

    Attributes:
        seed: Of weights, samples and the draws of photos.
        locator_steps: Batches that the locator learns from.
        locator_batch: Views a batch.
        locator_rate: Highest learning rate of the locator.
        head_steps: Batches that the trunk's heads learn from, the backbone frozen.
        head_rate: Learning rate of the heads alone.
        trunk_steps: Batches that the whole trunk learns from: the microscope with many cells.
        trunk_rate: Highest learning rate of the trunk.
        fine_steps: Batches that a classifier learns from, beginning at the trunk: all microscopes.
        fine_rate: Highest learning rate of a classifier.
        frozen: Layers up to this one stay as the trunk left them; None lets all learn.
        folds: Classifiers taught beside the shipped one, each without a part of the BCCD photos;
            what they say of that part calibrates.
        batch: Cells a batch.
        stain_strength: See `CropRule`; that of serving.
        stain_strengths: Those that crops are learnt with, one drawn for each.
        context: See `CropRule`.
        label_smoothing: Share of each label spread over all types.
        words_weight: Weight of the loss of the morphological attributes.
    """

    seed: int = 7
    locator_steps: int = 3000
    locator_batch: int = 8
    locator_rate: float = 1e-3
    head_steps: int = 100
    head_rate: float = 1e-3
    trunk_steps: int = 1000
    trunk_rate: float = 3e-4
    fine_steps: int = 900
    fine_rate: float = 3e-4
    frozen: str | None = None
    folds: int = 3
    batch: int = 32
    stain_strength: float = 0.35
    stain_strengths: tuple[float, ...] = (0.0, 0.35, 0.7)
    context: float = 1.35
    label_smoothing: float = 0.05
    words_weight: float = 0.5

    @property
    def sha256(self) -> str:
        """Tell this recipe from every other."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a classifier is to learn from.

    Attributes:
        cells: With boxes.
        squares: Theirs, from `crops.wide_squares`.
        words: Theirs, from `attributes.attribute_targets`.
        classes: The order of the labels.
        vocabulary: The order of the words.
        rule: How a crop is made.
    """

    cells: Sequence[Cell]
    squares: NDArray[np.uint8]
    words: NDArray[np.float32]
    classes: Sequence[CellType]
    vocabulary: Vocabulary
    rule: CropRule

    @property
    def sha256(self) -> str:
        """Tell this lesson from every other: pixels, labels and words, in their order."""
        told = hashlib.sha256(repr((self.classes, self.rule)).encode())
        told.update(repr([(c.cell_type, c.published_type, c.source) for c in self.cells]).encode())
        told.update(np.ascontiguousarray(self.squares).data)
        told.update(np.ascontiguousarray(self.words).data)
        return told.hexdigest()

    def without(self, pictures: Container[str]) -> "Lesson":
        """Leave out the cells of some pictures, by their names."""
        kept = [i for i, cell in enumerate(self.cells) if cell.path.name not in pictures]
        return replace(
            self,
            cells=[self.cells[i] for i in kept],
            squares=self.squares[kept],
            words=self.words[kept],
        )


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
    if not written.is_file():
        write_whole(written, json.dumps(run, indent=2) + "\n")
    elif json.loads(written.read_text()) != json.loads(json.dumps(run)):
        raise RecipeMismatchError(
            f"{folder} holds a run of another recipe, other data or other weights; choose another "
            "--work, or delete it."
        )


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
        steps=min(STEPS_AN_EPOCH, recipe.locator_steps),
        batch=recipe.locator_batch,
        seed=recipe.seed,
        workers=1,
    )
    fit(network, samples, name="locator", steps=recipe.locator_steps, work=work)
    network.save_weights(done)
    return network


def train_trunk(
    lesson: Lesson, *, backbone_weights: str | Path, work: Path, recipe: Recipe
) -> Path:
    """Teach what every classifier starts from, heads first, unless the work folder has it.

    Args:
        lesson: Cells of the microscope with many, none of the photos that are dealt to folds.
        backbone_weights: `imagenet`, or the path of a `.weights.h5`.
        work: Keeps weights, history and what is needed to go on after a stop.
        recipe: How to learn.

    Returns:
        The file of its weights.
    """
    keras.utils.set_random_seed(recipe.seed)
    network = _network(lesson, backbone_weights)
    stages = (
        ("head", freeze_backbone, recipe.head_steps, recipe.head_rate),
        ("trunk", unfreeze, recipe.trunk_steps, recipe.trunk_rate),
    )
    for name, prepare, steps, rate in stages:
        prepare(network)
        _teach(
            network,
            lesson,
            name=name,
            steps=steps,
            rate=rate,
            coarse=True,
            work=work,
            recipe=recipe,
        )
    return work / "trunk.weights.h5"


def train_classifier(
    lesson: Lesson, *, trunk: Path, name: str, work: Path, recipe: Recipe
) -> keras.Model:
    """Teach a classifier, beginning at the trunk, unless the work folder has it.

    Args:
        lesson: Cells of all microscopes.
        trunk: From `train_trunk`.
        name: Of this classifier; its files in the work folder begin so.
        work: Keeps weights, history and what is needed to go on after a stop.
        recipe: How to learn.

    Returns:
        A network of `network.build_classifier`.
    """
    keras.utils.set_random_seed(recipe.seed)
    network = _network(lesson, None)
    network.load_weights(trunk)
    unfreeze(network, above=recipe.frozen)
    _teach(
        network,
        lesson,
        name=name,
        steps=recipe.fine_steps,
        rate=recipe.fine_rate,
        coarse=False,
        work=work,
        recipe=recipe,
    )
    return network


def _network(lesson: Lesson, weights: str | Path | None) -> keras.Model:
    """Build a classifier for a lesson."""
    return build_classifier(
        weights,
        classes=len(lesson.classes),
        attributes=lesson.words.shape[1],
        size=lesson.rule.size,
    )


def _teach(
    network: keras.Model,
    lesson: Lesson,
    *,
    name: str,
    steps: int,
    rate: float,
    coarse: bool,
    work: Path,
    recipe: Recipe,
) -> None:
    """Fit a network to a lesson, or load what an earlier run made of this very lesson."""
    done = work / f"{name}.weights.h5"
    _claim(work / f"{name}.lesson", lesson)
    if done.is_file():
        network.load_weights(done)
        return
    smoothed = keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing)
    network.compile(
        optimizer=falling_adamw(steps, rate),
        loss={"predictions": smoothed, "morphology": AttributeLoss(lesson.vocabulary)},
        loss_weights={"predictions": 1.0, "morphology": recipe.words_weight},
        metrics={"predictions": ["accuracy"]},
    )
    samples = CellSamples(
        lesson.cells,
        lesson.squares,
        words=lesson.words,
        classes=lesson.classes,
        rule=lesson.rule,
        strengths=recipe.stain_strengths,
        coarse=coarse,
        steps=min(STEPS_AN_EPOCH, steps),
        batch=recipe.batch,
        seed=recipe.seed,
        workers=1,
    )
    fit(network, samples, name=name, steps=steps, work=work)
    network.save_weights(done)


def _claim(written: Path, lesson: Lesson) -> None:
    """Insist that what lies under a name was learnt from this lesson, or is yet to be.

    Raises:
        RecipeMismatchError: If it was learnt from other cells, labels or words.
    """
    own = lesson.sha256
    if written.is_file() and written.read_text().strip() != own:
        raise RecipeMismatchError(
            f"{written.stem} in {written.parent} was learnt from other cells or labels; choose "
            f"another --work, or delete {written.parent}/{written.stem}*."
        )
    write_whole(written, own + "\n")


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
        samples: `STEPS_AN_EPOCH` batches an epoch, or fewer where there is but one.
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
