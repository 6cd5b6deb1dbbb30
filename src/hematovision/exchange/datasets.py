"""Readings as Parquet: `cells` with a row a cell, and `photos` with a row a photo."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hematovision import __version__
from hematovision.cells import CellType, ModelIdentity, PhotoReading, Reading
from hematovision.errors import HematoVisionError
from hematovision.exchange.documents import rounded

SCHEMA_VERSION = 1
"""Raised when a column changes its name, its type or its meaning; further ones may come."""
SUFFIX = ".parquet"
CELLS, PHOTOS = "cells", "photos"
READ, FAILED = "read", "failed"

_METADATA = {b"hematovision.schema": str(SCHEMA_VERSION).encode()}
_MODEL = (
    ("model_name", pa.string()),
    ("model_version", pa.string()),
    ("model_sha256", pa.string()),
)
_BOX = tuple((side, pa.int32()) for side in ("xmin", "ymin", "xmax", "ymax"))
_PROGRAM = ("program_version", pa.string())
_ENGINE = ("engine", pa.string())

CELLS_SCHEMA = pa.schema(
    [
        ("photo", pa.string()),
        ("photo_sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("cell", pa.int32()),
        *_BOX,
        ("decision", pa.string()),
        ("cell_type", pa.string()),
        ("confidence", pa.float64()),
        *((f"p_{name}", pa.float64()) for name in CellType),
        ("prediction_set", pa.list_(pa.string())),
        ("known", pa.float64()),
        ("morphology", pa.string()),
        *_MODEL,
        _PROGRAM,
        _ENGINE,
    ],
    metadata=_METADATA,
)
PHOTOS_SCHEMA = pa.schema(
    [
        ("photo", pa.string()),
        ("photo_sha256", pa.string()),
        ("bytes", pa.int64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("status", pa.string()),
        ("failure", pa.string()),
        ("message", pa.string()),
        ("cells", pa.int32()),
        ("seconds", pa.float64()),
        *_MODEL,
        _PROGRAM,
        _ENGINE,
    ],
    metadata=_METADATA,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one photo.

    Attributes:
        photo: Its name.
        sha256: Of its bytes; None where they could not be fetched.
        size: Bytes; None where that cannot be told.
        seconds: Fetching, decoding and reading it took so long.
        reading: What was said; None where it failed.
        failure: The code of the failure; None where it was read.
        message: What is wrong; None where it was read.
    """

    photo: str
    sha256: str | None
    size: int | None
    seconds: float
    reading: PhotoReading | None = None
    failure: str | None = None
    message: str | None = None

    @property
    def cells(self) -> int:
        """How many cells were found."""
        return len(self.reading.cells) if self.reading else 0


def failed(
    photo: str,
    error: HematoVisionError,
    *,
    sha256: str | None = None,
    size: int | None = None,
    seconds: float = 0.0,
) -> Outcome:
    """Say of a photo that it failed, and why."""
    return Outcome(photo, sha256, size, seconds, None, error.code(), error.message)


def write_cells(outcomes: Iterable[Outcome]) -> bytes:
    """Lay the cells of photos out as a Parquet file; it may have no row."""
    rows = [
        _cell_row(outcome.photo, outcome.reading, number, cell)
        for outcome in outcomes
        if outcome.reading
        for number, cell in enumerate(outcome.reading.cells, start=1)
    ]
    return _to_bytes(pa.Table.from_pylist(rows, CELLS_SCHEMA))


def write_photos(outcomes: Iterable[Outcome], model: ModelIdentity) -> bytes:
    """Lay photos out as a Parquet file, with what failed and why."""
    rows = [_photo_row(outcome, model) for outcome in outcomes]
    return _to_bytes(pa.Table.from_pylist(rows, PHOTOS_SCHEMA))


def read_columns(file: bytes, columns: Sequence[str]) -> dict[str, list[Any]]:
    """Read some columns of a Parquet file.

    Raises:
        ValueError: If it is none, or has no such columns.
    """
    try:
        found: dict[str, list[Any]] = pq.read_table(
            pa.BufferReader(file), columns=list(columns)
        ).to_pydict()
    except (pa.ArrowException, OSError) as error:
        raise ValueError("not a Parquet file") from error
    return found


def drop_failed(file: bytes) -> bytes:
    """Leave out the photos that failed."""
    table = pq.read_table(pa.BufferReader(file))
    return _to_bytes(table.filter(pa.compute.equal(table["status"], READ)))


def _cell_row(photo: str, reading: PhotoReading, number: int, cell: Reading) -> dict[str, Any]:
    return {
        "photo": photo,
        "photo_sha256": reading.image_sha256,
        "width": reading.width,
        "height": reading.height,
        "cell": number,
        **dict(zip((side for side, _ in _BOX), cell.box.as_list(), strict=True)),
        "decision": str(cell.decision),
        "cell_type": None if cell.cell_type is None else str(cell.cell_type),
        "confidence": rounded(cell.confidence),
        **{f"p_{name}": rounded(part) for name, part in cell.probabilities.items()},
        "prediction_set": [str(name) for name in cell.prediction_set],
        "known": None if cell.known is None else rounded(cell.known),
        "morphology": cell.morphology,
        **_model_row(reading.model),
        "engine": str(reading.engine),
    }


def _photo_row(outcome: Outcome, model: ModelIdentity) -> dict[str, Any]:
    reading = outcome.reading
    return {
        "photo": outcome.photo,
        "photo_sha256": outcome.sha256,
        "bytes": outcome.size,
        "width": reading.width if reading else None,
        "height": reading.height if reading else None,
        "status": FAILED if outcome.failure else READ,
        "failure": outcome.failure,
        "message": outcome.message,
        "cells": outcome.cells,
        "seconds": round(outcome.seconds, 4),
        **_model_row(model),
        "engine": str(reading.engine) if reading else None,
    }


def _model_row(model: ModelIdentity) -> dict[str, str]:
    return {
        "model_name": model.name,
        "model_version": model.version,
        "model_sha256": model.sha256,
        "program_version": __version__,
    }


def _to_bytes(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()
