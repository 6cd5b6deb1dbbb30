"""The report of a case: one frozen value that holds all that its documents say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hematovision.cells import Box, ModelIdentity
from hematovision.differential import AgeBand, Differential
from hematovision.labels import NO_CELL, UNIDENTIFIED, Label


class Status(StrEnum):
    """How far a report is, in the words of FHIR."""

    PRELIMINARY = "preliminary"
    """Nobody has signed what it says."""
    FINAL = "final"
    """Somebody signed it, and nothing was signed before."""
    AMENDED = "amended"
    """Somebody signed it in the place of an earlier version."""


@dataclass(frozen=True, slots=True)
class ReportCell:
    """A cell as a report says it.

    Attributes:
        number: Counts the cells of the case from one.
        photo: The number of its photo in the case.
        box: Where in the photo it lies.
        machine: What the model named it; None where it did not.
        found: Whether a model found it; False where a person boxed it.
        person: What people call it; None while nobody said anything.
        reviewer: Who said so last; empty while nobody did, or where it was not kept.
        confidence: The highest probability; None where a person boxed it, or it was not kept.
        probabilities: By cell type; empty where there are none.
        prediction_set: What the model could not rule out.
        known: How much it resembles those that were learnt, 0-1.
        morphology: In words; empty where the model does not say.
        model: The version of the model that found it.
    """

    number: int
    photo: int
    box: Box
    machine: str | None
    found: bool
    person: str | None
    reviewer: str = ""
    confidence: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    prediction_set: Sequence[str] = ()
    known: float | None = None
    morphology: str = ""
    model: str = ""

    @property
    def called(self) -> str:
        """What it counts as: what people call it, else what the model named it."""
        return self.person or self.machine or UNIDENTIFIED

    @property
    def is_cell(self) -> bool:
        """Whether there is a cell in its box."""
        return self.person != NO_CELL


@dataclass(frozen=True, slots=True)
class Signed:
    """Who signed a version, and what that says.

    Attributes:
        version: Counts the signatures of the case from one.
        name: The full name, as it was printed.
        meaning: What signing it says.
        at: When, UTC.
        reason: Why the version before it was amended; empty for the first.
        overrides: Why checks were left open, by their codes.
        account: The name of the account that signed; the full name is whatever its owner wrote.
    """

    version: int
    name: str
    meaning: str
    at: datetime
    reason: str = ""
    overrides: Mapping[str, str] = field(default_factory=dict)
    account: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """Where the record of changes says that a version was signed.

    Attributes:
        event_id: Of the audit event.
        digest: Of the event in the chain, in hexadecimal digits; empty where there is no chain.
        address: Of the event's page; empty where it is not known under which name it is reached.
    """

    event_id: int
    digest: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class PhotoCounts:
    """The photos of a case.

    Attributes:
        number: All but those that were left out.
        empty: The numbers of those that were read and show no white cell.
        failed: Those that could not be read.
        waiting: Those that are not read yet.
    """

    number: int
    empty: Sequence[int] = ()
    failed: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """All that the documents of a case say; it holds nothing of a patient but the accession number.

    Attributes:
        case_id: The case's number here.
        accession: The laboratory's number.
        status: How far the report is.
        version: Of the signature that it says; zero where it is preliminary.
        opened_at: When the case was made, UTC.
        made_at: When this report was made, UTC.
        target: How many white cells were to be counted.
        photos: Of the case.
        differential: What was counted.
        band: The reference ranges; None where none hold.
        cells: A row a cell, by number, boxes without a cell among them.
        signatures: All up to this version, the oldest first; of a preliminary one all there are.
        models: Those that read the photos.
        proof: Where the record says that it was signed; None where it does not, or nobody signed.
        own: The laboratory's own labels.
        replaced_by: The newest version, where this one was amended; zero where it holds.
        is_demonstration: Whether the case is made up.
    """

    case_id: int
    accession: str
    status: Status
    version: int
    opened_at: datetime
    made_at: datetime
    target: int
    photos: PhotoCounts
    differential: Differential
    band: AgeBand | None
    cells: tuple[ReportCell, ...]
    signatures: tuple[Signed, ...] = ()
    models: tuple[ModelIdentity, ...] = ()
    proof: Proof | None = None
    own: tuple[Label, ...] = ()
    replaced_by: int = 0
    is_demonstration: bool = False

    @property
    def signed(self) -> Signed | None:
        """The signature under this version."""
        return self.signatures[-1] if self.version else None

    @property
    def replaced(self) -> Signed | None:
        """The signature under the version that this one replaces."""
        return self.signatures[-2] if self.version > 1 and len(self.signatures) > 1 else None

    @property
    def name(self) -> str:
        """What files of it are called: of numbers only, `case-7-version-2`."""
        return f"case-{self.case_id}-" + (f"version-{self.version}" if self.version else "unsigned")
