"""Where the record of changes says that a report was signed: for people, and for a camera."""

from collections.abc import Sequence

from hematovision.exchange.paper import MARGIN, WIDTH, Paper
from hematovision.exchange.report import Proof, Report
from hematovision.exchange.speech import Speech

QR_SIDE = 32.0
QUIET = 4
"""Modules of white around a QR code (ISO/IEC 18004)."""


def set_proof(paper: Paper, report: Report, words: Speech) -> None:
    """Say where the record says so, for people and for a camera."""
    if report.proof is None:
        return
    paper.keep(QR_SIDE + 6)
    paper.ln(4)
    top, proof = paper.get_y(), report.proof
    left = MARGIN
    if proof.address:
        _draw_qr(paper, proof.address, left, top)
        left += QR_SIDE + 4
    paper.set_xy(left, top + 2)
    paper.set_left_margin(left)
    width = MARGIN + WIDTH - left
    paper.usual(bold=True)
    paper.cell(width, 4.4, words.gettext("Check this report"), new_x="LMARGIN", new_y="NEXT")
    paper.usual()
    for text in _proof_texts(proof, words):
        paper.paragraph(text, faint=True, width=width)
    paper.set_left_margin(MARGIN)
    paper.set_xy(MARGIN, max(paper.get_y(), top + (QR_SIDE if proof.address else 0)))


def _proof_texts(proof: Proof, words: Speech) -> list[str]:
    said = [_leads(proof, words)]
    if proof.digest:
        groups = [proof.digest[at : at + 4] for at in range(0, len(proof.digest), 4)]
        said.append(words.gettext("Digest: %(digest)s", digest=" ".join(groups)))
    if proof.address:
        said.append(proof.address)
    return said


def _leads(proof: Proof, words: Speech) -> str:
    """Say which event it is, and what to compare."""
    if proof.address:
        return words.gettext(
            "Event %(number)s of the record of changes says that this version was signed. The code "
            "leads to it; its digest there must be the one that stands here.",
            number=proof.event_id,
        )
    return words.gettext(
        "Event %(number)s of the record of changes says that this version was signed. Its digest "
        "there must be the one that stands here.",
        number=proof.event_id,
    )


def _draw_qr(paper: Paper, text: str, x: float, y: float) -> None:
    """Draw a QR code as rectangles, a run of dark modules each."""
    import segno

    rows = [list(row) for row in segno.make_qr(text, error="m").matrix]
    module = QR_SIDE / (len(rows) + 2 * QUIET)
    paper.set_fill_color(0, 0, 0)
    for down, row in enumerate(rows):
        for start, length in _runs(row):
            left, top = x + (start + QUIET) * module, y + (down + QUIET) * module
            # A little taller than a module, so that no hair of white shows between rows.
            paper.rect(left, top, length * module, 1.02 * module, style="F")


def _runs(row: Sequence[int]) -> list[tuple[int, int]]:
    """Give where dark modules begin, and how many follow each other."""
    runs: list[tuple[int, int]] = []
    for place, dark in enumerate(row):
        if dark and runs and sum(runs[-1]) == place:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        elif dark:
            runs.append((place, 1))
    return runs
