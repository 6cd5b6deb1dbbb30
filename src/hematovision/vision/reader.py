"""The pipeline: locate, crop, classify; one for every door."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hematovision.cells import Box, ModelIdentity, Reading, RgbImage
from hematovision.errors import ModelDamagedError
from hematovision.observing.signals import Stage, stage
from hematovision.vision.batching import open_network
from hematovision.vision.bundle import (
    BUNDLE_FILE,
    CLASSIFIER_FILE,
    KNOWN_FILE,
    LOCATOR_FILE,
    Bundle,
    damaged_files,
    read_bundle,
)
from hematovision.vision.classifying import cut_cells, read_cells, square_around
from hematovision.vision.explaining import explain_cells
from hematovision.vision.knowing import DISTANCE, Floats, Knower, load_knower
from hematovision.vision.locating import locate_cells
from hematovision.vision.measuring import measure_cells
from hematovision.vision.morphology import describe_cells
from hematovision.vision.runtime import Runs
from hematovision.vision.staining import DARKEST_GLASS, measure_glass

BATCH = 32
"""Cells classified at once, so that a crowded photo needs no more memory than a sparse one."""

LOGITS, FEATURES, ACTIVATIONS, ATTRIBUTES = range(4)
"""The places of the classifier's outputs; a network may end after its features."""


