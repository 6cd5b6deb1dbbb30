"""Readings as a table: a row a cell, for spreadsheets and scripts."""

from collections.abc import Iterable, Iterator, Sequence

from hematovision.cells import CellType, PhotoReading, Reading
from hematovision.exchange.documents import rounded

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
)

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

Value = str | int | float


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
    behind = (model.name, model.version, model.sha256, reading.image_sha256)
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
