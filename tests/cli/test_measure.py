import csv
import json
from pathlib import Path
from typing import Any

import pytest
from tests.learning.sets import write_sets

from hematovision.cli import measure
from hematovision.cli.scores import print_scores
from hematovision.cli.tools import Tools
from hematovision.errors import ModelMissingError
from hematovision.learning.parts import PARTS

from .conftest import Run


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw the sets once, for tests that do not change them."""
    return write_sets(tmp_path_factory.mktemp("sets"))


def test_every_part_can_be_asked_for() -> None:
    assert tuple(PARTS) == measure.PARTS


def test_without_a_model_it_says_what_to_do(run: Run, tools: Tools, sets: Path) -> None:
    result = run("evaluate", "--data", sets, tools=Tools(tools.settings))
    assert result.exit_code == 1
    assert ModelMissingError.advice in result.stderr


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        pytest.param("--sheet", "sheet.txt", "must end in .png or .jpg", id="sheet of no picture"),
        pytest.param("--sheet", "none/sheet.png", "there is no folder", id="sheet in no folder"),
        pytest.param(
            "--output", "none/report.json", "there is no folder", id="report in no folder"
        ),
        pytest.param("--output", "report.txt", "must end in .json", id="report of no JSON"),
        pytest.param("--html", "report.pdf", "must end in .html", id="page of no HTML"),
        pytest.param("--run-log", "log.txt", "must end in .csv", id="log of no table"),
        pytest.param("--folds", "none", "does not exist", id="folds that are not there"),
        pytest.param("--backbone-weights", "none.h5", "there is no file", id="no weights"),
        pytest.param("--only", "all", "'all' is not one of", id="part that is none"),
    ],
)
def test_what_could_not_be_done_is_refused_at_once(
    run: Run, sets: Path, tmp_path: Path, option: str, value: str, told: str
) -> None:
    path = value if option == "--only" else tmp_path / value
    result = run("evaluate", "--data", sets, option, path)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("external", "told"),
    [
        pytest.param("mine", "is not NAME=DIR", id="no folder"),
        pytest.param("=mine", "is not NAME=DIR", id="no name"),
        pytest.param("my set=mine", "is not NAME=DIR", id="name with a space"),
        pytest.param("jtsc=mine", "the name jtsc is taken", id="name of the protocol"),
        pytest.param("mine=none", "there is no folder none", id="folder that is not there"),
    ],
)
def test_added_set_needs_a_name_and_a_folder(
    run: Run, sets: Path, external: str, told: str
) -> None:
    result = run("evaluate", "--data", sets, "--external", external)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())


@pytest.mark.parametrize("part", ["folds", "external", "beside"])
def test_part_without_its_option_is_a_mistake_in_usage(run: Run, sets: Path, part: str) -> None:
    result = run("evaluate", "--data", sets, "--only", part)
    assert result.exit_code == 2
    assert f"--only {part} needs --{part}" in result.stderr


def test_added_set_with_unknown_folders_is_refused_before_anything_is_read(
    run: Run, sets: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine/blasts").mkdir(parents=True)
    output = tmp_path / "report.json"
    result = run(
        *("evaluate", "--data", sets, "--output", output),
        *("--external", f"mine={tmp_path / 'mine'}"),
    )
    assert result.exit_code == 1
    assert "mine: blasts in" in result.stderr
    assert not output.exists()


@pytest.mark.parametrize("name", ["bccd", "kaggle", "pbc", "jtsc", "txl"])
def test_missing_set_is_named(run: Run, tmp_path: Path, name: str) -> None:
    sets = write_sets(tmp_path / "sets")
    (sets / name).rename(sets / "elsewhere")
    result = run("evaluate", "--data", sets)
    assert result.exit_code == 1
    assert f"{sets / name}" in result.stderr
    assert "docs/data.md says where to get the set" in result.stderr


def test_other_model_is_printed_beside_this_one(run: Run, tools: Tools, sets: Path) -> None:
    other = tools.settings.data_folder
    other.mkdir()
    result = run("evaluate", "--data", sets, "--beside", other, "--only", "beside")
    assert result.exit_code == 0, result.stderr
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert any("pbc_test" in line and "+0.0 (+0.0 to +0.0)" in line for line in lines)
    assert any("locator bccd_test" in line and "recall" in line for line in lines)


def test_every_set_and_every_miss_is_printed(
    run: Run, sets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    result = run("evaluate", "--data", sets)
    assert result.exit_code == 0
    for name, right in {
        "official_photos": "1 of 3",
        "official_photos_without_shared": "0 of 1",
        "official_test_images": "1 of 2",
        "pbc_test": "0 of 2",
        "jtsc": "0 of 1",
    }.items():
        names, chances = (line for line in result.stdout.splitlines() if f" {name} " in line)
        assert right in names
        assert chances.count("│") == names.count("│") + 1
    assert "bccd_test: extra BloodImage_00001.jpg [80, 60, 160, 120]" in result.stdout
    assert "no split is by patient" in result.stdout
    assert "For research use only." in result.stdout
    assert "known: not measured" in result.stderr


def test_every_figure_is_written_and_the_official_run_is_logged(
    run: Run, sets: Path, tmp_path: Path
) -> None:
    output = tmp_path / "report.json"
    arguments = ("evaluate", "--data", sets, "--output", output)
    assert run(*arguments).exit_code == 0
    report = json.loads(output.read_text())
    assert report["sets"]["official_photos"]["right"] == 1
    assert report["sets"]["jtsc"]["wrong"][0]["picture"] == "001.png"
    assert report["locator"]["txl_test"]["missed"] == []
    assert report["model"]["name"] == "stub"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "official_runs.csv",
        "report.json",
    ]

    def logged() -> list[dict[str, str]]:
        with (tmp_path / "official_runs.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    assert len(logged()) == 1
    assert logged()[0]["official_photos"] == "1 of 3"
    assert logged()[0]["sha256"] == "0" * 64
    again = run(*arguments)
    assert "official: kept as it was measured" in again.stderr
    assert len(logged()) == 1
    assert run(*arguments, "--only", "official").exit_code == 0
    assert len(logged()) == 2
    assert json.loads(output.read_text()) == report


def test_official_run_without_a_file_prints_the_line_to_log(run: Run, sets: Path) -> None:
    result = run("evaluate", "--data", sets, "--only", "official")
    assert "add to docs/experiments.md: | 20" in result.stderr
    assert "| 1 of 3 | 1 of 2 |" in result.stderr


def test_run_log_can_lie_elsewhere(run: Run, sets: Path, tmp_path: Path) -> None:
    log = tmp_path / "runs.csv"
    run("evaluate", "--data", sets, "--only", "official", "--run-log", log)
    assert log.read_text().startswith("when,name,version,sha256,recipe_hash,official_photos,")


def test_part_of_another_model_is_not_renewed(run: Run, sets: Path, tmp_path: Path) -> None:
    output = tmp_path / "report.json"
    output.write_text(json.dumps({"model": {"name": "other", "version": "1", "sha256": "f" * 64}}))
    before = output.read_text()
    result = run("evaluate", "--data", sets, "--output", output, "--only", "jtsc")
    assert result.exit_code == 1
    assert "not of the model that reads" in result.stderr
    assert output.read_text() == before


def test_file_that_is_no_report_is_left_alone(run: Run, sets: Path, tmp_path: Path) -> None:
    output = tmp_path / "report.json"
    output.write_text("no report")
    result = run("evaluate", "--data", sets, "--output", output)
    assert result.exit_code == 1
    assert "is there and is no report" in result.stderr
    assert output.read_text() == "no report"


def test_disputed_boxes_are_drawn(run: Run, sets: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    assert run("evaluate", "--data", sets, "--only", "locator", "--sheet", sheet).exit_code == 0
    assert sheet.read_bytes().startswith(b"\x89PNG")


def test_added_set_is_measured(run: Run, sets: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/Neutrophils").symlink_to(sets / "pbc/neutrophil", target_is_directory=True)
    result = run(
        *("evaluate", "--data", sets, "--only", "external"),
        *("--external", f"my-set={tmp_path / 'mine'}"),
    )
    assert result.exit_code == 0
    assert "2 of 2" in result.stdout


def test_what_was_measured_of_the_unknown_and_the_leak_is_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report: dict[str, Any] = {
        "sets": {},
        "locator": {},
        "known": {
            "other_types": {"platelet": {"cells": 90, "auroc": [0.99, 0.98, 1.0], "named": 3}},
            "not_blood": {"noise": {"pictures": 40, "auroc": 0.999, "named": 0}},
        },
        "leaky": {"random_split": 0.88, "photo_split": 0.559, "note": "The plain recipe."},
        "notice": "For research use only.",
    }
    print_scores(report)
    told = capsys.readouterr().out
    assert "0.990 (0.980 to 1.000)" in told
    assert "0.999" in told
    assert "would claim 88.0 %; the same recipe has 55.9 % on photos it has not seen." in told


@pytest.mark.parametrize("width", [80, 100])
def test_tables_fit_the_terminal(
    run: Run,
    sets: Path,
    tmp_path: Path,
    width: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "report.json"
    run("evaluate", "--data", sets, "--only", "jtsc", "--output", output)
    report = json.loads(output.read_text())
    report["sets"]["official_photos_without_shared"] = report["sets"]["jtsc"] | {
        "right": 2071,
        "pictures": 2487,
    }
    monkeypatch.setenv("COLUMNS", str(width))
    print_scores(report)
    tables = [line for line in capsys.readouterr().out.splitlines() if line[0] in "┏┃┡│└"]
    assert len(tables) >= 14
    assert max(map(len, tables)) <= width
    assert all(line[-1] in "┓┃┩│┘" for line in tables)
    assert any("2,071 of 2,487" in line for line in tables)


def test_report_is_written_as_a_page(run: Run, sets: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    result = run("evaluate", "--data", sets, "--only", "jtsc", "--html", page)
    assert result.exit_code == 0, result.output
    assert "For research use only" in page.read_text(encoding="utf-8")
