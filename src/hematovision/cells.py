"""The words everybody uses: a box, a cell type, a reading, and who reads."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from statistics import fmean
from typing import Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

RgbImage: TypeAlias = NDArray[np.uint8]
"""An upright picture of shape (height, width, 3), RGB, uint8, 0-255."""

SUFFIXES = {".jpg", ".jpeg", ".jpe", ".png", ".tif", ".tiff", ".bmp", ".dib", ".webp"}
"""What is taken for a picture in a folder; a file that is named is read whatever its name."""

NOTICE = "For research use only. Not for use in diagnostic procedures."


class CellType(StrEnum):
    """The mature leukocytes that are named, and everything else."""

    NEUTROPHIL = "neutrophil"
    EOSINOPHIL = "eosinophil"
    LYMPHOCYTE = "lymphocyte"
    MONOCYTE = "monocyte"
    BASOPHIL = "basophil"
    OTHER = "other"


class Decision(StrEnum):
    """Whether the system puts a name to a cell."""

    NAMED = "named"
    UNIDENTIFIED = "unidentified"


class Doubt(StrEnum):
    """Why the system puts no name to a cell."""

    OTHER = "other"
    """It looks most like something that has no name here."""
    NONE = "none"
    """No type is probable enough."""
    SEVERAL = "several"
    """More than one type could be the right one."""
    UNFAMILIAR = "unfamiliar"
    """It is unlike the cells that were learnt."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the upright photo; `xmax` and `ymax` lie just outside it."""

    xmin: int
    ymin: int
    xmax: int
    ymax: int

    @property
    def width(self) -> int:
        """Columns covered."""
        return self.xmax - self.xmin

    @property
    def height(self) -> int:
        """Rows covered."""
        return self.ymax - self.ymin

    @property
    def area(self) -> int:
        """Pixels covered."""
        return self.width * self.height

    def holds(self, x: int, y: int) -> bool:
        """Tell whether a pixel lies inside."""
        return self.xmin <= x < self.xmax and self.ymin <= y < self.ymax

    def overlap(self, other: "Box") -> float:
        """Give the intersection of two boxes over their union, 0 to 1."""
        width = min(self.xmax, other.xmax) - max(self.xmin, other.xmin)
        height = min(self.ymax, other.ymax) - max(self.ymin, other.ymin)
        shared = max(width, 0) * max(height, 0)
        return shared / (self.area + other.area - shared) if shared else 0.0

    def as_list(self) -> list[int]:
        """Give `[xmin, ymin, xmax, ymax]`, the order of every document."""
        return [self.xmin, self.ymin, self.xmax, self.ymax]


@dataclass(frozen=True, slots=True)
class Heat:
    """Where an answer comes from.

    Attributes:
        cell_type: The type it speaks for: the cell's name, or the most probable type.
        square: What the network saw, in pixels of the photo; it may reach beyond the photo.
        weights: Rows of places that fill the square, 0-1: one where most speaks for the type, zero
            where nothing does.
    """

    cell_type: CellType
    square: Box
    weights: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """How a cell looks, or the cells of a photo on average, whatever they are taken for.

    It tells whether one laboratory's pictures are like another's; no answer depends on it.

    Attributes:
        red: Mean logarithm of the optical density of its stain in red; None where hardly anything
            is stained.
        green: The same in green.
        blue: The same in blue.
        contrast: Standard deviation of the same, the mean over the channels.
        focus: Logarithm of how much of its contrast lies in fine detail; None where it has none.
        distance: Logarithm of how far it is from the nearest type that was learnt; None until a
            model says.
    """

    red: float | None = None
    green: float | None = None
    blue: float | None = None
    contrast: float | None = None
    focus: float | None = None
    distance: float | None = None

    @classmethod
    def mean(cls, cells: Iterable["Measured | None"]) -> Self:
        """Give the mean of each measure over the cells that have it."""
        some = [cell for cell in cells if cell is not None]
        return cls(**{name: _mean(getattr(cell, name) for cell in some) for name in MEASURES})


MEASURES = tuple(Measured.__dataclass_fields__)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


