import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.vision.model_folder import bundle_document, write_model_folder

from hematovision.cells import Box, CellReader, CellType
from hematovision.learning.datasets import Photo, draw_folds
from hematovision.learning.folds import (
    FoldMismatchError,
    FoldsMissingError,
    check_trained,
    read_folds,
    recipe_of,
    run_folds,
    split_by_fold,
)
from hematovision.learning.labels import OUT_OF_FOLD_FILE
from hematovision.vision.bundle import read_bundle
from hematovision.vision.reader import PhotoReader

from .readers import Says
from .sets import BOX, field, save

SEED = 3
KINDS = (CellType.NEUTROPHIL, CellType.MONOCYTE)


def show(items: Iterable[Any], what: str) -> Iterable[Any]:
    return items


class Maker:
    """Makes folders without a model, and writes down what it was given."""

    def __init__(self, *, stops_after: int = 99) -> None:
        self.calls: list[list[Photo]] = []
        self.stops_after = stops_after

    def __call__(self, photos: Sequence[Photo], folder: Path) -> Path:
        if len(self.calls) == self.stops_after:
            raise KeyboardInterrupt
        self.calls.append(list(photos))
        return folder


def load(folder: Path) -> CellReader:
    return Says((BOX, {CellType.NEUTROPHIL: 0.9}))


@pytest.fixture
def fields(tmp_path: Path) -> list[Photo]:
    """Give twelve labelled photos in ten fields, and two without a label."""
    photos = []
    for i in range(14):
        path = tmp_path / f"photos/{i:02}.png"
        save(field(i, 160, 120), path)
        label = None if i >= 12 else KINDS[i % 2]
        group = {1: "0", 3: "2", 12: "0"}.get(i, str(i))
        photos.append(Photo(path, "bccd", "train", white=(BOX,), label=label, group=group))
    return photos


def run(photos: Sequence[Photo], work: Path, maker: Maker, recipe: str = "r1") -> None:
    run_folds(photos, maker, work, recipe, number=3, seed=SEED, track=show, load=load)


def test_every_labelled_photo_is_read_by_a_model_made_without_its_field(
    fields: list[Photo], tmp_path: Path
) -> None:
    maker = Maker()
    run(fields, tmp_path / "folds", maker)
    answers = read_folds(tmp_path / "folds", fields, "r1")
    assert sorted(answer.name for answer in answers) == [f"{i:02}.png" for i in range(12)]
    assert all(answer.right == (answer.truth is CellType.NEUTROPHIL) for answer in answers)
    for dealt in maker.calls:
        held = {photo.group for photo in dealt if photo.split == "test"}
        assert held
        assert not held & {photo.group for photo in dealt if photo.split == "train"}
        assert {photo.split for photo in dealt} <= {"train", "test", "unused"}


def test_photos_without_a_label_never_show_a_held_field(fields: list[Photo]) -> None:
    spare = replace(fields[13], split="unused", group="spare")
    photos = [*fields[:13], replace(fields[13], split="val"), spare]
    folds = draw_folds(photos, 3, seed=SEED)
    for fold in range(3):
        dealt = split_by_fold(photos, folds, fold)
        assert dealt[12].split == ("unused" if folds["00.png"] == fold else "train")
        assert [photo.split for photo in dealt[13:]] == ["train", "unused"]


def test_stopped_run_goes_on_with_the_next_fold(fields: list[Photo], tmp_path: Path) -> None:
    work = tmp_path / "folds"
    with pytest.raises(KeyboardInterrupt):
        run(fields, work, Maker(stops_after=2))
    assert sorted(path.name for path in work.glob("fold-*")) == ["fold-1.json", "fold-2.json"]
    with pytest.raises(FoldsMissingError, match=r"fold-3\.json is missing"):
        read_folds(work, fields, "r1")
    again = Maker()
    run(fields, work, again)
    assert len(again.calls) == 1
    assert len(read_folds(work, fields, "r1")) == 12


