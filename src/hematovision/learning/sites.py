"""The photos and the labelled cells of another microscope, as crops."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hematovision.cells import CellType
from hematovision.errors import HematoVisionError
from hematovision.learning import LearningError, Track
from hematovision.learning.crops import as_located, locate_middle, plain_crops
from hematovision.learning.datasets import (
    Cell,
    PictureUnreadableError,
    bccd_cells,
    bccd_photos,
    load_picture,
    pbc_cells,
)
from hematovision.learning.laboratory import is_laboratory_set, laboratory_cells, photos_of
from hematovision.learning.refining import FOLDS
from hematovision.vision.bundle import Bundle
from hematovision.vision.classifying import crop_cells
from hematovision.vision.locating import Locator, locate_cells
from hematovision.vision.staining import DARKEST_GLASS, measure_glass

FEWEST_PHOTOS = 50
FEWEST_CELLS = 50
MOST_CELLS = 1000
"""Of more, as many are drawn: they say the same and take longer."""

MOST_LABELLED = 100
FEWEST_OF_A_TYPE = 5
FEWEST_TYPES = 2
MOST_OF_A_TYPE = 40
"""Home cells of a type and set that a site is compared with."""


class SiteTooSmallError(LearningError):
    """There are too few photos or cells of the microscope to measure it."""


class SiteLabelsError(LearningError):
    """The labelled cells cannot be learnt from as they lie; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Site:
    """What another microscope sees.

    Attributes:
        crops: Cells as the classifier sees them, shape (N, size, size, 3), RGB, uint8.
        photos: How many photos were read.
        unread: How many could not be.
        empty: In how many there is no white cell.
    """

    crops: NDArray[np.uint8]
    photos: int
    unread: int
    empty: int


def read_site(
    paths: Sequence[Path], bundle: Bundle, *, locator: Locator, track: Track, seed: int = 0
) -> Site:
    """Cut the white cells out of a site's photos, as the reader does.

    Args:
        paths: Of the photos; what is no picture is counted and left out.
        bundle: How photos are searched and cells cut out.
        locator: Its network.
        track: Shows how far it is.
        seed: Of the draw where there are more than `MOST_CELLS` cells.

    Raises:
        SiteTooSmallError: If fewer than `FEWEST_PHOTOS` can be read, or they show fewer than
            `FEWEST_CELLS` cells.
    """
    crops: list[NDArray[np.uint8]] = []
    unread = empty = 0
    for path in track(paths, "photos of the site"):
        try:
            photo = load_picture(path)
        except (HematoVisionError, OSError):
            unread += 1
            continue
        glass = measure_glass(photo)
        dark = glass.max() <= DARKEST_GLASS
        boxes = () if dark else locate_cells(photo, glass, locator=locator, rule=bundle.locator)
        empty += not boxes
        crops.extend(crop_cells(photo, boxes, glass, bundle.crop))
    read = len(paths) - unread
    if read < FEWEST_PHOTOS:
        raise SiteTooSmallError(
            f"{read} photos could be read ({unread} could not); give {FEWEST_PHOTOS} or more."
        )
    if len(crops) < FEWEST_CELLS:
        raise SiteTooSmallError(
            f"The {read} photos show {len(crops)} white cells; give photos with {FEWEST_CELLS} or "
            "more."
        )
    if len(crops) > MOST_CELLS:
        drawn = np.random.default_rng(seed).choice(len(crops), MOST_CELLS, replace=False)
        crops = [crops[i] for i in sorted(drawn)]
    return Site(np.stack(crops), read, unread, empty)


class Labelled(NamedTuple):
    """Labelled cells of a site.

    Attributes:
        crops: Shape (N, size, size, 3), RGB, uint8.
        labels: The index of each one's class, shape (N,).
        groups: The field or film of each, shape (N,): one group is never on both sides of a split.
            None where every cell is of another.
        photos: Of a laboratory's set the sha256 of each photo, as it was sent.
    """

    crops: NDArray[np.uint8]
    labels: NDArray[np.intp]
    groups: NDArray[np.intp] | None = None
    photos: Sequence[str] = ()


