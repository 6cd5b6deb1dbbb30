"""From the cells of a case to its differential; nothing here looks at a clock or a store."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from hematovision.differential import (
    INSIDE,
    SETTLED,
    AgeBand,
    Beside,
    Differential,
    Measure,
    Part,
    Range,
    Suggestions,
    Verdict,
)
from hematovision.labels import FIVE, LABELS, NO_CELL, NOT_CLASSED, UNIDENTIFIED, Count, Label
from hematovision.limits import exact_limits
from hematovision.storage.cells import Tally

ALWAYS = frozenset({*FIVE, "erythroblast", "smudge", NOT_CLASSED})
ERYTHROBLAST = "erythroblast"
MOST = 1000
"""Nobody counts more cells for one differential."""


@dataclass(slots=True)
class _Sums:
    """Cells by what they are called: by whom it may be, by people, and by the machine."""

    called: Counter[str]
    confirmed: Counter[str]
    suggested: Counter[str]
    reviewed: int = 0
    changed: int = 0
    waiting: int = 0


def count_cells(
    tallies: Iterable[Tally],
    own: Sequence[Label] = (),
    *,
    band: AgeBand | None = None,
    white_count: float | None = None,
) -> Differential:
    """Count the cells of a case.

    A cell counts as what a person called it, and as what the machine suggests while nobody has.
    A box without a cell counts nowhere, but that it was found is a suggestion that was changed.

    Args:
        tallies: Cells by what the machine and people call them.
        own: The laboratory's own labels.
        band: Reference ranges; none where none hold.
        white_count: White cells in blood, 10^9 a litre, erythroblasts among them.
    """
    sums = _sum(tallies)
    labels = (*LABELS, *own)
    hundred = [label for label in labels if label.count is Count.WHITE]
    counted = sum(sums.called[label.code] for label in hundred)
    corrected = correct(white_count, counted, sums.called[ERYTHROBLAST])
    total = white_count if corrected is None else corrected
    named = sum(sums.suggested[code] for code in FIVE)
    parts = (_part(label, sums, counted, named) for label in hundred)
    return Differential(
        counted=counted,
        confirmed=sum(sums.confirmed[label.code] for label in hundred),
        named=named,
        parts=tuple(
            _judged(part, counted, band, total)
            for part in parts
            if part.number or part.code in ALWAYS
        ),
        beside=tuple(
            replace(row, rate=per_hundred(row.number, counted))
            for row in _rows(labels, Count.BESIDE, sums)
        ),
        unidentified=Beside(
            UNIDENTIFIED, "U", sums.called[UNIDENTIFIED], sums.suggested[UNIDENTIFIED]
        ),
        out=(*_rows(labels, Count.OUT, sums), *_unknown(labels, sums)),
        suggestions=_suggestions(sums),
        white_count=white_count,
        corrected_count=corrected,
    )


def correct(white_count: float | None, counted: int, erythroblasts: int) -> float | None:
    """Take the erythroblasts out of a total count, for counters take them for white cells.

    Corrected = total * 100 / (100 + erythroblasts per 100 white cells) (Keohane, Otto and Walenga,
    Rodak's Hematology, 6th edition, 2020).

    Returns:
        The corrected count; None where there is nothing to correct.
    """
    if white_count is None or not counted or not erythroblasts:
        return None
    return white_count * 100 / (100 + 100 * erythroblasts / counted)


def share_of(number: float, counted: float) -> Measure | None:
    """Give a share in %, with its exact limits; None of nothing."""
    if not counted:
        return None
    low, high = exact_limits(number, counted)
    return Measure(100 * number / counted, 100 * low, 100 * high)


def per_hundred(number: int, counted: int) -> Measure | None:
    """Give how many cells there are per 100 white ones.

    They are a share p of both together, so the exact limits of p / (1 - p) are those of p.
    """
    if not counted:
        return None
    low, high = exact_limits(number, number + counted)
    return Measure(100 * number / counted, 100 * low / (1 - low), 100 * high / (1 - high))


def judge(measure: Measure, limits: Range | None) -> Measure:
    """Hold a number and its limits against a reference range."""
    return replace(measure, range=limits, verdict=_verdict(measure, limits) if limits else None)


def cells_to_settle(number: int, counted: int, limits: Range) -> int | None:
    """Say how many more cells would settle at today's share whether it lies in a range.

    Args:
        number: Cells of the class.
        counted: All that are counted; more than none.
        limits: The range, in %.

    Returns:
        The least number; None where even 1,000 cells would not settle it.
    """
    if not _settles(number, counted, MOST - counted, limits):
        return None
    few, enough = -1, MOST - counted
    while enough - few > 1:
        middle = (few + enough) // 2
        if _settles(number, counted, middle, limits):
            enough = middle
        else:
            few = middle
    return enough


def _settles(number: int, counted: int, more: int, limits: Range) -> bool:
    """Tell whether so many more cells settle it; their share is today's, to a part of a cell."""
    if more < 0:
        return False
    then = share_of(number * (counted + more) / counted, counted + more)
    return then is not None and _verdict(then, limits) in SETTLED


def _verdict(measure: Measure, limits: Range) -> Verdict:
    if measure.low > limits.high:
        return Verdict.ABOVE
    if measure.high < limits.low:
        return Verdict.BELOW
    if limits.low <= measure.low and measure.high <= limits.high:
        return Verdict.WITHIN
    if measure.value > limits.high:
        return Verdict.MAYBE_ABOVE
    return Verdict.MAYBE_BELOW if measure.value < limits.low else Verdict.UNDECIDED


def _sum(tallies: Iterable[Tally]) -> _Sums:
    sums = _Sums(Counter(), Counter(), Counter())
    for tally in tallies:
        suggestion = tally.cell_type if tally.found and tally.cell_type in FIVE else None
        if suggestion:
            _follow(sums, tally, suggestion)
        if tally.label == NO_CELL:
            continue
        sums.called[tally.label or suggestion or UNIDENTIFIED] += tally.number
        if tally.found:
            sums.suggested[suggestion or UNIDENTIFIED] += tally.number
        if tally.label:
            sums.confirmed[tally.label] += tally.number
    return sums


def _follow(sums: _Sums, tally: Tally, suggestion: str) -> None:
    """Count what became of a suggestion; one that was named more finely was kept."""
    if tally.label is None:
        sums.waiting += tally.number
        return
    sums.reviewed += tally.number
    if suggestion not in (tally.label, INSIDE.get(tally.label)):
        sums.changed += tally.number


def _suggestions(sums: _Sums) -> Suggestions:
    kept = share_of(sums.reviewed - sums.changed, sums.reviewed)
    return Suggestions(sums.reviewed, sums.changed, kept, sums.waiting)


def _part(label: Label, sums: _Sums, counted: int, named: int) -> Part:
    codes = [label.code, *(code for code, whole in INSIDE.items() if whole == label.code)]
    number = sum(sums.called[code] for code in codes)
    suggested = sums.suggested[label.code] if label.code in FIVE else None
    return Part(
        code=label.code,
        key=label.key,
        number=number,
        confirmed=sum(sums.confirmed[code] for code in codes),
        suggested=suggested,
        share=share_of(number, counted),
        suggested_share=None if suggested is None or not named else 100 * suggested / named,
        inside=INSIDE.get(label.code, ""),
    )


def _judged(part: Part, counted: int, band: AgeBand | None, total: float | None) -> Part:
    """Hold a class against its ranges."""
    if part.share is None:
        return part
    limits = band.limits.get(part.code) if band else None
    share = judge(part.share, limits)
    undecided = limits is not None and share.verdict not in SETTLED
    return replace(
        part,
        share=share,
        more=cells_to_settle(part.number, counted, limits) if limits and undecided else None,
        absolute=_absolute(part.share, part.code, band, total),
    )


def _absolute(
    share: Measure, code: str, band: AgeBand | None, total: float | None
) -> Measure | None:
    """Give a share of a total count; the limits are of the share, the total is taken as it is."""
    if total is None:
        return None
    part = total / 100
    measure = Measure(share.value * part, share.low * part, share.high * part)
    return judge(measure, band.absolute.get(code) if band else None)


def _rows(labels: Iterable[Label], count: Count, sums: _Sums) -> tuple[Beside, ...]:
    return tuple(
        Beside(label.code, label.key, sums.called[label.code])
        for label in labels
        if label.count is count and (sums.called[label.code] or label.code in ALWAYS)
    )


def _unknown(labels: Iterable[Label], sums: _Sums) -> tuple[Beside, ...]:
    """Give what is called by a name that nobody knows any more: not counted, but not hidden."""
    known = {label.code for label in labels} | {UNIDENTIFIED}
    return tuple(
        Beside(code, "", number)
        for code, number in sorted(sums.called.items())
        if code not in known
    )
