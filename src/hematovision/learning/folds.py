"""Folds by field: every labelled photo read by a model that was made without its field."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hematovision.cells import CellReader
from hematovision.learning import LearningError, Track
from hematovision.learning.answers import Answer, answer_cells
from hematovision.learning.datasets import Photo, draw_folds
from hematovision.learning.keeping import write_whole
from hematovision.learning.labels import OUT_OF_FOLD_FILE
from hematovision.learning.protocol import FOUR, labelled_cells
from hematovision.vision.reader import PhotoReader, load_reader

NUMBER = 5

Make = Callable[[Sequence[Photo], Path], Path]
"""Makes a model folder from the photos of split `train`; gets the folder to work in."""


class FoldMismatchError(LearningError):
    """A fold is of another recipe, other photos or another draw; the message names it."""


class FoldsMissingError(LearningError):
    """Not every fold is done; the message says which, and what to do."""


@dataclass(frozen=True, slots=True)
class FoldRun:
    """What every fold of a run must have in common.

    Attributes:
        recipe_hash: Of the recipe that made the models.
        data: Hash of the photos, their labels and boxes, and the fold of each.
        number: How many folds there are.
        seed: Of the draw of the folds.
    """

    recipe_hash: str
    data: str
    number: int
    seed: int


def check_trained(work: Path, recipe: Any) -> None:
    """Insist that a work folder holds a finished run of a recipe: all folds share what it made.

    Of an unfinished run the folds would teach what is missing, on photos that judge the model.

    Args:
        work: Of `hematovision train`.
        recipe: A dataclass.

    Raises:
        FoldMismatchError: If it holds none, a run of another recipe, or one that is not finished.
    """
    written = work / "recipe.json"
    run = json.loads(written.read_text(encoding="utf-8")) if written.is_file() else {}
    wanted = json.loads(json.dumps(asdict(recipe)))
    if not run or any(run.get(name) != value for name, value in wanted.items()):
        raise FoldMismatchError(
            f"{work} holds no run of this recipe; run hematovision train first, with the same "
            "--seed."
        )
    if not (work / OUT_OF_FOLD_FILE).is_file():
        raise FoldMismatchError(
            f"The run in {work} is not finished; run hematovision train again, it goes on."
        )


def recipe_of(reader: CellReader) -> str | None:
    """Give the hash of the recipe that a reader's model was made by, where its bundle says so."""
    if not isinstance(reader, PhotoReader):
        return None
    written = reader.bundle.document.get("recipe_hash")
    return str(written) if written else None


def run_folds(
    photos: Sequence[Photo],
    make: Make,
    work: Path,
    recipe_hash: str,
    *,
    number: int = NUMBER,
    seed: int,
    track: Track,
    load: Callable[[Path], CellReader] = load_reader,
) -> None:
    """Make a model without each fold and let it read the fold; a stopped run goes on.

    Args:
        photos: Of BCCD; those with a label are dealt into folds, whole fields together.
        make: Makes a model folder without a fold.
        work: Gets `fold-1.json` and so on, and the models.
        recipe_hash: Of the recipe by which `make` works.
        number: Folds.
        seed: Of the draw of the folds.
        track: Shows how far it is.
        load: Opens a model folder.

    Raises:
        FoldMismatchError: If a fold that is there, or a model that was made, is of another recipe,
            other photos or another draw.
    """
    folds = draw_folds(photos, number, seed=seed)
    run = FoldRun(recipe_hash, _fingerprint(photos, folds), number, seed)
    work.mkdir(parents=True, exist_ok=True)
    done = {fold for fold in range(number) if _find_fold(work, fold, run) is not None}
    for fold in sorted(set(range(number)) - done):
        dealt = split_by_fold(photos, folds, fold)
        reader = load(make(dealt, work / f"model-{fold + 1}"))
        made_by = recipe_of(reader)
        if made_by not in {None, recipe_hash}:
            raise FoldMismatchError(
                f"The model of fold {fold + 1} was made by recipe {made_by}, not {recipe_hash}; "
                f"delete {work / f'model-{fold + 1}'}."
            )
        held = labelled_cells(photo for photo in dealt if photo.split == "test")
        answers = answer_cells(track(held, f"fold {fold + 1} of {number}"), reader, FOUR)
        _write(_path(work, fold), run, reader, answers)


