import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.archives import insist_on_each_once, make_job, rows, write_photos
from tests.vision.networks import write_tiny_model

from hematovision.errors import DatasetDiffersError, PlaceUnreachableError
from hematovision.exchange.places import Place
from hematovision.services.archive_parts import Job, Plan, Totals, find_done
from hematovision.services.archive_reader import PartReader
from hematovision.services.archives import Census, begin, read_archive, write_summary
from hematovision.vision.decoders import HERE

NOW = datetime(2026, 11, 26, 17, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def job(model: Path, tmp_path: Path) -> Job:
    return make_job(model, tmp_path / "dataset", tmp_path / "photos")


class Forgetful:
    """An engine of this process, which leaves out parts at the first times it reads."""

    def __init__(self, times: int) -> None:
        self.times, self.sizes = times, list[int]()

    def read(self, job: Job, plan: Plan) -> Iterator[Totals]:
        reader = PartReader(job, decoder=HERE)
        self.sizes.append(plan.part_photos)
        self.times -= 1
        for number, part in enumerate(plan()):
            if self.times < 0 or number % 2:
                yield reader.read(part)
        reader.close()


def read_all(job: Job, engine: Forgetful) -> Totals:
    totals = Totals()
    for part in read_archive(job, engine, find_done(Place(job.output)), Census()):
        totals.add(part)
    return totals


def test_what_was_left_out_is_read_photo_by_photo(job: Job, tmp_path: Path) -> None:
    names = write_photos(tmp_path / "photos", 20)
    engine = Forgetful(1)
    assert read_all(job, engine).photos == 20
    assert engine.sizes == [4, 1]
    insist_on_each_once(job.output, names)
    assert read_all(job, engine) == Totals()


def test_what_is_left_out_again_is_written_down_as_failed(job: Job, tmp_path: Path) -> None:
    names = write_photos(tmp_path / "photos", 20)
    totals = read_all(job, Forgetful(2))
    failed = totals.failed["reader_crashed"]
    assert (totals.photos, failed > 0) == (20, True)
    found = rows(job.output, "photos")
    assert Counter(row["photo"] for row in found) == Counter(names)
    assert sum(row["status"] == "failed" for row in found) == failed


class Overtaken(Forgetful):
    """Another, whose sources grow by a photo each time before it reads."""

    def __init__(self, times: int, photo: Path, census: Census) -> None:
        super().__init__(times)
        self.photo, self.census = photo, census

    def read(self, job: Job, plan: Plan) -> Iterator[Totals]:
        while not self.census.is_over:
            pass
        newer = self.photo.with_name(f"new-{self.times}-{self.photo.name}")
        shutil.copyfile(self.photo, newer)
        yield from super().read(job, plan)
        shutil.copyfile(self.photo, newer.with_name(f"late-{newer.name}"))


def test_photos_that_come_meanwhile_hide_none_that_was_left_out_and_fail_not(
    job: Job, tmp_path: Path
) -> None:
    names, census = write_photos(tmp_path / "photos", 6), Census()
    engine = Overtaken(1, Path(names[0]), census)
    one_by_one = replace(job, part_photos=1)
    list(read_archive(one_by_one, engine, find_done(Place(job.output)), census))
    found = {row["photo"]: row["status"] for row in rows(job.output, "photos")}
    assert found.items() >= dict.fromkeys(names, "read").items()
    assert set(found.values()) == {"read"}


def test_source_that_cannot_be_listed_ends_the_run(job: Job, store: object) -> None:
    away = replace(job, sources=("s3://no-such-bucket",))
    with pytest.raises(PlaceUnreachableError):
        read_all(away, Forgetful(0))
    census = Census()
    census.count(Plan(away, find_done(Place(job.output)), 4)).join()
    assert not census.is_over


def test_dataset_is_gone_on_with_by_the_same_model_and_options_only(job: Job) -> None:
    begin(job, now=NOW)
    begin(replace(job, sources=("/elsewhere",), recursive=True, part_photos=9), now=NOW)
    run = json.loads((Path(job.output) / "_run.json").read_text())
    assert (run["schema"], run["begun"]) == (1, "2026-11-26T17:00:00+00:00")
    assert run["model_sha256"] == job.model.sha256
    other = replace(job, model=replace(job.model, sha256="1" * 64))
    with pytest.raises(DatasetDiffersError, match="was begun with model tiny"):
        begin(other, now=NOW)
    with pytest.raises(DatasetDiffersError, match="with max_pixels 1000000, not 5"):
        begin(replace(job, max_pixels=5), now=NOW)


@pytest.mark.parametrize("content", [b"no JSON", b"[]"])
def test_notes_of_somebody_else_are_no_run(job: Job, content: bytes) -> None:
    Place(job.output).put("_run.json", content)
    with pytest.raises(DatasetDiffersError):
        begin(job, now=NOW)


def test_folder_with_photos_of_somebody_else_is_refused(job: Job) -> None:
    Place(job.output).put("photos/a.jpg", b"")
    with pytest.raises(DatasetDiffersError, match="is not empty"):
        begin(job, now=NOW)


def test_summary_stands_beside_the_parts(job: Job) -> None:
    totals = Totals(10, 20, Counter(empty_file=1))
    written = write_summary(job, totals, Totals(5, 9), 2.0)
    assert json.loads((Path(job.output) / "_summary.json").read_text()) == written
    assert (written["photos"], written["failed"]) == (10, {"empty_file": 1})
    assert written["this_run"]["photos_a_second"] == 2.5
    assert write_summary(job, totals, Totals(), 0.0)["this_run"]["photos_a_second"] == 0
