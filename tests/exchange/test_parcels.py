import hashlib
import json
import stat
import zipfile
from pathlib import Path

import pytest

from hematovision.exchange.parcels import (
    MANIFEST,
    ParcelDamagedError,
    new_parcel,
    open_parcel,
)

CONTENT = {"rows/a.jsonl": b'{"a": 1}\n' * 100, "pictures/1": bytes(range(256))}


def write(target: Path) -> str:
    with new_parcel(target) as parcel:
        for name, content in CONTENT.items():
            parcel.write(name, [content[:7], content[7:]])
        parcel.close({"format": "test"})
    return parcel.sha256


@pytest.fixture(params=["parcel", "parcel.zip"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / request.param


def test_parcel_comes_back_as_it_was_written(target: Path) -> None:
    sha256 = write(target)
    with open_parcel(target) as received:
        received.check()
        assert {name: received.read(name) for name in received.files} == CONTENT
        assert received.about["format"] == "test"
        assert hashlib.sha256(received.read(MANIFEST)).hexdigest() == sha256


def test_parcel_is_readable_to_nobody_else(target: Path) -> None:
    write(target)
    for path in (target, *target.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_what_is_there_is_not_overwritten(target: Path) -> None:
    target.mkdir()
    with pytest.raises(FileExistsError, match="is there already"):
        write(target)


def test_parcel_that_fails_leaves_nothing(target: Path) -> None:
    def fail() -> None:
        with new_parcel(target) as parcel:
            parcel.write("a", [b"a"])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("name", [*CONTENT, MANIFEST])
def test_file_that_lacks_is_named(tmp_path: Path, name: str) -> None:
    write(tmp_path / "parcel")
    (tmp_path / "parcel" / name).unlink()
    with (
        pytest.raises(ParcelDamagedError, match=name),
        open_parcel(tmp_path / "parcel") as received,
    ):
        received.check()


def test_file_that_is_another_is_named(tmp_path: Path) -> None:
    write(tmp_path / "parcel")
    (tmp_path / "parcel" / "pictures/1").write_bytes(b"another")
    said = "pictures/1 is not the file"
    with (
        open_parcel(tmp_path / "parcel") as received,
        pytest.raises(ParcelDamagedError, match=said),
    ):
        received.check()


def test_zip_with_a_torn_file_is_named(tmp_path: Path) -> None:
    target = tmp_path / "parcel.zip"
    write(target)
    whole = target.read_bytes()
    target.write_bytes(whole.replace(bytes(range(200, 256)), bytes(56)))
    with open_parcel(target) as received, pytest.raises(ParcelDamagedError, match="pictures/1"):
        received.check()


@pytest.mark.parametrize("content", [b"no zip", b""])
def test_file_that_is_no_parcel_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "parcel.zip").write_bytes(content)
    with pytest.raises(ParcelDamagedError, match=r"parcel\.zip cannot be read"):
        open_parcel(tmp_path / "parcel.zip").__enter__()


@pytest.mark.parametrize(
    "listed",
    [
        pytest.param(b"torn", id="no JSON"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b"{}", id="no files"),
        pytest.param(json.dumps({"files": {"../data_key": {}}}).encode(), id="leads out"),
        pytest.param(json.dumps({"files": {"/etc/passwd": {}}}).encode(), id="from the root"),
    ],
)
def test_list_that_is_none_is_refused(tmp_path: Path, listed: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "parcel.zip", "w") as packed:
        packed.writestr(MANIFEST, listed)
    with pytest.raises(ParcelDamagedError, match="is no list of files"):
        open_parcel(tmp_path / "parcel.zip").__enter__()
