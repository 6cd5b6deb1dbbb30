from pathlib import Path

import pytest
from PIL import Image
from tests.learning.outoffold import PLANTED, made_up, write_out_of_fold

from .conftest import Run

pytestmark = pytest.mark.train


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return write_out_of_fold(tmp_path / "work", made_up())


def test_suspicious_labels_are_listed(run: Run, work: Path) -> None:
    result = run("dataset", "labels", "--data", work, "--work", work)
    assert result.exit_code == 0
    *lines, summary = result.stdout.splitlines()
    assert len(lines) == len(PLANTED)
    for path, published, suggested in PLANTED:
        assert any(f"{path}  {published}, perhaps {suggested}" in line for line in lines)
    assert summary.startswith("1 of 20 eosinophil, 0 of 20 lymphocyte, 1 of 20 monocyte")
    assert summary.endswith("Labels stay as published.")


def test_list_and_pictures_are_written(run: Run, work: Path, tmp_path: Path) -> None:
    for path, *_ in PLANTED:
        Image.new("RGB", (64, 48)).save(work / path)
    table, sheet = tmp_path / "list.csv", tmp_path / "sheet.png"
    result = run(
        "dataset", "labels", "--data", work, "--work", work, "--csv", table, "--sheet", sheet
    )
    assert result.exit_code == 0
    assert len(table.read_text().splitlines()) == len(PLANTED) + 1
    with Image.open(sheet) as picture:
        assert picture.width > 64


def test_run_that_held_nothing_out_is_refused(run: Run, tmp_path: Path) -> None:
    result = run("dataset", "labels", "--data", tmp_path, "--work", tmp_path)
    assert result.exit_code == 1
    assert "out_of_fold.npz is missing; “hematovision train” writes it" in result.stderr


def test_sheet_of_no_picture_format_is_a_mistake_in_usage(run: Run, work: Path) -> None:
    result = run("dataset", "labels", "--data", work, "--work", work, "--sheet", work / "a.doc")
    assert result.exit_code == 2
    assert "a.doc must end in .png or .jpg." in result.stderr
