"""What the server answers of cases, as frozen values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from hematovision.client.documents import Document, FoundCell, Model, Value
from hematovision.client.failures import ApiError


@dataclass(frozen=True, slots=True, kw_only=True)
class Case(Value):
    """A film that somebody reads.

    Attributes:
        accession: The laboratory's number.
        state: `open`, `in_review`, `signed` or `amended`.
        version: Counts the changes of what stands here, but for cells.
        target: How many white cells are to be counted.
        white_count: White cells in blood, 10⁹ a litre; None where unknown.
        photos: How many photos are in each state.
        cells: Cells that were found.
        unidentified: Those of them that nobody has named.
    """

    id: int
    accession: str
    note: str
    state: str
    version: int
    target: int
    white_count: float | None
    created_at: datetime
    photos: Mapping[str, int]
    cells: int
    unidentified: int

    @property
    def is_read(self) -> bool:
        """Whether no photo of it waits to be read."""
        return not {"waiting", "reading"} & set(self.photos)


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo(Value):
    """A photo of a case; `number` counts them from one."""

    id: int
    number: int
    state: str
    sha256: str
    width: int | None
    height: int | None
    same_as: int | None
    failure: str | None
    cells: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival(Value):
    """What became of a file that was sent into a case.

    Attributes:
        name: As it was sent, or as its ZIP calls it.
        id: Of the photo; None where it was refused or left out.
        state: Of the photo; `left_out` where a ZIP holds something else than pictures.
        was_here: Whether the case had it from an earlier request.
        error: Why it was refused.
    """

    name: str
    id: int | None = None
    number: int | None = None
    state: str | None = None
    was_here: bool = False
    same_as: int | None = None
    error: ApiError | None = None

    @classmethod
    def _parts(cls, document: Document) -> dict[str, Any]:
        return {"error": ApiError.of(document["error"])} if document.get("error") else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell(FoundCell):
    """A cell of a case: what the model said of it, and what people say.

    Attributes:
        number: Counts the cells of the case from one.
        photo: The number of its photo.
        doubts: Why the model put no name to it.
        model: Who found it; None where a person boxed it.
        label: What people call it; None while nobody said anything.
        called: What it counts as.
        version: How often people spoke of it; a review names the one that was seen.
        reviewed_by: Who spoke last.
    """

    id: int
    number: int
    photo: int
    doubts: tuple[str, ...]
    model: Model | None
    label: str | None
    called: str
    version: int
    reviewed_by: str | None

    @classmethod
    def _parts(cls, document: Document) -> dict[str, Any]:
        return {"model": Model.of(document["model"]) if document.get("model") else None}


@dataclass(frozen=True, slots=True)
class Review:
    """What somebody says of a cell.

    Attributes:
        cell: Its id.
        label: What it is, such as `band` or `no_cell`.
        seen: The version of the cell that was seen.
    """

    cell: int
    label: str
    seen: int

    @classmethod
    def of(cls, cell: Cell, label: str) -> Self:
        """Say something of a cell as it was seen."""
        return cls(cell.id, label, cell.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Value):
    """What became of a review: whether it was stored, and the cell as it is now."""

    stored: bool
    cell: Cell

    @classmethod
    def _parts(cls, document: Document) -> dict[str, Any]:
        return {"cell": Cell.of(document["cell"])}


class ConflictError(ApiError):
    """Somebody else spoke of some of the cells meanwhile; what was said of the others is kept."""

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """What became of each review, in the order given."""
        return [Outcome.of(one) for one in self.document["reviews"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure(Value):
    """A number with its exact 95 % limits, and what they mean against the reference range."""

    value: float
    low: float
    high: float
    verdict: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Value):
    """One class of the differential.

    Attributes:
        number: Cells that are called so.
        confirmed: Those of them that people called so.
        suggested: Cells that the model named so; None where it cannot.
        share: Of all that are counted, in %; None while none are.
        absolute: In 10⁹ a litre; None while the white count is not known.
    """

    code: str
    number: int
    confirmed: int
    suggested: int | None
    share: Measure | None
    absolute: Measure | None

    @classmethod
    def _parts(cls, document: Document) -> dict[str, Any]:
        return {name: _measure(document.get(name)) for name in ("share", "absolute")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Count(Value):
    """Cells that are not of the hundred; `rate` is how many there are per 100 white cells."""

    code: str
    number: int
    rate: Measure | None = None

    @classmethod
    def _parts(cls, document: Document) -> dict[str, Any]:
        return {"rate": _measure(document.get("rate"))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(Value):
    """What is to be looked at before the differential holds; `open`, `look` or `done`."""

    code: str
    state: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Differential(Value):
    """The white cells of a case as they stand now, class by class.

    Attributes:
        counted: White cells that are counted.
        confirmed: Those of them that people named.
        named: Cells that the model named.
        parts: The classes of the hundred.
        beside: Counted per hundred white cells.
        out: Not counted.
        unidentified: Nobody has put a name to them yet.
        white_count: White cells in blood, 10⁹ a litre.
        corrected_count: The same without erythroblasts.
        checks: What is to be looked at, in the order in which people work.
    """

    counted: int
    confirmed: int
    named: int
    parts: tuple[Part, ...]
    beside: tuple[Count, ...]
    out: tuple[Count, ...]
    unidentified: Count
    white_count: float | None
    corrected_count: float | None
    checks: tuple[Check, ...]

    @classmethod
    def _parts(cls, document: Document) -> dict[str, Any]:
        return {
            "parts": tuple(map(Part.of, document["parts"])),
            "beside": tuple(map(Count.of, document["beside"])),
            "out": tuple(map(Count.of, document["out"])),
            "unidentified": Count.of(document["unidentified"]),
            "checks": tuple(map(Check.of, document["checks"])),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature(Value):
    """A version of a case that somebody signed."""

    version: int
    name: str
    account: str
    meaning: str
    at: datetime
    reason: str
    sha256: str
    is_vouched: bool


def _measure(document: Document | None) -> Measure | None:
    return Measure.of(document) if document else None
