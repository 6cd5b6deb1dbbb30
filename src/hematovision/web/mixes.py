"""The suggested mix of a case as a bar: so many of each, side by side."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flask_babel import gettext as _

from hematovision.differential import Differential
from hematovision.labels import FIVE, NOT_CLASSED, UNIDENTIFIED, Label
from hematovision.services.counting import count_cells
from hematovision.storage.cells import Tally
from hematovision.web.language import name_of
from hematovision.web.signs import sign_of

OTHERS = "others"
WIDE_ENOUGH = 8.0
"""Percent of the bar that a letter needs."""


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of cell.

    Attributes:
        colour: The letter of its colour.
        letter: What stands on it; empty where it is too narrow.
        start: Where it begins, in percent of the bar.
        width: In percent of the bar.
    """

    colour: str
    letter: str
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class Mix:
    """A bar.

    Attributes:
        parts: From left to right.
        words: The same in words, for who does not see it.
    """

    parts: Sequence[Part]
    words: str


def mix_of(tallies: Sequence[Tally], own: Sequence[Label] = ()) -> Mix | None:
    """Lay out the white cells of a case, as people call them and else as the model does.

    Args:
        tallies: Of its cells.
        own: The laboratory's own labels.

    Returns:
        The bar; None where there is nothing to show.
    """
    counts = _count(count_cells(tallies, own))
    if not counts:
        return None
    return Mix(tuple(_lay_out(counts)), ", ".join(_words(counts)))


def _count(found: Differential) -> Counter[str]:
    """Count the five types, all others of the hundred together, and what waits for a name."""
    counts: Counter[str] = Counter()
    for part in found.parts:
        # A band neutrophil is counted among the neutrophils already.
        if not part.inside:
            counts[part.code if part.code in FIVE else OTHERS] += part.number
    counts[UNIDENTIFIED] = found.unidentified.number
    return +counts


def _lay_out(counts: Counter[str]) -> Iterator[Part]:
    start, total = 0.0, counts.total()
    for name in (*FIVE, OTHERS, UNIDENTIFIED):
        width = 100 * counts[name] / total
        if counts[name]:
            sign = sign_of(NOT_CLASSED if name == OTHERS else name)
            letter = sign.letter if name in FIVE and width >= WIDE_ENOUGH else ""
            yield Part(sign.shape, letter, start, width)
        start += width


def _words(counts: Counter[str]) -> Iterator[str]:
    for name in (*FIVE, OTHERS, UNIDENTIFIED):
        number = counts[name]
        if number:
            called = _("others") if name == OTHERS else name_of(name, number)
            yield f"{number} {called}"
