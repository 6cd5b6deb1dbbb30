from dataclasses import replace
from pathlib import Path

import pytest
from tests.learning.test_quantising import smear, write_model

from hematovision.cli.tools import Tools
from hematovision.learning.quantising import watch_model, write_twin
from hematovision.vision.bundle import read_bundle
from hematovision.vision.reader import load_reader

from .conftest import Run


@pytest.fixture
def real(tools: Tools) -> Tools:
    """Give tools whose model is in the form that training writes."""
    write_model(tools.settings.model_folder)
    return replace(tools, load_reader=load_reader)


@pytest.mark.parametrize(("views", "version"), [("1", "1.0.0+1view"), ("2", "1.0.0+2views")])
def test_quicker_model_is_a_model_of_its_own(
    run: Run, real: Tools, tmp_path: Path, views: str, version: str
) -> None:
    output = tmp_path / "quick"
    result = run("model", "quicken", "--views", views, "--output", output, tools=real)
    assert result.exit_code == 0, result.stderr
    assert version in result.stdout
    base, quick = read_bundle(real.settings.model_folder), read_bundle(output)
    assert quick.identity.version == version
    assert quick.document["views"] == {"kept": int(views), "base": base.identity.sha256}
    assert "blood_cell.h5" not in quick.files
    assert run("model", "install", output, tools=real).exit_code == 0


def test_quicker_model_is_not_made_quicker_still(run: Run, real: Tools, tmp_path: Path) -> None:
    output = tmp_path / "quick"
    assert run("model", "quicken", "--output", output, tools=real).exit_code == 0
    of_it = replace(real, settings=replace(real.settings, model_folder=output))
    result = run("model", "quicken", "--output", tmp_path / "quicker", tools=of_it)
    assert result.exit_code == 1
    assert "leaves views out already" in result.stderr


def test_twin_in_whole_numbers_is_made_quicker_too(run: Run, real: Tools, tmp_path: Path) -> None:
    base = read_bundle(real.settings.model_folder)
    seen = watch_model(base, [smear(seed) for seed in range(4)])
    twin, output = tmp_path / "twin", tmp_path / "quick"
    write_twin(base, seen, seen, twin, seed=7)
    of_it = replace(real, settings=replace(real.settings, model_folder=twin))
    result = run("model", "quicken", "--output", output, tools=of_it)
    assert result.exit_code == 0, result.stderr
    assert "1.0.0+int8.1view" in result.stdout
    quick = read_bundle(output)
    assert quick.document["integers"] == read_bundle(twin).document["integers"]
    for one, other in zip(
        *(load_reader(f, threads=1).read(smear(1)) for f in (twin, output)), strict=True
    ):
        assert one.confidence == pytest.approx(other.confidence, abs=0.3)
