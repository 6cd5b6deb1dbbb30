import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.objects import Objects

from hematovision.errors import (
    ExtraMissingError,
    PhotoUnreachableError,
    PlaceUnreachableError,
)
from hematovision.exchange import sources
from hematovision.exchange.sources import (
    UNKNOWN,
    Photo,
    list_photos,
    named,
    open_bucket,
    open_photo,
    reason_of,
    settle_sources,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "deep" / ".hidden").mkdir(parents=True)
    for name in ("b.JPG", "a.png", "deep/c.tif", "deep/.hidden/d.png", ".e.png", "notes.txt"):
        (folder / name).write_bytes(b"12345")
    (folder / "folder.png").mkdir()
    return folder


def names(*given: str | Path, recursive: bool = False) -> list[str]:
    return [photo.address for photo in list_photos(tuple(map(str, given)), recursive=recursive)]


def test_folder_gives_its_photos_sorted_with_their_sizes(folder: Path) -> None:
    assert list(list_photos((str(folder),), recursive=False)) == [
        Photo(f"{folder}/a.png", 5),
        Photo(f"{folder}/b.JPG", 5),
    ]


def test_folders_of_a_folder_come_after_its_own_photos(folder: Path) -> None:
    found = names(folder, recursive=True)
    assert found == [f"{folder}/{name}" for name in ("a.png", "b.JPG", "deep/c.tif")]


def test_file_that_is_named_is_listed_whatever_its_name(folder: Path) -> None:
    assert names(folder / "notes.txt") == [f"{folder}/notes.txt"]


def test_photo_of_two_sources_is_listed_once(folder: Path) -> None:
    found = names(folder, folder / "a.png", folder / "deep", recursive=True)
    assert found == names(folder, recursive=True)


def test_link_that_leads_nowhere_is_listed_so_that_it_is_told(folder: Path) -> None:
    (folder / "gone.png").symlink_to(folder / "nothing.png")
    gone = Photo(f"{folder}/gone.png", UNKNOWN)
    assert gone in list(list_photos((str(folder),), recursive=False))
    with pytest.raises(PhotoUnreachableError, match="No such file"):
        open_photo(gone, most=10)


def test_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    pipe = Photo(f"{folder}/pipe.png", UNKNOWN)
    assert pipe in list(list_photos((str(folder),), recursive=False))
    with pytest.raises(PhotoUnreachableError, match=r"no plain file\.$"):
        open_photo(pipe, most=10)


def test_folder_that_is_closed_is_listed_so_that_it_is_told(folder: Path) -> None:
    closed = folder / "deep"
    closed.chmod(0)
    if os.access(closed, os.R_OK):
        pytest.skip("root reads every folder")
    found = list(list_photos((str(folder),), recursive=True))
    closed.chmod(0o700)
    assert Photo(str(closed), UNKNOWN) in found


def test_name_that_is_no_text_can_be_written_and_leads_back(tmp_path: Path) -> None:
    path = os.fsdecode(bytes(tmp_path) + b"/\xff 1.png")
    photo = Photo(path, 3)
    assert photo.name.encode().startswith(b"file:///")
    assert named(photo.name, 3) == photo
    assert named("/usual.png", 3) == Photo("/usual.png", 3)
    assert photo.digest == named(photo.name, 3).digest


def test_sources_are_settled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    given = ("photos", "photos/", "photos/../photos/a.png", "s3://bucket/photos")
    settled = settle_sources(given)
    assert settled == (str(folder), str(folder / "a.png"), "s3://bucket/photos")


@pytest.mark.parametrize("source", ["", "gone"])
def test_source_that_is_not_there_is_refused(source: str) -> None:
    with pytest.raises(PlaceUnreachableError, match="no such file"):
        settle_sources([source])


def test_bucket_is_listed_like_a_folder(store: Objects, folder: Path) -> None:
    bucket = store.make_bucket()
    system, path = open_bucket(bucket)
    system.put(f"{folder}/", f"{path}/archive", recursive=True)
    found = list(list_photos((f"{bucket}/archive/",), recursive=False))
    assert found == [Photo(f"{bucket}/archive/{name}", 5) for name in ("a.png", "b.JPG")]
    assert names(f"{bucket}/archive", recursive=True) == names(bucket, recursive=True)
    assert names(bucket, recursive=True)[-1] == f"{bucket}/archive/deep/c.tif"
    assert names(f"{bucket}/archive/notes.txt") == [f"{bucket}/archive/notes.txt"]
    assert names(f"{bucket}/arch") == []


def test_photo_of_a_bucket_is_fetched_no_further_than_asked(store: Objects) -> None:
    bucket = store.make_bucket()
    system, path = open_bucket(bucket)
    system.pipe_file(f"{path}/a.png", b"12345")
    system.pipe_file(f"{path}/empty.png", b"")
    assert open_photo(Photo(f"{bucket}/a.png", 5), most=3).read() == b"123"
    assert open_photo(Photo(f"{bucket}/empty.png", 0), most=3).read() == b""
    with pytest.raises(PhotoUnreachableError):
        open_photo(Photo(f"{bucket}/gone.png", 5), most=3)


def test_bucket_that_is_not_there_is_told(store: Objects) -> None:
    with pytest.raises(PlaceUnreachableError, match="s3://no-such-bucket/ cannot be listed"):
        list(list_photos(("s3://no-such-bucket",), recursive=True))


@dataclass
class TwoPages:
    """Lists two objects, one a page."""

    def call_s3(self, method: str, **asked: str) -> dict[str, object]:
        last = "ContinuationToken" in asked
        more = {} if last else {"IsTruncated": True, "NextContinuationToken": "next"}
        return {"Contents": [{"Key": f"{int(last)}.png", "Size": 1}], **more}


def test_long_bucket_is_listed_page_by_page() -> None:
    found = sources.pages(TwoPages(), "bucket", "", recursive=True)
    assert [one["Key"] for one in found] == ["0.png", "1.png"]


def test_store_that_fails_in_its_own_way_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def cat_file(self, path: str, **_: int) -> bytes:
            raise RuntimeError("the network is away.")

    monkeypatch.setattr(sources, "open_bucket", lambda address: (Broken(), address))
    with pytest.raises(PhotoUnreachableError, match=r"fetched: the network is away\.$"):
        open_photo(Photo("s3://bucket/a.png", 1), most=1)


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(address: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(sources.fsspec.core, "url_to_fs", refuse)
    with pytest.raises(ExtraMissingError, match="s3fs") as caught:
        open_bucket("s3://bucket")
    assert "hematovision[scale]" in caught.value.advice


def test_reason_is_never_empty() -> None:
    assert reason_of(RuntimeError()) == "RuntimeError"
