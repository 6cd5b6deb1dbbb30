import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.learning.sets import save
from tests.vision.networks import write_tiny_model

from hematovision.cli.tools import Tools
from hematovision.learning.looks import FEWEST
from hematovision.vision.bundle import read_bundle
from hematovision.vision.looks import LOOKS_FILE, find_looks
from hematovision.vision.reader import load_reader

from .conftest import Run


@pytest.fixture
def real(tools: Tools) -> Tools:
    """Give tools that read with two tiny networks."""
    write_tiny_model(tools.settings.model_folder)
    return replace(tools, load_reader=load_reader)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Draw as many photos with a cell as are needed, and one without."""
    for number in range(FEWEST + 1):
        field = np.full((256, 256, 3), 240, np.uint8)
        if number:
            field[64:72, 128:136] = (10, 30, 200 - number)
        save(field, tmp_path / "photos" / f"{number:02}.png")
    return tmp_path / "photos"


def test_photos_of_a_site_are_measured_beside_the_model_that_reads(
    run: Run, real: Tools, photos: Path
) -> None:
    result = run("model", "looks", photos, "--name", "our-lab", tools=real)
    assert result.exit_code == 0, result.stderr
    written = real.settings.model_folder / LOOKS_FILE
    assert result.stdout == f"our-lab: {FEWEST} photos\nWrote {written}\n"
    looks = find_looks(read_bundle(real.settings.model_folder))
    assert looks is not None
    assert [(one.name, one.photos) for one in looks.sets] == [("our-lab", FEWEST)]
    assert {"red", "contrast"} <= set(looks.sets[0].spreads)


def test_another_file_can_be_written(run: Run, real: Tools, photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "other.json"
    assert run("model", "looks", photos, "--output", output, tools=real).exit_code == 0
    assert set(json.loads(output.read_text())["sets"]) == {"site"}
    assert not (real.settings.model_folder / LOOKS_FILE).exists()


def test_too_few_photos_are_refused_and_nothing_is_written(
    run: Run, real: Tools, photos: Path
) -> None:
    result = run("model", "looks", photos / "00.png", photos / "01.png", tools=real)
    assert result.exit_code == 1
    assert "a white cell is found in 1 photos" in result.stderr
    assert not (real.settings.model_folder / LOOKS_FILE).exists()


@pytest.mark.parametrize("both", [False, True])
def test_either_photos_or_sets_are_asked_for(run: Run, tmp_path: Path, both: bool) -> None:
    result = run("model", "looks", *([tmp_path, "--data", tmp_path] if both else []))
    assert result.exit_code == 2
    assert "either PHOTOS or --data" in result.stderr


def test_missing_sets_are_named(run: Run, real: Tools, tmp_path: Path) -> None:
    result = run("model", "looks", "--data", tmp_path, tools=real)
    assert result.exit_code == 1
    assert "docs/data.md" in result.stderr
