"""What the model is to reach, and whether it does."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

from hematovision.vision.scores import NOT_MEASURED, Evaluation, SetScore, share_in_words

NOMINAL = 0.95
ENOUGH_CELLS = 100

Read = Callable[[Evaluation], float | None]
Write = Callable[[float], str]


class Verdict(StrEnum):
    """How a number stands to what was asked."""

    AIM = "aim met"
    FLOOR = "floor met, aim not"
    FLOOR_ONLY = "floor met"
    MISSED = "floor not met"
    AIM_MISSED = "aim not met"
    UNKNOWN = "not measured"


@dataclass(frozen=True, slots=True)
class Target:
    """One row of the table of targets.

    Attributes:
        asked: The set, or the part.
        measure: What is measured.
        floor: What has to be reached; None where the number is only to be shown.
        aim: What is hoped for.
        read: Finds the number in an evaluation.
        write: Writes it.
        at_most: Whether less is better.
        elsewhere: What measures it, where `hematovision evaluate` does not.
    """

    asked: str
    measure: str
    floor: float | None
    aim: float | None
    read: Read
    write: Write = share_in_words
    at_most: bool = False
    elsewhere: str = ""

    def judge(self, value: float | None) -> Verdict:
        """Compare a number with floor and aim."""
        if value is None:
            return Verdict.UNKNOWN
        if self._reaches(value, self.aim):
            return Verdict.AIM
        if self.floor is None:
            return Verdict.AIM_MISSED
        if not self._reaches(value, self.floor):
            return Verdict.MISSED
        return Verdict.FLOOR_ONLY if self.aim is None else Verdict.FLOOR

    def _reaches(self, value: float, wanted: float | None) -> bool:
        if wanted is None:
            return False
        return value <= wanted if self.at_most else value >= wanted


@dataclass(frozen=True, slots=True)
class Judged:
    """A target beside what was measured, in words."""

    target: Target
    value: str
    floor: str
    aim: str
    verdict: Verdict


def judge_all(evaluation: Evaluation) -> tuple[Judged, ...]:
    """Compare an evaluation with every target; what it does not hold is not measured."""
    return tuple(_judged(target, target.read(evaluation)) for target in TARGETS)


def _judged(target: Target, value: float | None) -> Judged:
    def words(number: float | None) -> str:
        return NOT_MEASURED if number is None else target.write(number)

    return Judged(target, words(value), words(target.floor), words(target.aim), target.judge(value))


def _of(name: str, read: Callable[[SetScore], float | None]) -> Read:
    """Read a number of one set, if that was scored."""

    def find(evaluation: Evaluation) -> float | None:
        score = evaluation.sets.get(name)
        return None if score is None else read(score)

    return find


def _right(score: SetScore) -> float:
    return float(score.right)


def _accuracy(score: SetScore) -> float:
    return score.accuracy.value


def _balanced(score: SetScore) -> float | None:
    return score.balanced_accuracy.value if score.balanced_accuracy else None


def _macro_f1(score: SetScore) -> float | None:
    return score.macro_f1.value if score.macro_f1 else None


def _error(score: SetScore) -> float | None:
    return score.calibration.error if score.calibration else None


def _against_perfect(score: SetScore) -> float | None:
    """Give the calibration error as a part of a perfect model's 95th percentile."""
    if score.calibration is None or not score.calibration.perfect_95:
        return None
    return score.calibration.error / score.calibration.perfect_95


def _holding(least: int) -> Callable[[SetScore], float | None]:
    """Give the share of types, with as many cells at least, whose limits hold the nominal."""

    def read(score: SetScore) -> float | None:
        shares = [
            one.coverage
            for kind, one in score.prediction_sets.items()
            if kind != "all" and one.cells >= least
        ]
        held = [
            (one.low or 0) <= NOMINAL <= (1 if one.high is None else one.high) for one in shares
        ]
        return fmean(held) if held else None

    return read


def _size_one(score: SetScore) -> float | None:
    every = score.prediction_sets.get("all")
    return every.size_one if every else None


def _other_types(evaluation: Evaluation) -> float | None:
    """Average over the types; a type that was learnt from does not count."""
    known = evaluation.known
    if known is None or not known.leave_one_type_out:
        return None
    found = [
        one.auroc.value for kind, one in known.other_types.items() if one.auroc and kind != "all"
    ]
    return fmean(found) if found else None