class Seen(NamedTuple):
    """What the network says of cells.

    Attributes:
        logits: Shape (N, C), calibrated.
        features: Shape (N, D).
        activations: Shape (N, h, w, C), what each place adds to the logits; None unless asked for.
        attributes: Shape (N, M), logits of the values of every attribute; None without a rule.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    activations: NDArray[np.float32] | None
    attributes: NDArray[np.float32] | None


class PhotoReader:
    """Reads photos with the networks of one model folder."""

    def __init__(
        self,
        bundle: Bundle,
        *,
        locator: Runs,
        classifier: Runs,
        knower: Knower | None = None,
    ) -> None:
        """Take the parts as they are."""
        self.bundle = bundle
        self._locator = locator
        self._classifier = classifier
        self._knower = knower

    @property
    def model(self) -> ModelIdentity:
        """Say which model reads."""
        return self.bundle.identity

    @property
    def explains(self) -> bool:
        """Whether the network can say where its answers come from."""
        return self._classifier.outputs > ACTIVATIONS

    def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
        """Find and name every white cell.

        Args:
            photo: Shape (height, width, 3), RGB, uint8, 0-255.
            explain: Whether to say as well where each answer comes from, if the network can.

        Returns:
            One reading a cell, from top to bottom; empty when there is none, or the photo is so
            dark that there is no glass in it.
        """
        with stage(Stage.LOCATE):
            glass = measure_glass(photo)
            boxes = self._locate(photo, glass)
        readings: list[Reading] = []
        for start in range(0, len(boxes), BATCH):
            some = boxes[start : start + BATCH]
            with stage(Stage.CLASSIFY):
                cut = cut_cells(photo, some, glass, self.bundle.crop)
                seen = self.look(cut.crops, explain=explain)
                signals = self._signals(seen)
                said = self._say(some, seen, signals)
                distances = None if signals is None else signals[:, DISTANCE]
                readings.extend(measure_cells(said, cut, distances, self.bundle.crop))
        return readings

    def locate(self, photo: RgbImage) -> Sequence[Box]:
        """Find every white cell, from top to bottom; none where there is no light."""
        return self._locate(photo, measure_glass(photo))

    def cut(self, photo: RgbImage, boxes: Sequence[Box]) -> NDArray[np.uint8]:
        """Cut out cells as the network wants them: shape (N, size, size, 3), RGB, uint8."""
        return cut_cells(photo, boxes, measure_glass(photo), self.bundle.crop).crops

    def look(self, crops: NDArray[np.uint8], *, explain: bool = False) -> Seen:
        """Run the classifier on cells that are cut out.

        Args:
            crops: Shape (N, size, size, 3), RGB, uint8, from `cut`.
            explain: Whether activations are wanted, if the network has them.
        """
        wanted = [LOGITS, FEATURES]
        if explain and self.explains:
            wanted.append(ACTIVATIONS)
        if self.bundle.morphology:
            wanted.append(ATTRIBUTES)
        found = dict(zip(wanted, self._classifier(crops, outputs=wanted), strict=True))
        return Seen(found[LOGITS], found[FEATURES], found.get(ACTIVATIONS), found.get(ATTRIBUTES))

    def _locate(self, photo: RgbImage, glass: NDArray[np.float32]) -> Sequence[Box]:
        if glass.max() <= DARKEST_GLASS:
            return ()
        return locate_cells(photo, glass, locator=self._locator, rule=self.bundle.locator)

    def _signals(self, seen: Seen) -> Floats | None:
        """Measure by what cells are known; None where the model does not say."""
        return self._knower.signals(seen.logits, seen.features) if self._knower else None

    def _say(self, boxes: Sequence[Box], seen: Seen, signals: Floats | None) -> Sequence[Reading]:
        """Turn what the network says into readings."""
        known = self._knower.weigh(signals) if self._knower and signals is not None else None
        readings = read_cells(boxes, seen.logits, self.bundle, known)
        if seen.attributes is not None:
            readings = describe_cells(readings, seen.attributes, self.bundle.morphology)
        if seen.activations is not None:
            squares = [square_around(box, self.bundle.crop) for box in boxes]
            readings = explain_cells(readings, seen.activations, squares, self.bundle.classes)
        return readings


def load_reader(folder: Path, *, threads: int = 0) -> PhotoReader:
    """Open a model folder and make ready to read.

    Args:
        folder: The model folder.
        threads: Threads that one inference may use; 0 takes every core.

    Raises:
        ModelMissingError: If there is no whole model folder.
        ModelDamagedError: If a file of it is not the one that was shipped.
    """
    bundle, knower = read_folder(folder)
    classifier = open_network(folder / CLASSIFIER_FILE, threads=threads)
    _check_outputs(classifier, bundle, knower)
    locator = open_network(folder / LOCATOR_FILE, threads=threads)
    return PhotoReader(bundle, locator=locator, classifier=classifier, knower=knower)


def read_folder(folder: Path) -> tuple[Bundle, Knower | None]:
    """Read a model folder without its networks, and insist that nothing of it was changed.

    Raises:
        ModelMissingError: If there is no whole model folder.
        ModelDamagedError: If a file of it is not the one that was shipped.
    """
    bundle = read_bundle(folder)
    damaged = damaged_files(bundle)
    if damaged:
        raise ModelDamagedError(
            "%(folder)s: %(files)s is not the file that was shipped.",
            folder=folder,
            files=", ".join(damaged),
        )
    return bundle, None if bundle.known_threshold is None else load_knower(folder / KNOWN_FILE)


def _check_outputs(classifier: Runs, bundle: Bundle, knower: Knower | None) -> None:
    """Insist that network, bundle and knower speak of the same types, features and attributes."""
    blank = np.zeros((1, bundle.crop.size, bundle.crop.size, 3), np.uint8)
    outputs = classifier(blank)
    types = outputs[LOGITS].shape[1]
    if types != len(bundle.classes):
        raise ModelDamagedError(
            "%(folder)s: the network knows %(types)s types, %(file)s names %(named)s.",
            folder=bundle.folder,
            types=types,
            file=BUNDLE_FILE,
            named=len(bundle.classes),
        )
    if knower and not knower.fits(outputs[LOGITS], outputs[FEATURES]):
        raise ModelDamagedError(
            "%(folder)s: %(file)s was made for another network.",
            folder=bundle.folder,
            file=KNOWN_FILE,
        )
    if not bundle.morphology:
        return
    known = outputs[ATTRIBUTES].shape[1] if len(outputs) > ATTRIBUTES else 0
    named = sum(map(len, bundle.morphology.values()))
    if known != named:
        raise ModelDamagedError(
            "%(folder)s: the network knows %(known)s values of attributes, "
            "%(file)s names %(named)s.",
            folder=bundle.folder,
            known=known,
            file=BUNDLE_FILE,
            named=named,
        )
