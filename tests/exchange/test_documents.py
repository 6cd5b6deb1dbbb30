import json
from dataclasses import replace

import numpy as np
import pytest

from hematovision.cells import (
    NOTICE,
    Box,
    CellType,
    Decision,
    Heat,
    ModelIdentity,
    PhotoReading,
    Reading,
)
from hematovision.exchange.documents import reading_document

MODEL = ModelIdentity("blood_cell", "1.0.0", "ab" * 32)
ORDER = (CellType.OTHER, CellType.NEUTROPHIL, CellType.MONOCYTE)
CELL = Reading(
    Box(231, 98, 402, 281),
    Decision.NAMED,
    CellType.NEUTROPHIL,
    0.97000049,
    dict(zip(ORDER, (0.0, 0.97000049, 0.03), strict=True)),
    (CellType.NEUTROPHIL,),
)
UNSURE = replace(
    CELL,
    decision=Decision.UNIDENTIFIED,
    cell_type=None,
    prediction_set=(CellType.NEUTROPHIL, CellType.MONOCYTE),
)


def reading_of(*cells: Reading) -> PhotoReading:
    return PhotoReading("cd" * 32, 640, 480, MODEL, cells)


def test_document_has_the_shape_of_every_door() -> None:
    assert reading_document(reading_of(CELL, UNSURE)) == {
        "image": {"sha256": "cd" * 32, "width": 640, "height": 480},
        "model": {"name": "blood_cell", "version": "1.0.0", "sha256": "ab" * 32},
        "engine": "in_process",
        "cells": [
            {
                "box": [231, 98, 402, 281],
                "decision": "named",
                "cell_type": "neutrophil",
                "confidence": 0.97,
                "probabilities": {"other": 0.0, "neutrophil": 0.97, "monocyte": 0.03},
                "prediction_set": ["neutrophil"],
                "known": None,
                "morphology": None,
            },
            {
                "box": [231, 98, 402, 281],
                "decision": "unidentified",
                "cell_type": None,
                "confidence": 0.97,
                "probabilities": {"other": 0.0, "neutrophil": 0.97, "monocyte": 0.03},
                "prediction_set": ["neutrophil", "monocyte"],
                "known": None,
                "morphology": None,
            },
        ],
        "counts": {"neutrophil": 1, "unidentified": 1},
        "notice": NOTICE,
    }


def test_photo_without_a_cell_has_an_empty_list() -> None:
    document = reading_document(reading_of())
    assert document["cells"] == []
    assert document["counts"] == {}


def test_probabilities_keep_the_order_of_the_model() -> None:
    (cell,) = reading_document(reading_of(CELL))["cells"]
    assert list(cell["probabilities"]) == [str(name) for name in ORDER]


@pytest.mark.parametrize("number", [np.float32(0.1), np.float64(0.1), 0.1])
def test_numbers_of_any_engine_become_one_text(number: float) -> None:
    cell = replace(CELL, confidence=number, probabilities={CellType.OTHER: number}, known=number)
    text = json.dumps(reading_document(reading_of(cell)))
    assert text.count("0.1,") + text.count("0.1}") == 3


def test_what_the_model_says_is_passed_on() -> None:
    cell = replace(CELL, known=0.92, morphology="segmented nucleus")
    (document,) = reading_document(reading_of(cell))["cells"]
    assert (document["known"], document["morphology"]) == (0.92, "segmented nucleus")


def test_heat_is_there_only_when_asked_for() -> None:
    heat = Heat(CellType.NEUTROPHIL, Box(-4, -4, 9, 9), ((0.12345, 1.0),))
    reading = reading_of(replace(CELL, heat=heat), CELL)
    assert not any("heat" in cell for cell in reading_document(reading)["cells"])
    first, second = reading_document(reading, explained=True)["cells"]
    assert first["heat"] == [[0.123, 1.0]]
    assert (first["heat_type"], first["heat_box"]) == ("neutrophil", [-4, -4, 9, 9])
    assert (second["heat"], second["heat_type"], second["heat_box"]) == (None, None, None)
