"""A reading as a JSON document, the same at every door."""

from typing import Any

from hematovision.cells import NOTICE, PhotoReading, Reading

DECIMALS = 6
"""Enough to compare two engines to 1e-4, few enough that one answer is one text everywhere."""


def reading_document(reading: PhotoReading) -> dict[str, Any]:
    """Lay out a reading as the document that every door gives.

    Args:
        reading: What was said of one photo.

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
        "cells": [_cell_document(cell) for cell in reading.cells],
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


def rounded(probability: float) -> float:
    """Cut a probability to `DECIMALS`, as a plain number whatever the engine computed with."""
    return round(float(probability), DECIMALS)
