import resource
from pathlib import Path

import pytest

from hematovision.errors import StorageFullError
from hematovision.storage.files import Files, PictureGoneError
from hematovision.storage.sealing import Seal, SealBrokenError


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(str(tmp_path / "pictures"), Seal(bytes(range(32))))


def on_disk(files: Files) -> list[Path]:
    return sorted(path for path in Path(files.root).rglob("*") if path.is_file())


def test_picture_comes_back_as_it_was_kept(files: Files, jpeg: bytes) -> None:
    name = files.put(jpeg)
    assert files.get(name) == jpeg
    assert files.put(jpeg) != name


def test_nothing_of_a_picture_is_readable_on_disk(files: Files, jpeg: bytes) -> None:
    name = files.put(jpeg)
    (kept,) = on_disk(files)
    assert kept.name == name
    assert jpeg[:64] not in kept.read_bytes()


def test_picture_that_is_thrown_away_is_gone(files: Files, jpeg: bytes) -> None:
    name = files.put(jpeg)
    files.delete(name)
    files.delete(name)
    assert on_disk(files) == []
    with pytest.raises(PictureGoneError, match=name):
        files.get(name)


def test_picture_in_the_place_of_another_does_not_open(files: Files, jpeg: bytes) -> None:
    first, second = files.put(jpeg), files.put(jpeg[:100])
    one, other = (next(p for p in on_disk(files) if p.name == name) for name in (first, second))
    one.write_bytes(other.read_bytes())
    with pytest.raises(SealBrokenError):
        files.get(first)


def test_picture_lies_wherever_fsspec_reaches(jpeg: bytes) -> None:
    files = Files("memory://bucket/pictures", Seal(bytes(32)))
    assert files.get(files.put(jpeg)) == jpeg


def test_what_is_made_from_a_picture_is_sealed_and_goes_with_it(files: Files, jpeg: bytes) -> None:
    name, other = files.put(jpeg), files.put(jpeg)
    assert files.find_beside(name, "cells-64") is None
    files.put_beside(name, "cells-64", b"first")
    files.put_beside(name, "cells-64", b"second")
    assert files.find_beside(name, "cells-64") == b"second"
    assert not any(b"second" in path.read_bytes() for path in on_disk(files))
    files.delete(name)
    assert [path.name for path in on_disk(files)] == [other]


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../data_key", "..key", "ab/../../data_key", "/etc"]
)
def test_no_name_leads_out_of_the_folder(files: Files, jpeg: bytes, name: str) -> None:
    kept = files.put(jpeg)
    with pytest.raises(PictureGoneError):
        files.get(name)
    with pytest.raises(PictureGoneError):
        files.put_sealed(name, jpeg)
    files.delete(name)
    assert [path.name for path in on_disk(files)] == [kept]


def test_file_for_which_there_is_no_room_leaves_nothing(files: Files, jpeg: bytes) -> None:
    files.put(jpeg)
    before = on_disk(files)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(jpeg) // 2, hard))
    try:
        with pytest.raises(StorageFullError):
            files.put(jpeg)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert on_disk(files) == before


def test_file_that_cannot_be_written_for_another_reason_is_a_bug(tmp_path: Path) -> None:
    (tmp_path / "pictures").write_text("no folder")
    with pytest.raises(OSError, match=r"exists|directory"):
        Files(str(tmp_path / "pictures"), Seal(bytes(32))).put(b"picture")
