import pytest

from hematovision.cells import (
    Box,
    CellReader,
    CellType,
    Decision,
    ModelIdentity,
    PhotoReading,
    Reading,
    RgbImage,
)
from hematovision.exchange.tabular import COLUMNS, reading_rows


@pytest.fixture
def reading(reader: CellReader, photo: RgbImage) -> PhotoReading:
    return PhotoReading("cd" * 32, 128, 96, reader.model, tuple(reader.read(photo)))


@pytest.fixture
def empty() -> PhotoReading:
    return PhotoReading("cd" * 32, 128, 96, ModelIdentity("stub", "0.0.0", "0" * 64), ())


def test_a_row_a_cell(reading: PhotoReading) -> None:
    named, unsure = (dict(zip(COLUMNS, row, strict=True)) for row in reading_rows("a.jpg", reading))
    assert named == {
        "path": "a.jpg",
        "cell": 1,
        "xmin": 0,
        "ymin": 0,
        "xmax": 64,
        "ymax": 48,
        "decision": "named",
        "cell_type": "neutrophil",
        "confidence": 0.95,
        "p_neutrophil": 0.95,
        "p_eosinophil": 0.01,
        "p_lymphocyte": 0.01,
        "p_monocyte": 0.01,
        "p_basophil": 0.01,
        "p_other": 0.01,
        "prediction_set": "neutrophil",
        "known": "",
        "morphology": "bilobed nucleus, fine pink granules",
        "model_name": "stub",
        "model_version": "0.0.0",
        "model_sha256": "0" * 64,
        "image_sha256": "cd" * 32,
    }
    assert unsure["cell"] == 2
    assert unsure["cell_type"] == ""
    assert unsure["prediction_set"] == "monocyte lymphocyte"


def test_photo_without_cells_keeps_its_row(empty: PhotoReading) -> None:
    (row,) = reading_rows("a.jpg", empty)
    assert len(row) == len(COLUMNS)
    named = {name: value for name, value in zip(COLUMNS, row, strict=True) if value != ""}
    assert list(named) == ["path", "model_name", "model_version", "model_sha256", "image_sha256"]


def test_type_that_the_model_does_not_know_is_empty() -> None:
    cell = Reading(Box(0, 0, 9, 9), Decision.NAMED, CellType.OTHER, 1.0, {CellType.OTHER: 1.0}, ())
    photo = PhotoReading("", 9, 9, ModelIdentity("two", "1", ""), (cell,))
    (row,) = reading_rows("a.jpg", photo)
    assert dict(zip(COLUMNS, row, strict=True))["p_basophil"] == ""


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_path_is_never_a_formula(start: str, empty: PhotoReading) -> None:
    (row,) = reading_rows(start + "cmd|' /C calc'!A0.png", empty)
    assert row[0] == "'" + start + "cmd|' /C calc'!A0.png"


def test_score_of_the_known_has_a_column() -> None:
    cell = Reading(Box(0, 0, 9, 9), Decision.UNIDENTIFIED, None, 1.0, {}, (), known=0.25)
    photo = PhotoReading("", 9, 9, ModelIdentity("two", "1", ""), (cell,))
    (row,) = reading_rows("a.jpg", photo)
    assert dict(zip(COLUMNS, row, strict=True))["known"] == 0.25
