"""Two models asked of the same pictures: how far their scores lie apart, picture by picture."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hematovision.cells import CellReader, CellType
from hematovision.learning import Track, untracked
from hematovision.learning.answers import Answer, answer_cells
from hematovision.learning.curves import plain_error
from hematovision.learning.datasets import Photo
from hematovision.learning.findings import match_photo
from hematovision.learning.protocol import LabelledSet

DRAWS = 2000
DRAWS_OF_CALIBRATION = 400
Counts = NDArray[np.float64]


def compare_answers(
    before: Sequence[Answer], after: Sequence[Answer], types: Sequence[CellType], *, seed: int = 0
) -> dict[str, Any]:
    """Compare what two models say of the same pictures.

    Args:
        before: Of the one model.
        after: Of the other, in the same order.
        types: Those the set has.
        seed: Of the bootstrap over groups, in which both models are drawn together.

    Returns:
        For every measure `before`, `after`, and `difference` with its 95 % limits; how many
        pictures are `right` with one of the two alone.
    """
    places = {kind: place for place, kind in enumerate(types)}
    tables = (
        np.stack([_row(one, places) for one in before]),
        np.stack([_row(one, places) for one in after]),
    )
    drawn = _draw([one.group for one in before], DRAWS, seed)
    measured = {name: _differ(measure, tables, drawn) for name, measure in MEASURES.items()} | {
        "calibration_error": _calibration(before, after, drawn[:DRAWS_OF_CALIBRATION])
    }
    pairs = list(zip(before, after, strict=True))
    return {
        "pictures": len(pairs),
        **measured,
        "right_before_alone": sum(one.right and not other.right for one, other in pairs),
        "right_after_alone": sum(other.right and not one.right for one, other in pairs),
        "same_name": round(float(np.mean([one.named is other.named for one, other in pairs])), 4),
    }


RIGHT, SHOWN, REFUSED, COVERED, FOUND, ONE = range(6)


def _row(answer: Answer, places: Mapping[CellType, int]) -> Counts:
    """Count an answer in the row of its true type: shape (types, 6)."""
    row = np.zeros((len(places), ONE + 1))
    row[places[answer.truth]] = (
        answer.right,
        answer.said_right,
        answer.refused,
        answer.truth in answer.prediction_set,
        bool(answer.probabilities),
        1,
    )
    return row


def _share(column: int, of: int = ONE) -> Callable[[Counts], Counts]:
    """Give the measure that is a share of all pictures."""

    def measure(table: Counts) -> Counts:
        counted = table.sum(axis=-2)
        return np.asarray(counted[..., column] / np.maximum(counted[..., of], 1))

    return measure


def _balanced(table: Counts) -> Counts:
    """Average the share right over the types that occur."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nanmean(table[..., RIGHT] / table[..., ONE], axis=-1))


MEASURES: dict[str, Callable[[Counts], Counts]] = {
    "accuracy": _share(RIGHT),
    "balanced_accuracy": _balanced,
    "refusal_is_wrong": _share(SHOWN),
    "refused": _share(REFUSED),
    "coverage": _share(COVERED, FOUND),
}
"""From tables of shape (..., types, 6) to numbers of shape (...)."""


def _draw(groups: Sequence[str], draws: int, seed: int) -> NDArray[np.intp]:
    """Say how often each picture is drawn, whole groups at a time: shape (draws, N)."""
    _, index = np.unique(groups, return_inverse=True)
    number = int(index.max()) + 1
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(number, np.full(number, 1 / number), size=draws)
    return np.asarray(drawn[:, index], np.intp)


def _differ(
    measure: Callable[[Counts], Counts], tables: tuple[Counts, Counts], drawn: NDArray[np.intp]
) -> dict[str, Any]:
    """Measure tables of shape (N, ...) of both models, and how their difference varies."""
    weights = drawn.astype(np.float64)
    before, after = (np.tensordot(weights, table, axes=1) for table in tables)
    first, second = (float(measure(table.sum(axis=0))) for table in tables)
    return _difference(first, second, measure(after) - measure(before))


def _difference(before: float, after: float, spread: NDArray[np.float64]) -> dict[str, Any]:
    limits = np.percentile(spread, [2.5, 97.5])
    return {
        "before": round(before, 4),
        "after": round(after, 4),
        "difference": [round(float(one), 4) for one in (after - before, *limits)],
    }


def _calibration(
    before: Sequence[Answer], after: Sequence[Answer], drawn: NDArray[np.intp]
) -> dict[str, Any]:
    """Compare calibration errors."""
    plain = [
        _calibration_errors(some, np.ones((1, len(some)), np.intp)) for some in (before, after)
    ]
    spread = [_calibration_errors(some, drawn) for some in (before, after)]
    return _difference(float(plain[0][0]), float(plain[1][0]), spread[1] - spread[0])


def _calibration_errors(answers: Sequence[Answer], drawn: NDArray[np.intp]) -> NDArray[np.float64]:
    """Give the calibration error of every draw; pictures without a located cell are left out."""
    found = np.flatnonzero([bool(one.probabilities) for one in answers])
    confidence = np.asarray([one.confidence for one in answers], np.float64)[found]
    right = np.asarray([one.sure_and_right for one in answers], np.float64)[found]
    rows = (np.repeat(np.arange(len(found)), row[found]) for row in drawn)
    return np.asarray([plain_error(confidence[row], right[row]) for row in rows])


def compare_locators(
    photos: Sequence[Photo],
    before: CellReader,
    after: CellReader,
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare what two locators find on the same photos, at an overlap of 0.5.

    Args:
        photos: With boxes of every white cell.
        before: The one model.
        after: The other.
        seed: Of the bootstrap over groups.

    Returns:
        Recall and precision, each `before`, `after`, `difference`.
    """
    tables = _matched(photos, before), _matched(photos, after)
    drawn = _draw([photo.group for photo in photos], DRAWS, seed)
    return {"photos": len(photos)} | {
        name: _differ(_found(other), tables, drawn)
        for name, other in (("recall", 1), ("precision", 2))
    }


def _matched(photos: Sequence[Photo], reader: CellReader) -> Counts:
    """Count hits, misses and boxes too many of every photo: shape (N, 3)."""
    counted = [[len(part) for part in match_photo(photo, reader)] for photo in photos]
    return np.asarray(counted, np.float64)


def _found(other: int) -> Callable[[Counts], Counts]:
    """Give the share of hits among hits and misses, or among hits and boxes too many."""

    def measure(table: Counts) -> Counts:
        hits = table[..., 0]
        return np.asarray(hits / np.maximum(hits + table[..., other], 1))

    return measure


def compare_models(
    sets: Mapping[str, LabelledSet],
    boxed: Mapping[str, Sequence[Photo]],
    before: CellReader,
    after: CellReader,
    *,
    track: Track = untracked,
) -> dict[str, Any]:
    """Compare two models on labelled sets and on photos with boxes.

    Args:
        sets: By name.
        boxed: Photos with boxes, by set.
        before: The model to be compared with.
        after: The model that is measured.
        track: Shows how far it is.
    """
    compared = {}
    for name, some in sets.items():
        first, second = (
            answer_cells(track(some.cells, f"beside {name}"), reader, some.types)
            for reader in (before, after)
        )
        compared[name] = compare_answers(first, second, some.types)
    return {
        "model": asdict(before.model),
        "sets": compared,
        "locator": {
            name: compare_locators(photos, before, after) for name, photos in boxed.items()
        },
    }