@dataclass(frozen=True, slots=True)
class Reading:
    """What the system says of one cell.

    Attributes:
        box: Where the cell lies.
        decision: `named`, or `unidentified` when the system would not say.
        cell_type: The name; None when unidentified.
        confidence: The highest of the probabilities.
        probabilities: Calibrated, one per cell type, summing to one.
        prediction_set: The types that could not be ruled out, most probable first.
        doubts: Why there is no name; empty when named.
        known: How much the cell resembles those the model has learnt, 0-1; None until a model says.
        morphology: The cell in words; None until a model says.
        heat: Where the answer comes from; None unless asked for, and until a model says.
        measured: How it looks; None until a model says. Two readings that differ in nothing else
            say the same.
    """

    box: Box
    decision: Decision
    cell_type: CellType | None
    confidence: float
    probabilities: Mapping[CellType, float]
    prediction_set: tuple[CellType, ...]
    doubts: tuple[Doubt, ...] = ()
    known: float | None = None
    morphology: str | None = None
    heat: Heat | None = None
    measured: Measured | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model spoke: its name, its version, and the sha256 of its folder's content."""

    name: str
    version: str
    sha256: str

    @property
    def label(self) -> str:
        """Tell it from others in a few signs, such as `blood_cell 1.0.0 (9f3c41d7)`."""
        return f"{self.name} {self.version} ({self.sha256[:8]})"


class Engine(StrEnum):
    """Where the networks ran."""

    IN_PROCESS = "in_process"
    REMOTE = "remote"
    """An inference server."""
    FALLBACK = "fallback"
    """In the process, for the inference server did not answer."""


class Said(tuple[Reading, ...]):
    """What was said of the cells of one photo, and by which engine."""

    engine: Engine

    def __new__(cls, readings: Iterable[Reading], engine: Engine) -> Self:
        """Take the readings as they are."""
        said = super().__new__(cls, readings)
        said.engine = engine
        return said


def engine_of(readings: Sequence[Reading]) -> Engine:
    """Say where the networks ran; what says nothing of it ran in the process."""
    return readings.engine if isinstance(readings, Said) else Engine.IN_PROCESS


@dataclass(frozen=True, slots=True)
class PhotoReading:
    """Everything said of one photo.

    Attributes:
        image_sha256: Of the file as it was sent.
        width: Pixels across the upright photo.
        height: Pixels down the upright photo.
        model: The model that read it.
        cells: One reading a white cell, from top to bottom; empty when none was found.
        engine: Where the networks ran.
    """

    image_sha256: str
    width: int
    height: int
    model: ModelIdentity
    cells: tuple[Reading, ...]
    engine: Engine = Engine.IN_PROCESS

    @property
    def counts(self) -> dict[str, int]:
        """Count the cells by name, `unidentified` among them; names without cells are left out."""
        counted = Counter(cell.cell_type or Decision.UNIDENTIFIED for cell in self.cells)
        return {str(name): number for name, number in counted.most_common()}

    @property
    def measured(self) -> Measured:
        """Say how its cells look on average."""
        return Measured.mean(cell.measured for cell in self.cells)


class Queue(Protocol):
    """Whatever wakes those who read photos; the database alone knows what waits."""

    def wake(self) -> None:
        """Let somebody look for what waits; one wake too many does no harm, nor does a lost one."""
        ...


class CellReader(Protocol):
    """Whatever finds and names the white cells of a photo."""

    @property
    def model(self) -> ModelIdentity:
        """Say which model reads."""
        ...

    def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
        """Find and name every white cell.

        Args:
            photo: Shape (height, width, 3), RGB, uint8, 0-255.
            explain: Whether to say as well where each answer comes from.

        Returns:
            One reading a cell, from top to bottom; empty when there is none. `Said` where they were
            not read in the process.

        Raises:
            InferenceAwayError: If the networks run on a server that does not answer.
            InferenceWrongError: If they do, and what it answers is no answer.
        """
        ...


class LoadReader(Protocol):
    """Whatever turns a model folder into a reader."""

    def __call__(self, folder: Path, *, threads: int = 0) -> CellReader:
        """Open the folder and make ready to read.

        Raises:
            ModelMissingError: If there is no whole model folder.
            ModelDamagedError: If a file of it is not the one that was shipped.
        """
        ...
