"""Reports of a drawn case, as services make them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hematovision.cells import Box, ModelIdentity
from hematovision.exchange.report import (
    PhotoCounts,
    Proof,
    Report,
    ReportCell,
    Signed,
    Status,
)
from hematovision.labels import Label
from hematovision.services.counting import count_cells
from hematovision.services.ranges import ADULTS
from hematovision.storage.cells import Tally

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
MODEL = ModelIdentity("blood_cell", "1.0.0", "ab" * 32)
DIGEST = "6b1e90c47d2f55a8" * 4
PROOF = Proof(4711, DIGEST, f"https://lab.example/audit/4711?digest={DIGEST}")
FIRST = Signed(1, "Dr. R. Okafor", "I approve this differential.", NOW)
SECOND = Signed(
    2,
    "Núria Łuczak",
    "I approve this differential.",
    NOW + timedelta(hours=2),
    "Two bands were taken for segmented cells.",
    {"target": "Leukopenia."},
)
FILM = (
    ["neutrophil"] * 62
    + ["lymphocyte"] * 39
    + ["monocyte"] * 9
    + ["eosinophil"] * 12
    + ["basophil", None, None]
)
"""What the machine says: the numbers of the mock-up."""


def make_cells(kinds: Sequence[str | None], people: dict[int, str]) -> tuple[ReportCell, ...]:
    """Make cells that the machine calls so, four a photo, and people some of them otherwise."""
    return tuple(
        ReportCell(
            number=number,
            photo=(number + 3) // 4,
            box=Box(10, 20, 50, 70),
            machine=kind,
            found=True,
            person=people.get(number),
            reviewer="ines" if number in people else "",
            confidence=0.9,
            probabilities={kind: 0.9} if kind else {},
            prediction_set=(kind,) if kind else ("monocyte", "lymphocyte"),
            model="1.0.0",
        )
        for number, kind in enumerate(kinds, 1)
    )


def make_report(
    kinds: Sequence[str | None] = FILM,
    people: dict[int, str] | None = None,
    *,
    white_count: float | None = None,
    own: tuple[Label, ...] = (),
) -> Report:
    """Make the report of a case that nobody has signed."""
    cells = make_cells(kinds, people or {})
    tallies = [Tally(cell.machine, cell.found, cell.person, 1) for cell in cells]
    return Report(
        case_id=7,
        accession="26-0837",
        status=Status.PRELIMINARY,
        version=0,
        opened_at=NOW,
        made_at=NOW + timedelta(hours=3),
        target=200,
        photos=PhotoCounts(32, (3, 9)),
        differential=count_cells(tallies, own, band=ADULTS, white_count=white_count),
        band=ADULTS,
        cells=cells,
        models=(MODEL,),
        own=own,
    )


def signed(report: Report, *signatures: Signed, proof: Proof | None = PROOF) -> Report:
    """Let a report be signed as often."""
    status = Status.AMENDED if len(signatures) > 1 else Status.FINAL
    version = signatures[-1].version
    return replace(report, status=status, version=version, signatures=signatures, proof=proof)
