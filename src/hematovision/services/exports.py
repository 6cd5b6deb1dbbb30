"""What leaves the system: documents, tables and pictures of cases, each on record before it goes.

A file is made whole, on disk and without a name, before anybody gets a byte of it: only then its
digest is known, which the record of changes keeps.
"""

import hashlib
import io
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import IO

from hematovision.exchange.pictures import write_pictures
from hematovision.exchange.report import Report
from hematovision.exchange.speech import ENGLISH, Speech
from hematovision.exchange.tabular import (
    CASE_COLUMNS,
    CELL_COLUMNS,
    CaseLine,
    Row,
    case_row,
    cell_rows,
)
from hematovision.exchange.workbooks import about, write_csv, write_xlsx
from hematovision.labels import Label
from hematovision.services.counting import count_cells
from hematovision.services.crops import Album
from hematovision.services.hands import Hand
from hematovision.services.naming import own_labels
from hematovision.services.overviews import blinded
from hematovision.services.report_pictures import crops_of, photos_of
from hematovision.services.reports import AddressOf, no_address, open_report
from hematovision.storage.database import Database
from hematovision.storage.overviews import Search, Summary
from hematovision.storage.photos import PhotoState

BLOCK = 2**20
IN_MEMORY = 2**22
"""Bytes of a file that is handed over from memory."""
CASES = 200
"""Cases that are looked up at once."""


class Format(StrEnum):
    """As what a case is handed over."""

    PDF = "pdf"
    CSV = "csv"
    XLSX = "xlsx"
    FHIR = "fhir"
    ZIP = "zip"


MIMETYPES = {
    Format.PDF: "application/pdf",
    Format.CSV: "text/csv",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.FHIR: "application/fhir+json",
    Format.ZIP: "application/zip",
}
NAMES = {
    Format.PDF: "report.pdf",
    Format.CSV: "cells.csv",
    Format.XLSX: "cells.xlsx",
    Format.FHIR: "report.fhir.json",
    Format.ZIP: "pictures.zip",
}


@dataclass(frozen=True, slots=True)
class Export:
    """A file that is handed over.

    Attributes:
        name: Made of numbers only.
        mimetype: What it is.
        sha256: Of its bytes, as the record of changes has it.
        stream: Its bytes, from the beginning; whoever gets it closes it.
    """

    name: str
    mimetype: str
    sha256: str
    stream: IO[bytes]


@dataclass(frozen=True, slots=True)
class Counter:
    """Where exports are made and handed over.

    Attributes:
        album: Where pictures are found.
        folder: Private to the server: files are made there.
        words: The language of documents.
        address_of: Gives the address of an event's page.
    """

    album: Album
    folder: Path
    words: Speech = ENGLISH
    address_of: AddressOf = no_address


def export_case(
    counter: Counter, case_id: int, kind: Format, *, by: Hand, version: int | None = None
) -> Export:
    """Hand a case over.

    Args:
        counter: Where.
        case_id: The case.
        kind: As what.
        by: To whom.
        version: That was signed; zero for what stands there now; the newest that holds when left
            out.

    Raises:
        CaseUnknownError: If there is no such case.
        NotSignedError: If no such version was signed.
    """
    report = open_report(
        counter.album.database,
        case_id,
        now=by.now,
        version=version,
        address_of=counter.address_of,
    )
    stream, sha256 = _made(counter.folder, lambda file: _WRITERS[kind](file, counter, report))
    details = {
        "case": case_id,
        "format": str(kind),
        "sha256": sha256,
        "version": report.version,
    }
    with counter.album.database.transaction() as records:
        records.audit.add(by.did("case.exported", f"case {case_id}", details))
    return Export(f"{report.name}-{NAMES[kind]}", MIMETYPES[kind], sha256, stream)


