"""The cells behind the numbers of a report, class by class."""

from collections.abc import Callable, Sequence
from io import BytesIO

from hematovision.exchange.marks import mark_of
from hematovision.exchange.paper import FAINT, MARGIN, SMALL, WIDTH, Paper
from hematovision.exchange.paper_table import titled
from hematovision.exchange.report import Report, ReportCell
from hematovision.exchange.speech import Speech

GetCrop = Callable[[ReportCell], bytes | None]
"""Gives a JPEG of a cell; None where its photo is not kept."""

SHOWN = 8
"""Cells that are shown of a class."""
GAP = 2.0
PICTURE = (WIDTH - (SHOWN - 1) * GAP) / SHOWN


def set_gallery(paper: Paper, report: Report, words: Speech, get_crop: GetCrop) -> None:
    """Show some cells of each class, spread evenly over the case: nobody picked them."""
    is_first = True
    for code, cells in _by_class(report).items():
        shown = [(cell, crop) for cell in spread(cells, SHOWN) if (crop := get_crop(cell))]
        if not shown:
            continue
        if is_first:
            paper.heading(words.gettext("Cells behind the numbers"), PICTURE + 20)
            about = words.gettext(
                "Of each class up to %(number)s cells, spread evenly over the case, all in one "
                "scale. * Nobody has looked at what the system suggests.",
                number=SHOWN,
            )
            paper.paragraph(about, faint=True)
            is_first = False
        _set_row(paper, code, shown, len(cells), report, words)


def _by_class(report: Report) -> dict[str, list[ReportCell]]:
    """Group the cells by what they count as, in the order of the table."""
    counts = report.differential
    codes = [part.code for part in counts.parts]
    codes += [row.code for row in (*counts.beside, counts.unidentified, *counts.out)]
    grouped: dict[str, list[ReportCell]] = {code: [] for code in codes}
    for cell in report.cells:
        if cell.is_cell:
            grouped.setdefault(cell.called, []).append(cell)
    return grouped


def spread(cells: Sequence[ReportCell], number: int) -> Sequence[ReportCell]:
    """Choose so many cells at even distances."""
    if len(cells) <= number:
        return cells
    return [cells[place * len(cells) // number] for place in range(number)]


def _set_row(
    paper: Paper,
    code: str,
    shown: Sequence[tuple[ReportCell, bytes]],
    number: int,
    report: Report,
    words: Speech,
) -> None:
    paper.keep(PICTURE + 12)
    paper.ln(2)
    top = paper.get_y()
    paper.mark(mark_of(code, report.own), MARGIN, top, side=3.6)
    paper.set_x(MARGIN + 5)
    many = words.gettext("%(shown)s of %(number)s shown", shown=len(shown), number=number)
    paper.fitted(WIDTH - 5, 4, f"{titled(code, 2, report, words)}, {many}")
    top += 5
    paper.usual(SMALL, colour=FAINT)
    for place, (cell, crop) in enumerate(shown):
        left = MARGIN + place * (PICTURE + GAP)
        name = f"{titled(code, 1, report, words)} {cell.number}"
        paper.image(BytesIO(crop), left, top, PICTURE, PICTURE, alt_text=name)
        paper.set_xy(left, top + PICTURE + 0.5)
        by = "" if cell.person else " *"
        paper.cell(PICTURE, 3.4, f"{cell.number}{by}")
    paper.usual()
    paper.set_xy(MARGIN, top + PICTURE + 4.5)