@pytest.mark.parametrize(
    ("recipe", "change", "told"),
    [
        pytest.param("r2", {}, "recipe_hash differs", id="another recipe"),
        pytest.param("r1", {"label": CellType.EOSINOPHIL}, "data differs", id="another label"),
        pytest.param("r1", {"white": (Box(0, 0, 9, 9),)}, "data differs", id="another box"),
    ],
)
def test_folds_of_another_run_are_refused_by_name(
    fields: list[Photo], tmp_path: Path, recipe: str, change: dict[str, Any], told: str
) -> None:
    work = tmp_path / "folds"
    run(fields, work, Maker())
    changed = [replace(fields[0], **change), *fields[1:]]
    maker = Maker()
    with pytest.raises(FoldMismatchError, match=rf"fold-1\.json is of another run .*{told}"):
        run(changed, work, maker, recipe)
    assert maker.calls == []
    with pytest.raises(FoldMismatchError, match=told):
        read_folds(work, changed, recipe)


def test_changed_pixels_are_other_data(fields: list[Photo], tmp_path: Path) -> None:
    run(fields, tmp_path / "folds", Maker())
    save(field(99, 160, 120), fields[0].path)
    with pytest.raises(FoldMismatchError, match="data differs"):
        read_folds(tmp_path / "folds", fields, "r1")


def test_one_fold_of_another_recipe_spoils_the_report(fields: list[Photo], tmp_path: Path) -> None:
    work = tmp_path / "folds"
    run(fields, work, Maker())
    document = json.loads((work / "fold-2.json").read_text())
    document["run"]["recipe_hash"] = "r0"
    (work / "fold-2.json").write_text(json.dumps(document))
    with pytest.raises(FoldMismatchError, match=r"fold-2\.json"):
        read_folds(work, fields, "r1")


def test_torn_fold_is_named(fields: list[Photo], tmp_path: Path) -> None:
    work = tmp_path / "folds"
    run(fields, work, Maker())
    (work / "fold-1.json").write_text("{")
    with pytest.raises(FoldMismatchError, match=r"fold-1\.json cannot be understood"):
        run(fields, work, Maker())


def test_model_that_names_no_recipe_has_no_folds(fields: list[Photo], tmp_path: Path) -> None:
    with pytest.raises(FoldsMissingError, match="does not say by which recipe"):
        read_folds(tmp_path, fields, None)
    with pytest.raises(FoldsMissingError, match="run hematovision folds first"):
        read_folds(tmp_path, fields, "r1")
    assert recipe_of(Says()) is None


def test_model_of_another_recipe_reads_no_fold(fields: list[Photo], tmp_path: Path) -> None:
    def open_made(folder: Path) -> CellReader:
        made = write_model_folder(tmp_path / "made", bundle_document() | {"recipe_hash": "r0"})
        network: Any = None
        return PhotoReader(read_bundle(made), locator=network, classifier=network)

    with pytest.raises(FoldMismatchError, match="fold 1 was made by recipe r0, not r1"):
        run_folds(fields, Maker(), tmp_path, "r1", seed=SEED, track=show, load=open_made)


@dataclass(frozen=True)
class Recipe:
    steps: int = 10
    layers: tuple[str, ...] = ("a", "b")


def test_folds_need_a_finished_run_of_the_recipe(tmp_path: Path) -> None:
    with pytest.raises(FoldMismatchError, match="run hematovision train first"):
        check_trained(tmp_path, Recipe())
    (tmp_path / "recipe.json").write_text(json.dumps(asdict(Recipe()) | {"data": "hash"}))
    with pytest.raises(FoldMismatchError, match="is not finished"):
        check_trained(tmp_path, Recipe())
    (tmp_path / OUT_OF_FOLD_FILE).write_bytes(b"")
    check_trained(tmp_path, Recipe())
    with pytest.raises(FoldMismatchError, match="holds no run of this recipe"):
        check_trained(tmp_path, Recipe(steps=11))


@pytest.mark.real_data
def test_no_field_of_bccd_is_on_both_sides_of_a_fold(photos: list[Photo]) -> None:
    folds = draw_folds(photos, 5, seed=7)
    for fold in range(5):
        dealt = split_by_fold(photos, folds, fold)
        held = {photo.group for photo in dealt if photo.split == "test"}
        assert not held & {photo.group for photo in dealt if photo.split == "train"}
