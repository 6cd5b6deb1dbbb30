import re
from dataclasses import replace
from pathlib import Path

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
from hematovision.exchange.tabular import (
    CASE_COLUMNS,
    CELL_COLUMNS,
    COLUMNS,
    CaseLine,
    case_row,
    cell_rows,
    harmless,
    reading_rows,
)
from hematovision.labels import Count, Label

from .reports import NOW, make_report


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
        "engine": "in_process",
    }
    assert unsure["cell"] == 2
    assert unsure["cell_type"] == ""
    assert unsure["prediction_set"] == "monocyte lymphocyte"


def test_photo_without_cells_keeps_its_row(empty: PhotoReading) -> None:
    (row,) = reading_rows("a.jpg", empty)
    assert len(row) == len(COLUMNS)
    named = {name: value for name, value in zip(COLUMNS, row, strict=True) if value != ""}
    behind = ["model_name", "model_version", "model_sha256", "image_sha256", "engine"]
    assert list(named) == ["path", *behind]


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


@pytest.mark.parametrize(
    "start", ["\n", *"\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH COMMERCIAL AT}"]
)
def test_formula_that_other_tables_know_is_harmless_too(start: str) -> None:
    assert harmless(f"{start}1+1") == f"'{start}1+1"
    assert harmless("26-0837") == "26-0837"
    assert harmless(-1.5) == -1.5


def test_cell_of_a_case_says_what_machine_and_people_say() -> None:
    report = make_report(["neutrophil", None, "monocyte"], {1: "band", 2: "blast"})
    first, second, third = (dict(zip(CELL_COLUMNS, row, strict=True)) for row in cell_rows(report))
    assert first == {
        "case_id": 7,
        "accession": "26-0837",
        "status": "preliminary",
        "version": 0,
        "photo": 1,
        "cell": 1,
        "xmin": 10,
        "ymin": 20,
        "xmax": 50,
        "ymax": 70,
        "found_by": "model",
        "decision": "named",
        "cell_type": "neutrophil",
        "label": "band",
        "counts_as": "band",
        "reviewed_by": "ines",
        "confidence": 0.9,
        "p_neutrophil": 0.9,
        **dict.fromkeys(
            ("p_eosinophil", "p_lymphocyte", "p_monocyte", "p_basophil", "p_other"), ""
        ),
        "prediction_set": "neutrophil",
        "known": "",
        "morphology": "",
        "model_version": "1.0.0",
    }
    assert (second["decision"], second["cell_type"]) == ("unidentified", "")
    assert (second["counts_as"], second["prediction_set"]) == ("blast", "monocyte lymphocyte")
    assert (third["label"], third["counts_as"], third["reviewed_by"]) == ("", "monocyte", "")


def test_cell_that_a_person_boxed_has_no_words_of_a_model() -> None:
    report = make_report(["monocyte"])
    boxed = replace(report.cells[0], found=False, machine=None, confidence=None, person="blast")
    (row,) = cell_rows(replace(report, cells=(boxed,)))
    cell = dict(zip(CELL_COLUMNS, row, strict=True))
    assert (cell["found_by"], cell["decision"], cell["confidence"]) == ("person", "", "")


def test_case_is_a_row_of_counts_shares_and_limits() -> None:
    own = (Label("own_hairy", "2", Count.WHITE, "Hairy cell"),)
    people = {1: "band", 2: "own_hairy", 3: "erythroblast", 4: "not_classed"}
    report = make_report(people=people, white_count=7.3, own=own)
    line = CaseLine(7, "26-0837", "open", NOW, "ines", None, 32, 200, "", report.differential)
    row = dict(zip(CASE_COLUMNS, case_row(line), strict=True))
    assert (row["accession"], row["state"], row["opened_at"]) == (
        "26-0837",
        "open",
        "2026-11-25T20:00:00+00:00",
    )
    assert (row["counted"], row["confirmed"], row["unidentified"]) == (121, 2, 2)
    assert (row["neutrophil"], row["band"], row["other_white"]) == (59, 1, 1)
    assert row["neutrophil_percent"] == pytest.approx(48.7603)
    assert row["neutrophil_low"] < row["neutrophil_percent"] < row["neutrophil_high"]
    assert (row["erythroblast"], row["not_classed"], row["other"]) == (1, 1, 0)
    assert (row["blast"], row["blast_percent"], row["reviewed_at"]) == (0, "", "")


def test_columns_have_one_name_each() -> None:
    for columns in (COLUMNS, CELL_COLUMNS, CASE_COLUMNS):
        assert len(set(columns)) == len(columns)


@pytest.mark.parametrize("column", sorted({*CELL_COLUMNS, *CASE_COLUMNS}))
def test_column_is_documented(column: str) -> None:
    page = (Path(__file__).parents[2] / "docs/exports.md").read_text()
    name = re.sub(r"_(?:percent|low|high)$", "", column)
    assert f"`{name}`" in page
