"""An archive in parts: which photos are read together, what each part is called, what is done.

A part is named by the photos that it holds. Whoever reads it, however often, writes the same files
anew; so a part that is read twice, as after a kill, is there once.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hematovision.cells import ModelIdentity
from hematovision.errors import DatasetDiffersError
from hematovision.exchange.datasets import (
    CELLS,
    FAILED,
    PHOTOS,
    SUFFIX,
    drop_failed,
    read_columns,
)
from hematovision.exchange.places import Place
from hematovision.exchange.sources import DIGEST_BYTES, UNKNOWN, Photo, list_photos, named

PART_PHOTOS = 64
AT_ONCE = 16
"""Parts that are looked at together: what takes time is the way to a bucket and back."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be read, with what, into which dataset; it travels to other machines.

    Attributes:
        sources: Files, folders and buckets.
        recursive: Whether the folders of a folder are searched too.
        output: Where the dataset stands.
        model_folder: The model that reads, on every machine.
        model: Which one that must be.
        max_file_bytes: Larger files are refused.
        max_pixels: Larger photos are refused.
        part_photos: About so many photos are read and written together.
    """

    sources: tuple[str, ...]
    recursive: bool
    output: str
    model_folder: Path
    model: ModelIdentity
    max_file_bytes: int
    max_pixels: int
    part_photos: int = PART_PHOTOS


@dataclass(frozen=True, slots=True)
class Part:
    """Photos that are read and written together.

    Attributes:
        name: What its files are called.
        photos: In the order in which they were listed.
    """

    name: str
    photos: tuple[Photo, ...]

    @classmethod
    def of(cls, photos: Iterable[Photo]) -> Self:
        """Name a part by its photos."""
        held = tuple(photos)
        name = blake2b(b"".join(photo.digest for photo in held), digest_size=DIGEST_BYTES)
        return cls(name.hexdigest(), held)

    def to_json(self) -> str:
        """Write it as text; a path that is no text survives it."""
        return json.dumps([self.name, self.photos])

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Take it from `to_json`."""
        name, photos = json.loads(text)
        return cls(name, tuple(Photo(*photo) for photo in photos))


@dataclass(slots=True)
class Totals:
    """What a dataset holds.

    Attributes:
        photos: Read or failed.
        cells: Found.
        failed: Photos, by the code of the failure.
    """

    photos: int = 0
    cells: int = 0
    failed: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Totals") -> None:
        """Add what another holds."""
        self.photos += other.photos
        self.cells += other.cells
        self.failed += other.failed


@dataclass(frozen=True, slots=True)
class Done:
    """What of an archive stands in its dataset.

    Attributes:
        digests: Of the photos that are done, sorted.
        begun: Parts of which one file is there and the other is not: they are read again.
        totals: Of what is done.
    """

    digests: NDArray[np.bytes_]
    begun: tuple[Part, ...]
    totals: Totals

    def lacks(self, photos: Sequence[Photo]) -> Sequence[Photo]:
        """Give the photos that are not done."""
        if not len(self.digests) or not photos:
            return photos
        asked = np.array([photo.digest for photo in photos], self.digests.dtype)
        places = np.searchsorted(self.digests, asked) % len(self.digests)
        missing = np.flatnonzero(self.digests[places] != asked)
        return [photos[int(index)] for index in missing]


@dataclass(frozen=True, slots=True)
class Plan:
    """Lists what is to be read, part by part, the same every time."""

    job: Job
    done: Done
    part_photos: int

    def __call__(self) -> Iterator[Part]:
        """List the parts that are not done.

        Raises:
            PlaceUnreachableError: If a source cannot be listed.
        """
        yield from self.done.begun
        taken = (photo.digest for part in self.done.begun for photo in part.photos)
        elsewhere = Done(sort_digests(b"".join(taken)), (), Totals())
        photos = list_photos(self.job.sources, recursive=self.job.recursive)
        for listed in cut(photos, self.part_photos):
            left = elsewhere.lacks(self.done.lacks(listed))
            if left:
                yield Part.of(left)


def cut(photos: Iterable[Photo], about: int) -> Iterator[list[Photo]]:
    """Cut a list where the digests say so: a photo more or less moves few of the cuts.

    Args:
        photos: In the order in which they were listed.
        about: So many photos a piece, half or twice as many at the most.
    """
    piece: list[Photo] = []
    half = max(about // 2, 1)
    for photo in photos:
        piece.append(photo)
        ends = len(piece) >= half and int.from_bytes(photo.digest[:8]) % half == 0
        if ends or len(piece) >= 2 * about or about == 1:
            yield piece
            piece = []
    if piece:
        yield piece


def find_done(place: Place, *, forget_failed: bool = False) -> Done:
    """Look through a dataset.

    Args:
        place: Where it stands.
        forget_failed: Whether photos that failed are taken out of it, so that they are read again.

    Raises:
        PlaceUnreachableError: If it cannot be read.
        DatasetDiffersError: If a file in it is not one of a dataset.
    """
    whole = set(part_names(place, CELLS))
    digests, begun, totals = bytearray(), list[Part](), Totals()

    def look(name: str) -> tuple[tuple[Photo, ...], Totals]:
        return _look(place, name, forget_failed=forget_failed and name in whole)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        names = sorted(part_names(place, PHOTOS))
        for name, (photos, found) in zip(names, pool.map(look, names), strict=True):
            if name in whole:
                digests += b"".join(photo.digest for photo in photos)
                totals.add(found)
            else:
                begun.append(Part(name, photos))
    return Done(sort_digests(digests), tuple(begun), totals)


def sort_digests(joined: bytes | bytearray) -> NDArray[np.bytes_]:
    """Sort digests that stand one behind the other."""
    return np.sort(np.frombuffer(joined, f"S{DIGEST_BYTES}"))


def part_names(place: Place, folder: str) -> Iterator[str]:
    """Name the parts of which a dataset has a file in a folder.

    Raises:
        PlaceUnreachableError: If it cannot be listed.
    """
    for name in place.names(folder):
        if name.endswith(SUFFIX):
            yield name.removesuffix(SUFFIX)


def _look(place: Place, name: str, *, forget_failed: bool) -> tuple[tuple[Photo, ...], Totals]:
    """Say which photos a part holds, and what became of them."""
    file = place.get(f"{PHOTOS}/{name}{SUFFIX}") or b""
    try:
        columns = read_columns(file, ("photo", "bytes", "status", "failure", "cells"))
        if forget_failed and FAILED in columns["status"]:
            file = drop_failed(file)
            place.put(f"{PHOTOS}/{name}{SUFFIX}", file)
            columns = read_columns(file, ("photo", "bytes", "status", "failure", "cells"))
    except ValueError as error:
        raise DatasetDiffersError(
            "%(place)s has %(name)s, which is no part of a dataset.",
            place=place.address,
            name=f"{PHOTOS}/{name}{SUFFIX}",
        ) from error
    sizes = [UNKNOWN if size is None else size for size in columns["bytes"]]
    photos = tuple(map(named, columns["photo"], sizes))
    failed = Counter(code for code in columns["failure"] if code is not None)
    return photos, Totals(len(photos), sum(columns["cells"]), failed)
