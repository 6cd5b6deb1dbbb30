"""Answers as a reader might have given them, made up."""

from itertools import count

from hematovision.cells import CellType
from hematovision.learning.answers import Answer

NUMBERS = count()
"""An answer of no group is of a field of its own."""


def answer(
    truth: CellType,
    named: CellType | None,
    *,
    refused: bool = False,
    group: str = "",
    confidence: float = 0.9,
    shown_set: tuple[CellType, ...] | None = None,
    known: float | None = None,
) -> Answer:
    """Give an answer; no name means that no cell was found."""
    rest = (1 - confidence) / (len(CellType) - 1)
    name = f"{truth}-{named}-{group or next(NUMBERS)}"
    return Answer(
        name=name,
        group=group or name,
        truth=truth,
        named=named,
        shown=None if refused else named,
        probabilities=dict.fromkeys(CellType, rest) | {named: confidence} if named else {},
        prediction_set=((named,) if named else ()) if shown_set is None else shown_set,
        known=known,
    )
