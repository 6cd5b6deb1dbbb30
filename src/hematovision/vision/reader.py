"""The pipeline: locate, crop, classify; one for every door."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hematovision.cells import ModelIdentity, Reading, RgbImage
from hematovision.errors import ModelDamagedError
from hematovision.vision.bundle import (
    BUNDLE_FILE,
    CLASSIFIER_FILE,
    LOCATOR_FILE,
    Bundle,
    damaged_files,
    read_bundle,
)
from hematovision.vision.classifying import crop_cells, read_cells
from hematovision.vision.locating import locate_cells
from hematovision.vision.runtime import Network
from hematovision.vision.staining import DARKEST_GLASS, measure_glass

BATCH = 32
"""Cells classified at once, so that a crowded photo needs no more memory than a sparse one."""


class PhotoReader:
    """Reads photos with the networks of one model folder."""

    def __init__(self, bundle: Bundle, *, locator: Network, classifier: Network) -> None:
        """Take the parts as they are."""
        self.bundle = bundle
        self._locator = locator
        self._classifier = classifier

    @property
    def model(self) -> ModelIdentity:
        """Say which model reads."""
        return self.bundle.identity

    def read(self, photo: RgbImage) -> Sequence[Reading]:
        """Find and name every white cell.

        Args:
            photo: Shape (height, width, 3), RGB, uint8, 0-255.

        Returns:
            One reading a cell, from top to bottom; empty when there is none, or the photo is so
            dark that there is no glass in it.
        """
        glass = measure_glass(photo)
        if glass.max() <= DARKEST_GLASS:
            return ()
        boxes = locate_cells(photo, glass, locator=self._locator, rule=self.bundle.locator)
        readings: list[Reading] = []
        for start in range(0, len(boxes), BATCH):
            some = boxes[start : start + BATCH]
            logits, _ = self._classifier(crop_cells(photo, some, glass, self.bundle.crop))
            readings.extend(read_cells(some, logits, self.bundle))
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
    blank = np.zeros((1, bundle.crop.size, bundle.crop.size, 3), np.uint8)
    known = classifier(blank)[0].shape[1]
    if known != len(bundle.classes):
        raise ModelDamagedError(
            f"{folder}: the network knows {known} types, {BUNDLE_FILE} names {len(bundle.classes)}."
        )
    locator = Network(folder / LOCATOR_FILE, threads=threads)
    return PhotoReader(bundle, locator=locator, classifier=classifier)
