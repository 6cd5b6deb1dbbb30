import os
import resource
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.doors import free_port

from hematovision.errors import PicturesAwayError, StorageFullError
from hematovision.storage.files import Files, PictureGoneError, open_files
from hematovision.storage.places import Place, PlaceUnusableError
from hematovision.storage.sealing import Seal, SealBrokenError

LATER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["folder", "memory", "s3"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    root = str(tmp_path / "pictures")
    if request.param == "memory":
        root = f"memory:/{tmp_path}/pictures"
    elif request.param == "s3":
        root = request.getfixturevalue("bucket") + "/pictures"
    return Files(root, Seal(bytes(range(32))))


def kept(files: Files) -> dict[str, bytes]:
    """Give all that is kept, by its name."""
    place = Place(files.root)
    return {path.rpartition("/")[2]: place.read(path) for path, _ in place.walk()}


def test_picture_comes_back_as_it_was_kept(files: Files, jpeg: bytes) -> None:
    name = files.put(jpeg)
    assert files.get(name) == jpeg
    assert files.put(jpeg) != name


def test_nothing_of_a_picture_is_readable_on_disk(files: Files, jpeg: bytes) -> None:
    name = files.put(jpeg)
    ((there, content),) = kept(files).items()
    assert there == name
    assert jpeg[:64] not in content


def test_picture_that_is_thrown_away_is_gone(files: Files, jpeg: bytes) -> None:
    name = files.put(jpeg)
    files.delete(name)
    files.delete(name)
    assert kept(files) == {}
    assert files.is_empty()
    with pytest.raises(PictureGoneError, match=name):
        files.get(name)


def test_picture_in_the_place_of_another_does_not_open(files: Files, jpeg: bytes) -> None:
    first, second = files.put(jpeg), files.put(jpeg[:100])
    files.put_sealed(first, kept(files)[second])
    with pytest.raises(SealBrokenError):
        files.get(first)


def test_what_is_made_from_a_picture_is_sealed_and_goes_with_it(files: Files, jpeg: bytes) -> None:
    name, other = files.put(jpeg), files.put(jpeg)
    assert files.find_beside(name, "cells-64") is None
    files.put_beside(name, "cells-64", b"first")
    files.put_beside(name, "cells-64", b"second")
    assert files.find_beside(name, "cells-64") == b"second"
    assert not any(b"second" in content for content in kept(files).values())
    files.delete(name)
    assert list(kept(files)) == [other]


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../data_key", "..key", "ab/../../data_key", "/etc"]
)
def test_no_name_leads_out_of_the_folder(files: Files, jpeg: bytes, name: str) -> None:
    there = files.put(jpeg)
    with pytest.raises(PictureGoneError):
        files.get(name)
    with pytest.raises(PictureGoneError):
        files.put_sealed(name, jpeg)
    files.delete(name)
    assert list(kept(files)) == [there]


def test_what_one_machine_writes_another_sees_at_once(files: Files, jpeg: bytes) -> None:
    name = files.put(jpeg)
    assert [*files.names(before=LATER)] == [name]
    # Another process remembers nothing of this one, and this one nothing of what it listed.
    child = os.fork()
    if not child:
        files.put_beside(name, "cells-64", files.get(name))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    if files.root.startswith("memory"):
        return
    assert files.find_beside(name, "cells-64") == jpeg
    assert len(kept(files)) == 2


def test_names_of_pictures_are_theirs_alone(files: Files, jpeg: bytes) -> None:
    name = files.put(jpeg)
    files.put_beside(name, "cells-64", jpeg)
    Place(files.root).write("models/another/whole", b"of a model")
    assert {*files.names(before=LATER)} == {name}
    assert [*files.names(before=datetime(2026, 1, 1, tzinfo=UTC))] == []


def test_another_key_is_taken_up_for_a_picture_and_what_is_made_of_it(
    files: Files, jpeg: bytes
) -> None:
    name = files.put(jpeg)
    files.put_beside(name, "cells-64", b"made")
    newer = replace(files, seal=Seal(bytes(32), *files.seal.keys))
    assert newer.renew(name) == 2
    assert not newer.is_outdated(name)
    assert replace(files, seal=Seal(bytes(32))).find_beside(name, "cells-64") == b"made"


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda files: files.get("ab" * 16), id="get"),
        pytest.param(lambda files: files.put(b"picture"), id="put"),
        pytest.param(lambda files: files.delete("ab" * 16), id="delete"),
        pytest.param(lambda files: [*files.names(before=LATER)], id="names"),
    ],
)
@pytest.mark.parametrize("away", ["server", "bucket"])
def test_store_of_objects_that_is_away_has_a_name(
    bucket: str, away: str, ask: Callable[[Files], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    if away == "server":
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    files = Files(f"{bucket}-that-is-not-there/{away}", Seal(bytes(32)))
    with pytest.raises(PicturesAwayError):
        ask(files)


def test_picture_is_given_up_though_its_place_is_away(
    bucket: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    Files(f"{bucket}-away/discard", Seal(bytes(32))).discard("ab" * 16)
    assert "thrown away later" in caplog.text


@pytest.mark.parametrize(
    ("address", "words"),
    [
        pytest.param("nowhere://bucket", "cannot be used", id="unknown"),
        pytest.param("dropbox://folder", "needs a package", id="no package"),
    ],
)
def test_address_that_nothing_here_reaches_is_told(
    tmp_path: Path, address: str, words: str
) -> None:
    with pytest.raises(PlaceUnusableError, match=words):
        open_files(address, tmp_path, Seal(bytes(32)))


def test_file_for_which_there_is_no_room_leaves_nothing(tmp_path: Path, jpeg: bytes) -> None:
    files = Files(str(tmp_path / "pictures"), Seal(bytes(range(32))))
    files.put(jpeg)
    before = kept(files)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(jpeg) // 2, hard))
    try:
        with pytest.raises(StorageFullError):
            files.put(jpeg)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert kept(files) == before


def test_file_that_cannot_be_written_for_another_reason_is_a_bug(tmp_path: Path) -> None:
    (tmp_path / "pictures").write_text("no folder")
    with pytest.raises(OSError, match=r"exists|directory"):
        Files(str(tmp_path / "pictures"), Seal(bytes(32))).put(b"picture")
