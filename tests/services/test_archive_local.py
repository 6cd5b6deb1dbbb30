import multiprocessing
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from tests.archives import (
    POISON,
    draw,
    insist_on_each_once,
    make_job,
    read_poisoned,
    rows,
    write_photos,
)
from tests.vision.networks import write_tiny_model

from hematovision.errors import (
    EngineFailedError,
    ModelMissingError,
    PlaceUnreachableError,
)
from hematovision.exchange.places import Place
from hematovision.services.archive_local import LocalEngine, read_parts
from hematovision.services.archive_parts import Done, Job, Part, Plan, Totals, find_done
from hematovision.services.archives import Census, read_archive


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def job(model: Path, tmp_path: Path) -> Job:
    return make_job(model, tmp_path / "dataset", tmp_path / "photos")


def done_in(job: Job) -> Done:
    return find_done(Place(job.output))


def read_all(job: Job, engine: LocalEngine) -> Totals:
    totals = Totals()
    for part in read_archive(job, engine, done_in(job), Census()):
        totals.add(part)
    return totals


def workers() -> list[psutil.Process]:
    """Find the processes that read for this one."""
    return [
        child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())
    ]


def test_every_photo_is_read_once_though_a_worker_is_killed(job: Job, tmp_path: Path) -> None:
    names = write_photos(tmp_path / "photos", 40)
    heard = read_archive(job, LocalEngine(2), done_in(job), Census())
    totals = next(heard)
    workers()[0].kill()
    for part in heard:
        totals.add(part)
    assert totals.photos == 40
    insist_on_each_once(job.output, names)
    assert not workers()


def test_photo_that_kills_its_reader_is_found_out_and_written_down(
    job: Job, tmp_path: Path
) -> None:
    write_photos(tmp_path / "photos", 6)
    (tmp_path / "photos" / POISON).write_bytes(draw(1))
    totals = read_all(replace(job, part_photos=100), LocalEngine(1, read_poisoned))
    assert totals.photos == 7
    assert dict(totals.failed) == {"reader_crashed": 1}
    failed = [row for row in rows(job.output, "photos") if row["failure"]]
    assert [Path(row["photo"]).name for row in failed] == [POISON]
    assert failed[0]["bytes"] == len(draw(1))


@pytest.mark.parametrize("work", [read_parts, exit])
def test_what_cannot_start_is_told(job: Job, tmp_path: Path, work: object) -> None:
    write_photos(tmp_path / "photos", 2)
    broken = replace(job, model_folder=tmp_path / "nothing")
    with pytest.raises((ModelMissingError, EngineFailedError)) as caught:
        read_all(broken, LocalEngine(1, work))  # type: ignore[arg-type]
    assert isinstance(caught.value, ModelMissingError) == (work is read_parts)
    assert not workers()


@pytest.fixture
def reading(job: Job) -> Iterator[multiprocessing.connection.Connection]:
    """Talk to a worker that is a thread of this process."""
    ours, theirs = multiprocessing.Pipe()
    thread = threading.Thread(target=read_parts, args=(theirs, job))
    thread.start()
    yield ours
    ours.close()
    thread.join(10)
    assert not thread.is_alive()


def test_worker_reads_what_it_is_given_and_ends_with_the_one_who_gives(
    job: Job, tmp_path: Path, reading: multiprocessing.connection.Connection
) -> None:
    write_photos(tmp_path / "photos", 2)
    assert reading.recv() is None
    (part,) = Plan(job, done_in(job), 100)()
    reading.send(part)
    assert reading.recv() == Totals(2, 1)


def test_dataset_that_cannot_be_written_ends_the_run(
    job: Job, tmp_path: Path, reading: multiprocessing.connection.Connection
) -> None:
    (tmp_path / "dataset").write_bytes(b"no folder")
    assert reading.recv() is None
    reading.send(Part.of([]))
    assert isinstance(reading.recv(), PlaceUnreachableError)
