from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.learning.sets import write_sets

from hematovision.cli.tools import Tools
from hematovision.learning.labels import OUT_OF_FOLD_FILE
from hematovision.learning.training import Recipe, open_work

from .conftest import Run

pytestmark = pytest.mark.train


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    return write_sets(tmp_path / "sets")


def test_train_without_the_weights_is_a_mistake_in_usage(run: Run, sets: Path) -> None:
    result = run("train", "--data", sets, "--backbone-weights", sets / "none.weights.h5")
    assert result.exit_code == 2
    assert "--backbone-weights: there is no file" in result.stderr
    assert "none.weights.h5" in result.stderr


def test_set_of_a_laboratory_does_not_replace_the_model_that_reads(run: Run, sets: Path) -> None:
    result = run("train", "--data", sets, "--also", sets)
    assert result.exit_code == 2
    assert "--also needs --output" in result.stderr


def test_train_stops_where_a_set_of_a_laboratory_is_none(
    run: Run, sets: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "backbone.weights.h5"
    weights.write_bytes(b"")
    options = ("--backbone-weights", weights, "--work", tmp_path / "work")
    result = run("train", "--data", sets, *options, "--also", tmp_path, "--output", tmp_path / "m")
    assert result.exit_code == 1
    assert "cells.csv cannot be read" in result.stderr


@pytest.mark.parametrize("command", ["train", "folds", "evaluate"])
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param([], "Missing option '--data'", id="no folder"),
        pytest.param(["--data", "/none/at/all"], "does not exist", id="folder that is not there"),
    ],
)
def test_data_folder_must_be_there(run: Run, command: str, arguments: list[str], told: str) -> None:
    result = run(command, *arguments)
    assert result.exit_code == 2
    assert told in result.stderr


def test_train_stops_where_a_set_is_missing(run: Run, tmp_path: Path) -> None:
    weights = tmp_path / "backbone.weights.h5"
    weights.write_bytes(b"")
    result = run(
        "train", "--data", tmp_path, "--backbone-weights", weights, "--work", tmp_path / "work"
    )
    assert result.exit_code == 1
    assert "bccd/boxes.csv is missing; docs/data.md says where to get the set." in result.stderr


def test_train_does_not_go_on_with_another_recipe(run: Run, sets: Path, tmp_path: Path) -> None:
    weights, work = tmp_path / "backbone.weights.h5", tmp_path / "work"
    weights.write_bytes(b"")
    work.mkdir()
    (work / "recipe.json").write_text("{}")
    result = run("train", "--data", sets, "--backbone-weights", weights, "--work", work)
    assert result.exit_code == 1
    assert "holds a run of another recipe" in result.stderr


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """Give a work folder as a finished training leaves it."""
    return finished(tmp_path / "train", Recipe())


def finished(work: Path, recipe: Recipe) -> Path:
    """Make the folder of a finished training."""
    open_work(work, recipe, data="hash")
    (work / OUT_OF_FOLD_FILE).write_bytes(b"")
    return work


def test_folds_are_made_without_their_photos(
    run: Run, tools: Tools, sets: Path, tmp_path: Path, trained: Path
) -> None:
    weights, work = tmp_path / "backbone.weights.h5", tmp_path / "folds"
    weights.write_bytes(b"")
    made: list[tuple[Path, dict[str, Any]]] = []

    def make_fold(data: Path, photos: Any, folder: Path, **options: Any) -> Path:
        made.append((folder, options))
        return folder

    result = run(
        *("folds", "--data", sets, "--backbone-weights", weights),
        *("--work", work, "--train-work", trained),
        tools=replace(tools, make_fold=make_fold, leave_types_out=lambda data, **options: {}),
    )
    assert result.exit_code == 0, result.output
    assert len(list(work.glob("fold-*.json"))) == len(made) == 5
    folder, options = made[0]
    assert folder == work / "model-1"
    assert options == {
        "backbone_weights": str(weights),
        "work": trained,
        "recipe": Recipe(seed=7),
    }


def test_folds_of_another_recipe_are_not_gone_on_with(
    run: Run, tools: Tools, sets: Path, tmp_path: Path, trained: Path
) -> None:
    tools = replace(
        tools,
        make_fold=lambda data, photos, folder, **options: folder,
        leave_types_out=lambda data, **options: {"platelet": {"cells": 1}},
    )
    arguments = ("folds", "--data", sets, "--work", tmp_path / "folds", "--train-work")
    assert run(*arguments, trained, tools=tools).exit_code == 0
    unknown = run(*arguments, trained, "--seed", "8", tools=tools)
    assert unknown.exit_code == 1
    assert "holds no run of this recipe" in unknown.stderr
    finished(tmp_path / "eight", Recipe(seed=8))
    other = run(*arguments, tmp_path / "eight", "--seed", "8", tools=tools)
    assert other.exit_code == 1
    assert "fold-1.json is of another run (recipe_hash, " in other.stderr
    assert "seed differs)" in other.stderr
