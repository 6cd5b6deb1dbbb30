from pathlib import Path

import pytest

from hematovision.observing.sharing import FOLDER, share


def test_numbers_of_those_who_are_gone_are_thrown_away(tmp_path: Path) -> None:
    left = tmp_path / "numbers" / "counter_1.db"
    left.parent.mkdir()
    left.write_bytes(b"old")
    environment: dict[str, str] = {}
    assert share(tmp_path, environment) == left.parent
    assert environment == {FOLDER: str(left.parent)}
    assert not left.exists()


def test_folder_that_somebody_chose_stays(tmp_path: Path) -> None:
    environment = {FOLDER: "/elsewhere"}
    assert share(tmp_path, environment) is None
    assert environment == {FOLDER: "/elsewhere"}
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="Not a directory"):
        share(tmp_path / "file", {})
