"""The words of an evaluation: shares with limits, bins, curves, one score a set; their writing."""

from collections.abc import Mapping
from dataclasses import dataclass

from hematovision.cells import ModelIdentity

NOT_MEASURED = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Share:
    """A number of 0 to 1 and its 95 % limits; None where they are not known."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """Expected calibration error, in bins of equal mass.

    Attributes:
        error: Of the model.
        perfect: The mean of what a perfectly calibrated model with as many cells would show; None
            where many are copies of few photos.
        perfect_95: The 95th percentile of the same.
    """

    error: float
    perfect: float | None = None
    perfect_95: float | None = None


@dataclass(frozen=True, slots=True)
class Bin:
    """Cells that were named about as surely: mean of what was said, share right, how many."""

    confidence: float
    right: float
    cells: int


@dataclass(frozen=True, slots=True)
class Curve:
    """The share of wrong names among the surest cells, by the share of cells that are named.

    Attributes:
        coverage: Shares named, 0-1.
        risk: Shares wrong among them, 0-1.
        operating: Coverage and risk where the system works; None where that is not known.
    """

    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    operating: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Covered:
    """How often prediction sets hold the true type.

    Attributes:
        cells: How many there were.
        coverage: The share, with exact limits; without, where many are copies of few photos.
        size_one: The share of sets with one type.
    """

    cells: int
    coverage: Share
    size_one: float | None


@dataclass(frozen=True, slots=True)
class Inside:
    """The share of heat in a drawn part of the cell, beside the part's share of the area."""

    heat: Share
    area: Share


@dataclass(frozen=True, slots=True)
class HeatScore:
    """How far heat maps can be believed.

    Attributes:
        cells: How many were looked at.
        blanked: Which share of the crop was blanked.
        lost: The probability that the name lost, by what was blanked.
        inside: By part of the cell.
    """

    cells: int
    blanked: float
    lost: Mapping[str, Share]
    inside: Mapping[str, Inside]


@dataclass(frozen=True, slots=True)
class SetScore:
    """The scores on one set.

    Attributes:
        title: What was asked.
        note: What has to be known to read the numbers.
        pictures: How many there were.
        right: How many were named rightly, when the best of the set's types had to be named.
        accuracy: The same as a share.
        refusal_is_wrong: The share right when a refusal counts as wrong.
        refused: The share left unidentified.
        balanced_accuracy: The mean of the types' recalls.
        macro_f1: The mean of the types' F1.
        recall: By type.
        precision: By type.
        calibration: How far stated and true shares lie apart.
        reliability: Bins from the least sure to the surest; empty where not measured.
        curve: Risk by coverage, if measured.
        prediction_sets: By type, and `all`; empty where not measured.
        confusion: Counts by true type and name; `none found` among the names.
    """

    title: str
    note: str
    pictures: int
    right: int
    accuracy: Share
    refusal_is_wrong: Share | None
    refused: Share | None
    balanced_accuracy: Share | None
    macro_f1: Share | None
    recall: Mapping[str, Share | None]
    precision: Mapping[str, Share | None]
    calibration: Calibration | None
    reliability: tuple[Bin, ...]
    curve: Curve | None
    prediction_sets: Mapping[str, Covered]
    confusion: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Located:
    """White cells found at an overlap of 0.5."""

    annotated: int
    located: int
    recall: float
    precision: float


@dataclass(frozen=True, slots=True)
class Strangers:
    """Things of one kind that the system should not name.

    Attributes:
        shown: How many there were.
        auroc: How well the known-or-not score tells them from cells it knows, 0-1.
        named: How many were named all the same.
    """

    shown: int
    auroc: Share | None
    named: int | None


@dataclass(frozen=True, slots=True)
class Known:
    """How well the unknown is refused.

    Attributes:
        other_types: Cells of other types.
        not_blood: Pictures without a white cell; `all` of them together.
        leave_one_type_out: Whether the type that is scored was absent from training.
    """

    other_types: Mapping[str, Strangers]
    not_blood: Mapping[str, Strangers]
    leave_one_type_out: bool


@dataclass(frozen=True, slots=True)
class Leaky:
    """What a split that puts copies of one photo on both sides would claim."""

    random_split: Share
    photo_split: Share
    note: str


@dataclass(frozen=True, slots=True)
class Point:
    """Scores at one strength of a disturbance."""

    amount: float
    accuracy: Share
    balanced: Share | None
    refused: Share | None


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What one way of spoiling a picture does."""

    unit: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Described:
    """How well one attribute of the morphology is told.

    Attributes:
        cells: How many there were.
        accuracy: The share right.
        balanced_accuracy: The mean over its values.
        majority: The share right of always saying the commonest value.
    """

    cells: int
    accuracy: float
    balanced_accuracy: float | None
    majority: float | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All scores of one model; what was not measured is None or empty.

    Attributes:
        model: The model that was scored.
        recipe_hash: Of the recipe it was made by.
        sets: By name, in the document's order.
        locator: By set.
        known: Known or not.
        leaky: The number that is none.
        robustness: By disturbance.
        morphology: By attribute.
        heat: How far heat maps can be believed.
    """

    model: ModelIdentity
    recipe_hash: str | None
    sets: Mapping[str, SetScore]
    locator: Mapping[str, Located]
    known: Known | None
    leaky: Leaky | None
    robustness: Mapping[str, Disturbance]
    morphology: Mapping[str, Described]
    heat: HeatScore | None = None


def share_in_words(share: float | None) -> str:
    """Write a share, such as `92.8 %`; what is not all never reads as all."""
    if share is None:
        return NOT_MEASURED
    return "> 99.9 %" if 0.9995 <= share < 1 else f"{100 * share:.1f} %"


def limits_in_words(share: Share | None) -> str:
    """Write 95 % limits, such as `83.9 to 97.6`."""
    if share is None or share.low is None or share.high is None:
        return NOT_MEASURED
    return f"{100 * share.low:.1f} to {100 * share.high:.1f}"


def plain_words(name: str) -> str:
    """Write the name of a thing in a document: `immature_granulocyte` is `Immature granulocyte`."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]
