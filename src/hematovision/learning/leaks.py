"""Pictures that show the same, found by content: copies of one photo, and fields that overlap."""

import hashlib
import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hematovision.errors import HematoVisionError
from hematovision.learning import LearningError, Track, untracked
from hematovision.learning.candidates import MOST, vote
from hematovision.learning.datasets import load_picture
from hematovision.learning.groups import group_pairs
from hematovision.learning.landmarks import NO_LANDMARKS, Landmarks, find_landmarks
from hematovision.learning.overlaps import SAME, Overlap, lay_over

THREADS = min(8, os.cpu_count() or 1)
NAMED = 3
"""Pairs that a refusal names."""

log = logging.getLogger(__name__)


class LeakError(LearningError):
    """A picture to learn from shows what one to be scored on shows; the message says which."""


@dataclass(frozen=True, slots=True)
class Twin:
    """Two pictures that show the same, at least in part.

    Attributes:
        one: Index of the first.
        other: Index of the second.
        overlap: How the first lies on the second.
    """

    one: int
    other: int
    overlap: Overlap


class Lens:
    """Pictures, described once, that can be compared in several ways."""

    def __init__(self, paths: Sequence[Path], *, track: Track = untracked) -> None:
        """Describe pictures; of one that cannot be decoded only the bytes are compared.

        Args:
            paths: All of them; about 120 KB of memory each.
            track: Shows how far it is.
        """
        self.paths, self._track = paths, track
        with ThreadPoolExecutor(THREADS) as pool:
            described = pool.map(_describe, paths)
            self._marks = [next(described) for _ in track(paths, "landmarks")]

    def twins(self) -> list[Twin]:
        """Find every two that show the same; of many copies not each pair, but a chain."""
        same = _same_bytes(self.paths)
        known = {(twin.one, twin.other) for twin in same}
        twins = [*same, *self._verify([pair for pair in vote(self._marks) if pair not in known])]
        return [*twins, *self._between(group_twins(len(self.paths), twins))]

    def _between(self, groups: Sequence[int]) -> list[Twin]:
        """Find twins of two groups where a group is so large that it took every vote of its own."""
        members: dict[int, list[int]] = defaultdict(list)
        for place, group in enumerate(groups):
            members[group].append(place)
        some = [place for places in members.values() for place in places[:MOST]]
        if len(some) == len(groups):
            return []
        pairs = vote([self._marks[place] for place in some], groups=[groups[p] for p in some])
        return self._verify([(some[one], some[other]) for one, other in pairs])

    def sources(self, number: int) -> list[int | None]:
        """Find from which of the others each of the first `number` pictures was made.

        Returns:
            Its index among the others, one a copy; None where none is sure.
        """
        sources: list[int | None] = [None] * number
        best = [0.0] * number
        for twin in self._verify(vote(self._marks, askers=number)):
            fit = twin.overlap.alike * twin.overlap.area
            if fit > best[twin.one]:
                best[twin.one], sources[twin.one] = fit, twin.other - number
        return sources

    def _verify(self, pairs: Sequence[tuple[int, int]]) -> list[Twin]:
        """Lay the pictures of each pair over one another, and keep what is sure."""

        def lay(pair: tuple[int, int]) -> Twin:
            return Twin(*pair, lay_over(self._marks[pair[0]], self._marks[pair[1]]))

        with ThreadPoolExecutor(THREADS) as pool:
            laid = pool.map(lay, pairs)
            twins = [next(laid) for _ in self._track(pairs, "pairs")]
        return [twin for twin in twins if twin.overlap.sure]


def find_twins(paths: Sequence[Path], *, track: Track = untracked) -> list[Twin]:
    """Find pictures that show the same: copies, near-copies, and fields that overlap.

    Finds them at any turn, mirrored, at 0.3 to 3 times the size, sheared, shifted, brightened,
    refocused and compressed anew.

    Args:
        paths: All of them.
        track: Shows how far it is.

    Returns:
        Pairs that are sure. Of many copies of one photo not every pair is named, but a chain.
    """
    return Lens(paths, track=track).twins()


def find_sources(
    copies: Sequence[Path], photos: Sequence[Path], *, track: Track = untracked
) -> list[int | None]:
    """Find the photo from which each copy was made.

    Args:
        copies: Pictures made from photos by turning, shifting, shearing, mirroring and the like.
        photos: Where they may come from.
        track: Shows how far it is.

    Returns:
        The index of the photo, one a copy; None where no photo is sure.
    """
    return Lens([*copies, *photos], track=track).sources(len(copies))


def group_twins(number: int, twins: Iterable[Twin]) -> list[int]:
    """Give pictures that are joined by a chain of twins the same group.

    Args:
        number: How many pictures there are.
        twins: Those that show the same.

    Returns:
        One group number a picture: the index of the group's first picture.
    """
    return group_pairs(number, ((twin.one, twin.other) for twin in twins))


def refuse_leaks(parts: Mapping[str, Sequence[Path]], *, track: Track = untracked) -> None:
    """Insist that no picture of one part shows what a picture of another shows.

    Args:
        parts: Pictures that are learnt from, that calibrate, that judge, by the part's name.
        track: Shows how far it is.

    Raises:
        LeakError: If two of them do.
    """
    paths = [path for some in parts.values() for path in some]
    part = [name for name, some in parts.items() for _ in some]
    said = [
        f"{paths[twin.one].name} ({part[twin.one]}) and {paths[twin.other].name} "
        f"({part[twin.other]})"
        for twin in find_twins(paths, track=track)
        if part[twin.one] != part[twin.other]
    ]
    if said:
        more = f", and {len(said) - NAMED} more pairs" if len(said) > NAMED else ""
        raise LeakError(
            f"The split leaks. These show the same: {'; '.join(said[:NAMED])}{more}. Leave one of "
            "each out; “hematovision dataset check” lists them all."
        )


def _describe(path: Path) -> Landmarks:
    """Find the landmarks of a picture; of one that cannot be decoded there are none."""
    try:
        return find_landmarks(load_picture(path))
    except HematoVisionError as error:
        log.warning("%r is compared by its bytes alone: %s", str(path), error.message)
        return NO_LANDMARKS


def _same_bytes(paths: Sequence[Path]) -> list[Twin]:
    """Pair files of the same bytes, whatever there is to see in them."""
    first: dict[bytes, int] = {}
    places = [
        first.setdefault(hashlib.sha256(path.read_bytes()).digest(), place)
        for place, path in enumerate(paths)
    ]
    return [Twin(one, other, SAME) for other, one in enumerate(places) if one != other]
