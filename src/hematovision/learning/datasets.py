"""The published sets as tables: photos with boxes, cells with photo, group and split."""

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hematovision.cells import Box, CellType, RgbImage
from hematovision.errors import HematoVisionError
from hematovision.learning import LearningError
from hematovision.learning.fields import group_fields
from hematovision.learning.groups import group_pairs
from hematovision.vision.decoding import decode_image

VAL_SHARE = 0.15
SAME_CELL = 0.5
"""Overlap from which two boxes hold the same cell."""

BCCD_TYPES = {
    name.upper(): CellType(name) for name in ("eosinophil", "lymphocyte", "monocyte", "neutrophil")
}
KNOWN_TWINS = (
    *(("00257", "00230"), ("00204", "00277"), ("00264", "00224"), ("00264", "00225")),
    *(("00409", "00364"), ("00365", "00408")),
)
"""BCCD photos of one field, a test photo and a train photo each: from ../shared/data/README.md, and
by `hematovision dataset check`. Phase correlation finds most of them by itself."""

PBC_TWINS = {
    *("BA_314118", "BA_949913", "EO_558714", "ERB_174098", "LY_192261", "LY_661063", "LY_793239"),
    *("MO_355224", "MO_864818"),
}
"""PBC pictures to learn from or to calibrate on that share cells with one of another split, by
`hematovision dataset check`; none is used."""

TXL_TWINS = {"raabin_204", "raabin_224"}
"""txl test photos of fields that the locator has learnt from, found likewise; none is scored."""


class PictureUnreadableError(LearningError):
    """A picture of a set cannot be read; the message names it."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo with the boxes that its annotators drew.

    Attributes:
        path: Where it lies.
        source: Name of the set.
        split: `train`, `val`, `test`, or `unused`.
        white: Boxes of white cells.
        red: Boxes of red cells.
        platelets: Boxes of platelets.
        label: The type of its white cell as published; None where it has none or several.
        group: Photos of one group show a part of the same field.
    """

    path: Path
    source: str
    split: str
    white: tuple[Box, ...] = ()
    red: tuple[Box, ...] = ()
    platelets: tuple[Box, ...] = ()
    label: CellType | None = None
    group: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One labelled cell.

    Attributes:
        path: The photo or crop that shows it.
        source: Name of the set.
        split: `train`, `val`, `test` or `unused`.
        cell_type: As published; types outside the five mature ones are `other`.
        published_type: The type's own name in its set.
        box: Where it lies; None where the picture is a crop around it.
        group: Cells of one group come from the same field, and stay on one side of every split.
        centred: Whether the labelled cell is the one in the middle of the picture.
    """

    path: Path
    source: str
    split: str
    cell_type: CellType
    published_type: str
    box: Box | None
    group: str
    centred: bool = False


class DataMissingError(LearningError):
    """A published set is not where it should be; the message says what to do."""


def load_picture(path: Path) -> RgbImage:
    """Decode a picture as the server would.

    Returns:
        Shape (height, width, 3), RGB, uint8.
    """
    return decode_image(path.read_bytes())


def load_named(path: Path) -> RgbImage:
    """Decode a picture as `load_picture` does; a failure names it.

    Raises:
        PictureUnreadableError: If it cannot be decoded.
    """
    try:
        return load_picture(path)
    except HematoVisionError as error:
        raise PictureUnreadableError(f"{path}: {error.message} {error.advice}") from error
    except OSError as error:
        raise PictureUnreadableError(f"{path}: {error.strerror}.") from error


def bccd_photos(data: Path, *, seed: int = 7) -> list[Photo]:
    """List the BCCD photos.

    A photo of the official train part that shares a field with an official test photo is
    `unused`; of the rest about 15 % are `val`, whole groups at a time.

    Args:
        data: The folder of the sets.
        seed: Of the draw of `val`.

    Raises:
        DataMissingError: If the set is not there.
    """
    folder = data / "bccd"
    boxes = _boxes(_rows(folder / "boxes.csv"), "photo")
    labels = _rows(folder / "labels.csv")
    paths = [folder / "photos" / row["photo"] for row in labels]
    fields = _join_known(group_fields(paths), paths)
    tested = {f for f, row in zip(fields, labels, strict=True) if row["official_split"] == "test"}
    photos = []
    for row, path, field in zip(labels, paths, fields, strict=True):
        split = row["official_split"] or "unused"
        photos.append(
            Photo(
                path=path,
                source="bccd",
                split="unused" if split == "train" and field in tested else split,
                label=BCCD_TYPES.get(row["label_as_published"]),
                group=f"bccd-{paths[field].stem}",
                **boxes[path.name],
            )
        )
    return _draw_val(photos, seed)


def _join_known(fields: Sequence[int], paths: Sequence[Path]) -> list[int]:
    """Join the fields of photos that are known to show the same."""
    places = {path.stem.removeprefix("BloodImage_"): place for place, path in enumerate(paths)}
    known = [
        (places[one], places[other]) for one, other in KNOWN_TWINS if {one, other} <= {*places}
    ]
    return group_pairs(len(paths), [*enumerate(fields), *known])


def _draw_val(photos: Sequence[Photo], seed: int) -> list[Photo]:
    """Move about 15 % of each type's train photos to `val`, whole groups at a time."""
    generator = np.random.default_rng(seed)
    chosen: set[str] = set()
    for label in sorted({photo.label for photo in photos if photo.label}):
        groups = sorted({p.group for p in photos if p.split == "train" and p.label is label})
        number = round(VAL_SHARE * len(groups))
        chosen |= set(generator.choice(groups, number, replace=False)) if number else set()
    return [
        replace(photo, split="val") if photo.split == "train" and photo.group in chosen else photo
        for photo in photos
    ]


