from pathlib import Path

import pytest
from tests.vision.model_folder import bundle_document, write_model_folder

from hematovision.cli.tools import Tools
from hematovision.errors import ModelMissingError

from .conftest import Run


@pytest.fixture
def folder(tools: Tools) -> Path:
    return write_model_folder(tools.settings.model_folder)


def test_show_prints_what_tells_models_apart(run: Run, folder: Path) -> None:
    result = run("model", "show")
    assert result.exit_code == 0
    for word in (
        "blood_cell",
        "1.0.0",
        "basophil, other",
        "coverage 0.9, from eosinophil 0.03, lymphocyte 0.04,",
        "known         no score",
        "morphology    no words",
        '"right": 0.61',
    ):
        assert word in result.stdout


def test_show_prints_what_a_cell_must_resemble(run: Run, folder: Path) -> None:
    document = bundle_document()
    document["files"]["known.npz"] = "0" * 64
    document |= {"known": {"threshold": 0.25}, "morphology": {"cell_size": ["big", "small"]}}
    write_model_folder(folder, document)
    result = run("model", "show")
    assert "known         named from 0.25" in result.stdout
    assert "morphology    cell_size" in result.stdout


def test_verify_passes_a_whole_folder(run: Run, folder: Path) -> None:
    result = run("model", "verify")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["ok       blood_cell.onnx", "ok       locator.onnx"]


def test_verify_names_the_damaged_file(run: Run, folder: Path) -> None:
    (folder / "locator.onnx").write_bytes(b"another")
    result = run("model", "verify")
    assert result.exit_code == 1
    assert "DAMAGED  locator.onnx" in result.stdout
    assert result.stderr.endswith(f"Damaged or missing in {folder}: locator.onnx.\n")


@pytest.mark.parametrize("command", ["show", "verify"])
def test_missing_model_is_refused_with_advice(run: Run, command: str) -> None:
    result = run("model", command)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert ModelMissingError.advice in result.stderr
