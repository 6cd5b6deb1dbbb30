from dataclasses import replace
from pathlib import Path

import pytest
from tests.learning.sets import write_sets
from tests.learning.test_quantising import write_model

from hematovision.cli.tools import Tools
from hematovision.vision.bundle import read_bundle
from hematovision.vision.reader import load_reader

from .conftest import Run


@pytest.fixture
def real(tools: Tools) -> Tools:
    """Give tools whose model can be rounded."""
    write_model(tools.settings.model_folder)
    return replace(tools, load_reader=load_reader)


def test_twin_is_made_of_the_published_sets_and_can_be_verified(
    run: Run, real: Tools, tmp_path: Path
) -> None:
    output = tmp_path / "twin"
    sets = write_sets(tmp_path / "sets")
    result = run("model", "quantize", "--data", sets, "--output", output, tools=real)
    assert result.exit_code == 0, result.stderr
    assert "validation cells" in result.stdout
    assert f"Wrote {output}" in result.stdout
    assert read_bundle(output).identity.version == "1.0.0+int8"
    twin = replace(real, settings=replace(real.settings, model_folder=output))
    for command in ("verify", "show", "card"):
        told = run("model", command, tools=twin)
        assert told.exit_code == 0, told.stderr
        assert "h5" not in told.stdout
    assert run("model", "install", output, tools=real).exit_code == 0


def test_twin_cannot_be_adapted_and_says_what_is_missing(
    run: Run, real: Tools, tmp_path: Path
) -> None:
    (real.settings.model_folder / "blood_cell.h5").unlink()
    result = run("model", "quantize", "--data", tmp_path, "--output", tmp_path / "o", tools=real)
    assert result.exit_code == 1
    assert "blood_cell.h5" in result.stderr
