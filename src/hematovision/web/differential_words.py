"""What the differential's page says of its numbers, and where its plots lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from babel.lists import format_list
from flask_babel import get_locale, lazy_gettext, ngettext
from flask_babel import gettext as _

from hematovision.differential import SETTLED, AgeBand, Differential, Measure, Part, Range, Verdict
from hematovision.labels import NOT_CLASSED, Label
from hematovision.services.counting import MOST
from hematovision.services.differential import Sheet
from hematovision.web.language import name_of
from hematovision.web.numbers import number as write
from hematovision.web.numbers import short

CUSTOMARY = 200
VERDICTS = {
    Verdict.BELOW: ("▼", lazy_gettext("Below")),
    Verdict.MAYBE_BELOW: ("↔", lazy_gettext("May be below")),
    Verdict.WITHIN: ("✓", lazy_gettext("Within")),
    Verdict.UNDECIDED: ("↔", lazy_gettext("Undecided")),
    Verdict.MAYBE_ABOVE: ("↔", lazy_gettext("May be above")),
    Verdict.ABOVE: ("▲", lazy_gettext("Above")),
}
"""A sign and a word of each."""
LOUD = frozenset({Verdict.BELOW, Verdict.ABOVE})


def tenth(number: float) -> str:
    """Write a number with one decimal, as the language does."""
    return write(number, 1)


def hundredth(number: float) -> str:
    """Write a count of one class in blood, with two decimals."""
    return write(number, 2)


def count_of(number: float) -> str:
    """Write a total count, or an end of a range, without zeros that say nothing."""
    return short(number)


def limits_of(measure: Measure) -> str:
    """Write the limits of a share, such as 41.2 to 59.5, with a dash between."""
    return f"{tenth(measure.low)} \N{EN DASH} {tenth(measure.high)}"


def range_of(limits: Range) -> str:
    """Write a reference range, such as 0.5 to 1, with a dash between."""
    return f"{count_of(limits.low)} \N{EN DASH} {count_of(limits.high)}"


def titled(code: str, number: int = 1, own: Sequence[Label] = ()) -> str:
    """Write what cells are called, with a capital."""
    name = name_of(code, number, own)
    return name[:1].upper() + name[1:]


def band_name(band: AgeBand) -> str:
    """Write the name of an age band."""
    return band.name or _("Adults")


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of shares in %, drawn as a square root so that 1 % can be read next to 60 %.

    Attributes:
        ticks: What is marked; the last is its right end.
    """

    ticks: tuple[float, ...]

    def at(self, percent: float) -> str:
        """Give the place of a share, such as `70.71%`."""
        return f"{100 * sqrt(min(max(percent / self.ticks[-1], 0), 1)):.2f}%"

    def across(self, limits: Range) -> str:
        """Give the width of a range."""
        left, right = (sqrt(min(end / self.ticks[-1], 1)) for end in (limits.low, limits.high))
        return f"{100 * (right - left):.2f}%"


def axis_of(differential: Differential) -> Axis:
    """Choose an axis to 80 %, or to 100 % where something reaches further."""
    shares = [part.share for part in differential.parts if part.share]
    ends = [share.high for share in shares] + [one.range.high for one in shares if one.range]
    ticks = (0, 1, 4, 10, 20, 40, 60, 80)
    return Axis((*ticks, 100) if max(ends, default=0) > ticks[-1] else ticks)


def drawn(part: Part, own: Sequence[Label]) -> str:
    """Say in a sentence what the plot of a class shows."""
    if part.share is None:
        return ""
    values = {
        "name": titled(part.code, 2, own),
        "share": tenth(part.share.value),
        "low": tenth(part.share.low),
        "high": tenth(part.share.high),
    }
    if part.share.range is None or part.share.verdict is None:
        return str(_("%(name)s %(share)s percent, limits %(low)s to %(high)s", **values))
    return str(
        _(
            "%(name)s %(share)s percent, limits %(low)s to %(high)s, reference %(from_)s to %(to)s:"
            " %(verdict)s",
            from_=count_of(part.share.range.low),
            to=count_of(part.share.range.high),
            verdict=str(VERDICTS[part.share.verdict][1]).lower(),
            **values,
        )
    )


@dataclass(frozen=True, slots=True)
class Settled:
    """How many more cells are worth counting: the heading, and the sentences below it."""

    heading: str
    sentences: tuple[str, ...]


def settled(sheet: Sheet) -> Settled | None:
    """Say what more cells would settle; nothing while nothing is counted."""
    differential = sheet.differential
    if not differential.counted:
        return None
    held = [part for part in differential.parts if part.verdict]
    done = [part for part in held if part.verdict in SETTLED]
    soon = sorted((part for part in held if part.more), key=lambda part: part.more or 0)
    never = [part for part in held if part not in done and part not in soon]
    sentences = (
        _of_done(done, sheet.own),
        *(_of_one(part, sheet.own) for part in soon[1:]),
        _of_never(never, differential.counted, sheet.own),
        _of_target(differential.counted, sheet.case.target),
    )
    return Settled(_heading(held, soon, sheet), tuple(filter(None, sentences)))


def _heading(held: Sequence[Part], soon: Sequence[Part], sheet: Sheet) -> str:
    if soon:
        return _of_one(soon[0], sheet.own)
    if not held:
        return str(_("No class is held against a range"))
    if all(part.verdict in SETTLED for part in held):
        return str(_("Every class is settled"))
    return str(_("More cells would not settle more"))


def _of_one(part: Part, own: Sequence[Label]) -> str:
    return str(
        ngettext(
            "%(num)s more cell settles the %(name)s.",
            "%(num)s more cells settle the %(name)s.",
            part.more or 0,
            name=name_of(part.code, 2, own),
        )
    )


def _of_done(parts: Sequence[Part], own: Sequence[Label]) -> str:
    return str(_("Settled: %(names)s.", names=_names(parts, own))) if parts else ""


def _of_never(parts: Sequence[Part], counted: int, own: Sequence[Label]) -> str:
    if not parts:
        return ""
    return str(
        _(
            "At today's shares these would stay undecided even with %(most)s cells: %(names)s. "
            "Their values lie too close to a limit.",
            most=write(max(MOST, counted)),
            names=_names(parts, own),
        )
    )


def _of_target(counted: int, target: int) -> str:
    if counted < target:
        return str(
            ngettext(
                "%(num)s more reaches the target of %(target)s.",
                "%(num)s more reach the target of %(target)s.",
                target - counted,
                target=target,
            )
        )
    if counted >= CUSTOMARY:
        return ""
    return str(
        ngettext(
            "%(num)s more reaches the %(customary)s that are customary.",
            "%(num)s more reach the %(customary)s that are customary.",
            CUSTOMARY - counted,
            customary=CUSTOMARY,
        )
    )


def _names(parts: Sequence[Part], own: Sequence[Label]) -> str:
    names = [name_of(part.code, 2, own) for part in parts]
    return str(format_list(names, locale=get_locale()))


def about(differential: Differential) -> str:
    """Say in the case's bar what was counted."""
    words = [
        ngettext("%(num)s cell counted", "%(num)s cells counted", differential.counted),
        *(
            ngettext("%(num)s taken out", "%(num)s taken out", row.number)
            for row in differential.out
            if row.code == NOT_CLASSED and row.number
        ),
    ]
    return " · ".join(words)
