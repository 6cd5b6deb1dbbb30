"""What was signed, read back: the differential and the cells of a signature's content."""

from collections.abc import Mapping, Sequence
from typing import Any

from hematovision.cells import Box
from hematovision.differential import (
    AgeBand,
    Beside,
    Differential,
    Measure,
    Part,
    Range,
    Suggestions,
    Verdict,
)
from hematovision.exchange.report import ReportCell

Document = Mapping[str, Any]


def differential_of(kept: Document) -> Differential:
    """Make a differential of its document, number for number: nothing is counted anew."""
    return Differential(
        counted=kept["counted"],
        confirmed=kept["confirmed"],
        named=kept["named"],
        parts=tuple(map(_part, kept["parts"])),
        beside=tuple(map(_beside, kept["beside"])),
        unidentified=_beside(kept["unidentified"]),
        out=tuple(map(_beside, kept["out"])),
        suggestions=_suggestions(kept["suggestions"]),
        white_count=kept["white_count"],
        corrected_count=kept["corrected_count"],
    )


def band_of(kept: Document | None) -> AgeBand | None:
    """Make the age band of its document; the ranges stand at the numbers that they hold for."""
    return AgeBand(kept["code"], kept["name"], kept["source"]) if kept else None


def cells_of(kept: Sequence[Document], people: Mapping[int, str]) -> tuple[ReportCell, ...]:
    """Make cells of their documents.

    Args:
        kept: A document a cell.
        people: Names by the number of the user.
    """
    return tuple(
        ReportCell(
            number=cell["number"],
            photo=cell["photo"],
            box=Box(*cell["box"]),
            machine=cell["suggested"],
            found=cell["found"],
            person=cell["label"],
            reviewer=people.get(cell["reviewer"], ""),
            confidence=cell["confidence"],
        )
        for cell in kept
    )


def _part(kept: Document) -> Part:
    measures = {name: _measure(kept[name]) for name in ("share", "absolute")}
    return Part(**{**kept, **measures})


def _beside(kept: Document) -> Beside:
    return Beside(**{**kept, "rate": _measure(kept["rate"])})


def _suggestions(kept: Document) -> Suggestions:
    return Suggestions(**{**kept, "kept": _measure(kept["kept"])})


def _measure(kept: Document | None) -> Measure | None:
    if kept is None:
        return None
    limits, verdict = kept["range"], kept["verdict"]
    return Measure(
        kept["value"],
        kept["low"],
        kept["high"],
        Range(limits["low"], limits["high"]) if limits else None,
        Verdict(verdict) if verdict else None,
    )
