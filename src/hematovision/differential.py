"""The words of a differential: a class with its share, its limits, and what they mean together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

INSIDE: Mapping[str, str] = {"band": "neutrophil"}
"""Labels that are counted in another class as well, and stand on a row of their own below it.

Laboratories report segmented and band neutrophils together, as "neutrophils": of band counts alone
no two readers agree (Vergara-Lluri et al., 2023, 10.5858/arpa.2023-0015-CP).
"""


class Verdict(StrEnum):
    """What the limits of a number say against a reference range."""

    BELOW = "below"
    """The limits lie wholly below."""
    MAYBE_BELOW = "maybe_below"
    """The number lies below, but its limits reach into the range."""
    WITHIN = "within"
    """The limits lie wholly within."""
    UNDECIDED = "undecided"
    """The number lies within, but its limits reach out."""
    MAYBE_ABOVE = "maybe_above"
    """The number lies above, but its limits reach into the range."""
    ABOVE = "above"
    """The limits lie wholly above."""


SETTLED = frozenset({Verdict.BELOW, Verdict.WITHIN, Verdict.ABOVE})


@dataclass(frozen=True, slots=True)
class Range:
    """A reference range, in the unit of what it is held against; both ends belong to it."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class AgeBand:
    """Reference ranges of an age band.

    Attributes:
        code: For the database.
        name: As the laboratory calls it; empty for the one that comes with the system.
        source: Whence the ranges come.
        limits: Of shares, in %, by the code of a label.
        absolute: Of counts, in 10^9 a litre, by the code of a label.
    """

    code: str
    name: str
    source: str
    limits: Mapping[str, Range] = field(default_factory=dict)
    absolute: Mapping[str, Range] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that never stands alone.

    Attributes:
        value: In the unit of its place: %, cells per 100 white cells, or 10^9 a litre.
        low: The lower exact 95 % limit.
        high: The upper one.
        range: What it is held against; None where no range is set.
        verdict: What limits and range mean together; None where no range is set.
    """

    value: float
    low: float
    high: float
    range: Range | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One class of the hundred.

    Attributes:
        code: Of its label.
        key: The letter on its mark.
        number: Cells called so: by people, and by the machine where nobody has said anything yet.
        confirmed: Those of them that people called so.
        suggested: Cells that the machine named so; None where it has no such name.
        share: Of all that are counted, in %; None while none are.
        suggested_share: Of all that the machine named, in %.
        more: How many more cells would settle it at today's share; None where it is settled, has
            no range, or would stay undecided.
        absolute: In 10^9 a litre; None while the total is not known.
        inside: The code of the class that it is counted in as well; empty for most.
    """

    code: str
    key: str
    number: int
    confirmed: int
    suggested: int | None
    share: Measure | None = None
    suggested_share: float | None = None
    more: int | None = None
    absolute: Measure | None = None
    inside: str = ""

    @property
    def verdict(self) -> Verdict | None:
        """Say what its share means."""
        return self.share.verdict if self.share else None


@dataclass(frozen=True, slots=True)
class Beside:
    """Cells that are not of the hundred.

    Attributes:
        code: Of their label.
        key: The letter on their mark.
        number: How many.
        suggested: Cells that the machine put there; None where it cannot.
        rate: How many there are per 100 white cells; None where that is not asked.
    """

    code: str
    key: str
    number: int
    suggested: int | None = None
    rate: Measure | None = None


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What became of the names that the machine suggested.

    Attributes:
        reviewed: Suggestions of which somebody said something.
        changed: Those where they said something else.
        kept: The share of the others, in %; None while nobody said anything.
        waiting: Suggestions of which nobody said anything.
    """

    reviewed: int
    changed: int
    kept: Measure | None
    waiting: int


@dataclass(frozen=True, slots=True)
class Differential:
    """The white cells of a case, class by class.

    Attributes:
        counted: White cells that are counted: the hundred.
        confirmed: Those of them that people named.
        named: Cells that the machine named.
        parts: The classes, in the order of the labels.
        beside: Counted per 100 white cells.
        unidentified: Nobody has put a name to them yet.
        out: Not counted.
        suggestions: What became of the machine's.
        white_count: White cells in blood, 10^9 a litre, as another instrument counted them.
        corrected_count: The same without the erythroblasts among them; None where there are none.
    """

    counted: int
    confirmed: int
    named: int
    parts: tuple[Part, ...]
    beside: tuple[Beside, ...]
    unidentified: Beside
    out: tuple[Beside, ...]
    suggestions: Suggestions
    white_count: float | None = None
    corrected_count: float | None = None
