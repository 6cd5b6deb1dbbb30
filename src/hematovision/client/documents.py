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
        engine: Where the networks ran: `in_process`, `remote`, or `fallback`.
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
    engine: str = "in_process"

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


def _value(name: str, value: Any) -> Any:
    """Make a moment of a text, and a tuple of a list: what is frozen is frozen to its ground."""
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, str) and (name.endswith("_at") or name == "at"):
        return datetime.fromisoformat(value)
    return value
