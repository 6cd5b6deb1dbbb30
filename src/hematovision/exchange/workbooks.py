"""Tables as files: CSV, and workbooks that spreadsheets open."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import IO

from hematovision.cells import NOTICE
from hematovision.exchange.report import Report
from hematovision.exchange.tabular import Row, Value, harmless, moment

UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""What XML, and so a workbook, cannot hold."""


def write_csv(stream: IO[bytes], columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write a table as CSV: UTF-8, commas, a point in numbers (RFC 4180)."""
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(rows)
    text.detach()


def write_xlsx(
    stream: IO[bytes],
    columns: Sequence[str],
    rows: Iterable[Row],
    *,
    about: Sequence[tuple[str, str]] = (),
) -> None:
    """Write a table as a workbook, a row at a time, with a sheet that says what it is.

    Args:
        stream: Where to; it can be sought.
        columns: Their names.
        rows: Numbers stay numbers; no text becomes a formula.
        about: Names and what they have, for the second sheet.
    """
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    table, second = book.create_sheet("table"), book.create_sheet("about")
    table.freeze_panes = "A2"

    def written(value: Value) -> object:
        if not isinstance(value, str):
            return value
        cell = WriteOnlyCell(table, UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", value))
        # openpyxl takes a text for a formula by its first sign.
        cell.data_type = "s"
        return cell

    table.append(list(columns))
    for row in rows:
        table.append([written(value) for value in row])
    for line in (("notice", NOTICE), *about):
        second.append([written(harmless(value)) for value in line])
    book.save(stream)


def about(report: Report) -> list[tuple[str, str]]:
    """Say in a workbook what it was made of."""
    said = [
        ("accession", report.accession),
        ("status", str(report.status)),
        ("version", str(report.version or "")),
        ("made_at", moment(report.made_at)),
    ]
    said += [("model", f"{one.name} {one.version} {one.sha256}") for one in report.models]
    if report.signed:
        said += [("signed_by", report.signed.name), ("signed_at", moment(report.signed.at))]
        said.append(("signed_account", report.signed.account))
    if report.proof:
        said.append(("audit_event", f"{report.proof.event_id} {report.proof.digest}".strip()))
    return said