def read_labelled(folder: Path, bundle: Bundle, *, locator: Locator) -> Labelled:
    """Cut out the labelled cells of a site.

    Args:
        folder: Holds a folder of pictures for each type, named like the type, each picture with
            one cell in its middle; or is a set that `hematovision dataset export` wrote.
        bundle: Its classes, and how cells are cut out.
        locator: Its network.

    Raises:
        SiteLabelsError: If a folder has no type's name, a picture cannot be read, there are more
            than `MOST_LABELLED` cells, fewer than `FEWEST_OF_A_TYPE` of a type, or one type only;
            or if the cells of a set come from too few photos.
        LaboratorySetError: If the table of a set cannot be understood.
    """
    if is_laboratory_set(folder):
        return _labelled_of(draw_labelled(laboratory_cells(folder), bundle), bundle)
    cells = [cell for part in _folders_of_types(folder, bundle) for cell in _cells_in(part)]
    if len(cells) > MOST_LABELLED:
        raise SiteLabelsError(
            f"{len(cells)} labelled cells are more than the {MOST_LABELLED} that this is made for."
        )
    _insist_on_types(cells)
    return _cut(_located(cells, locator, bundle), bundle)


def draw_labelled(cells: Sequence[Cell], bundle: Bundle, *, seed: int = 0) -> list[Cell]:
    """Draw at most `MOST_LABELLED` cells of a set, its types as evenly as they are there.

    Types with fewer than `FEWEST_OF_A_TYPE` cells are left out.
    """
    generator = np.random.default_rng(seed)
    shuffled = [cells[i] for i in generator.permutation(len(cells))]
    queues = {
        kind: sorted(_spread(kind, shuffled), key=lambda turn: turn[0]) for kind in bundle.classes
    }
    usable = {kind: queue for kind, queue in queues.items() if len(queue) >= FEWEST_OF_A_TYPE}
    turns = zip_longest(*usable.values())
    drawn = [turn[1] for row in turns for turn in row if turn is not None]
    # What is over the edge is of the types with most cells.
    return drawn[:MOST_LABELLED]


def _spread(kind: CellType, cells: Sequence[Cell]) -> list[tuple[int, Cell]]:
    """Number the cells of a type within their photos, so that every photo has its first first."""
    seen: Counter[Path] = Counter()
    spread = []
    for cell in cells:
        if cell.cell_type is kind:
            spread.append((seen[cell.path], cell))
            seen[cell.path] += 1
    return spread


def _labelled_of(cells: Sequence[Cell], bundle: Bundle) -> Labelled:
    """Cut out cells of a laboratory's set; whole films are groups, or photos of few films."""
    _insist_on_types(cells)
    names = [cell.group for cell in cells]
    if len(set(names)) < FOLDS:
        names = [cell.path.stem for cell in cells]
    if len(set(names)) < FOLDS:
        raise SiteLabelsError(
            f"The cells come from {len(set(names))} photos; to check what they teach, give cells "
            f"of {FOLDS} or more."
        )
    groups = np.unique(names, return_inverse=True)[1]
    return _cut(cells, bundle)._replace(groups=groups, photos=photos_of(cells))


def _insist_on_types(cells: Sequence[Cell]) -> None:
    kinds = {cell.cell_type for cell in cells}
    if len(kinds) < FEWEST_TYPES:
        raise SiteLabelsError("There are cells of fewer than two types; nothing tells them apart.")
    for kind in sorted(kinds):
        number = sum(cell.cell_type is kind for cell in cells)
        if number < FEWEST_OF_A_TYPE:
            raise SiteLabelsError(
                f"{number} cells of type {kind} are too few to check what they teach; give "
                f"{FEWEST_OF_A_TYPE} or more, or leave the type out."
            )


def _located(cells: Sequence[Cell], locator: Locator, bundle: Bundle) -> list[Cell]:
    try:
        return locate_middle(cells, locator=locator, rule=bundle.locator)
    except PictureUnreadableError as error:
        raise SiteLabelsError(f"A labelled cell cannot be read. {error}") from error