def draw_folds(photos: Sequence[Photo], number: int, *, seed: int) -> dict[str, int]:
    """Give every labelled photo a fold: whole groups together, each type spread evenly.

    The rarest type is dealt out first, its largest groups before the small ones, each to the fold
    that has the fewest photos of that type.

    Args:
        photos: Those without a label get no fold.
        number: How many folds there are.
        seed: Of the order in which groups are dealt.

    Returns:
        The fold, from 0, by name of the photo's file.
    """
    groups: dict[str, list[tuple[str, CellType]]] = defaultdict(list)
    for photo in sorted(photos, key=lambda photo: photo.path.name):
        if photo.label:
            groups[photo.group].append((photo.path.name, photo.label))
    shuffled = np.random.default_rng(seed).permutation(sorted(groups))
    census = Counter(photo.label for photo in photos)
    rarest = {
        name: min((label for _, label in group), key=lambda label: (census[label], label))
        for name, group in groups.items()
    }
    order = sorted(shuffled, key=lambda n: (census[rarest[n]], rarest[n], -len(groups[n])))
    dealt: list[Counter[CellType]] = [Counter() for _ in range(number)]
    folds: dict[str, int] = {}
    for name in order:
        fold = min(range(number), key=lambda i: (dealt[i][rarest[name]], dealt[i].total()))
        dealt[fold].update(label for _, label in groups[name])
        folds |= {photo: fold for photo, _ in groups[name]}
    return folds


def txl_photos(data: Path) -> list[Photo]:
    """List the photos of txl, from two microscopes; boxes of every kind, no names.

    Every eighth photo of its train part is `val`; `TXL_TWINS` are `unused`.

    Raises:
        DataMissingError: If the set is not there.
    """
    rows = _rows(data / "txl" / "boxes.csv")
    boxes = _boxes(rows, "image")
    splits = {row["image"]: row["split"] for row in rows}
    train = sorted(image for image, split in splits.items() if split == "train")
    splits |= dict.fromkeys(train[::8], "val")
    splits |= {image: "unused" for image in splits if Path(image).stem in TXL_TWINS}
    return [
        Photo(
            path=data / "txl" / "images" / image,
            source=f"txl-{image.split('_')[0]}",
            split=split,
            group=f"txl-{image}",
            **boxes[image],
        )
        for image, split in sorted(splits.items())
    ]


