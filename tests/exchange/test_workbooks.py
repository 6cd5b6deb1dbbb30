import csv
import io
from dataclasses import replace

import pytest
from openpyxl import load_workbook

from hematovision.cells import NOTICE
from hematovision.exchange.tabular import CELL_COLUMNS, Value, cell_rows
from hematovision.exchange.workbooks import about, write_csv, write_xlsx

from .reports import FIRST, MODEL, PROOF, make_report, signed

ATTACK = '=HYPERLINK("http://evil.example","26-1")'


def as_csv(*rows: tuple[Value, ...]) -> str:
    buffer = io.BytesIO()
    write_csv(buffer, ("one", "two"), rows)
    return buffer.getvalue().decode()


def as_xlsx(*rows: tuple[Value, ...]) -> io.BytesIO:
    buffer = io.BytesIO()
    write_xlsx(buffer, ("one", "two"), rows)
    return buffer


def test_csv_has_a_head_and_a_row_a_row() -> None:
    assert as_csv(("a,b", 1.5), ("ñ", 2)) == 'one,two\r\n"a,b",1.5\r\nñ,2\r\n'


def test_workbook_keeps_numbers_as_numbers_and_texts_as_texts() -> None:
    book = load_workbook(as_xlsx(("26-0837", 12), ("007", 0.5)))
    assert [[cell.value for cell in row] for row in book["table"]] == [
        ["one", "two"],
        ["26-0837", 12],
        ["007", 0.5],
    ]
    assert book["about"]["B1"].value == NOTICE


@pytest.mark.parametrize("text", [ATTACK, "=1+1", "=cmd|' /C calc'!A0"])
def test_text_of_a_workbook_never_becomes_a_formula(text: str) -> None:
    cell = load_workbook(as_xlsx((text, 1)))["table"]["A2"]
    assert (cell.data_type, cell.value) == ("s", text)


def test_signs_that_no_workbook_can_hold_are_replaced() -> None:
    cell = load_workbook(as_xlsx(("a\x00b\x1bc\uffff", 1)))["table"]["A2"]
    assert cell.value == "a�b�c�"


def test_case_whose_number_is_a_formula_is_harmless_in_both() -> None:
    report = replace(make_report(["monocyte"]), accession=ATTACK)
    buffer, book = io.BytesIO(), io.BytesIO()
    write_csv(buffer, CELL_COLUMNS, cell_rows(report))
    write_xlsx(book, CELL_COLUMNS, cell_rows(report), about=about(report))
    (row,) = csv.DictReader(io.StringIO(buffer.getvalue().decode()))
    assert row["accession"] == "'" + ATTACK
    opened = load_workbook(book)
    formulas = [
        cell for sheet in opened for line in sheet for cell in line if cell.data_type == "f"
    ]
    assert formulas == []
    assert opened["table"]["B2"].value == "'" + ATTACK
    assert opened["about"]["B2"].value == "'" + ATTACK


def test_workbook_says_what_it_was_made_of() -> None:
    said = dict(about(signed(make_report(), FIRST)))
    assert said["accession"] == "26-0837"
    assert (said["status"], said["version"]) == ("final", "1")
    assert said["model"] == f"blood_cell 1.0.0 {MODEL.sha256}"
    assert said["signed_by"] == "Dr. R. Okafor"
    assert said["audit_event"] == f"4711 {PROOF.digest}"
    assert "signed_by" not in dict(about(make_report()))