def _not_blood(evaluation: Evaluation) -> float | None:
    every = evaluation.known and evaluation.known.not_blood.get("all")
    return every.auroc.value if every and every.auroc else None


def _recall(evaluation: Evaluation) -> float | None:
    return min((one.recall for one in evaluation.locator.values()), default=None)


def _precision(evaluation: Evaluation) -> float | None:
    return min((one.precision for one in evaluation.locator.values()), default=None)


def _nowhere(evaluation: Evaluation) -> None:
    return None


def _count(value: float) -> str:
    return f"{value:.0f}"


def _plain(value: float) -> str:
    return f"{value:.3f}"


def _minutes(value: float) -> str:
    return f"{value:.0f} min"


TARGETS = (
    Target(
        "Official test photos, 71",
        "right, end to end",
        66,
        70,
        _of("official_photos", _right),
        _count,
    ),
    Target("Official TEST images", "right", 0.93, 0.97, _of("official_test_images", _accuracy)),
    Target("Grouped 5 folds", "balanced accuracy", 0.90, 0.95, _of("folds", _balanced)),
    Target("PBC test, five types", "macro-F1", 0.98, 0.99, _of("pbc_test", _macro_f1)),
    Target("JTSC, never trained on", "accuracy", 0.78, 0.93, _of("jtsc", _accuracy)),
    Target("JTSC, never trained on", "balanced accuracy", 0.74, 0.91, _of("jtsc", _balanced)),
    Target("A further unseen microscope", "accuracy", 0.80, 0.90, _nowhere, elsewhere="others"),
    Target(
        "JTSC, adapted without labels",
        "accuracy",
        0.82,
        0.93,
        _nowhere,
        elsewhere="hematovision model adapt",
    ),
    Target(
        "A further microscope, adapted without labels",
        "accuracy",
        0.88,
        0.95,
        _nowhere,
        elsewhere="others",
    ),
    Target(
        "JTSC, adapted with 100 cells",
        "accuracy on the others",
        0.88,
        0.97,
        _nowhere,
        elsewhere="hematovision model adapt",
    ),
    Target(
        "PBC test", "calibration error", 0.03, 0.015, _of("pbc_test", _error), _plain, at_most=True
    ),
    Target(
        "Official test photos",
        "calibration error against a perfect model's 95th percentile",
        None,
        1,
        _of("official_photos", _against_perfect),
        _plain,
        at_most=True,
    ),
    Target(
        "JTSC",
        "calibration error against a perfect model's 95th percentile",
        None,
        1,
        _of("jtsc", _against_perfect),
        _plain,
        at_most=True,
    ),
    Target(
        "Prediction sets, PBC test",
        "types of 100 cells or more whose exact limits hold 95 %",
        1,
        None,
        _of("pbc_test", _holding(ENOUGH_CELLS)),
    ),
    Target(
        "Prediction sets, official photos",
        "types whose exact limits hold 95 %",
        None,
        1,
        _of("official_photos", _holding(1)),
    ),
    Target(
        "Prediction sets, official photos",
        "sets of one type",
        None,
        0.90,
        _of("official_photos", _size_one),
    ),
    Target(
        "Known or not: other cell types",
        "AUROC, leave one type out, mean of the types",
        0.90,
        0.97,
        _other_types,
        _plain,
    ),
    Target("Known or not: not blood at all", "AUROC", 0.99, 0.999, _not_blood, _plain),
    Target("Locator", "recall at IoU 0.5, lowest of the sets", 0.98, 0.995, _recall),
    Target("Locator", "precision at IoU 0.5, lowest of the sets", 0.98, 0.99, _precision),
    Target(
        "Whole pipeline, 640 x 480",
        "time against Keras on one crop",
        0.5,
        0.25,
        _nowhere,
        _plain,
        at_most=True,
        elsewhere="make bench",
    ),
    Target(
        "Training from scratch, two cores",
        "time",
        45,
        20,
        _nowhere,
        _minutes,
        at_most=True,
        elsewhere="docs/experiments.md",
    ),
)
"""The table of what the model must reach."""
