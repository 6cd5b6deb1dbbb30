"""How often a prediction set holds the true type, with exact limits."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from hematovision.cells import CellType
from hematovision.learning.answers import Answer


def exact_limits(hits: int, number: int) -> tuple[float, float]:
    """Give the exact 95 % limits of a share (Clopper and Pearson, 1934).

    Args:
        hits: How often it was so.
        number: How often it could have been; more than none.
    """
    low = 0.0 if not hits else _solve(lambda p: _at_least(hits, number, p))
    high = 1.0 if hits == number else 1 - _solve(lambda p: _at_least(number - hits, number, p))
    return low, high


def _at_least(hits: int, number: int, share: float) -> float:
    """Give the chance of so many hits or more."""
    whole = math.lgamma(number + 1)
    return math.fsum(
        math.exp(
            whole
            - math.lgamma(k + 1)
            - math.lgamma(number - k + 1)
            + k * math.log(share)
            + (number - k) * math.log1p(-share)
        )
        for k in range(hits, number + 1)
    )


def _solve(chance: Callable[[float], float], tail: float = 0.025) -> float:
    """Find the share at which a rising chance reaches the tail."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if chance(middle) < tail else (low, middle)
    return (low + high) / 2


def score_prediction_sets(
    answers: Sequence[Answer], types: Sequence[CellType]
) -> dict[str, dict[str, Any]]:
    """Count, by true type, how often the set that a user sees holds the true type.

    Pictures without a located cell have no set and are left out, as are types without a cell.

    Returns:
        By type, and for `all`: cells, how many were covered, the share with exact 95 % limits,
        and the share of sets of a single type.
    """
    found = [answer for answer in answers if answer.probabilities]
    by_type = {str(kind): [a for a in found if a.truth is kind] for kind in types}
    return {kind: _count(some) for kind, some in (by_type | {"all": found}).items() if some}


def _count(answers: Sequence[Answer]) -> dict[str, Any]:
    """Count the sets of some answers."""
    covered = sum(answer.truth in answer.prediction_set for answer in answers)
    numbers = (covered / len(answers), *exact_limits(covered, len(answers)))
    return {
        "cells": len(answers),
        "covered": covered,
        "coverage": [round(number, 4) for number in numbers],
        "size_one": round(
            sum(len(answer.prediction_set) == 1 for answer in answers) / len(answers), 4
        ),
    }
