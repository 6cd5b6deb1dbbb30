"""What is served of a model folder: its two networks, under the names of the wire."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hematovision.errors import ModelDamagedError
from hematovision.vision.bundle import (
    CLASSIFIER_FILE,
    LOCATOR_FILE,
    Bundle,
    damaged_files,
)
from hematovision.vision.open_inference import (
    CLASSIFIER_OUTPUTS,
    LOCATOR_OUTPUTS,
    PICTURES,
    served_as,
)
from hematovision.vision.runtime import Network

FREE = -1
"""The length of a side, or of a batch, that each request chooses."""

VIEW_STEP = 32
"""The sides of a view are multiples of so many pixels."""


class Tensor(NamedTuple):
    """One input or output.

    Attributes:
        name: On the wire.
        datatype: The protocol's name of it.
        shape: Without the batch; `FREE` where each request chooses.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]


class Served(NamedTuple):
    """One network that is served.

    Attributes:
        name: On the wire; it changes with the weights.
        path: Of the ONNX file as it was shipped: float32 in, outputs by their places.
        network: The same, loaded.
        pictures: The input.
        outputs: In the network's order.
    """

    name: str
    path: Path
    network: Network
    pictures: Tensor
    outputs: tuple[Tensor, ...]

    @property
    def sample(self) -> NDArray[np.uint8]:
        """Give a picture of the smallest size: shape (1, height, width, 3), uint8, all zero."""
        sides = [VIEW_STEP if side == FREE else side for side in self.pictures.shape]
        return np.zeros((1, *sides), np.uint8)


def open_served(bundle: Bundle, *, threads: int = 0) -> tuple[Served, Served]:
    """Load the classifier and the locator of a model folder, and run each once.

    Args:
        bundle: The model folder.
        threads: Threads that one inference may use; 0 takes every core.

    Raises:
        ModelDamagedError: If a file is not the one that was shipped, or no network that can be run.
    """
    damaged = damaged_files(bundle)
    if damaged:
        raise ModelDamagedError(
            "%(folder)s: %(files)s is not the file that was shipped.",
            folder=bundle.folder,
            files=", ".join(damaged),
        )
    names = served_as(bundle.identity.sha256)
    size = bundle.crop.size
    crops, views = (Tensor(PICTURES, "UINT8", (*sides, 3)) for sides in ((size,) * 2, (FREE,) * 2))
    classifier, locator = bundle.folder / CLASSIFIER_FILE, bundle.folder / LOCATOR_FILE
    return (
        _open(names.classifier, classifier, crops, CLASSIFIER_OUTPUTS, threads),
        _open(names.locator, locator, views, LOCATOR_OUTPUTS, threads),
    )


def _open(
    name: str, path: Path, pictures: Tensor, outputs: tuple[str, ...], threads: int
) -> Served:
    """Load a network, and ask it for the shapes of its outputs; it may end before the last."""
    served = Served(name, path, Network(path, threads=threads), pictures, ())
    answers = served.network(served.sample)
    shapes = [answer.shape[1:] for answer in answers]
    if FREE in pictures.shape:
        shapes = [(FREE, FREE, shape[-1]) for shape in shapes]
    found = zip(outputs, shapes, strict=False)
    return served._replace(outputs=tuple(Tensor(one, "FP32", shape) for one, shape in found))
