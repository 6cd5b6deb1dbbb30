"""The pipeline: locate, crop, classify; one for every door."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hematovision.cells import Box, ModelIdentity, Reading, RgbImage
from hematovision.errors import ModelDamagedError
from hematovision.vision.bundle import (
    BUNDLE_FILE,
    CLASSIFIER_FILE,
    KNOWN_FILE,
    LOCATOR_FILE,
    Bundle,
    damaged_files,
    read_bundle,
)
from hematovision.vision.classifying import crop_cells, read_cells, square_around
from hematovision.vision.explaining import explain_cells
from hematovision.vision.knowing import Knower, load_knower
from hematovision.vision.locating import locate_cells
from hematovision.vision.morphology import describe_cells
from hematovision.vision.runtime import Network
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
        locator: Network,
        classifier: Network,
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
        boxes = self.locate(photo)
        readings: list[Reading] = []
        for start in range(0, len(boxes), BATCH):
            some = boxes[start : start + BATCH]
            readings.extend(self._say(some, self.look(self.cut(photo, some), explain=explain)))
        return readings

    def locate(self, photo: RgbImage) -> Sequence[Box]:
        """Find every white cell, from top to bottom; none where there is no light."""
        glass = measure_glass(photo)
        if glass.max() <= DARKEST_GLASS:
            return ()
        return locate_cells(photo, glass, locator=self._locator, rule=self.bundle.locator)

    def cut(self, photo: RgbImage, boxes: Sequence[Box]) -> NDArray[np.uint8]:
        """Cut out cells as the network wants them: shape (N, size, size, 3), RGB, uint8."""
        return crop_cells(photo, boxes, measure_glass(photo), self.bundle.crop)

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

    def _say(self, boxes: Sequence[Box], seen: Seen) -> Sequence[Reading]:
        """Turn what the network says into readings."""
        known = self._knower(seen.logits, seen.features) if self._knower else None
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
    bundle = read_bundle(folder)
    damaged = damaged_files(bundle)
    if damaged:
        raise ModelDamagedError(f"{folder}: {', '.join(damaged)} is not the file that was shipped.")
    classifier = Network(folder / CLASSIFIER_FILE, threads=threads)
    knower = load_knower(folder / KNOWN_FILE) if KNOWN_FILE in bundle.files else None
    _check_outputs(classifier, bundle, knower)
    locator = Network(folder / LOCATOR_FILE, threads=threads)
    return PhotoReader(bundle, locator=locator, classifier=classifier, knower=knower)


def _check_outputs(classifier: Network, bundle: Bundle, knower: Knower | None) -> None:
    """Insist that the files of a folder speak of the same types, features and attributes."""
    blank = np.zeros((1, bundle.crop.size, bundle.crop.size, 3), np.uint8)
    outputs = classifier(blank)
    types, named = outputs[LOGITS].shape[1], len(bundle.classes)
    if types != named:
        raise ModelDamagedError(
            f"{bundle.folder}: the network knows {types} types, {BUNDLE_FILE} names {named}."
        )
    if knower and not knower.fits(outputs[LOGITS], outputs[FEATURES]):
        raise ModelDamagedError(f"{bundle.folder}: {KNOWN_FILE} is of another network.")
    values = outputs[ATTRIBUTES].shape[1] if len(outputs) > ATTRIBUTES else 0
    named = sum(map(len, bundle.morphology.values()))
    if bundle.morphology and values != named:
        raise ModelDamagedError(
            f"{bundle.folder}: the network knows {values} values of attributes, {BUNDLE_FILE} "
            f"names {named}."
        )
