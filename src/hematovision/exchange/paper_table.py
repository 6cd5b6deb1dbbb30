"""The table of a differential on paper: counts, shares with limits, ranges, and a drawing."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from hematovision.differential import Beside, Measure, Part, Range, Verdict
from hematovision.exchange.marks import INK, WHITE, mark_of
from hematovision.exchange.paper import BAND, FAINT, LINE, MARGIN, SMALL, WIDTH, Paper
from hematovision.exchange.report import Report
from hematovision.exchange.speech import Speech

ROW = 7.0
NAME = 41.0
LOUD = frozenset({Verdict.BELOW, Verdict.ABOVE})
TICKS = (0, 1, 4, 10, 20, 40, 60, 80)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table.

    Attributes:
        title: Above it.
        width: In mm.
        align: `L` or `R`.
    """

    title: str
    width: float
    align: str = "R"


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of shares, drawn as a square root so that 1 % can be read next to 60 %.

    Attributes:
        ticks: What is marked, in %; the last is its right end.
        left: Where it begins, in mm.
        width: In mm.
    """

    ticks: Sequence[int]
    left: float
    width: float

    def at(self, percent: float) -> float:
        """Give the place of a share."""
        return self.left + self.width * sqrt(min(max(percent / self.ticks[-1], 0), 1))


def verdict_of(verdict: Verdict | None, words: Speech) -> str:
    """Say what the limits of a number mean against its range."""
    said = {
        Verdict.BELOW: words.gettext("Below"),
        Verdict.MAYBE_BELOW: words.gettext("May be below"),
        Verdict.WITHIN: words.gettext("Within"),
        Verdict.UNDECIDED: words.gettext("Undecided"),
        Verdict.MAYBE_ABOVE: words.gettext("May be above"),
        Verdict.ABOVE: words.gettext("Above"),
    }
    return said[verdict] if verdict else words.gettext("No range")


def titled(code: str, number: int, report: Report, words: Speech) -> str:
    """Say what cells of a code are called, with a capital."""
    name = words.name(code, number, report.own)
    return name[:1].upper() + name[1:]


def limits_of(measure: Measure, words: Speech, decimals: int = 1) -> str:
    """Write the limits of a number with a dash between."""
    low, high = words.number(measure.low, decimals), words.number(measure.high, decimals)
    return f"{low} \N{EN DASH} {high}"


def range_of(limits: Range | None, words: Speech) -> str:
    """Write a reference range with a dash between."""
    if limits is None:
        return "\N{EN DASH}"
    return f"{words.short(limits.low)} \N{EN DASH} {words.short(limits.high)}"


def set_differential(paper: Paper, report: Report, words: Speech) -> None:
    """Set the table of the hundred, and what is counted beside it."""
    verdict = _widest_verdict(paper, report, words)
    columns = (
        Column(words.gettext("Class"), NAME, "L"),
        Column(words.gettext("Cells"), 12),
        Column(words.gettext("Share"), 16),
        Column(words.gettext("95 %% limits") % {}, 22),
        Column(words.gettext("Reference"), 20),
        Column("", 63 - verdict),
        Column(words.gettext("Verdict"), verdict, "L"),
    )
    axis = _axis_of(report.differential.parts, columns)
    _set_head(paper, columns, axis)
    for part in report.differential.parts:
        if paper.keep(ROW):
            _set_head(paper, columns, axis)
        _set_part(paper, columns, axis, part, report, words)
    for row in (*report.differential.beside, report.differential.unidentified):
        _set_beside(paper, row, report, words)
    for row in report.differential.out:
        _set_beside(paper, row, report, words)


def set_absolute(paper: Paper, report: Report, words: Speech) -> None:
    """Set the counts in blood, where the total is known."""
    columns = (
        Column(words.gettext("Class"), NAME, "L"),
        Column("10⁹/L", 20),
        Column(words.gettext("95 %% limits") % {}, 31),
        Column(words.gettext("Reference"), 40),
        Column("", 4),
        Column(words.gettext("Verdict"), 38, "L"),
    )
    _set_head(paper, columns, None)
    for part in report.differential.parts:
        if part.absolute is None:
            continue
        if paper.keep(ROW):
            _set_head(paper, columns, None)
        _set_name(paper, part, report, words)
        values = (
            "",
            words.number(part.absolute.value, 2),
            limits_of(part.absolute, words, 2),
            range_of(part.absolute.range, words),
            "",
            verdict_of(part.absolute.verdict, words),
        )
        _set_cells(paper, columns, values, bold={1})
        _end_row(paper)


def _widest_verdict(paper: Paper, report: Report, words: Speech) -> float:
    """Give the width of the longest verdict, as far as the drawing can spare it."""
    paper.usual()
    said = {verdict_of(part.verdict, words) for part in report.differential.parts}
    return min(29.0, max(20.0, *map(paper.get_string_width, said)))


def _axis_of(parts: Sequence[Part], columns: Sequence[Column]) -> Axis:
    """Choose an axis to 80 %, or to 100 % where something reaches further."""
    shares = [part.share for part in parts if part.share]
    ends = [one.high for one in shares] + [one.range.high for one in shares if one.range]
    ticks = (*TICKS, 100) if max(ends, default=0) > TICKS[-1] else TICKS
    left = MARGIN + sum(column.width for column in columns[:5])
    return Axis(ticks, left + 4, columns[5].width - 8)


def _written(axis: Axis) -> Sequence[tuple[str, float]]:
    """Say what is written above an axis, and where; 80 would run into 100."""
    ticks = (tick for tick in axis.ticks if tick != TICKS[-1] or tick == axis.ticks[-1])
    return [(str(tick), axis.at(tick)) for tick in ticks]


def _set_head(paper: Paper, columns: Sequence[Column], axis: Axis | None) -> None:
    paper.usual(SMALL, colour=FAINT)
    paper.set_x(MARGIN)
    top = paper.get_y()
    for column in columns:
        paper.fitted(column.width, 5, column.title, align=column.align)
    for text, place in _written(axis) if axis else ():
        paper.text(place - paper.get_string_width(text) / 2, top + 3.4, text)
    paper.set_xy(MARGIN, top + 5)
    paper.rule(0.2, LINE)
    paper.usual()


def _set_part(
    paper: Paper,
    columns: Sequence[Column],
    axis: Axis,
    part: Part,
    report: Report,
    words: Speech,
) -> None:
    _set_name(paper, part, report, words)
    share = part.share
    if share is None:
        _set_cells(paper, columns, ("", str(part.number)), bold=set())
    else:
        values = (
            "",
            str(part.number),
            f"{words.number(share.value, 1)} %",
            limits_of(share, words),
            range_of(share.range, words),
            "",
            verdict_of(share.verdict, words),
        )
        _set_cells(paper, columns, values, bold={2, 6} if share.verdict in LOUD else {2})
        _draw(paper, axis, part.code, share, report)
    _end_row(paper)


def _set_name(paper: Paper, part: Part, report: Report, words: Speech) -> None:
    left = MARGIN + (5 if part.inside else 0)
    paper.mark(mark_of(part.code, report.own), left, paper.get_y() + 1.4)
    paper.set_x(left + 6)
    paper.fitted(MARGIN + NAME - left - 6, ROW, titled(part.code, 2, report, words))
    paper.set_x(MARGIN)


def _set_cells(
    paper: Paper, columns: Sequence[Column], values: Sequence[str], *, bold: set[int]
) -> None:
    for place, (column, value) in enumerate(zip(columns, values, strict=False)):
        paper.usual(bold=place in bold)
        paper.fitted(column.width, ROW, value, align=column.align)
    paper.usual()


def _draw(paper: Paper, axis: Axis, code: str, share: Measure, report: Report) -> None:
    """Draw the reference range, the limits, and the share."""
    top = paper.get_y()
    middle = top + ROW / 2
    with paper.local_context(line_width=0.15, draw_color=LINE, fill_color=BAND):
        for tick in axis.ticks:
            paper.line(axis.at(tick), top, axis.at(tick), top + ROW)
        if share.range:
            left, right = axis.at(share.range.low), axis.at(share.range.high)
            paper.rect(left, top + 1.6, right - left, ROW - 3.2, style="F")
    low, high = axis.at(share.low), axis.at(share.high)
    with paper.local_context(line_width=0.45, draw_color=INK):
        paper.line(low, middle, high, middle)
        for end in (low, high):
            paper.line(end, middle - 1.1, end, middle + 1.1)
    mark = mark_of(code, report.own)
    with paper.local_context(line_width=0.35, draw_color=WHITE, fill_color=mark.colour):
        paper.circle(axis.at(share.value), middle, 1.3, style="DF")


def _end_row(paper: Paper) -> None:
    paper.set_xy(MARGIN, paper.get_y() + ROW)
    paper.rule(0.15, LINE)


def _set_beside(paper: Paper, row: Beside, report: Report, words: Speech) -> None:
    """Set a row of what is not of the hundred."""
    paper.keep(5.4)
    top = paper.get_y()
    paper.mark(mark_of(row.code, report.own), MARGIN + 0.4, top + 1, side=3.4)
    paper.usual(colour=FAINT)
    paper.set_xy(MARGIN + 6, top)
    paper.fitted(NAME - 6, 5.4, titled(row.code, 2, report, words))
    paper.cell(12, 5.4, str(row.number), align="R")
    paper.cell(4, 5.4)
    paper.usual(SMALL, colour=FAINT)
    paper.cell(WIDTH - NAME - 16, 5.4, _beside(row, words))
    paper.set_xy(MARGIN, top + 5.4)
    paper.usual()


def _beside(row: Beside, words: Speech) -> str:
    if row.rate is None:
        return words.gettext("not in the hundred")
    return words.gettext(
        "%(rate)s per 100 white cells, limits %(limits)s",
        rate=words.number(row.rate.value, 1),
        limits=limits_of(row.rate, words),
    )
