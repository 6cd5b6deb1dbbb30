"""A reading as a JSON document, the same at every door."""

from typing import Any

from hematovision.cells import NOTICE, Heat, PhotoReading, Reading

DECIMALS = 6
"""Enough to compare two engines to 1e-4, few enough that one answer is one text everywhere."""


HEAT_DECIMALS = 3


def reading_document(reading: PhotoReading, *, explained: bool = False) -> dict[str, Any]:
    """Lay out a reading as the document that every door gives.

    Args:
        reading: What was said of one photo.
        explained: Whether to add where each answer comes from.

    Returns:
        Plain values, ready for JSON; what no model has said yet is None.
    """
    return {
        "image": {
            "sha256": reading.image_sha256,
            "width": reading.width,
            "height": reading.height,
        },
        "model": {
            "name": reading.model.name,
            "version": reading.model.version,
            "sha256": reading.model.sha256,
        },
        "engine": str(reading.engine),
        "cells": [
            _cell_document(cell) | (_heat_document(cell.heat) if explained else {})
            for cell in reading.cells
        ],
        "counts": reading.counts,
        "notice": NOTICE,
    }


def _cell_document(cell: Reading) -> dict[str, Any]:
    return {
        "box": cell.box.as_list(),
        "decision": str(cell.decision),
        "cell_type": None if cell.cell_type is None else str(cell.cell_type),
        "confidence": rounded(cell.confidence),
        "probabilities": {str(name): rounded(part) for name, part in cell.probabilities.items()},
        "prediction_set": [str(name) for name in cell.prediction_set],
        "known": None if cell.known is None else rounded(cell.known),
        "morphology": cell.morphology,
    }


def _heat_document(heat: Heat | None) -> dict[str, Any]:
    """Give the rows of heat, the type they speak for and the square they fill; None for nothing."""
    if heat is None:
        return {"heat": None, "heat_type": None, "heat_box": None}
    return {
        "heat": [[round(weight, HEAT_DECIMALS) for weight in row] for row in heat.weights],
        "heat_type": str(heat.cell_type),
        "heat_box": heat.square.as_list(),
    }


def rounded(probability: float) -> float:
    """Cut a probability to `DECIMALS`, as a plain number whatever the engine computed with."""
    return round(float(probability), DECIMALS)
