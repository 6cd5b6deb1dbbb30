import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.archives import draw, make_job, rows
from tests.inference_servers import http_server, reply
from tests.vision.networks import write_tiny_model

from hematovision.cells import CellReader, RgbImage
from hematovision.errors import DatasetDiffersError, InferenceAwayError
from hematovision.exchange.sources import UNKNOWN, Photo
from hematovision.services import archive_reader
from hematovision.services.archive_parts import Job, Part, Totals
from hematovision.services.archive_reader import PartReader, Pixels
from hematovision.vision.decoders import HERE


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def job(model: Path, tmp_path: Path) -> Job:
    return make_job(model, tmp_path / "dataset", tmp_path)


def read(job: Job, *photos: Photo, **more: Any) -> Totals:
    reader = PartReader(job, **{"decoder": HERE} | more)
    try:
        return reader.read(Part.of(photos))
    finally:
        reader.close()


def put(folder: Path, name: str, content: bytes) -> Photo:
    path = folder / name
    path.write_bytes(content)
    return Photo(str(path), len(content))


def test_what_fails_is_written_down_and_stops_nothing(job: Job, tmp_path: Path) -> None:
    gone = Photo(str(tmp_path / "gone.png"), UNKNOWN)
    photos = [
        put(tmp_path, "a.png", draw(2)),
        gone,
        put(tmp_path, "empty.png", b""),
        put(tmp_path, "text.png", b"text"),
        put(tmp_path, "large.png", bytes(10**6 + 1)),
        replace_size(put(tmp_path, "grown.png", bytes(10**6 + 1)), 5),
        Photo(str(tmp_path), UNKNOWN),
        put(tmp_path, "b.png", draw(1)),
    ]
    totals = read(job, *photos)
    codes = {
        "gone.png": "photo_unreachable",
        "empty.png": "empty_file",
        "text.png": "unsupported_format",
        "large.png": "file_too_large",
        "grown.png": "file_too_large",
        tmp_path.name: "photo_unreachable",
    }
    assert totals == Totals(8, 3, Counter(codes.values()))
    found = {Path(row["photo"]).name: row for row in rows(job.output, "photos")}
    assert {name: row["failure"] for name, row in found.items() if row["failure"]} == codes
    assert found["gone.png"]["bytes"] is None
    assert found["text.png"]["photo_sha256"] == hashlib.sha256(b"text").hexdigest()
    assert found["gone.png"]["photo_sha256"] is None
    assert "No such file" in found["gone.png"]["message"]
    assert [row["cell"] for row in rows(job.output, "cells")] == [1, 2, 1]


def replace_size(photo: Photo, size: int) -> Photo:
    return photo._replace(size=size)


class Counting:
    """A reader that counts how often it reads."""

    def __init__(self, reader: CellReader) -> None:
        self._reader, self.model, self.times = reader, reader.model, 0

    def read(self, photo: RgbImage, *, explain: bool = False) -> Any:
        self.times += 1
        return self._reader.read(photo)


def test_same_content_is_read_once_and_has_rows_for_each_path(
    job: Job, tmp_path: Path, reader: CellReader
) -> None:
    counting = Counting(reader)
    job = replace(job, model=reader.model)
    photos = [put(tmp_path, f"{name}.png", draw(2)) for name in "abcdef"]
    totals = read(job, *photos, load=lambda folder, threads=0: counting)
    assert (totals.photos, totals.cells, counting.times) == (6, 12, 1)
    assert len({row["photo"] for row in rows(job.output, "cells")}) == 6
    assert len({row["photo_sha256"] for row in rows(job.output, "photos")}) == 1


def test_what_is_remembered_does_not_grow(
    job: Job, tmp_path: Path, reader: CellReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_reader, "REMEMBERED", 1)
    counting = Counting(reader)
    photos = [put(tmp_path, f"{index}.png", draw(index % 2)) for index in range(6)]
    job = replace(job, model=reader.model)
    assert read(job, *photos, load=lambda folder, threads=0: counting).photos == 6
    assert counting.times == 6


def test_trouble_that_nobody_foresaw_is_one_photos(
    job: Job, tmp_path: Path, reader: CellReader
) -> None:
    class Broken(Counting):
        def read(self, photo: RgbImage, *, explain: bool = False) -> Any:
            if not self.times:
                self.times = 1
                raise RuntimeError("a path of somebody's")
            return super().read(photo)

    job = replace(job, model=reader.model)
    photos = [put(tmp_path, f"{index}.png", draw(index)) for index in range(3)]
    totals = read(job, *photos, load=lambda folder, threads=0: Broken(reader))
    assert totals == Totals(3, 4, Counter(reader_crashed=1))
    (message,) = [row["message"] for row in rows(job.output, "photos") if row["message"]]
    assert message == "Nobody foresaw what happened at this photo: RuntimeError."


def test_inference_server_is_asked_where_one_is_set(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_server(job.model_folder) as server:
        monkeypatch.setenv("HEMATOVISION_INFERENCE_URL", server.url)
        assert read(job, put(tmp_path, "a.png", draw(2)), put(tmp_path, "b.png", b"")).cells == 2
    assert server.inferences
    assert [row["engine"] for row in rows(job.output, "photos")] == ["remote", None]
    assert {row["engine"] for row in rows(job.output, "cells")} == {"remote"}


def test_inference_server_that_is_away_is_no_fault_of_a_photo(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_server(job.model_folder) as server:
        server.always = reply(503, **{"Retry-After": "60"})
        monkeypatch.setenv("HEMATOVISION_INFERENCE_URL", server.url)
        with pytest.raises(InferenceAwayError):
            read(job, put(tmp_path, "a.png", draw(2)))
    assert not Path(job.output).exists()


def test_pictures_are_decoded_in_a_confined_process(job: Job, tmp_path: Path) -> None:
    bomb = put(tmp_path, "large.png", draw(1))
    small = replace(job, max_pixels=10_000)
    assert read(small, bomb, decoder=None).failed == Counter(image_too_large=1)
    assert read(job, put(tmp_path, "a.png", draw(2)), decoder=None).cells == 2


def test_another_model_than_that_of_the_run_does_not_read(job: Job, tmp_path: Path) -> None:
    other = write_tiny_model(tmp_path / "other", "2.0.0")
    with pytest.raises(DatasetDiffersError, match=r"holds tiny 2\.0\.0 .* with tiny 1\.0\.0"):
        PartReader(replace(job, model_folder=other), decoder=HERE)


def test_pixels_stand_for_a_decoder(photo: RgbImage) -> None:
    pixels = Pixels(photo)
    pixels.warm()
    pixels.check(b"")
    assert pixels.decode(b"") is photo
