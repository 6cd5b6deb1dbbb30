import json
from pathlib import Path

import pytest
from tests.learning.sets import write_sets

from hematovision.cli.tools import Tools
from hematovision.errors import ModelMissingError

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


@pytest.mark.parametrize("command", ["train", "evaluate"])
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


def test_evaluate_without_a_model_says_what_to_do(run: Run, tools: Tools, sets: Path) -> None:
    result = run("evaluate", "--data", sets, tools=Tools(tools.settings))
    assert result.exit_code == 1
    assert ModelMissingError.advice in result.stderr


@pytest.mark.parametrize(
    ("option", "path", "told"),
    [
        pytest.param("--sheet", "sheet.txt", "must end in .png or .jpg", id="sheet of no picture"),
        pytest.param("--sheet", "none/sheet.png", "there is no folder", id="sheet in no folder"),
        pytest.param("--output", "none/report.json", "No such file", id="report in no folder"),
    ],
)
def test_evaluate_refuses_at_once_what_it_could_not_write(
    run: Run, sets: Path, tmp_path: Path, option: str, path: str, told: str
) -> None:
    result = run("evaluate", "--data", sets, option, tmp_path / path)
    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.parametrize("name", ["bccd", "kaggle", "pbc", "jtsc", "txl"])
def test_evaluate_names_the_set_that_is_missing(run: Run, sets: Path, name: str) -> None:
    (sets / name).rename(sets / "elsewhere")
    result = run("evaluate", "--data", sets)
    assert result.exit_code == 1
    assert f"{sets / name}" in result.stderr
    assert "docs/data.md says where to get the set" in result.stderr


def test_evaluate_prints_every_set_and_every_miss(
    run: Run, sets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    result = run("evaluate", "--data", sets)
    assert result.exit_code == 0
    for name, right in {
        "official_photos": "1 of 3",
        "official_test_images": "1 of 2",
        "pbc_test": "0 of 2",
        "jtsc": "0 of 1",
    }.items():
        (line,) = (
            one
            for one in result.stdout.splitlines()
            if f" {name} " in one and "of" in one and "│" in one
        )
        assert right in line
    assert "bccd_test: extra BloodImage_00001.jpg [80, 60, 160, 120]" in result.stdout
    assert "no split is by patient" in result.stdout


def test_evaluate_writes_every_figure(run: Run, sets: Path, tmp_path: Path) -> None:
    output = tmp_path / "report.json"
    assert run("evaluate", "--data", sets, "--output", output).exit_code == 0
    report = json.loads(output.read_text())
    assert report["sets"]["official_photos"]["right"] == 1
    assert report["sets"]["jtsc"]["wrong"][0]["picture"] == "001.png"
    assert report["locator"]["txl_test"]["missed"] == []
    assert report["model"]["name"] == "stub"


def test_evaluate_draws_what_is_disputed(run: Run, sets: Path, tmp_path: Path) -> None:
    assert run("evaluate", "--data", sets, "--sheet", tmp_path / "sheet.png").exit_code == 0
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
