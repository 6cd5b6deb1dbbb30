"""From the published sets to the model folder, in one go."""

import logging
from collections.abc import Sequence
from pathlib import Path

from hematovision.learning.assembling import (
    VERSION,
    HeldOut,
    ask,
    assemble,
    score_left_out,
    write_out_of_fold,
)
from hematovision.learning.crops import red_and_platelet_cells
from hematovision.learning.datasets import (
    Cell,
    Photo,
    bccd_photos,
    draw_folds,
    fingerprint,
    pbc_cells,
    txl_photos,
)
from hematovision.learning.export import check_output, ship
from hematovision.learning.laboratory import laboratory_cells, photos_of, sha256_of_table
from hematovision.learning.leaks import refuse_leaks
from hematovision.learning.network import with_views
from hematovision.learning.plots import plot_history
from hematovision.learning.refusals import OTHER_TYPES
from hematovision.learning.training import Lesson, Recipe, open_work, train_classifier
from hematovision.learning.workshop import OTHER_THINGS, Workshop, open_workshop
from hematovision.vision.bundle import sha256_of

LEARNT = {"train", "val"}
"""Splits of BCCD that classifiers learn from; `val` is held out from the locator alone."""

log = logging.getLogger(__name__)


def make_model(
    data: Path,
    *,
    backbone_weights: str | Path,
    work: Path,
    folder: Path,
    recipe: Recipe,
    locator: Path | None = None,
    also: Path | None = None,
) -> None:
    """Train locator and classifier and write the model folder.

    Args:
        data: The folder of the sets.
        backbone_weights: `imagenet`, or the path of a `.weights.h5`.
        work: Keeps everything that is needed to go on after a stop, histories and plots.
        folder: The model folder to make, or to replace once the new one is whole.
        recipe: How to learn.
        locator: A finished `locator.onnx` to take in the place of teaching one.
        also: A laboratory's set, from `hematovision dataset export`, to learn from too.

    Raises:
        OutputRefusedError: If something that is no model lies where it is to be.
        DataMissingError: If a set is not there.
        LaboratorySetError: If the laboratory's set cannot be learnt from.
        LeakError: If a photo to learn from shows a field of the test photos.
        RecipeMismatchError: If the work folder holds a run of another recipe.
        ParityError: If `blood_cell.h5` and its ONNX twin do not give one answer.
    """
    check_output(folder, work)
    log.info("Looking for photos that show one field")
    photos = [*bccd_photos(data, seed=recipe.seed), *txl_photos(data)]
    own = laboratory_cells(also, seed=recipe.seed) if also else []
    refuse_leaks(_parts(data, photos, own))
    learnt_from = fingerprint(_used(data, photos), data)
    origin = {"data": learnt_from, "backbone_weights": _origin(backbone_weights)}
    if also:
        origin["also"] = sha256_of_table(also)
    open_work(work, recipe, **origin, locator=sha256_of(locator) if locator else "taught")
    shop = open_workshop(
        data,
        photos,
        backbone_weights=backbone_weights,
        work=work,
        recipe=recipe,
        locator=locator,
    )
    log.info("Cutting out the cells")
    lesson = lesson_of(shop, photos, own=own)
    held = hold_out(shop, photos, lesson)
    network = train_classifier(lesson, trunk=shop.trunk, name="fine", work=work, recipe=recipe)
    calibrating = [cell for cell in own if cell.split == "val"]
    if calibrating:
        held.append(ask(shop, with_views(network), calibrating))
    made = work / folder.name
    told = assemble(
        shop,
        network,
        lesson,
        held,
        made,
        fingerprint=learnt_from,
        more=_of_laboratory(also, own),
    )
    write_out_of_fold(told, data, work)
    plot_history(work)
    ship(made, folder)
    log.info("Wrote %s", folder)


def make_fold(
    data: Path,
    photos: Sequence[Photo],
    folder: Path,
    *,
    backbone_weights: str | Path,
    work: Path,
    recipe: Recipe,
) -> Path:
    """Make the model folder of one fold: the shipped recipe without the fold's photos.

    Locator and trunk are those of the work folder; the trunk has seen no photo of BCCD, the locator
    the boxes, not the types, of the official train photos. The fold's model is calibrated on PBC
    alone.

    Args:
        data: The folder of the sets.
        photos: All of BCCD; those of split `train` are learnt from.
        folder: The model folder to make.
        backbone_weights: `imagenet`, or the path of a `.weights.h5`.
        work: Of a finished run of `make_model`.
        recipe: Of that run.

    Returns:
        The folder.
    """
    shop = open_workshop(data, photos, backbone_weights=backbone_weights, work=work, recipe=recipe)
    lesson = lesson_of(shop, [*photos, *txl_photos(data)])
    network = train_classifier(lesson, trunk=shop.trunk, name=folder.name, work=work, recipe=recipe)
    assemble(shop, network, lesson, [], folder, fingerprint="")
    return folder