def split_by_fold(photos: Sequence[Photo], folds: Mapping[str, int], fold: int) -> list[Photo]:
    """Make one fold `test` and the others `train`.

    A photo without a label has no fold. It stays as it was where it is `unused`, trains otherwise,
    and is `unused` where it shows a field of the fold.

    Args:
        photos: Of BCCD.
        folds: By name of the photo's file, from `draw_folds`.
        fold: The one that is held out.
    """
    held = {photo.group for photo in photos if folds.get(photo.path.name) == fold}

    def split(photo: Photo) -> str:
        if photo.path.name in folds:
            return "test" if folds[photo.path.name] == fold else "train"
        return "unused" if photo.group in held or photo.split == "unused" else "train"

    return [replace(photo, split=split(photo)) for photo in photos]


def read_folds(work: Path, photos: Sequence[Photo], recipe_hash: str | None) -> list[Answer]:
    """Gather the answers of every fold.

    Args:
        work: Where `run_folds` left them.
        photos: Of BCCD, as they are now.
        recipe_hash: Of the model that is reported.

    Raises:
        FoldMismatchError: If a fold is of another recipe, other photos or another draw.
        FoldsMissingError: If a fold is not done, or the model does not say its recipe.
    """
    if not recipe_hash:
        raise FoldsMissingError(
            "The model does not say by which recipe it was made, so no fold can be known as its "
            "own."
        )
    first = _find_document(_path(work, 0))
    if first is None:
        raise FoldsMissingError(f"{_path(work, 0)} is missing; run hematovision folds first.")
    number, seed = int(first["run"]["number"]), int(first["run"]["seed"])
    folds = draw_folds(photos, number, seed=seed)
    run = FoldRun(recipe_hash, _fingerprint(photos, folds), number, seed)
    found = {fold: _find_fold(work, fold, run) for fold in range(number)}
    missing = [_path(work, fold).name for fold, answers in found.items() if answers is None]
    if missing:
        raise FoldsMissingError(
            f"{', '.join(missing)} is missing in {work}; hematovision folds goes on where it "
            "stopped."
        )
    return [answer for answers in found.values() for answer in answers or ()]


def _find_fold(work: Path, fold: int, run: FoldRun) -> list[Answer] | None:
    """Read one fold; None where it is not done."""
    path = _path(work, fold)
    document = _find_document(path)
    if document is None:
        return None
    written = document["run"]
    different = [name for name, value in asdict(run).items() if written.get(name) != value]
    if different or document["fold"] != fold + 1:
        raise FoldMismatchError(
            f"{path} is of another run ({', '.join(different) or 'fold'} differs); choose another "
            "folder, or delete it."
        )
    return [Answer.from_document(answer) for answer in document["answers"]]


def _find_document(path: Path) -> dict[str, Any] | None:
    """Read a fold's file; None where it is not there."""
    if not path.is_file():
        return None
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {key: document[key] for key in ("run", "fold", "answers")}
    except (ValueError, KeyError, TypeError) as error:
        raise FoldMismatchError(f"{path} cannot be understood; delete it.") from error


def _write(path: Path, run: FoldRun, reader: CellReader, answers: Sequence[Answer]) -> None:
    """Keep a fold; its file is there whole, or not at all."""
    document = {
        "run": asdict(run),
        "fold": int(path.stem.removeprefix("fold-")),
        "model": asdict(reader.model),
        "answers": [answer.as_document() for answer in answers],
    }
    write_whole(path, json.dumps(document, indent=2) + "\n")


def _path(work: Path, fold: int) -> Path:
    """Name a fold's file; people count from one."""
    return work / f"fold-{fold + 1}.json"


def _fingerprint(photos: Sequence[Photo], folds: Mapping[str, int]) -> str:
    """Hash the content of the photos with everything that was said of them."""
    rows = sorted(
        [
            photo.path.name,
            hashlib.sha256(photo.path.read_bytes()).hexdigest(),
            photo.label,
            photo.group,
            folds.get(photo.path.name),
            [box.as_list() for box in photo.white],
        ]
        for photo in photos
    )
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
