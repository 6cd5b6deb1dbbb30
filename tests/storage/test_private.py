import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from hematovision.storage.private import keep_data_key, keep_secret_key, keep_uploads_folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("keep", [keep_secret_key, keep_uploads_folder])
def test_folder_that_is_made_is_private(tmp_path: Path, keep: Callable[[Path], object]) -> None:
    folder = tmp_path / "deep" / "data"
    keep(folder)
    assert mode(folder) == 0o700


def test_folder_that_was_there_keeps_its_mode_and_hides_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "uploads").mkdir()
    for path in (tmp_path, tmp_path / "uploads"):
        path.chmod(0o755)
    keep_secret_key(tmp_path)
    assert keep_uploads_folder(tmp_path) == tmp_path / "uploads"
    assert [mode(tmp_path / part) for part in ("", "uploads", "secret_key")] == [
        0o755,
        0o700,
        0o600,
    ]


def test_key_that_is_there_is_only_read(tmp_path: Path) -> None:
    key = keep_secret_key(tmp_path)
    os.utime(tmp_path, (0, 0))
    assert keep_secret_key(tmp_path) == key
    assert tmp_path.stat().st_mtime == 0


@pytest.mark.parametrize("content", ["", "\n"])
def test_empty_key_is_made_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "secret_key").write_text(content)
    key = keep_secret_key(tmp_path)
    assert len(key) == 64
    assert keep_secret_key(tmp_path) == key
    assert mode(tmp_path / "secret_key") == 0o600
    assert names(tmp_path) == {"secret_key"}


def test_key_is_kept_where_there_are_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(source: object, target: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    key = keep_secret_key(tmp_path)
    assert len(key) == 64
    assert keep_secret_key(tmp_path) == key
    assert names(tmp_path) == {"secret_key"}


@pytest.mark.parametrize("text", ["x" * 64, "ab" * 31, "ab" * 33, "é" * 64])
def test_data_key_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "data_key").write_text(text)
    with pytest.raises(ValueError, match="data_key holds no key of 32 bytes"):
        keep_data_key(tmp_path)


def test_data_key_is_made_once_and_is_not_the_secret_key(tmp_path: Path) -> None:
    key = keep_data_key(tmp_path)
    assert keep_data_key(tmp_path) == key
    assert len(key) == 32
    assert key.hex() != keep_secret_key(tmp_path)
    assert (tmp_path / "data_key").stat().st_mode & 0o777 == 0o600
