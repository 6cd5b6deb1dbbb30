"""How probabilities and refusals behave: reliability, calibration error, risk and coverage."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hematovision.learning.answers import Answer, are_independent

BINS = 10
POINTS = 100
PERFECT_DRAWS = 1000


def calibration_error(answers: Sequence[Answer], *, seed: int = 0) -> dict[str, float]:
    """Measure how far confidence and truth lie apart, in bins of equal mass.

    Pictures without a located cell have no confidence and are left out.

    Returns:
        The error, and the mean and the 95th percentile of the error that a perfectly calibrated
        model with the same confidences would show; without these where many pictures are copies of
        few photos, for such a model would be right or wrong on all copies at once.
    """
    confidence, right = _by_confidence(answers)
    if not len(right):
        return {"error": 0.0, "perfect": 0.0, "perfect_95": 0.0}
    error = {"error": round(float(_errors(confidence, right[None])[0]), 4)}
    if not are_independent(answers):
        return error
    generator = np.random.default_rng(seed)
    perfect = _errors(confidence, generator.random((PERFECT_DRAWS, len(right))) < confidence)
    return error | {
        "perfect": round(float(np.mean(perfect)), 4),
        "perfect_95": round(float(np.percentile(perfect, 95)), 4),
    }


def plain_error(confidence: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Give the calibration error alone.

    Args:
        confidence: Of pictures with a located cell, shape (N,).
        right: Whether each was right, 0 or 1.
    """
    if not len(right):
        return 0.0
    ordered, share = _in_order(confidence, right)
    return float(_errors(ordered, share[None])[0])


def reliability(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """Compare what was said with what was true, in bins of equal mass, the least sure first.

    Returns:
        Mean confidence, share right and number of cells of every bin.
    """
    confidence, right = _by_confidence(answers)
    return [
        {
            "confidence": round(float(confidence[some].mean()), 4),
            "right": round(float(right[some].mean()), 4),
            "cells": len(some),
        }
        for some in _bins(len(right))
    ]


def risk_coverage(answers: Sequence[Answer]) -> dict[str, Any]:
    """Say how often the answer is wrong among those that are given first.

    The order is that of the reader's decision: first what it names, then what it refuses, each by
    falling confidence, then pictures without a located cell. So everything that decides to refuse
    (prediction set, *other*, known or not) counts, and the last point is the overall risk of the
    forced answer (Geifman and El-Yaniv, 2017).

    Returns:
        `coverage` and `risk`, at most `POINTS` of each; `operating`, the share that the reader
        names, and the share of those names, as a user sees them, that is wrong.
    """
    order = sorted(answers, key=lambda answer: (answer.refused, -answer.confidence, answer.name))
    wrong = np.cumsum([not answer.right for answer in order])
    kept = np.unique(np.ceil(np.linspace(0, len(order), POINTS + 1)[1:]).astype(int))
    shown = [answer for answer in answers if not answer.refused]
    wrongly = sum(not answer.said_right for answer in shown)
    return {
        "coverage": [round(float(number / len(order)), 4) for number in kept],
        "risk": [round(float(wrong[number - 1] / number), 4) for number in kept],
        "operating": {
            "coverage": round(len(shown) / len(order), 4),
            "risk": round(wrongly / max(1, len(shown)), 4),
        },
    }


def _by_confidence(
    answers: Sequence[Answer],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give confidences, rising, and how often each was right: both of shape (N,).

    Of equal confidences each gets the share that is right, so that their order does not matter.
    """
    found = [answer for answer in answers if answer.probabilities]
    confidence = np.asarray([answer.confidence for answer in found], np.float64)
    right = np.asarray([answer.sure_and_right for answer in found], np.float64)
    return _in_order(confidence, right)


def _in_order(
    confidence: NDArray[np.float64], right: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Order by confidence; of equal ones each gets the share that is right."""
    order = np.argsort(confidence, kind="stable")
    confidence, right = confidence[order], right[order]
    _, tied, number = np.unique(confidence, return_inverse=True, return_counts=True)
    return confidence, (np.bincount(tied, weights=right) / number)[tied] if len(right) else right


def _bins(number: int) -> list[NDArray[np.intp]]:
    """Deal places into bins of equal mass; none where there is nothing."""
    return np.array_split(np.arange(number), min(BINS, number)) if number else []


def _errors(
    confidence: NDArray[np.float64], right: NDArray[np.float64] | NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Average the gap over bins of equal mass, for every row of truths.

    Args:
        confidence: Shape (N,), rising.
        right: Shape (M, N).

    Returns:
        Shape (M,).
    """
    gaps = right - confidence
    binned = np.asarray([gaps[:, some].sum(axis=1) for some in _bins(len(confidence))])
    errors: NDArray[np.float64] = np.abs(binned).sum(axis=0) / len(confidence)
    return errors
