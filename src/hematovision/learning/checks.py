"""Whether the splits of a set share what they show: the check before anything is learnt."""

import csv
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np

from hematovision.cells import SUFFIXES, RgbImage
from hematovision.errors import HematoVisionError
from hematovision.exchange.tabular import harmless
from hematovision.learning import LearningError, Track, untracked
from hematovision.learning.datasets import load_picture
from hematovision.learning.groups import group_pairs
from hematovision.learning.leaks import Lens
from hematovision.learning.sheets import Tile, draw_sheet

SPLITS = {
    "dev",
    "test",
    "testing",
    "test_simple",
    "train",
    "training",
    "val",
    "valid",
    "validation",
}
"""Names of folders that are splits, in any case."""

NAMES, SPLIT_NAMES = ("photo", "image", "picture", "file"), ("official_split", "split")
PAIRS = 30
"""Pairs on a sheet of examples, at most."""


class CheckError(LearningError):
    """There is nothing to check, or a table of splits cannot be understood."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to check.

    Attributes:
        path: Where it lies.
        name: Its path below the folder that was named, that folder's name before it.
        split: The part of the set to which it belongs.
    """

    path: Path
    name: str
    split: str


@dataclass(frozen=True)
class Check:
    """What was found.

    Attributes:
        pictures: All that were compared.
        groups: One number a picture; pictures of one group show the same.
        sources: The photo from which each was made; None where none is sure.
    """

    pictures: Sequence[Picture]
    groups: Sequence[int]
    sources: Sequence[Path | None]

    @cached_property
    def members(self) -> dict[int, list[Picture]]:
        """The pictures of each group that has several."""
        gathered: dict[int, list[Picture]] = defaultdict(list)
        for picture, group in zip(self.pictures, self.groups, strict=True):
            gathered[group].append(picture)
        return {group: some for group, some in gathered.items() if len(some) > 1}

    @cached_property
    def sizes(self) -> Counter[str]:
        """Pictures of each split."""
        return Counter(picture.split for picture in self.pictures)

    @cached_property
    def shared(self) -> Counter[tuple[str, str]]:
        """Pictures of one split that have a twin in another, by both names."""
        counts: Counter[tuple[str, str]] = Counter()
        for some in self.members.values():
            splits = {picture.split for picture in some}
            for picture in some:
                counts.update((picture.split, other) for other in splits - {picture.split})
        return counts


def list_pictures(folders: Sequence[Path], splits: Path | None = None) -> list[Picture]:
    """List the pictures of folders, each with its split.

    The split is what a table says; else each folder is a split where several are named, and so is
    a folder in it that is called train, test and the like.

    Args:
        folders: Searched wholly; hidden files and folders are left alone.
        splits: A CSV with a column `photo`, `image`, `picture` or `file` and a column
            `official_split` or `split`; pictures that it does not name are left out.

    Raises:
        CheckError: If there is no picture, or the table cannot be understood.
    """
    told = _read_splits(splits) if splits else None
    pictures = [
        picture
        for folder in folders
        for picture in _pictures_of(folder, alone=len(folders) == 1, told=told)
    ]
    if not pictures:
        raise CheckError(f"There is no picture in {', '.join(map(str, folders))}.")
    return pictures


def _pictures_of(folder: Path, *, alone: bool, told: Mapping[str, str] | None) -> list[Picture]:
    """List the pictures of one folder."""
    found = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.suffix.lower() not in SUFFIXES or any(p.startswith(".") for p in inside.parts):
            continue
        split = _split_of(folder, inside, alone) if told is None else _told(told, inside)
        if split is not None and path.is_file():
            found.append(Picture(path, f"{folder.resolve().name}/{inside.as_posix()}", split))
    return found


def _split_of(folder: Path, inside: Path, alone: bool) -> str:
    """Read the split from the names of folders."""
    named = [part for part in inside.parts[:1] if part.lower() in SPLITS and len(inside.parts) > 1]
    return "/".join(named if alone and named else [folder.resolve().name, *named])


def _told(told: Mapping[str, str], inside: Path) -> str | None:
    """Look a picture up by its path, else by its name; a blank split is none."""
    return told.get(inside.as_posix(), told.get(inside.name, "")) or None


def _read_splits(path: Path) -> dict[str, str]:
    """Read a table of splits."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            columns = table.fieldnames or []
            name = next((column for column in NAMES if column in columns), None)
            split = next((column for column in SPLIT_NAMES if column in columns), None)
            if not name or not split:
                raise CheckError(
                    f"{path} needs a column {', '.join(NAMES)}, and a column "
                    f"{' or '.join(SPLIT_NAMES)}."
                )
            return {row[name] or "": row[split] or "" for row in table}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CheckError(f"{path} cannot be read as a table: {error}") from error


def check_pictures(
    pictures: Sequence[Picture], photos: Sequence[Path] = (), *, track: Track = untracked
) -> Check:
    """Group pictures that show the same.

    Args:
        pictures: Of every split.
        photos: From which they were perhaps made; pictures of one photo are one group.
        track: Shows how far it is.
    """
    number = len(pictures)
    lens = Lens([*(picture.path for picture in pictures), *photos], track=track)
    pairs = [(twin.one, twin.other) for twin in lens.twins()]
    sources = lens.sources(number) if photos else [None] * number
    pairs += [(one, number + found) for one, found in enumerate(sources) if found is not None]
    return Check(
        pictures,
        group_pairs(number + len(photos), pairs)[:number],
        [None if found is None else photos[found] for found in sources],
    )


def write_groups(check: Check, file: TextIO) -> None:
    """Write every picture as CSV: its split, its group, and whether the group is in two splits."""
    table = csv.writer(file)
    table.writerow(["picture", "split", "group", "pictures_in_group", "in_other_splits", "source"])
    for picture, group, source in zip(check.pictures, check.groups, check.sources, strict=True):
        some = check.members.get(group, [picture])
        others = sorted({one.split for one in some} - {picture.split})
        row = (picture.name, picture.split, group, len(some), " ".join(others))
        table.writerow([harmless(value) for value in (*row, source.name if source else "")])


def draw_examples(check: Check, path: Path) -> int:
    """Draw pairs that show the same side by side, those in two splits before the others.

    Args:
        check: What was found.
        path: The picture to write; its suffix says the format.

    Returns:
        The number of pairs drawn; with none nothing is written.
    """
    pairs = [_pair_of(some) for some in check.members.values()]
    pairs.sort(key=lambda pair: pair[0].split == pair[1].split)
    chosen = list(islice(pairs, PAIRS))
    tiles = [
        Tile(f"{place + 1}  {one.split}: {one.path.name}", _show(one.path))
        for place, pair in enumerate(chosen)
        for one in pair
    ]
    draw_sheet(tiles, path)
    return len(chosen)


def _pair_of(some: Sequence[Picture]) -> tuple[Picture, Picture]:
    """Choose two pictures of a group, of two splits if there are."""
    other = next((one for one in some if one.split != some[0].split), some[1])
    return some[0], other


def _show(path: Path) -> RgbImage:
    """Decode a picture; one that cannot be decoded is a dot."""
    try:
        return load_picture(path)
    except HematoVisionError:
        return np.zeros((1, 1, 3), np.uint8)
