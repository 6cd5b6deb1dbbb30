import builtins
from pathlib import Path
from typing import Any

import pytest
from tests.vision.networks import write_tiny_model

from hematovision.cli.tools import Tools
from hematovision.vision.bundle import read_bundle

from .conftest import Run


def test_export_writes_a_repository_of_the_model_that_reads(
    run: Run, tools: Tools, tmp_path: Path
) -> None:
    bundle = read_bundle(write_tiny_model(tools.settings.model_folder))
    result = run("model", "export", "--triton", tmp_path / "repository")
    assert result.exit_code == 0, result.output
    name = f"blood_cell-{bundle.identity.sha256[:12]}"
    assert f"{name}\tdiffers by 0 at most" in result.stdout
    assert f"tritonserver --model-repository={tmp_path / 'repository'}" in result.stdout
    assert "KIND_CPU count: 1" in (tmp_path / "repository" / name / "config.pbtxt").read_text()


def test_export_takes_another_model_for_cards(run: Run, tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "other", "2.0.0")
    result = run(
        *("model", "export", "--triton", tmp_path / "repository", "--model", folder),
        *("--gpus", "1", "--instances", "2"),
    )
    assert result.exit_code == 0, result.output
    (config, _) = sorted((tmp_path / "repository").glob("*/config.pbtxt"))
    assert "KIND_GPU count: 2 gpus: [ 0 ]" in config.read_text()


def test_export_says_that_a_folder_is_taken(run: Run, tools: Tools, tmp_path: Path) -> None:
    write_tiny_model(tools.settings.model_folder)
    result = run("model", "export", "--triton", tools.settings.model_folder)
    assert result.exit_code == 1
    assert "holds something that is no repository of ours" in result.stderr


def test_export_says_that_there_is_no_model(run: Run, tmp_path: Path) -> None:
    result = run("model", "export", "--triton", tmp_path / "repository")
    assert result.exit_code == 1
    assert "No model is loaded" in result.stderr


def test_export_without_onnx_names_what_brings_it(
    run: Run, tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_model(tools.settings.model_folder)
    real = builtins.__import__

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "onnx":
            raise ModuleNotFoundError("No module named 'onnx'", name="onnx")
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    result = run("model", "export", "--triton", tmp_path / "repository")
    assert result.exit_code == 1
    assert "This needs onnx: pip install 'hematovision[export]'" in result.stderr
    assert not (tmp_path / "repository").exists()
