import json
from pathlib import Path

import pytest
from tests.learning.sets import field, save

from .conftest import Run

pytestmark = pytest.mark.train


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(2):
        save(field(number, 320, 240), tmp_path / "set" / "train" / f"{number}.jpg")
    save(field(2, 320, 240), tmp_path / "set" / "test" / "2.jpg")
    return tmp_path / "set"


def test_split_that_shares_nothing_passes(run: Run, folder: Path) -> None:
    result = run("dataset", "check", folder)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "3 pictures: test 1, train 2",
        "0 groups that show the same, with 0 pictures",
        "No picture has a twin in another split.",
    ]


def test_leak_is_reported_and_ends_with_a_failure(run: Run, folder: Path, tmp_path: Path) -> None:
    save(field(0, 320, 240), tmp_path / "photos" / "source.jpg")
    save(field(0, 320, 240)[::-1], folder / "test" / "copy.jpg")
    table, sheet = tmp_path / "groups.csv", tmp_path / "sheet.png"
    result = run(
        *("dataset", "check", folder, "--csv", table, "--sheet", sheet),
        *("--photos", tmp_path / "photos"),
    )
    assert result.exit_code == 1
    assert "test: 1 of 2 (50.0%) have a twin in train" in result.stdout
    assert "2 were made from 1 of the photos" in result.stdout
    assert "These splits leak" in result.stderr
    assert len(table.read_text().splitlines()) == 5
    assert sheet.is_file()


def test_folder_without_pictures_is_named(run: Run, tmp_path: Path) -> None:
    result = run("dataset", "check", tmp_path)
    assert result.exit_code == 1
    assert f"There is no picture in {tmp_path}." in result.stderr


def test_trial_says_how_often_it_is_right(run: Run, folder: Path) -> None:
    result = run("dataset", "check-trial", "--photos", folder, "--each", "2")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (found["copies"], found["right"], found["merged"]) == (6, 6, 0)


def test_trial_without_photos_is_refused(run: Run, tmp_path: Path) -> None:
    result = run("dataset", "check-trial", "--photos", tmp_path)
    assert result.exit_code == 1
    assert "There is no picture" in result.stderr


@pytest.mark.parametrize("option", ["--csv", "--sheet"])
def test_what_could_not_be_written_is_refused_at_once(
    run: Run, tmp_path: Path, option: str
) -> None:
    result = run("dataset", "check", tmp_path, option, tmp_path / "none" / "out.png")
    assert result.exit_code == 2
    assert "none" in result.stderr


def test_trial_names_what_cannot_be_decoded(run: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    result = run("dataset", "check-trial", "--photos", tmp_path)
    assert result.exit_code == 1
    assert "broken.jpg: The file is not a JPEG" in result.stderr
