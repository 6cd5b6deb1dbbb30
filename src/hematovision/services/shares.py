"""So many of so many: a share that is never without its limits."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from hematovision.limits import exact_limits
from hematovision.vision.scores import Share


@dataclass(frozen=True, slots=True)
class Part:
    """So many of so many."""

    hits: int
    number: int

    @property
    def share(self) -> Share | None:
        """Give the share with its exact 95 % limits; None of nothing."""
        if not self.number:
            return None
        return Share(self.hits / self.number, *exact_limits(self.hits, self.number))

    @classmethod
    def sum(cls, parts: Iterable["Part"]) -> Self:
        """Add up."""
        some = list(parts)
        return cls(sum(part.hits for part in some), sum(part.number for part in some))
