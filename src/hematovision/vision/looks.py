"""How the pictures look that a model was made from: `looks.json` of the model folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hematovision.cells import MEASURES, ModelIdentity
from hematovision.vision.bundle import Bundle, damaged_by

LOOKS_FILE = "looks.json"
HELD = 0.95
"""The share of a set's photos that lies in the range of a measure."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Where the photos of a set lie in one measure: in the middle, and 95 of 100 of them."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True, slots=True)
class SetLooks:
    """How the photos of one set look, which one laboratory made.

    Attributes:
        name: Of the set.
        photos: How many were measured.
        spreads: By names of `cells.MEASURES`; those that were not measured are left out.
    """

    name: str
    photos: int
    spreads: Mapping[str, Spread]


@dataclass(frozen=True, slots=True)
class Looks:
    """How the pictures look that a model was made from.

    Attributes:
        model: The model that measured them.
        sets: One a laboratory: what lies between two of them is like neither.
    """

    model: ModelIdentity
    sets: tuple[SetLooks, ...]

    @property
    def ranges(self) -> Mapping[str, Sequence[tuple[float, float]]]:
        """Give the ranges of all sets by measure."""
        return {
            name: [
                (one.spreads[name].low, one.spreads[name].high)
                for one in self.sets
                if name in one.spreads
            ]
            for name in MEASURES
        }


def find_looks(bundle: Bundle) -> Looks | None:
    """Read what lies beside a model, if it is there and was measured by this very model.

    Raises:
        ModelDamagedError: If it is there and cannot be understood.
    """
    path = bundle.folder / LOOKS_FILE
    if not path.is_file():
        return None
    looks = read_looks(path)
    return looks if looks.model.sha256 == bundle.identity.sha256 else None


def read_looks(path: Path) -> Looks:
    """Read what `hematovision model looks` wrote.

    Raises:
        ModelDamagedError: If it cannot be understood.
    """
    try:
        document = json.loads(path.read_bytes())
        sets = tuple(_set(name, one) for name, one in document["sets"].items())
        return Looks(ModelIdentity(**document["model"]), sets)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise damaged_by(path, error) from error


def _set(name: str, document: Mapping[str, Any]) -> SetLooks:
    measures = document["measures"]
    spreads = {one: Spread(*map(float, measures[one])) for one in MEASURES if one in measures}
    return SetLooks(name, int(document["photos"]), spreads)
