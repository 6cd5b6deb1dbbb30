import pytest
from click.testing import CliRunner

from hematovision import __version__
from hematovision.cells import NOTICE
from hematovision.cli import main


def test_version_is_the_package_version() -> None:
    assert (
        CliRunner().invoke(main, ["--version"]).output == f"hematovision, version {__version__}\n"
    )


def test_help_carries_the_notice() -> None:
    assert NOTICE in CliRunner().invoke(main, ["--help"]).output


def test_bad_setting_is_bad_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEMATOVISION_PORT", "http")
    result = CliRunner().invoke(main, ["model", "show"])
    assert result.exit_code == 2
    assert "HEMATOVISION_PORT" in result.stderr


def test_settings_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("no-model")
    monkeypatch.setenv("HEMATOVISION_MODEL_FOLDER", str(folder))
    monkeypatch.setenv("HEMATOVISION_DATA_FOLDER", str(folder / "private"))
    result = CliRunner().invoke(main, ["classify", "a.jpg"])
    assert result.exit_code == 1
    assert str(folder) in result.stderr