def export_cases(counter: Counter, wanted: Search, kind: Format, *, by: Hand) -> Export:
    """Hand over a list of cases, a row a case, as CSV or as a workbook.

    Args:
        counter: Where.
        wanted: Which cases; its cursor and its limit are of no account.
        kind: `Format.CSV` or `Format.XLSX`.
        by: To whom.
    """
    database, number = counter.album.database, 0

    def write(file: IO[bytes]) -> None:
        write_table = write_xlsx if kind is Format.XLSX else write_csv
        write_table(file, CASE_COLUMNS, rows())

    def rows() -> Iterator[Row]:
        nonlocal number
        for line in _lines(database, wanted, by.user_id):
            number += 1
            yield case_row(line)

    stream, sha256 = _made(counter.folder, write)
    # Not what was searched for: it may be an accession number.
    details = {"format": str(kind), "sha256": sha256, "pile": str(wanted.pile), "cases": number}
    with database.transaction() as records:
        records.audit.add(by.did("case.exported", "cases", details))
    return Export(f"cases.{kind}", MIMETYPES[kind], sha256, stream)


def _made(folder: Path, write: Callable[[IO[bytes]], None]) -> tuple[IO[bytes], str]:
    """Make a file that has no name, so that nobody else can open it and it goes by itself.

    Returns:
        The file at its beginning, in memory where it is small, and its digest.
    """
    stream = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - whoever gets it closes it
    try:
        write(stream)
        sha256 = _digest(stream)
        if stream.seek(0, 2) > IN_MEMORY:
            stream.seek(0)
            return stream, sha256
        stream.seek(0)
        small = io.BytesIO(stream.read())
    except BaseException:
        stream.close()
        raise
    stream.close()
    return small, sha256


def _digest(stream: IO[bytes]) -> str:
    stream.seek(0)
    digest = hashlib.sha256()
    while block := stream.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()


def _write_pdf(file: IO[bytes], counter: Counter, report: Report) -> None:
    from hematovision.exchange.pdf import pdf_of

    file.write(pdf_of(report, counter.words, crops_of(counter.album, report)))


def _write_csv(file: IO[bytes], counter: Counter, report: Report) -> None:
    write_csv(file, CELL_COLUMNS, cell_rows(report))


def _write_xlsx(file: IO[bytes], counter: Counter, report: Report) -> None:
    write_xlsx(file, CELL_COLUMNS, cell_rows(report), about=about(report))


def _write_fhir(file: IO[bytes], counter: Counter, report: Report) -> None:
    from hematovision.exchange.fhir import bundle_of

    file.write(bundle_of(report).encode())


def _write_zip(file: IO[bytes], counter: Counter, report: Report) -> None:
    write_pictures(file, report, photos_of(counter.album, report))


_WRITERS: Mapping[Format, Callable[[IO[bytes], Counter, Report], None]] = {
    Format.PDF: _write_pdf,
    Format.CSV: _write_csv,
    Format.XLSX: _write_xlsx,
    Format.FHIR: _write_fhir,
    Format.ZIP: _write_zip,
}


def _lines(database: Database, wanted: Search, user_id: int | None) -> Iterator[CaseLine]:
    """Look up all cases that are wanted, so many at once, as far as a user may see them."""
    cursor = None
    while True:
        with database.reading() as records:
            own = own_labels(records).every
            some = replace(wanted, cursor=cursor, limit=CASES)
            found = blinded(records, records.overviews.search(some), user_id)
        yield from (_line(summary, own) for summary in found)
        if len(found) < CASES:
            return
        cursor = found[-1].case.id


def _line(summary: Summary, own: Sequence[Label]) -> CaseLine:
    case, photos = summary.case, summary.photos
    left_out = (PhotoState.SAME, PhotoState.CANCELLED)
    return CaseLine(
        case_id=case.id,
        accession=case.accession,
        state=str(case.state),
        opened_at=case.created_at,
        reviewer=summary.reviewer or "",
        reviewed_at=case.reviewed_at,
        photos=sum(number for state, number in photos.items() if state not in left_out),
        target=case.target,
        age_band=case.age_band or "",
        # Against no range: each case may have ranges of its own, and a table has no room for why.
        differential=count_cells(summary.tallies, own, white_count=case.white_count),
    )