def _cut(cells: Sequence[Cell], bundle: Bundle) -> Labelled:
    try:
        crops = plain_crops(cells, bundle.crop)
    except PictureUnreadableError as error:
        raise SiteLabelsError(f"A labelled cell cannot be read. {error}") from error
    labels = [bundle.classes.index(cell.cell_type) for cell in cells]
    return Labelled(crops, np.asarray(labels))


def _folders_of_types(folder: Path, bundle: Bundle) -> list[Path]:
    """Insist on a type's name for every folder."""
    names = [str(kind) for kind in bundle.classes]
    parts = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    for part in parts:
        if part.name.lower() not in names:
            raise SiteLabelsError(
                f"The folder {part.name} has no type's name; types are {', '.join(names)}."
            )
    return parts


def _cells_in(folder: Path) -> list[Cell]:
    """List the pictures of one type."""
    kind = CellType(folder.name.lower())
    return [
        Cell(path, "site", "train", kind, kind, None, path.name, centred=True)
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(".")
    ]


@dataclass(frozen=True, slots=True)
class Home:
    """Labelled cells of the microscopes that were learnt from.

    Attributes:
        learnt: Crops of the train parts, shape (N, size, size, 3), RGB, uint8.
        learnt_labels: Their classes' indices, shape (N,).
        held: Crops of the validation parts.
        held_labels: Their classes' indices.
        held_sources: Their sets.
    """

    learnt: NDArray[np.uint8]
    learnt_labels: NDArray[np.intp]
    held: NDArray[np.uint8]
    held_labels: NDArray[np.intp]
    held_sources: tuple[str, ...]


def read_home(data: Path, bundle: Bundle, *, locator: Locator, seed: int = 0) -> Home:
    """Cut out cells of BCCD and PBC as our own locator finds them.

    Args:
        data: The folder of the sets.
        bundle: Its classes, how photos are searched and cells cut out.
        locator: Its network.
        seed: Of the draw of `MOST_OF_A_TYPE` train cells a type and set.

    Raises:
        DataMissingError: If a set is not there.
    """
    cells = [*pbc_cells(data), *bccd_cells(bccd_photos(data))]
    generator = np.random.default_rng(seed)
    learnt = []
    for key in sorted({(cell.source, cell.cell_type) for cell in cells}):
        pool = [c for c in cells if c.split == "train" and (c.source, c.cell_type) == key]
        learnt += [pool[i] for i in generator.permutation(len(pool))[:MOST_OF_A_TYPE]]
    held = [cell for cell in cells if cell.split == "val"]
    learnt, held = (
        as_located(
            locate_middle(part, locator=locator, rule=bundle.locator),
            locator=locator,
            rule=bundle.locator,
        )
        for part in (learnt, held)
    )

    def labels(part: Sequence[Cell]) -> NDArray[np.intp]:
        return np.asarray([bundle.classes.index(cell.cell_type) for cell in part])

    return Home(
        plain_crops(learnt, bundle.crop),
        labels(learnt),
        plain_crops(held, bundle.crop),
        labels(held),
        tuple(cell.source for cell in held),
    )


def mixed_as(
    home: Home, mixture: NDArray[np.floating], *, number: int, seed: int = 0
) -> NDArray[np.uint8]:
    """Draw home cells so that their types are mixed as given.

    Args:
        home: Its train cells are drawn, again and again where there are too few.
        mixture: The share of each class, shape (C,).
        number: Of cells to draw, about.
        seed: Of the draw.

    Returns:
        Shape (M, size, size, 3), RGB, uint8; types that home has not are left out.
    """
    generator = np.random.default_rng(seed)
    drawn: list[int] = []
    for kind, share in enumerate(mixture):
        pool = np.flatnonzero(home.learnt_labels == kind)
        wanted = round(float(share) * number)
        if len(pool) and wanted:
            drawn += generator.choice(pool, wanted, replace=wanted > len(pool)).tolist()
    return home.learnt[drawn]
