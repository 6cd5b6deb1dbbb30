"""Readings and cases as tables, for spreadsheets and scripts: a row a cell, or a row a case."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from hematovision.cells import CellType, Decision, PhotoReading, Reading
from hematovision.differential import Differential
from hematovision.exchange.documents import rounded
from hematovision.exchange.report import Report, ReportCell
from hematovision.labels import LABELS, Count

COLUMNS = (
    "path",
    "cell",
    "xmin",
    "ymin",
    "xmax",
    "ymax",
    "decision",
    "cell_type",
    "confidence",
    *(f"p_{name}" for name in CellType),
    "prediction_set",
    "known",
    "morphology",
    "model_name",
    "model_version",
    "model_sha256",
    "image_sha256",
    "engine",
)

CELL_COLUMNS = (
    "case_id",
    "accession",
    "status",
    "version",
    "photo",
    "cell",
    "xmin",
    "ymin",
    "xmax",
    "ymax",
    "found_by",
    "decision",
    "cell_type",
    "label",
    "counts_as",
    "reviewed_by",
    "confidence",
    *(f"p_{name}" for name in CellType),
    "prediction_set",
    "known",
    "morphology",
    "model_version",
)
"""Of a case, a row a cell: `cell_type` is the model's word, `label` that of people."""

WHITE = tuple(label.code for label in LABELS if label.count is Count.WHITE)
BESIDE = tuple(label.code for label in LABELS if label.count is not Count.WHITE)
CASE_COLUMNS = (
    "case_id",
    "accession",
    "state",
    "opened_at",
    "reviewed_by",
    "reviewed_at",
    "photos",
    "target",
    "white_count",
    "age_band",
    "counted",
    "confirmed",
    "unidentified",
    *(f"{code}{kind}" for code in WHITE for kind in ("", "_percent", "_low", "_high")),
    *BESIDE,
    "other_white",
    "other",
)
"""A row a case: of each white class the cells, their share in %, and its exact 95 % limits."""

FORMULA_STARTS = (
    *("=", "+", "-", "@", "\t", "\r", "\n"),
    *("\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}"),
    *("\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}"),
)
Value = str | int | float
Row = Sequence[Value]


@dataclass(frozen=True, slots=True)
class CaseLine:
    """A case as a list shows it.

    Attributes:
        case_id: Its number here.
        accession: The laboratory's number.
        state: How far it is.
        opened_at: When it was made, UTC.
        reviewer: Who said something of a cell last; empty while nobody did.
        reviewed_at: When, UTC.
        photos: How many it has.
        target: How many white cells are to be counted.
        age_band: The code of its reference ranges; empty for the first.
        differential: What was counted.
    """

    case_id: int
    accession: str
    state: str
    opened_at: datetime
    reviewer: str
    reviewed_at: datetime | None
    photos: int
    target: int
    age_band: str
    differential: Differential


def reading_rows(path: str, reading: PhotoReading) -> Iterator[Sequence[Value]]:
    """Lay out a reading as rows under `COLUMNS`.

    Args:
        path: The photo, as it was given.
        reading: What was said of it.

    Yields:
        One row a cell, numbered from 1; of a photo without cells one row with the columns of the
        cell empty, so that no photo is lost on the way.
    """
    model = reading.model
    behind = (model.name, model.version, model.sha256, reading.image_sha256, str(reading.engine))
    cells: Iterable[tuple[Value, ...]] = [
        (number, *_cell_values(cell)) for number, cell in enumerate(reading.cells, start=1)
    ] or [("",) * (len(COLUMNS) - len(behind) - 1)]
    for cell in cells:
        yield tuple(harmless(value) for value in (path, *cell, *behind))


def _cell_values(cell: Reading) -> tuple[Value, ...]:
    return (
        *cell.box.as_list(),
        str(cell.decision),
        str(cell.cell_type or ""),
        rounded(cell.confidence),
        *(
            rounded(cell.probabilities[name]) if name in cell.probabilities else ""
            for name in CellType
        ),
        " ".join(cell.prediction_set),
        "" if cell.known is None else rounded(cell.known),
        cell.morphology or "",
    )


def harmless(value: Value) -> Value:
    """Keep a spreadsheet from running a text as a formula: OWASP, CSV injection."""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return "'" + value
    return value


def cell_rows(report: Report) -> Iterator[Row]:
    """Lay out the cells of a case as rows under `CELL_COLUMNS`, boxes without a cell among them."""
    of_case = (report.case_id, report.accession, str(report.status), report.version)
    for cell in report.cells:
        row = (*of_case, cell.photo, cell.number, *cell.box.as_list(), *_said(cell))
        yield tuple(harmless(value) for value in row)


def _said(cell: ReportCell) -> Row:
    """Give what machine and people say of a cell."""
    decision = (Decision.NAMED if cell.machine else Decision.UNIDENTIFIED) if cell.found else ""
    return (
        "model" if cell.found else "person",
        str(decision),
        cell.machine or "",
        cell.person or "",
        cell.called,
        cell.reviewer,
        _or_empty(cell.confidence),
        *(_or_empty(cell.probabilities.get(name)) for name in CellType),
        " ".join(cell.prediction_set),
        _or_empty(cell.known),
        cell.morphology,
        cell.model,
    )


def case_row(line: CaseLine) -> Row:
    """Lay out a case as a row under `CASE_COLUMNS`."""
    counts = line.differential
    row = (
        line.case_id,
        line.accession,
        line.state,
        moment(line.opened_at),
        line.reviewer,
        moment(line.reviewed_at),
        line.photos,
        line.target,
        "" if counts.white_count is None else counts.white_count,
        line.age_band,
        counts.counted,
        counts.confirmed,
        counts.unidentified.number,
        *_shares(counts),
        *_beside(counts),
    )
    return tuple(harmless(value) for value in row)


def _shares(counts: Differential) -> Iterator[Value]:
    parts = {part.code: part for part in counts.parts}
    for code in WHITE:
        part = parts.get(code)
        share = part.share if part else None
        yield part.number if part else 0
        for value in (share.value, share.low, share.high) if share else ("", "", ""):
            yield round(value, 4) if isinstance(value, float) else value


def _beside(counts: Differential) -> Iterator[Value]:
    rows = {row.code: row.number for row in (*counts.beside, *counts.out)}
    yield from (rows.get(code, 0) for code in BESIDE)
    yield sum(part.number for part in counts.parts if part.code not in WHITE)
    yield sum(number for code, number in rows.items() if code not in BESIDE)


def _or_empty(number: float | None) -> Value:
    return "" if number is None else rounded(number)


def moment(at: datetime | None) -> str:
    """Write a moment as ISO 8601, UTC; nothing where there is none."""
    return at.astimezone(UTC).isoformat(timespec="seconds") if at else ""
