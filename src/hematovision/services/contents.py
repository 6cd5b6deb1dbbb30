"""What is signed of a case, as a document of its own that needs no other row to be read."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hematovision.cells import Box
from hematovision.services.crops import side_for
from hematovision.services.differential import Sheet
from hematovision.storage.cells import Cell
from hematovision.storage.database import Records
from hematovision.storage.photos import Photo


@dataclass(frozen=True, slots=True)
class CellChange:
    """A cell that two versions call otherwise.

    Attributes:
        id: Of the cell.
        number: Counts the cells of the case from one.
        photo: The number of its photo.
        before: What people called it in the older version, else what the machine did; None where
            the older version has no such cell.
        after: The same in the newer version.
        reviewer_id: The user who spoke last in the newer version; None where nobody did.
    """

    id: int
    number: int
    photo: int
    before: str | None
    after: str | None
    reviewer_id: int | None


@dataclass(frozen=True, slots=True)
class PartChange:
    """A class of the hundred in two versions, as the documents have it; None where one has none."""

    code: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    @property
    def is_changed(self) -> bool:
        """Whether its number is another; every share is, once a cell is counted or not."""
        numbers = [part and part["number"] for part in (self.before, self.after)]
        return numbers[0] != numbers[1]


@dataclass(frozen=True, slots=True)
class Difference:
    """What two versions say otherwise.

    Attributes:
        cells: The cells, by number.
        parts: All classes, side by side.
        counted: How many white cells each version counts.
        side: Photo pixels that the crops of the case show.
    """

    cells: tuple[CellChange, ...]
    parts: tuple[PartChange, ...]
    counted: tuple[int, int]
    side: int


def the_content(records: Records, sheet: Sheet) -> dict[str, Any]:
    """Write down a case within a transaction: its differential, and a row a cell.

    Args:
        records: The stores; whoever signs holds the case.
        sheet: The case and its differential.
    """
    case, band = sheet.case, sheet.band
    reviewers = records.signatures.reviewers(case.id)
    content = {
        "case": {"target": case.target, "white_count": case.white_count, "note": case.note},
        "ranges": {"code": band.code, "name": band.name, "source": band.source} if band else None,
        "differential": asdict(sheet.differential),
        "checks": [asdict(check) for check in sheet.checks],
        "models": list(records.differentials.models(case.id)),
        "photos": [_photo(photo) for photo in records.photos.list(case.id)],
        "cells": [_cell(cell, reviewers.get(cell.id)) for cell in records.cells.list(case.id)],
    }
    # As it comes back from the database, so that what was seen and what is kept compare.
    document: dict[str, Any] = json.loads(json.dumps(content))
    return document


def digest_of(content: Mapping[str, Any]) -> str:
    """Give the SHA-256 of a content, whatever the order of its keys."""
    written = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(written.encode()).hexdigest()


def compare(older: Mapping[str, Any], newer: Mapping[str, Any]) -> Difference:
    """Say what two contents of one case say otherwise."""
    before, after = (_by(one["cells"], "number") for one in (older, newer))
    parts = [_by(one["differential"]["parts"], "code") for one in (older, newer)]
    codes = dict.fromkeys([*parts[1], *parts[0]])
    changes = (_change(before.get(number), after.get(number)) for number in before | after)
    return Difference(
        tuple(sorted(filter(None, changes), key=lambda change: change.number)),
        tuple(PartChange(code, parts[0].get(code), parts[1].get(code)) for code in codes),
        (older["differential"]["counted"], newer["differential"]["counted"]),
        side_for([Box(*cell["box"]) for cell in newer["cells"]]),
    )


def called(cell: Mapping[str, Any]) -> str | None:
    """Say what a cell of a content counts as; None while nobody, nor the machine, named it."""
    name: str | None = cell["label"] or cell["suggested"]
    return name


def _change(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> CellChange | None:
    there = after or before
    if there is None or (before and after and before["label"] == after["label"]):
        return None
    return CellChange(
        there["id"],
        there["number"],
        there["photo"],
        _said(before),
        _said(after),
        after["reviewer"] if after else None,
    )


def _said(cell: Mapping[str, Any] | None) -> str | None:
    return (called(cell) or "unidentified") if cell else None


def _by(rows: Sequence[Mapping[str, Any]], key: str) -> dict[Any, Mapping[str, Any]]:
    return {row[key]: row for row in rows}


def _photo(photo: Photo) -> dict[str, Any]:
    return {"number": photo.number, "sha256": photo.image_sha256, "state": str(photo.state)}


def _cell(cell: Cell, reviewer_id: int | None) -> dict[str, Any]:
    return {
        "id": cell.id,
        "number": cell.number,
        "photo": cell.photo_number,
        "box": _corners(cell.box),
        "found": cell.decision is not None,
        "suggested": cell.cell_type,
        "confidence": cell.confidence,
        "label": cell.label,
        "reviewer": reviewer_id,
    }


def _corners(box: Box) -> list[int]:
    return [box.xmin, box.ymin, box.xmax, box.ymax]
