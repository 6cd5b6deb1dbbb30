from dataclasses import replace
from pathlib import Path

import pytest

from hematovision.cli.tools import Tools
from hematovision.services.accounts import has_administrator
from hematovision.storage.database import open_database
from hematovision.storage.versions import newest_version, version_of

from .conftest import Run

GOOD = "plum orbit walnut canyon"


def test_empty_installation_is_made_ready_and_says_that_nobody_can_come_in(
    run: Run, tools: Tools
) -> None:
    result = run("prepare")
    assert result.exit_code == 0, result.output
    assert "are ready" in result.stdout
    assert "Nobody can come in yet" in result.stderr
    folder = tools.settings.data_folder
    assert {"secret_key", "data_key", "audit_key"} <= {file.name for file in folder.iterdir()}
    database = open_database("", folder)
    assert version_of(database.engine) == newest_version()
    database.close()


def test_first_administrator_gets_the_password_of_the_file_once(
    run: Run, tools: Tools, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text(GOOD)
    set_up = replace(tools, settings=replace(tools.settings, admin_password_file=file))
    for _ in range(2):
        result = run("prepare", tools=set_up)
        assert (result.exit_code, result.stderr) == (0, "")
        file.write_text("short")  # and is not looked at again
    database = open_database("", tools.settings.data_folder)
    assert has_administrator(database)
    database.close()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param(
            {"pictures_url": "file:///proc/none"}, "Pictures cannot be kept", id="pictures"
        ),
        pytest.param({"database_url": "postgres://nobody@/x?host=/none"}, "database", id="rows"),
    ],
)
def test_what_cannot_be_reached_is_named(
    run: Run, tools: Tools, given: dict[str, str], words: str
) -> None:
    result = run("prepare", tools=replace(tools, settings=replace(tools.settings, **given)))
    assert result.exit_code == 1
    assert words in result.output
    assert "Traceback" not in result.output


def test_password_that_would_be_guessed_is_refused(run: Run, tools: Tools, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("short")
    result = run(
        "prepare",
        tools=replace(tools, settings=replace(tools.settings, admin_password_file=file)),
    )
    assert result.exit_code == 1
    assert "password" in result.output
