"""What was said of a labelled picture, beside what is true: the largest located cell answers."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hematovision.cells import Box, CellReader, CellType, ModelIdentity, Reading, RgbImage
from hematovision.learning.datasets import SAME_CELL, Cell, load_named


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said of one picture, beside what is true.

    Attributes:
        name: The picture.
        group: Pictures of one group are drawn together in the bootstrap.
        truth: The published type.
        named: Best of the types that the set has, of the largest cell; None where none was found.
        shown: The name that a user sees; None where the reading is unidentified or none was found.
        probabilities: Of every type; empty where no cell was found.
        prediction_set: What a user sees of it; empty where no cell was found.
        known: How much the cell resembles those that were learnt, 0-1; None where nothing says.
    """

    name: str
    group: str
    truth: CellType
    named: CellType | None
    shown: CellType | None
    probabilities: Mapping[CellType, float]
    prediction_set: tuple[CellType, ...]
    known: float | None = None

    @property
    def right(self) -> bool:
        """Whether the forced name is the true one."""
        return self.named is self.truth

    @property
    def refused(self) -> bool:
        """Whether a user sees no name."""
        return self.shown is None

    @property
    def said_right(self) -> bool:
        """Whether a user sees the true name."""
        return self.shown is self.truth

    @property
    def confidence(self) -> float:
        """The highest probability; zero where no cell was found."""
        return max(self.probabilities.values(), default=0.0)

    @property
    def sure_and_right(self) -> bool:
        """Whether the type with the highest probability is the true one."""
        return bool(self.probabilities) and _best(self.probabilities) is self.truth

    def as_document(self) -> dict[str, Any]:
        """Give the answer as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Answer":
        """Read what `as_document` gave."""
        return cls(
            name=document["name"],
            group=document["group"],
            truth=CellType(document["truth"]),
            named=CellType(document["named"]) if document["named"] else None,
            shown=CellType(document["shown"]) if document["shown"] else None,
            probabilities={CellType(k): float(p) for k, p in document["probabilities"].items()},
            prediction_set=tuple(CellType(kind) for kind in document["prediction_set"]),
            known=document["known"],
        )


INDEPENDENT = 0.75
"""Groups over answers; below it pictures of one field are too many for limits that count cells."""


def are_independent(answers: Sequence[Answer]) -> bool:
    """Tell whether nearly every answer is of a field of its own."""
    return len({answer.group for answer in answers}) >= INDEPENDENT * len(answers)


class Remembering:
    """A reader that reads a picture once, however many sets hold it."""

    def __init__(self, reader: CellReader) -> None:
        """Stand before another reader."""
        self._reader = reader
        self._readings: dict[bytes, Sequence[Reading]] = {}

    @property
    def model(self) -> ModelIdentity:
        """Say which model reads."""
        return self._reader.model

    def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
        """Find and name every white cell, or remember what was said of the same pixels."""
        key = hashlib.blake2b(photo.tobytes() + repr((photo.shape, explain)).encode()).digest()
        if key not in self._readings:
            self._readings[key] = self._reader.read(photo, explain=explain)
        return self._readings[key]


def answer_cells(
    cells: Iterable[Cell], reader: CellReader, types: Sequence[CellType]
) -> list[Answer]:
    """Read the picture of each cell and take the largest located cell as the answer.

    Args:
        cells: Where it is known where the cell lies, an answer about another cell is wrong.
        reader: The pipeline.
        types: Those the set has; the answer is forced to the best of them.

    Raises:
        PictureUnreadableError: If a picture cannot be decoded.
    """
    return [_answer(cell, _read(cell, reader), types) for cell in cells]


def _read(cell: Cell, reader: CellReader) -> Reading | None:
    """Give the largest located cell of a picture; None where it is not the labelled one."""
    photo = load_named(cell.path)
    largest = max(reader.read(photo), key=lambda reading: reading.box.area, default=None)
    return largest if largest and _shows(cell, largest.box, photo) else None


def _shows(cell: Cell, box: Box, photo: RgbImage) -> bool:
    """Tell whether a located box is the labelled cell."""
    if cell.box:
        return box.overlap(cell.box) >= SAME_CELL
    if not cell.centred:
        return True
    height, width = photo.shape[:2]
    return box.holds(width // 2, height // 2)


def _answer(cell: Cell, reading: Reading | None, types: Sequence[CellType]) -> Answer:
    """Put what was read beside what is true."""
    return Answer(
        name=cell.path.name,
        group=cell.group,
        truth=cell.cell_type,
        named=max(types, key=reading.probabilities.__getitem__) if reading else None,
        shown=reading.cell_type if reading else None,
        probabilities=dict(reading.probabilities) if reading else {},
        prediction_set=reading.prediction_set if reading else (),
        known=reading.known if reading else None,
    )


def _best(probabilities: Mapping[CellType, float]) -> CellType:
    return max(probabilities, key=probabilities.__getitem__)


def pool_copies(
    answers: Sequence[Answer], photos: Sequence[str], types: Sequence[CellType]
) -> list[Answer]:
    """Give one answer a photo from those to its copies.

    Probabilities are the mean over the copies with a cell. A name is shown, and a type stays in
    the prediction set, where at least half of all copies say so.

    Args:
        answers: One a copy.
        photos: The name of each copy's photo.
        types: Those the set has; the answer is forced to the best of them.
    """
    copies: dict[tuple[str, CellType], list[Answer]] = defaultdict(list)
    for answer, photo in zip(answers, photos, strict=True):
        copies[photo, answer.truth].append(answer)
    return [_pool(photo, some, types) for (photo, _), some in sorted(copies.items())]


def _pool(photo: str, copies: Sequence[Answer], types: Sequence[CellType]) -> Answer:
    """Make one answer of those to the copies of a photo."""
    found = [copy for copy in copies if copy.probabilities]
    mean = {
        kind: float(np.mean([copy.probabilities[kind] for copy in found]))
        for kind in (found[0].probabilities if found else ())
    }
    kept = [
        kind
        for kind in sorted(mean, key=lambda kind: -mean[kind])
        if 2 * sum(kind in copy.prediction_set for copy in copies) >= len(copies)
    ]
    best = _best(mean) if mean else None
    named_so = sum(copy.shown is best for copy in copies)
    known = [copy.known for copy in found if copy.known is not None]
    return Answer(
        name=photo,
        group=copies[0].group,
        truth=copies[0].truth,
        named=max(types, key=mean.__getitem__) if mean else None,
        shown=best if 2 * named_so >= len(copies) else None,
        probabilities=mean,
        prediction_set=tuple(kept) or ((best,) if best else ()),
        known=float(np.mean(known)) if known else None,
    )
