from pathlib import Path

import pytest
from tests.films import picture

from .conftest import Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, place in enumerate(("monocyte/a.jpg", "monocyte/b.jpg", "band/c.jpg")):
        path = tmp_path / "set" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number, 96, 96))
    (tmp_path / "set" / "band" / "notes.txt").write_text("no picture")
    return tmp_path / "set"


def test_set_is_loaded_once_listed_and_removed(run: Run, folder: Path) -> None:
    first = run("references", "load", folder, "--source", "PBC 2020")
    assert (first.exit_code, first.output) == (0, "3 cells are loaded.\n")
    again = run("references", "load", folder, "--source", "other")
    assert again.output == "0 cells are loaded.\n"
    assert run("references", "list").output == "PBC 2020\tband\t1\nPBC 2020\tmonocyte\t2\n"
    assert run("references", "remove", "PBC 2020").exit_code == 0
    assert run("references", "list").output == ""
    gone = run("references", "remove", "PBC 2020")
    assert (gone.exit_code, gone.output) == (1, "Error: There is no set PBC 2020.\n")


def test_what_cannot_be_loaded_is_named_and_stops_no_other(run: Run, folder: Path) -> None:
    (folder / "unicorn").mkdir()
    (folder / "unicorn" / "d.jpg").write_bytes(picture(9, 96, 96))
    (folder / "band" / "torn.jpg").write_bytes(b"\xff\xd8\xff torn")
    result = run("references", "load", folder, "--source", "PBC 2020")
    assert result.exit_code == 1
    assert "3 cells are loaded." in result.stdout
    assert "unicorn/d.jpg: No cell is called unicorn here." in result.stderr
    assert "band/torn.jpg: " in result.stderr
