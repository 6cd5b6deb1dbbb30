from collections import Counter
from pathlib import Path

import pytest
from tests.archives import make_job, write_photos
from tests.vision.networks import write_tiny_model

from hematovision.errors import DatasetDiffersError, EmptyFileError
from hematovision.exchange.datasets import Outcome, failed
from hematovision.exchange.places import Place
from hematovision.exchange.sources import UNKNOWN, Photo
from hematovision.services.archive_parts import (
    Done,
    Job,
    Part,
    Plan,
    Totals,
    cut,
    find_done,
    sort_digests,
)
from hematovision.services.archive_reader import write_part

NOTHING = Done(sort_digests(b""), (), Totals())
PHOTOS = [Photo(f"/{number}.png", number) for number in range(1000)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def job(model: Path, tmp_path: Path) -> Job:
    write_photos(tmp_path / "photos", 30)
    return make_job(model, tmp_path / "dataset", tmp_path / "photos")


def planned(job: Job, done: Done = NOTHING) -> list[Part]:
    return list(Plan(job, done, job.part_photos)())


def write(job: Job, part: Part) -> None:
    """Write a part in which the first photo failed."""
    first, *others = part.photos
    error = EmptyFileError("The file is empty.")
    outcomes = [failed(first.name, error, size=first.size)]
    outcomes += [Outcome(photo.name, "0", photo.size, 0.0) for photo in others]
    write_part(Place(job.output), part, outcomes, job)


@pytest.mark.parametrize("about", [1, 2, 7, 64, 5000])
def test_pieces_hold_every_photo_once_and_about_as_many_as_asked(about: int) -> None:
    pieces = list(cut(PHOTOS, about))
    assert [photo for piece in pieces for photo in piece] == PHOTOS
    assert all(max(about // 2, 1) <= len(piece) <= 2 * about for piece in pieces[:-1])


def test_photo_more_moves_few_cuts() -> None:
    before = {Part.of(piece).name for piece in cut(PHOTOS, 20)}
    after = {Part.of(piece).name for piece in cut([Photo("/0.jpg", 1), *PHOTOS], 20)}
    assert len(before - after) < 5 < len(before)


def test_part_is_named_by_the_paths_that_it_holds() -> None:
    part = Part.of(PHOTOS[:3])
    assert part == Part.from_json(part.to_json())
    assert part.name == Part.of(Photo(photo.address, UNKNOWN) for photo in PHOTOS[:3]).name
    assert part.name != Part.of(PHOTOS[:2]).name
    odd = Part.of([Photo("/\udcff.png", 1)])
    assert Part.from_json(odd.to_json()) == odd


def test_plan_is_the_same_every_time_and_leaves_out_what_is_done(job: Job) -> None:
    parts = planned(job)
    assert parts == planned(job)
    assert sum(len(part.photos) for part in parts) == 30
    for part in parts[::2]:
        write(job, part)
    done = find_done(Place(job.output))
    assert planned(job, done) == parts[1::2]
    assert done.totals.photos == sum(len(part.photos) for part in parts[::2])
    assert done.totals.failed == Counter(empty_file=len(parts[::2]))


def test_photos_that_came_later_are_read_without_those_that_are_done(
    job: Job, tmp_path: Path
) -> None:
    for part in planned(job):
        write(job, part)
    write_photos(tmp_path / "photos", 33)
    left = planned(job, find_done(Place(job.output)))
    names = [Path(photo.address).name for part in left for photo in part.photos]
    assert names == ["0030.png", "0031.png", "0032.png"]


def test_part_whose_cells_are_missing_is_read_again_under_its_name(
    job: Job, tmp_path: Path
) -> None:
    parts = planned(job)
    for part in parts:
        write(job, part)
    torn = parts[2]
    (tmp_path / "dataset" / "cells" / f"{torn.name}.parquet").unlink()
    # Another photo would cut its piece another way.
    (tmp_path / "photos" / f"{Path(torn.photos[0].address).stem}a.png").write_bytes(b"")
    done = find_done(Place(job.output), forget_failed=False)
    assert done.begun == (torn,)
    first, *others = planned(job, done)
    assert first == torn
    assert [len(part.photos) for part in others] == [1]


def test_photos_that_failed_can_be_read_again(job: Job) -> None:
    parts = planned(job)
    for part in parts:
        write(job, part)
    place = Place(job.output)
    done = find_done(place, forget_failed=True)
    assert done.totals == Totals(30 - len(parts))
    left = [photo for part in planned(job, done) for photo in part.photos]
    assert left == [part.photos[0] for part in parts]
    for part in planned(job, done):
        write(job, part)
    assert find_done(place).totals.photos == 30


def test_file_of_something_else_among_the_parts_is_told(job: Job, tmp_path: Path) -> None:
    Place(job.output).put("photos/other.parquet", b"no Parquet")
    with pytest.raises(DatasetDiffersError, match=r"photos/other\.parquet, which is no part"):
        find_done(Place(job.output))