def lesson_of(
    shop: Workshop, photos: Sequence[Photo], *, without: str = "", own: Sequence[Cell] = ()
) -> Lesson:
    """Gather what a classifier learns from.

    Args:
        shop: The shared part.
        photos: Of BCCD and txl.
        without: A published type of *other* to leave out, by whatever name it goes.
        own: Cells of a laboratory; those of split `train` are learnt from.
    """
    cells = [
        cell
        for cell in [*shop.cells(photos), *own]
        if cell.split == "train" or (cell.source == "bccd" and cell.split in LEARNT)
    ]
    things = red_and_platelet_cells(photos, number=OTHER_THINGS, seed=shop.recipe.seed)
    return shop.lesson(
        [
            cell
            for cell in [*cells, *things]
            if not without or cell.published_type.removesuffix("s") != without
        ]
    )


def hold_out(shop: Workshop, photos: Sequence[Photo], lesson: Lesson) -> list[HeldOut]:
    """Teach a classifier for every fold of the BCCD photos, and ask it of the photos it misses.

    Args:
        shop: The shared part.
        photos: Of BCCD and txl.
        lesson: With the cells of all folds.

    Returns:
        The cells of every fold, as a network sees them that has not learnt from the fold.
    """
    learnt = [photo for photo in photos if photo.source == "bccd" and photo.split in LEARNT]
    folds = draw_folds(learnt, shop.recipe.folds, seed=shop.recipe.seed)
    held = []
    for fold in range(shop.recipe.folds):
        inside = {name for name, number in folds.items() if number == fold}
        network = train_classifier(
            lesson.without(inside),
            trunk=shop.trunk,
            name=f"without-{fold + 1}-of-{shop.recipe.folds}",
            work=shop.work,
            recipe=shop.recipe,
        )
        named = [
            cell
            for cell in shop.cells(photos)
            if cell.source == "bccd" and cell.path.name in inside
        ]
        held.append(ask(shop, with_views(network), named))
    return held


def leave_types_out(
    data: Path, *, backbone_weights: str | Path, work: Path, recipe: Recipe
) -> dict[str, dict[str, object]]:
    """Teach a classifier without each type of *other*, and see how well it refuses that type.

    Args:
        data: The folder of the sets.
        backbone_weights: `imagenet`, or the path of a `.weights.h5`.
        work: Of a finished run of `make_model`.
        recipe: Of that run.

    Returns:
        What `score_left_out` says, by type.
    """
    photos = [*bccd_photos(data, seed=recipe.seed), *txl_photos(data)]
    shop = open_workshop(data, photos, backbone_weights=backbone_weights, work=work, recipe=recipe)
    scores = {}
    for kind in OTHER_TYPES:
        lesson = lesson_of(shop, photos, without=kind)
        network = train_classifier(
            lesson, trunk=shop.trunk, name=f"no-{kind}", work=shop.work, recipe=shop.recipe
        )
        scores[kind] = score_left_out(shop, network, lesson, kind)
        log.info("Without %s: %s", kind, scores[kind])
    return scores


def _of_laboratory(also: Path | None, own: Sequence[Cell]) -> dict[str, object]:
    """Say in the bundle with which photos of a laboratory a model was made."""
    if also is None:
        return {}
    version = f"{VERSION}+also.{sha256_of_table(also)[:8]}"
    return {"version": version, "learnt_photos": photos_of(own)}


def _parts(data: Path, photos: Sequence[Photo], own: Sequence[Cell] = ()) -> dict[str, list[Path]]:
    """List the pictures that are learnt from, that calibrate, and that judge; each once."""
    parts: dict[str, list[Path]] = {"learnt": [], "calibrating": [], "scored": []}
    seen = {cell.path: cell for cell in own}
    everything: list[Photo | Cell] = [*photos, *pbc_cells(data), *seen.values()]
    for one in everything:
        learnt = one.split == "train" or (one.source == "bccd" and one.split in LEARNT)
        part = "learnt" if learnt else {"val": "calibrating", "test": "scored"}.get(one.split)
        if part:
            parts[part].append(one.path)
    return parts


def _used(data: Path, photos: Sequence[Photo]) -> list[Path]:
    """List the pictures that the model depends on."""
    paths = [photo.path for photo in photos if photo.split in LEARNT]
    return paths + [cell.path for cell in pbc_cells(data) if cell.split in LEARNT]


def _origin(weights: str | Path) -> str:
    """Say where the backbone starts, so that a run is not continued from elsewhere."""
    return "imagenet" if weights == "imagenet" else sha256_of(Path(weights))
