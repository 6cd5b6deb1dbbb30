import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.learning.sets import save
from tests.vision.networks import write_tiny_model

from hematovision.cli.tools import Tools

from .conftest import Run


@pytest.fixture
def photos(tools: Tools, tmp_path: Path) -> Path:
    """Draw three photos, and make the model folder that reads them."""
    write_tiny_model(tools.settings.model_folder)
    for number in range(3):
        save(np.full((64, 64, 3), 240 - number, np.uint8), tmp_path / "photos" / f"{number}.png")
    return tmp_path / "photos"


@pytest.mark.train
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param([], "Refused: without labelled", id="no sets"),
        pytest.param(["--data", "{photos}"], "3 photos", id="few photos"),
        pytest.param(["--cells", "{photos}"], "fewer than two types", id="no labelled cells"),
        pytest.param(
            ["--cells", "{photos}", "--output", "{photos}"],
            "there already",
            id="folder that is there",
        ),
    ],
)
def test_refusals_say_why_and_write_nothing(
    run: Run, photos: Path, tmp_path: Path, arguments: list[str], says: str
) -> None:
    filled = [argument.format(photos=photos) for argument in arguments]
    before = sorted(tmp_path.rglob("*"))
    result = run("model", "adapt", photos, "--output", tmp_path / "lab", *filled)
    assert result.exit_code == 1
    assert says in result.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.train
def test_missing_model_is_refused(run: Run, tmp_path: Path) -> None:
    result = run("model", "adapt", tmp_path, "--cells", tmp_path, "--output", tmp_path / "lab")
    assert result.exit_code == 1
    assert "HEMATOVISION_MODEL_FOLDER" in result.stderr


def test_output_is_asked_for(run: Run, tmp_path: Path) -> None:
    result = run("model", "adapt", tmp_path)
    assert result.exit_code == 2
    assert "--output" in result.stderr


@pytest.mark.train
def test_trial_stops_where_a_set_is_missing(run: Run, photos: Path) -> None:
    result = run("model", "adapt-trial", "--data", photos)
    assert result.exit_code == 1
    assert "labels.csv is missing" in result.stderr


@pytest.mark.parametrize("command", ["adapt", "adapt-trial"])
def test_without_the_extra_the_command_to_install_it_is_shown(command: str, tmp_path: Path) -> None:
    arguments = ["model", command, "--data", str(tmp_path)]
    if command == "adapt":
        arguments += [str(tmp_path), "--output", str(tmp_path / "lab")]
    program = (
        "import sys; sys.modules.update(keras=None, cv2=None);"
        f"from hematovision.cli import main; main({arguments!r})"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "pip install 'hematovision[train]'" in done.stderr
