"""What the model was learnt from: sets, cells by type, licences."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Source:
    """A published set: what it is called, what it shows, and its licence."""

    title: str
    shows: str
    licence: str


SOURCES = {
    "bccd": Source("BCCD", "photos of a smear, 640 x 480", "MIT"),
    "kaggle": Source("Blood Cell Images (Kaggle)", "turned and stretched copies of BCCD", "MIT"),
    "pbc": Source("PBC, Barcelona (Acevedo 2020)", "one cell a picture, CellaVision", "CC BY 4.0"),
    "drawn": Source("Drawn here", "noise, debris, inverted photos, fields without cells", "-"),
    "txl-pbc": Source("TXL-PBC, photos of PBC", "photos with boxes", "MIT"),
    "txl-raabin": Source("TXL-PBC, photos of Raabin-WBC", "photos with boxes", "MIT"),
}
UNDESCRIBED = Source("", "not described here", "see docs/data.md")
"""What is said of a set that is not one of these."""
BACKBONE = Source("ImageNet", "pictures of everyday things", "weights Apache-2.0")


@dataclass(frozen=True, slots=True)
class Origin:
    """Cells of one set.

    Attributes:
        source: The set.
        learnt: Cells that were learnt from, by published type.
        held: Cells that chose and calibrated, by published type.
    """

    source: Source
    learnt: Mapping[str, int]
    held: Mapping[str, int]


def learnt_from(document: Mapping[str, Any]) -> tuple[Origin, ...]:
    """List the sets of a model.

    Args:
        document: All of `bundle.json`; one that does not say has none.
    """
    census = (document.get("data") or {}).get("cells") or {}
    learnt, held = (_by_set(census.get(split) or {}) for split in ("train", "val"))
    return tuple(
        Origin(
            SOURCES.get(name) or replace(UNDESCRIBED, title=name),
            learnt.get(name, {}),
            held.get(name, {}),
        )
        for name in sorted({*learnt, *held})
    )


def _by_set(counts: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Sort counts such as `bccd neutrophil` by set, then by type."""
    sorted_counts: dict[str, dict[str, int]] = {}
    for key, number in counts.items():
        name, _, kind = key.partition(" ")
        sorted_counts.setdefault(name, {})[kind] = number
    return sorted_counts
