"""What the server answers, as frozen values; what a newer server adds is in `document`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Self, TypeAlias

from hematovision.client.failures import ApiError, ClientError

Document: TypeAlias = Mapping[str, Any]
Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels of the upright photo; right and bottom lie outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """Something that the server said.

    Attributes:
        document: All that it said, as JSON.
    """

    document: Document = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, document: Document) -> Self:
        """Take over what is known of a document.

        Raises:
            ClientError: If it is another, as of another server.
        """
        try:
            known = {one.name for one in fields(cls)} & set(document)
            given = {name: _value(name, document[name]) for name in known}
            return cls(**{"document": document} | given | cls._parts(document))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ClientError(
                f"The server's answer is no {cls.__name__}: {error}. Is it HematoVision?"
            ) from error

    @classmethod
    def _parts(cls, document: Document) -> dict[str, Any]:
        """Give the fields that are called or made otherwise in the document."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Model(Value):
    """A model, by name, version and SHA-256 of its weights."""

    name: str = ""
    version: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCell(Value):
    """A white cell of a photo, as the model sees it.

    Attributes:
        box: Where it is.
        decision: `named` or `unidentified`.
        cell_type: Its type; None where it is unidentified.
        confidence: The calibrated probability of the likeliest type.
        probabilities: Of each type, calibrated.
        prediction_set: What it could be, most probable first.
        known: How much it resembles the cells that the model learnt; None where it does not say.
        morphology: How it looks, in words.
        heat: With `explain`: how much each place mattered, row by row, 0 to 1.
        heat_type: With `explain`: the type that the heat speaks for.
        heat_box: With `explain`: the square that the heat fills.
    """

    box: Box
    decision: str | None
    cell_type: str | None
    confidence: float | None
    probabilities: Mapping[str, float]
    prediction_set: tuple[str, ...]
    known: float | None = None
    morphology: str | None = None
    heat: tuple[Sequence[float], ...] | None = field(default=None, repr=False)
    heat_type: str | None = None
    heat_box: Box | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Value):
    """What a model said of a photo.

    Attributes:
        id: Of the photo.
        url: Where the reading is found again.
        sha256: Of the file as it was sent.
        width: Pixels across, upright.
        height: Pixels down, upright.
        model: Who read it.
        cells: The white cells; there may be none.
        counts: How many cells have each name; those without one are `unidentified`.
        notice: What it must not be used for.
    """

    id: int
    url: str
    sha256: str
    width: int
    height: int
    model: Model
    cells: tuple[FoundCell, ...]
    counts: Mapping[str, int]
    notice: str

    @classmethod
    def _parts(cls, document: Document) -> dict[str, Any]:
        return {
            **{name: document["image"][name] for name in ("sha256", "width", "height")},
            "model": Model.of(document["model"]),
            "cells": tuple(map(FoundCell.of, document["cells"])),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed(Value):
    """A reading in a list; `total` and `counts` are of its cells, by what people call them."""

    id: int
    url: str
    read_at: datetime
    case: int | None
    accession: str | None
    state: str | None
    sender: str | None
    door: str
    model_version: str
    total: int
    counts: Mapping[str, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Value):
    """Photos that are read later.

    Attributes:
        state: `waiting`, `reading` or `done`.
        total: How many files were sent.
        done: How many need not be waited for.
        readings: One entry a file, in the order sent: the reading, why there is none, or None
            while it waits.
    """

    id: int
    state: str
    created_at: datetime
    total: int
    done: int
    readings: tuple[Reading | ApiError | None, ...]

    @property
    def is_done(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.state == "done"

    @classmethod
    def _parts(cls, document: Document) -> dict[str, Any]:
        return {"readings": tuple(map(reading_or_error, document["readings"]))}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook(Value):
    """An address of another system that is told what happens.

    Attributes:
        events: What it is told of.
        enabled: Whether it is told anything.
        secret: Signs what it is told; given once, when the webhook is added.
    """

    id: int
    url: str
    description: str
    events: tuple[str, ...]
    enabled: bool
    created_at: datetime
    secret: str | None = field(default=None, repr=False)


def reading_or_error(document: Document) -> Reading | ApiError | None:
    """Take over an entry of a list of readings; None where it still waits."""
    if document.get("error"):
        return ApiError.of(document["error"])
    return Reading.of(document) if "cells" in document else None


def _measure(document: Document | None) -> Measure | None:
    return Measure.of(document) if document else None


def _value(name: str, value: Any) -> Any:
    """Make a moment of a text, and a tuple of a list: what is frozen is frozen to its ground."""
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, str) and (name.endswith("_at") or name == "at"):
        return datetime.fromisoformat(value)
    return value
