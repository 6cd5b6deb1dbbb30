"""What people call a cell: the types that the network names, and more that only people know."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Count(StrEnum):
    """How a cell counts in a differential."""

    WHITE = "white"
    """It is a white cell: one of the hundred."""
    BESIDE = "beside"
    """It is counted beside them: so many per 100 white cells."""
    OUT = "out"
    """It is not counted."""


@dataclass(frozen=True, slots=True)
class Label:
    """A name that people give to a cell.

    Attributes:
        code: For programs and the database, such as `atypical_lymphocyte`.
        key: The letter that gives it, and that stands on its mark; empty where it has none.
        count: How it counts.
        name: As the laboratory calls it; empty for those of this table, which every language names.
    """

    code: str
    key: str
    count: Count
    name: str = ""


FIVE = ("neutrophil", "eosinophil", "lymphocyte", "monocyte", "basophil")
"""The mature leukocytes that a model names."""
NOT_CLASSED = "not_classed"
"""A person took the cell out of the count."""
NO_CELL = "no_cell"
"""A person says that there is no cell in the box: it is removed, and its row stays."""
UNIDENTIFIED = "unidentified"
"""A person would not say either; the cell waits."""

LABELS: tuple[Label, ...] = (
    Label("neutrophil", "N", Count.WHITE),
    Label("band", "D", Count.WHITE),
    Label("eosinophil", "E", Count.WHITE),
    Label("lymphocyte", "L", Count.WHITE),
    Label("atypical_lymphocyte", "A", Count.WHITE),
    Label("monocyte", "M", Count.WHITE),
    Label("basophil", "B", Count.WHITE),
    Label("immature_granulocyte", "I", Count.WHITE),
    Label("blast", "T", Count.WHITE),
    Label("plasma_cell", "P", Count.WHITE),
    Label("erythroblast", "R", Count.BESIDE),
    Label("smudge", "S", Count.BESIDE),
    Label("giant_platelet", "K", Count.OUT),
    Label("artefact", "F", Count.OUT),
    Label(NOT_CLASSED, "X", Count.OUT),
)
"""In the order of the gallery's rows, after *Unidentified*."""

LEARNT_AS = (
    {code: code for code in FIVE}
    | {"band": "neutrophil"}
    | dict.fromkeys(
        (
            *("immature_granulocyte", "blast", "plasma_cell", "erythroblast"),
            *("smudge", "giant_platelet", "artefact"),
        ),
        "other",
    )
)
"""What a model is to call a cell that people call so. Published sets count bands as neutrophils.

Atypical lymphocytes and a laboratory's own names are missing: neither answer would be wrong.
"""

ACTION_KEYS = frozenset("UZHG")
"""Letters that do something else in the gallery."""


def find_label(code: str, own: Sequence[Label] = ()) -> Label | None:
    """Find a label by its code.

    Args:
        code: As it is kept.
        own: The laboratory's own labels.
    """
    return next((label for label in (*LABELS, *own) if label.code == code), None)