def bccd_cells(photos: Iterable[Photo]) -> list[Cell]:
    """Give the labelled cell of each BCCD photo that has one label and a box: the largest."""
    return [
        Cell(
            path=photo.path,
            source="bccd",
            split=photo.split,
            cell_type=photo.label,
            published_type=photo.label,
            box=max(photo.white, key=lambda box: box.area),
            group=photo.group,
        )
        for photo in photos
        if photo.label and photo.white and photo.split != "unused"
    ]


def pbc_cells(data: Path) -> list[Cell]:
    """List the cells of PBC, one in the middle of each picture; `PBC_TWINS` are `unused`.

    Raises:
        DataMissingError: If the set is not there.
    """
    types = set(CellType)
    return [
        Cell(
            path=data / "pbc" / row["image"],
            source="pbc",
            split="unused" if Path(row["image"]).stem in PBC_TWINS else row["split"],
            cell_type=CellType(row["cell_type"]) if row["cell_type"] in types else CellType.OTHER,
            published_type=row["cell_type"],
            box=None,
            group=f"pbc-{row['image']}",
            centred=True,
        )
        for row in _rows(data / "pbc" / "cells.csv")
    ]


def jtsc_cells(data: Path) -> list[Cell]:
    """List the four types of JTSC; every one is `test`. 139.png is a copy of 112.png, left out.

    Raises:
        DataMissingError: If the set is not there.
    """
    return [
        Cell(
            path=data / "jtsc" / "images" / row["image"],
            source="jtsc",
            split="test",
            cell_type=CellType(row["cell_type"]),
            published_type=row["cell_type"],
            box=None,
            group=f"jtsc-{row['image']}",
            centred=True,
        )
        for row in _rows(data / "jtsc" / "labels.csv")
        if row["cell_type"] != "basophil" and row["image"] != "139.png"
    ]


def kaggle_test_cells(data: Path) -> list[Cell]:
    """List the augmented copies of TEST, each its own group; `leaks.find_sources` tells the photo.

    Raises:
        DataMissingError: If the set is not there.
    """
    folder = data / "kaggle" / "TEST"
    if not folder.is_dir():
        raise DataMissingError(f"{folder} is missing; docs/data.md says where to get the set.")
    return [
        Cell(
            path=path,
            source="kaggle",
            split="test",
            cell_type=BCCD_TYPES[path.parent.name],
            published_type=path.parent.name.lower(),
            box=None,
            group=path.stem,
        )
        for path in sorted(folder.glob("*/*.jpeg"))
    ]


def fingerprint(paths: Iterable[Path], root: Path) -> str:
    """Hash the names and the content of files, whatever their order."""
    digest = hashlib.sha256()
    for path in sorted(set(paths)):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _rows(path: Path) -> list[dict[str, str]]:
    """Read a table."""
    if not path.is_file():
        raise DataMissingError(f"{path} is missing; docs/data.md says where to get the set.")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise DataMissingError(f"{path} has no rows; docs/data.md says where to get the set.")
    return rows


def _boxes(rows: Iterable[dict[str, str]], key: str) -> dict[str, dict[str, Any]]:
    """Gather the boxes of each picture by kind; boxes without area are dropped."""
    kinds = {"wbc": "white", "rbc": "red", "platelet": "platelets", "platelets": "platelets"}
    gathered: dict[str, dict[str, list[Box]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        box = Box(*(int(row[side]) for side in ("xmin", "ymin", "xmax", "ymax")))
        if box.width > 0 and box.height > 0:
            gathered[row[key]][kinds[row["object"]]].append(box)
    return defaultdict(
        dict,
        {
            picture: {kind: tuple(boxes) for kind, boxes in by_kind.items()}
            for picture, by_kind in gathered.items()
        },
    )
