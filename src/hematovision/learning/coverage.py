"""How often a prediction set holds the true type, with exact limits."""

from collections.abc import Sequence
from typing import Any

from hematovision.cells import CellType
from hematovision.learning.answers import Answer, are_independent
from hematovision.limits import exact_limits


def score_prediction_sets(
    answers: Sequence[Answer], types: Sequence[CellType]
) -> dict[str, dict[str, Any]]:
    """Count, by true type, how often the set that a user sees holds the true type.

    Pictures without a located cell have no set and are left out, as are types without a cell.

    Returns:
        By type, and for `all`: cells, how many were covered, the share with exact 95 % limits
        (without, where many are copies of few photos), and the share of sets of a single type.
    """
    found = [answer for answer in answers if answer.probabilities]
    by_type = {str(kind): [a for a in found if a.truth is kind] for kind in types}
    exact = are_independent(found)
    counted = (by_type | {"all": found}).items()
    return {kind: _count(some, exact=exact) for kind, some in counted if some}


def _count(answers: Sequence[Answer], *, exact: bool) -> dict[str, Any]:
    """Count the sets of some answers."""
    covered = sum(answer.truth in answer.prediction_set for answer in answers)
    limits = exact_limits(covered, len(answers)) if exact else ()
    numbers = (covered / len(answers), *limits)
    return {
        "cells": len(answers),
        "covered": covered,
        "coverage": [round(number, 4) for number in numbers],
        "size_one": round(
            sum(len(answer.prediction_set) == 1 for answer in answers) / len(answers), 4
        ),
    }
