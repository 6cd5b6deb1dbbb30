"""What stands for a label everywhere: a shape and colour of the style sheet, and a letter."""

from collections.abc import Sequence
from dataclasses import dataclass

from hematovision.labels import FIVE, NO_CELL, NOT_CLASSED, UNIDENTIFIED, Label, find_label

OTHER = "other"
SHAPES = {code: code[0] for code in FIVE} | {
    "band": "band",
    "atypical_lymphocyte": "atypical",
    OTHER: "o",
    UNIDENTIFIED: "u",
    NOT_CLASSED: "x",
    NO_CELL: "x",
}
LETTERS = {UNIDENTIFIED: "?", NOT_CLASSED: "×", NO_CELL: "–"}  # noqa: RUF001
OF_MODEL = (*FIVE, OTHER, UNIDENTIFIED)
"""What a model may say of a cell."""


@dataclass(frozen=True, slots=True)
class Sign:
    """What stands for a label: its shape and colour in the style sheet, and its letter."""

    shape: str
    letter: str


def sign_of(code: str, own: Sequence[Label] = ()) -> Sign:
    """Say what stands for a label.

    Args:
        code: A cell type, a label's code, `unidentified` or `no_cell`.
        own: The laboratory's own labels.
    """
    label = find_label(code, own)
    return Sign(SHAPES.get(code, "more"), LETTERS.get(code) or (label.key if label else "") or "·")
