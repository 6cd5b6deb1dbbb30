"""A cell in a hematologist's words, from what the network says of its attributes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from hematovision.cells import CellType, Reading

Rule = Mapping[str, Sequence[str]]
"""The values of each attribute, in the order of the network's output."""

SURE = 0.6
"""A value below this probability is left out."""

NO_GRANULES = "no granules"


@dataclass(frozen=True, slots=True)
class Part:
    """What is said of one part of a cell: adjectives in this order, then the noun.

    Attributes:
        noun: The part.
        words: By attribute, the adjectives of its values; of a value without one nothing is said.
    """

    noun: str
    words: Mapping[str, Mapping[str, str]]

    def describe(self, values: Mapping[str, str]) -> str:
        """Name the part with its adjectives; empty where there is none to say."""
        spoken = (words.get(values.get(name, "")) for name, words in self.words.items())
        adjectives = " ".join(word for word in spoken if word)
        return f"{adjectives} {self.noun}" if adjectives else ""


CELL = Part("cell", {"cell_size": {"big": "large", "small": "small"}})
NUCLEUS = Part(
    "nucleus",
    {
        "nucleus_shape": {
            "segmented-bilobed": "bilobed",
            "segmented-multilobed": "multilobed",
            "unsegmented-band": "band-shaped",
            "unsegmented-indented": "indented",
            "unsegmented-round": "round",
            "irregular": "irregular",
        }
    },
)
CHROMATIN = Part("chromatin", {"chromatin_density": {"densely": "dense", "loosely": "open"}})
VACUOLES = Part("cytoplasm", {"cytoplasm_vacuole": {"yes": "vacuolated"}})
CYTOPLASM = Part(
    "cytoplasm",
    {
        "nuclear_cytoplasmic_ratio": {"high": "scant"},
        **VACUOLES.words,
        "cytoplasm_texture": {"frosted": "ground-glass"},
        "cytoplasm_colour": {
            "light blue": "pale blue",
            "blue": "blue",
            "purple blue": "purple-blue",
        },
    },
)
GRANULES = Part(
    "granules",
    {
        "granule_type": {"small": "fine", "round": "round", "coarse": "coarse"},
        "granule_colour": {"purple": "purple", "red": "red", "pink": "pink"},
    },
)

MONONUCLEAR = (CELL, NUCLEUS, CHROMATIN, CYTOPLASM)
GRANULOCYTE = (NUCLEUS, VACUOLES)
TELLING: Mapping[CellType, Sequence[Part]] = {
    CellType.NEUTROPHIL: GRANULOCYTE,
    CellType.EOSINOPHIL: GRANULOCYTE,
    CellType.BASOPHIL: GRANULOCYTE,
    CellType.LYMPHOCYTE: MONONUCLEAR,
    CellType.MONOCYTE: MONONUCLEAR,
}
"""The parts by which a type is recognised, beside its granules."""


def describe_cells(
    readings: Sequence[Reading], logits: NDArray[np.float32], rule: Rule
) -> tuple[Reading, ...]:
    """Put every named cell into words.

    Args:
        readings: One a cell.
        logits: Shape (N, M), one a value of every attribute.
        rule: Which value of which attribute each stands for.
    """
    return tuple(
        replace(reading, morphology=describe(row, rule, reading.cell_type))
        for reading, row in zip(readings, logits, strict=True)
    )


def describe(
    logits: NDArray[np.float32], rule: Rule, cell_type: CellType | None, *, sure: float = SURE
) -> str | None:
    """Put a named cell into words: `bilobed nucleus, coarse red granules`.

    The attributes and their values are those of WBCAtt (Tsutsui et al., 2023).

    Args:
        logits: Shape (M,), one a value of every attribute.
        rule: Which value of which attribute each stands for.
        cell_type: Its name; it decides which parts are worth a word.
        sure: Values below this probability are left out.

    Returns:
        The words; None where there is nothing sure to say, or the cell has no name.
    """
    values = {
        attribute: rule[attribute][int(row[0].argmax())]
        for attribute, row in attribute_probabilities(logits[np.newaxis], rule).items()
        if row[0].max() >= sure
    }
    parts = [part.describe(values) for part in TELLING.get(cell_type, ())] if cell_type else []
    if parts:
        parts.append(_granules(values))
    return ", ".join(filter(None, parts)) or None


def _granules(values: Mapping[str, str]) -> str:
    """Speak of granules only where it is sure that there are some, or none."""
    granular = values.get("granularity")
    if granular == "yes":
        return GRANULES.describe(values) or GRANULES.noun
    return NO_GRANULES if granular == "no" else ""


def attribute_probabilities(
    logits: NDArray[np.float32], rule: Rule
) -> dict[str, NDArray[np.float64]]:
    """Turn the logits of all values into probabilities, an attribute at a time.

    Args:
        logits: Shape (N, M), one a value of every attribute.
        rule: Which value of which attribute each stands for.

    Returns:
        By attribute, shape (N, values); each row sums to one.
    """
    sizes = [len(values) for values in rule.values()]
    ends = list(accumulate(sizes))
    starts = [0, *ends[:-1]]
    most = np.maximum.reduceat(logits, starts, axis=1)
    shares = np.exp(logits.astype(np.float64) - np.repeat(most, sizes, axis=1))
    shares /= np.repeat(np.add.reduceat(shares, starts, axis=1), sizes, axis=1)
    return {
        attribute: shares[:, start:end]
        for attribute, start, end in zip(rule, starts, ends, strict=True)
    }
