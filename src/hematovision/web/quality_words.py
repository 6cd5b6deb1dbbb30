"""What the quality page says of its numbers."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date

from flask_babel import format_date, lazy_gettext, ngettext
from flask_babel import gettext as _

from hematovision.differential import INSIDE
from hematovision.labels import LABELS, NO_CELL, NOT_CLASSED, UNIDENTIFIED, Label
from hematovision.services.locator_checks import Counted
from hematovision.services.pairs import BLINDED, SUCCESSIVE, Kappa
from hematovision.services.quality import Survey
from hematovision.services.shares import Part
from hematovision.web.numbers import limits, number, share

MEASURES = {
    "red": (lazy_gettext("Stain in red light"), lazy_gettext("how dark, as a logarithm")),
    "green": (lazy_gettext("Stain in green light"), lazy_gettext("how dark, as a logarithm")),
    "blue": (lazy_gettext("Stain in blue light"), lazy_gettext("how dark, as a logarithm")),
    "contrast": (lazy_gettext("Contrast of the stain"), lazy_gettext("how much that varies")),
    "focus": (lazy_gettext("Focus"), lazy_gettext("fine detail in the contrast, as a logarithm")),
    "distance": (
        lazy_gettext("Distance from the cells learnt"),
        lazy_gettext("to the network, as a logarithm"),
    ),
}
SOURCES = {
    SUCCESSIVE: lazy_gettext("one after the other, the second saw the name"),
    BLINDED: lazy_gettext("second reading, blinded"),
}
LAST = (NOT_CLASSED, NO_CELL, UNIDENTIFIED)
MOST_PAIRS = 8
"""Pairs of readers that are shown at once."""

SETS = {"bccd": "BCCD", "pbc": "PBC"}


def columns_of(survey: Survey) -> Sequence[str]:
    """List what people call cells that a model found."""
    called = {label for counts in survey.confusion.values() for label in counts}
    return in_order(called, survey.own)


def in_order(codes: Collection[str], own: Sequence[Label]) -> Sequence[str]:
    """Put labels in the order of the gallery, what is not counted last."""
    order = [label.code for label in (*LABELS, *own) if label.code not in LAST]
    return [code for code in (*order, *LAST) if code in codes]


def by_name(survey: Survey) -> Mapping[str, Part]:
    """Give what readers changed by their names, who looked at most first."""
    parts = sorted(survey.overrides.readers.items(), key=lambda item: -item[1].number)
    return {survey.people[user_id]: part for user_id, part in parts}


def unidentified_over(survey: Survey) -> Mapping[int, Part]:
    """Give what the model left unidentified, by week."""
    return {one.week: Part(one.unidentified, one.cells) for one in survey.reads}


def missed_over(days: Mapping[date, Counted]) -> Mapping[date, Part]:
    """Give what the locator missed, by day."""
    return {day: found.missed for day, found in days.items()}


def is_kept(suggested: str, label: str) -> bool:
    """Tell whether people who call a cell so keep what the model called it."""
    return suggested in (label, INSIDE.get(label))


def kept(changed: Part) -> Part:
    """Turn what was changed into what was kept."""
    return Part(changed.number - changed.hits, changed.number)


def empty_words(survey: Survey) -> str:
    """Say in how many photos no cell was found."""
    photos = sum(one.photos for one in survey.reads)
    empty = sum(one.empty for one in survey.reads)
    if not empty:
        return str(_("A white cell was found in every photo."))
    return str(
        ngettext(
            "No white cell was found in %(empty)s of %(number)s photo.",
            "No white cell was found in %(empty)s of %(number)s photos.",
            photos,
            empty=number(empty),
            number=number(photos),
        )
    )


def part_words(part: Part) -> str:
    """Say how large a part is, such as `7.1 % (4.5 to 10.6)`."""
    return f"{share(part.share.value)} ({limits(part.share)})" if part.share else share(None)


def line_words(parts: Mapping[date, Part]) -> str:
    """Say in words what a line of shares shows."""
    some = {day: part.share.value for day, part in parts.items() if part.share}
    if not some:
        return str(_("Nothing was counted."))
    first, last = min(some), max(some)
    if first == last:
        return f"{day_words(last)}: {share(some[last])}."
    return str(
        _(
            "From %(first)s to %(last)s: lowest %(lowest)s, highest %(highest)s, last %(newest)s.",
            first=day_words(first),
            last=day_words(last),
            lowest=share(min(some.values())),
            highest=share(max(some.values())),
            newest=share(some[last]),
        )
    )


def outside_words(outside: Part) -> str:
    """Say how many photos lie outside, of how many."""
    return str(
        ngettext(
            "%(outside)s of %(number)s photo lies outside: %(share)s",
            "%(outside)s of %(number)s photos lie outside: %(share)s",
            outside.number,
            outside=number(outside.hits),
            number=number(outside.number),
            share=part_words(outside),
        )
    )


def kappa_words(kappa: Kappa | None) -> str:
    """Write kappa with its limits, such as `0.86 (0.81 to 0.91)`."""
    if kappa is None:
        return share(None)
    ends = _("%(low)s to %(high)s", low=number(kappa.low, 2), high=number(kappa.high, 2))
    return f"{number(kappa.value, 2)} ({ends})"


def unlike_words(survey: Survey) -> str:
    """Name the measures in which photos are unlike those of the training."""
    *first, last = [str(MEASURES[name][0]).lower() for name in survey.unlike]
    if not first:
        return last
    return str(_("%(names)s and %(last)s", names=", ".join(first), last=last))


def set_words(name: str) -> str:
    """Say how a set of the training is called."""
    return SETS.get(name, name)


def day_words(day: date) -> str:
    """Write a day, such as `Nov 2, 2026`."""
    return str(format_date(day, "medium"))
