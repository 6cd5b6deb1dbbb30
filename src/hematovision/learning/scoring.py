"""Numbers for answers: accuracy, recall, precision and more, with 95 % limits by bootstrap."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hematovision.cells import CellType
from hematovision.learning.answers import Answer
from hematovision.learning.coverage import score_prediction_sets
from hematovision.learning.curves import calibration_error, reliability, risk_coverage

DRAWS = 2000


def score(answers: Sequence[Answer], types: Sequence[CellType], *, seed: int = 0) -> dict[str, Any]:
    """Put numbers, with 95 % limits by bootstrap over groups, to a set of answers.

    Args:
        answers: One a picture.
        types: Those the set has.
        seed: Of the bootstrap.
    """
    table = _table(answers, types)
    samples = _bootstrap([answer.group for answer in answers], table, seed)
    named = [*types, None]
    confusion = {
        str(truth): {
            str(name or "none found"): sum(a.truth is truth and a.named is name for a in answers)
            for name in named
        }
        for truth in types
    }
    return {
        "types": [str(kind) for kind in types],
        "pictures": len(answers),
        "right": sum(answer.right for answer in answers),
        "accuracy": _with_limits(_accuracy, table, samples),
        "refusal_is_wrong": _with_limits(_decided, table, samples),
        "refused": _with_limits(_refused, table, samples),
        "balanced_accuracy": _with_limits(_balanced, table, samples),
        "macro_f1": _with_limits(_macro_f1, table, samples),
        "recall": _by_type(_recalls, table, samples, types),
        "precision": _by_type(_precisions, table, samples, types),
        "calibration": calibration_error(answers, seed=seed),
        "reliability": reliability(answers),
        "risk_coverage": risk_coverage(answers),
        "prediction_sets": score_prediction_sets(answers, types),
        "confusion": confusion,
        "wrong": [
            {"picture": a.name, "truth": a.truth, "named": a.named} for a in answers if not a.right
        ],
    }


Table = NDArray[np.float64]
"""Shape (types, types + 3), a row a true type: named so or so; none found; refused; right and said.

Sums over pictures, so that a bootstrap draw is a sum of the tables of its groups.
"""


def _table(answers: Sequence[Answer], types: Sequence[CellType]) -> NDArray[np.float64]:
    """Give each answer's own table: shape (N, types, types + 3)."""
    index = {kind: i for i, kind in enumerate(types)} | {None: len(types)}
    table = np.zeros((len(answers), len(types), len(types) + 3))
    for row, answer in zip(table, answers, strict=True):
        truth = index[answer.truth]
        row[truth, index[answer.named]] = 1
        row[truth, -2] = answer.refused
        row[truth, -1] = answer.said_right
    return table


def _bootstrap(groups: Sequence[str], table: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Draw whole groups again and again: shape (DRAWS, types, types + 3)."""
    _, index = np.unique(groups, return_inverse=True)
    number = int(index.max()) + 1
    by_group = np.zeros((number, *table.shape[1:]))
    np.add.at(by_group, index, table)
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(number, np.full(number, 1 / number), size=DRAWS)
    return np.tensordot(drawn.astype(np.float64), by_group, axes=1)


def _accuracy(table: Table) -> float:
    return float(np.trace(table[:, :-3]) / table[:, :-2].sum())


def _decided(table: Table) -> float:
    return float(table[:, -1].sum() / table[:, :-2].sum())


def _refused(table: Table) -> float:
    return float(table[:, -2].sum() / table[:, :-2].sum())


def _recalls(table: Table) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.diag(table[:, :-3]) / table[:, :-2].sum(axis=1))


def _precisions(table: Table) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.diag(table[:, :-3]) / table[:, :-3].sum(axis=0))


def _balanced(table: Table) -> float:
    return float(np.nanmean(_recalls(table)))


def _macro_f1(table: Table) -> float:
    """Average F1 over the types that occur."""
    hits = np.diag(table[:, :-3])
    said, true = table[:, :-3].sum(axis=0), table[:, :-2].sum(axis=1)
    return float(np.mean((2 * hits / np.maximum(said + true, 1))[true > 0]))


def _with_limits(
    measure: Callable[[Table], float], table: NDArray[np.float64], samples: NDArray[np.float64]
) -> list[float]:
    """Give a number and its 95 % limits."""
    low, high = np.percentile([measure(sample) for sample in samples], [2.5, 97.5])
    return [round(number, 4) for number in (measure(table.sum(axis=0)), float(low), float(high))]


def _by_type(
    measure: Callable[[Table], NDArray[np.float64]],
    table: NDArray[np.float64],
    samples: NDArray[np.float64],
    types: Sequence[CellType],
) -> dict[str, list[float] | None]:
    """Give a number a type with its 95 % limits; None where it is of nothing."""
    values = measure(table.sum(axis=0))
    drawn = np.asarray([measure(sample) for sample in samples])
    result: dict[str, list[float] | None] = {}
    for i, kind in enumerate(types):
        if np.isnan(values[i]):
            result[str(kind)] = None
            continue
        limits = np.nanpercentile(drawn[:, i], [2.5, 97.5])
        result[str(kind)] = [round(float(number), 4) for number in (values[i], *limits)]
    return result
