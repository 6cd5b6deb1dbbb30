import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hematovision.client import ApiError, ClientError, Reading
from hematovision.client.folders import MOST_FILES, photos_in, read_all, read_folder

from .servers import READING, Answer, fake, problem


def reading_of(content: bytes) -> Reading:
    sha256 = hashlib.sha256(content).hexdigest()
    return Reading.of(READING | {"image": {"sha256": sha256, "width": 9, "height": 9}})


class Server:
    """Reads what is sent; refuses what is no photo, and more than so many at once."""

    def __init__(self, most: int = 99) -> None:
        self.most = most
        self.sent: list[int] = []

    def __call__(self, batch: Sequence[bytes]) -> Sequence[Reading | ApiError]:
        if len(batch) > self.most:
            raise ApiError(413, "too_many_images")
        if list(batch) == [b"bad"]:
            raise ApiError(415, "unsupported_format")
        if b"gone" in batch:
            raise ApiError(401, "not_signed_in")
        self.sent.append(len(batch))
        refused = ApiError(415, "unsupported_format")
        return [refused if one == b"bad" else reading_of(one) for one in batch]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for name in ("b.JPG", "a.tiff", "deep/c.png", ".hidden.jpg", "notes.txt"):
        (folder / name).write_bytes(name.encode())
    return folder


def run(folder: Path, send: Any, output: Path | None = None, **options: Any) -> Any:
    options = {"recursive": False, "progress": True} | options
    return read_folder(folder, output or folder / "readings.jsonl", send, **options)


def lines(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "readings.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_photos_are_sent_several_at_once(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.jpg" for number in range(MOST_FILES + 2)]
    for path in paths:
        path.write_bytes(path.name.encode())
    server = Server()
    read = list(read_all(paths, server))
    assert [path for path, _ in read] == paths
    assert server.sent == [MOST_FILES, 2]


def test_photos_that_are_too_many_for_the_server_are_sent_in_parts(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.jpg" for number in range(5)]
    for path in paths:
        path.write_bytes(b"bad" if path.stem == "3" else path.name.encode())
    server = Server(most=1)
    kinds = [type(read) for _, read in read_all(paths, server)]
    assert kinds == [Reading, Reading, Reading, ApiError, Reading]


def test_file_that_is_gone_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a")
    paths = [tmp_path / "a.jpg", tmp_path / "gone.jpg", tmp_path / "a.jpg"]
    kinds = [type(read) for _, read in read_all(paths, Server())]
    assert kinds == [Reading, FileNotFoundError, Reading]


def test_refusal_that_is_of_no_photo_ends_all(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"gone")
    with pytest.raises(ApiError, match="not_signed_in"):
        list(read_all([tmp_path / "a.jpg"], Server()))


def test_photos_of_a_folder_are_listed_in_order(folder: Path) -> None:
    assert [path.name for path in photos_in(folder, recursive=False)] == ["a.tiff", "b.JPG"]
    names = [path.name for path in photos_in(folder, recursive=True)]
    assert names == ["a.tiff", "b.JPG", "c.png"]


def test_readings_of_a_folder_go_into_a_file(folder: Path) -> None:
    summary = run(folder, Server(), recursive=True)
    assert (summary.read, summary.skipped, summary.failed) == (3, 0, {})
    assert [line["path"] for line in lines(folder)] == ["a.tiff", "b.JPG", "deep/c.png"]
    assert lines(folder)[0]["cells"] == READING["cells"]


def test_server_does_not_say_which_photo_was_read(folder: Path) -> None:
    def send(batch: Sequence[bytes]) -> Sequence[Reading]:
        return [Reading.of({**reading_of(one).document, "path": "../other.jpg"}) for one in batch]

    run(folder, send)
    assert {line["path"] for line in lines(folder)} == {"a.tiff", "b.JPG"}


def test_what_the_file_has_is_not_sent_again(folder: Path) -> None:
    run(folder, Server())
    (folder / "b.JPG").write_bytes(b"another")
    (folder / "d.png").write_bytes(b"d")
    server = Server()
    summary = run(folder, server, progress=False)
    assert (summary.read, summary.skipped, server.sent) == (2, 1, [2])
    assert len(lines(folder)) == 4
    assert run(folder, Server()).skipped == 3


def test_line_that_a_kill_tore_is_written_anew(folder: Path) -> None:
    run(folder, Server())
    output = folder / "readings.jsonl"
    whole = output.read_bytes()
    for torn in (whole[:-9], whole[: whole.index(b"\n") + 4], b'{"pa'):
        output.write_bytes(torn)
        run(folder, Server())
        assert output.read_bytes() == whole


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"no line of ours", b"[]\n"])
def test_file_of_somebody_else_is_left_alone(folder: Path, content: bytes) -> None:
    output = folder / "readings.jsonl"
    output.write_bytes(content)
    with pytest.raises(ClientError, match="no file of readings"):
        run(folder, Server())
    assert output.read_bytes() == content


def test_photo_that_failed_is_tried_the_next_time(folder: Path) -> None:
    (folder / "a.tiff").write_bytes(b"bad")
    summary = run(folder, Server())
    assert list(summary.failed) == [folder / "a.tiff"]
    (folder / "b.JPG").unlink()
    server = Server()
    assert list(run(folder, server).failed) == [folder / "a.tiff"]


def test_client_reads_a_folder(folder: Path) -> None:
    (folder / "b.JPG").unlink()
    answer = Answer(document={"readings": [READING]})
    with fake(answer) as server, server.client() as client:
        summary = client.read_folder(folder, folder.parent / "out.jsonl")
        assert summary.read == 1
        ((path, read),) = client.read_many([folder / "a.tiff"])
        assert path == folder / "a.tiff"
        assert isinstance(read, Reading)
        server.answers = [problem(415, "unsupported_format")]
        ((_, refused),) = client.read_many([str(folder / "a.tiff")], explain=True)
        assert isinstance(refused, ApiError)
