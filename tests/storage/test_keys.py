import os
import stat
from pathlib import Path

import pytest

from hematovision.storage.keys import (
    new_key,
    open_seal,
    place_private,
    read_key_files,
    write_keys,
)
from hematovision.storage.private import keep_data_key, read_data_keys


def test_keys_are_replaced_whole_and_stay_private(tmp_path: Path) -> None:
    first = keep_data_key(tmp_path)
    second = new_key()
    write_keys(tmp_path, [second, first])
    assert read_data_keys(tmp_path) == [second, first]
    assert keep_data_key(tmp_path) == second
    assert stat.S_IMODE((tmp_path / "data_key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["data_key"]


def test_write_that_fails_leaves_the_keys_that_were_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = keep_data_key(tmp_path)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_keys(tmp_path, [new_key(), first])
    assert read_data_keys(tmp_path) == [first]
    assert [path.name for path in tmp_path.iterdir()] == ["data_key"]


def test_seal_reads_the_file_only_where_it_is_another(tmp_path: Path) -> None:
    seal = open_seal(tmp_path)
    (first,) = seal.keys
    second = new_key()
    write_keys(tmp_path, [second, first])
    assert list(seal.keys) == [second, first]
    write_keys(tmp_path, [second])
    assert list(seal.keys) == [second]
    (tmp_path / "data_key").unlink()
    assert list(seal.keys) == [second]


def test_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    place_private(tmp_path / "keys", {"data_key": "first"})
    with pytest.raises(FileExistsError):
        place_private(tmp_path / "keys", {"data_key": "second"})
    assert read_key_files(tmp_path / "keys") == {"data_key": "first"}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
