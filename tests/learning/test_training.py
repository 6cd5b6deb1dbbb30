import gc
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from hematovision.cells import CellType
from hematovision.learning.datasets import Cell
from hematovision.learning.locator import build_locator
from hematovision.learning.network import falling_adamw
from hematovision.learning.plots import draw_history, plot_history
from hematovision.learning.training import (
    STEPS_AN_EPOCH,
    Lesson,
    Recipe,
    RecipeMismatchError,
    epochs_done,
    fit,
    open_work,
    train_classifier,
    train_locator,
    train_trunk,
)
from hematovision.vision.bundle import CropRule

from .networks import SIZE, small_classifier

pytestmark = pytest.mark.train

RULE = CropRule(SIZE, 1.35, 0.0, (-0.5,) * 3, (0.3,) * 3)
PEEK = 0
"""Keras looks at one batch before the first epoch begins."""
KINDS = (CellType.LYMPHOCYTE, CellType.MONOCYTE)


class PowerCutError(Exception):
    """Somebody pulled the plug."""


class Samples(keras.utils.PyDataset):
    """Points on a line; may lose power as an epoch begins."""

    def __init__(self, *, fails_in: int | None = None) -> None:
        super().__init__(workers=1)
        self.epoch, self.fails_in, self.seen = 0, fails_in, set[int]()

    def __len__(self) -> int:
        return STEPS_AN_EPOCH

    def on_epoch_begin(self) -> None:
        self.epoch += 1
        if self.epoch == self.fails_in:
            raise PowerCutError

    def start_at(self, epoch: int) -> None:
        self.epoch = epoch

    def __getitem__(self, step: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        self.seen.add(self.epoch)
        x = np.random.default_rng((self.epoch, step)).normal(size=(4, 1)).astype(np.float32)
        return x, 3 * x + 1


def line(steps: int) -> keras.Model:
    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    network.compile(optimizer=falling_adamw(steps, 0.05), loss="mse")
    return network


# The history of a run that was cut off is closed by nobody but the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_stopped_fit_goes_on_at_its_last_whole_epoch(tmp_path: Path) -> None:
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    for work in (stopped, whole):
        work.mkdir()
    with pytest.raises(PowerCutError):
        fit(line(500), Samples(fails_in=4), name="line", steps=500, work=stopped)
    gc.collect()
    assert epochs_done(stopped / "line.csv") == 3

    continued, network, plain = Samples(), line(500), line(500)
    fit(network, continued, name="line", steps=500, work=stopped)
    assert continued.seen == {PEEK + 3, 4, 5}
    assert epochs_done(stopped / "line.csv") == 5

    samples = Samples()
    fit(plain, samples, name="line", steps=500, work=whole)
    assert samples.seen == {PEEK, 1, 2, 3, 4, 5}
    assert int(network.optimizer.iterations) == int(plain.optimizer.iterations) == 500
    for one, other in zip(network.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=0.02)


def test_steps_are_rounded_up_to_whole_epochs(tmp_path: Path) -> None:
    fit(line(101), Samples(), name="line", steps=101, work=tmp_path)
    assert epochs_done(tmp_path / "line.csv") == 2


def test_nothing_is_done_before_there_is_a_history(tmp_path: Path) -> None:
    assert epochs_done(tmp_path / "none.csv") == 0


def test_work_folder_is_made_and_opened_again_with_the_same_recipe(tmp_path: Path) -> None:
    work = tmp_path / "runs" / "one"
    open_work(work, Recipe())
    open_work(work, Recipe())
    with pytest.raises(RecipeMismatchError, match="another recipe, other data or other weights"):
        open_work(work, replace(Recipe(), seed=8))
    open_work(work, Recipe())


def test_work_folder_belongs_to_its_data(tmp_path: Path) -> None:
    open_work(tmp_path, Recipe(), data="some", backbone_weights="imagenet")
    open_work(tmp_path, Recipe(), data="some", backbone_weights="imagenet")
    with pytest.raises(RecipeMismatchError):
        open_work(tmp_path, Recipe(), data="other", backbone_weights="imagenet")


def test_trained_locator_is_taken_from_the_work_folder(tmp_path: Path) -> None:
    made = build_locator(None)
    made.save_weights(tmp_path / "locator.weights.h5")
    taken = train_locator([], backbone_weights=None, work=tmp_path, recipe=Recipe())
    for one, other in zip(made.get_weights(), taken.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def lesson() -> Lesson:
    """Tell dark from pale."""
    side = round(1.5 * SIZE)
    squares = np.full((4, side, side, 3), 60, np.uint8)
    squares[2:] = 190
    cells = [
        Cell(Path(f"{number}.png"), "pbc", "train", kind, kind, None, "group")
        for number, kind in enumerate((KINDS[0], KINDS[0], KINDS[1], KINDS[1]))
    ]
    words = np.tile(np.asarray([1, 0, 0, 1, 0], np.float32), (4, 1))
    return Lesson(cells, squares, words, KINDS, {"shape": ("a", "b"), "hue": ("c", "d", "e")}, RULE)


def test_classifier_begins_at_the_trunk_and_is_kept_in_the_work_folder(
    tmp_path: Path, lesson: Lesson
) -> None:
    recipe = Recipe(
        stain_strengths=(0.0,),
        head_steps=1,
        trunk_steps=1,
        fine_steps=1,
        batch=2,
        frozen="block_15_add",
    )
    trunk = train_trunk(lesson, backbone_weights=None, work=tmp_path, recipe=recipe)
    assert (epochs_done(tmp_path / "head.csv"), epochs_done(tmp_path / "trunk.csv")) == (1, 1)
    begun = small_classifier()
    begun.load_weights(trunk)
    taught = train_classifier(lesson, trunk=trunk, name="fine", work=tmp_path, recipe=recipe)
    assert epochs_done(tmp_path / "fine.csv") == 1
    np.testing.assert_array_equal(begun.get_weights()[0], taught.get_weights()[0])
    before, after = (np.asarray(one.get_layer("logits").bias) for one in (begun, taught))
    assert (before != after).any()
    again = train_classifier(lesson, trunk=trunk, name="fine", work=tmp_path, recipe=recipe)
    for one, other in zip(taught.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_was_learnt_from_other_labels_is_not_taken(lesson: Lesson, tmp_path: Path) -> None:
    for name in ("trunk", "fine"):
        small_classifier().save_weights(tmp_path / f"{name}.weights.h5")
    (tmp_path / "fine.lesson").write_text(lesson.sha256 + "\n")
    learn = {"trunk": tmp_path / "trunk.weights.h5", "name": "fine", "work": tmp_path}
    train_classifier(lesson, **learn, recipe=Recipe())
    relabelled = [replace(cell, cell_type=KINDS[0]) for cell in lesson.cells]
    with pytest.raises(RecipeMismatchError, match="was learnt from other cells"):
        train_classifier(replace(lesson, cells=relabelled), **learn, recipe=Recipe())


def test_lesson_without_pictures_keeps_cells_squares_and_words_together(lesson: Lesson) -> None:
    part = lesson.without({"1.png", "2.png"})
    assert [cell.path.name for cell in part.cells] == ["0.png", "3.png"]
    assert part.squares[:, 0, 0, 0].tolist() == [60, 190]
    assert len(part.words) == 2


def test_recipes_are_told_apart_by_their_hash() -> None:
    assert Recipe().sha256 == Recipe().sha256 != replace(Recipe(), fine_steps=1).sha256


def test_histories_become_a_picture_also_when_only_one_is_there(tmp_path: Path) -> None:
    (tmp_path / "head.csv").write_text("epoch,accuracy,loss\n0,0.5,0.7\n1,0.9,0.3\n")
    (tmp_path / "locator.csv").write_text("epoch,loss\n")
    assert plot_history(tmp_path).read_bytes().startswith(b"\x89PNG")


def test_every_stage_with_a_history_has_a_panel_with_what_it_logged(tmp_path: Path) -> None:
    (tmp_path / "trunk.csv").write_text("epoch,loss,predictions_accuracy,val_loss\n0,0.7,0.5,NA\n")
    (tmp_path / "fine.csv").write_text("epoch,loss\n0,0.7\n1,0.3\n")
    trunk, fine = draw_history(tmp_path).axes
    assert [line.get_label() for line in trunk.lines] == ["loss", "predictions accuracy"]
    assert list(fine.lines[0].get_ydata()) == [0.7, 0.3]
    assert not draw_history(tmp_path / "nowhere").axes
