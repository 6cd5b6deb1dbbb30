import os
import time
from pathlib import Path

import pytest

from hematovision.errors import PlaceUnreachableError
from hematovision.exchange import places
from hematovision.exchange.places import DRAFT_SECONDS, Place


@pytest.fixture(params=["folder", "bucket", "folder of a bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return Place(str(tmp_path / "dataset"))
    bucket: str = request.getfixturevalue("store").make_bucket()
    return Place(bucket if request.param == "bucket" else f"{bucket}/deep/dataset/")


def test_file_is_found_again_whole(place: Place) -> None:
    assert place.get("a/1") is None
    assert list(place.names("a")) == []
    place.put("a/1", b"first")
    place.put("a/1", b"second")
    place.put("a/2", b"other")
    place.put("_run.json", b"{}")
    place.sweep("a")
    assert place.get("a/1") == b"second"
    assert sorted(place.names("a")) == ["1", "2"]


def test_what_cannot_be_written_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    place = Place(str(tmp_path))
    (tmp_path / "a" / "1").mkdir(parents=True)
    with pytest.raises(PlaceUnreachableError, match="cannot be written"):
        place.put("a/1", b"content")
    assert list(place.names("a")) == ["1"]
    with pytest.raises(PlaceUnreachableError, match="cannot be read"):
        place.get("a/1")


def test_folder_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(PlaceUnreachableError, match="cannot be listed"):
        list(Place(str(tmp_path)).names("a"))


def test_drafts_of_the_dead_are_swept(tmp_path: Path) -> None:
    for name in (".old.draft", ".new.draft", "old"):
        (tmp_path / name).write_bytes(b"half")
    long_ago = time.time() - DRAFT_SECONDS - 1
    for name in (".old.draft", "old"):
        os.utime(tmp_path / name, (long_ago, long_ago))
    Place(str(tmp_path)).sweep(".")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".new.draft", "old"]


def test_address_of_a_bucket_that_is_away_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Away:
        def pipe_file(self, path: str, content: bytes) -> None:
            raise RuntimeError("away")

        cat_file = pipe_file

    monkeypatch.setattr(places, "open_bucket", lambda address: (Away(), "bucket"))
    with pytest.raises(PlaceUnreachableError, match="s3://bucket cannot be written: away"):
        Place("s3://bucket").put("a", b"")
