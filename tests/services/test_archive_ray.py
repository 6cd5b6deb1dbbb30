from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner
from tests.archives import (
    insist_on_each_once,
    insist_on_same_answers,
    make_job,
    write_photos,
)
from tests.conftest import SHARED, skip_or_fail
from tests.rays import rays
from tests.vision.networks import write_tiny_model

from hematovision.cli import main
from hematovision.cli.tools import Tools
from hematovision.config import PACKAGED_MODEL, Settings
from hematovision.errors import EngineFailedError, ModelMissingError, PlaceUnreachableError
from hematovision.exchange.documents import reading_document
from hematovision.exchange.places import Place
from hematovision.services.archive_parts import Done, Job, Part, Plan, Totals, find_done
from hematovision.services.archives import Census, read_archive
from hematovision.services.readings import read_image
from hematovision.vision.reader import load_reader

# Ray warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::Warning")

ACTOR = "ray::MapWorker"


@pytest.fixture(scope="module", autouse=True)
def ray() -> Iterator[Any]:
    try:
        with rays():
            import ray

            yield ray
    except LookupError as error:
        skip_or_fail(str(error))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def job(model: Path, tmp_path: Path) -> Job:
    return make_job(model, tmp_path / "dataset", tmp_path / "photos")


def done_in(job: Job) -> Done:
    return find_done(Place(job.output))


def engine(**more: Any) -> Any:
    from hematovision.services.archive_ray import RayEngine

    return RayEngine(**more)


def actors() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if is_actor(child)]


def is_actor(process: psutil.Process) -> bool:
    try:
        return " ".join(process.cmdline()).startswith(ACTOR)
    except psutil.NoSuchProcess:
        # Others of Ray's come and go, and one that has ended has no name any more.
        return False


def test_every_photo_is_read_once_though_an_actor_is_killed(job: Job, tmp_path: Path) -> None:
    names = write_photos(tmp_path / "photos", 120)
    totals = Totals()
    for number, part in enumerate(
        read_archive(job, engine(most=1, cpus=0.5), done_in(job), Census())
    ):
        totals.add(part)
        if number == 2:
            (actor,) = actors()
            actor.kill()
    assert totals.photos >= 120
    insist_on_each_once(job.output, names)


@pytest.mark.real_data
def test_dataset_of_ray_says_what_every_door_says(tmp_path: Path) -> None:
    photos = list(map(str, sorted((SHARED / "data/bccd/photos").glob("*.jpg"))[:4]))
    if not photos:
        skip_or_fail("the photos of BCCD are not there")
    output = tmp_path / "dataset"
    words = ["classify", "--engine", "ray", "--readers", "1", "--cpus-per-reader", "0.5"]
    tools = Tools(Settings(data_folder=tmp_path / "private"))
    result = CliRunner().invoke(main, [*words, "--output", str(output), *photos], obj=tools)
    assert result.exit_code == 0, result.stderr
    reader = load_reader(PACKAGED_MODEL, threads=1)
    documents = [
        {"path": path}
        | reading_document(read_image(Path(path).read_bytes(), reader=reader).reading)
        for path in photos
    ]
    insist_on_same_answers(output, documents)


def test_what_goes_wrong_in_an_actor_is_told(job: Job, ray: Any, tmp_path: Path) -> None:
    from hematovision.services.archive_ray import Reader, Tally, list_parts

    write_photos(tmp_path / "photos", 3)
    plan = Plan(job, done_in(job), 100)
    (listed,) = list_parts({}, ray.put(plan))
    tally = ray.remote(num_cpus=0)(Tally).remote()
    (said,) = Reader(job, 1, tally)(listed)["said"]
    assert said == Totals(3, 3)
    broken = make_job(job.model_folder, job.output, job.sources[0], model_folder=tmp_path)
    (said,) = Reader(broken, 1, tally)(listed)["said"]
    assert isinstance(said, ModelMissingError)
    away = Plan(make_job(job.model_folder, job.output, "s3://no-such"), done_in(job), 1)
    (listed,) = list_parts({}, away)
    (said,) = Reader(job, 1, tally)(listed)["said"]
    assert isinstance(said, PlaceUnreachableError)
    (tmp_path / "file").write_bytes(b"")
    full = make_job(job.model_folder, tmp_path / "file")
    (said,) = Reader(full, 1, tally)({"part": [Part.of([]).to_json()]})["said"]
    assert isinstance(said, PlaceUnreachableError)


def test_part_that_kills_actors_is_left_out_in_the_end(job: Job, ray: Any) -> None:
    from hematovision.services.archive_ray import ATTEMPTS, Reader, Tally

    tally = ray.remote(num_cpus=0)(Tally).remote()
    part = Part.of([])
    for _ in range(ATTEMPTS):
        ray.get(tally.begin.remote(part.name))
    (said,) = Reader(job, 1, tally)({"part": [part.to_json()]})["said"]
    assert said == Totals()
    assert not Path(job.output).exists()


def test_there_are_as_many_actors_as_there_is_room_for() -> None:
    assert engine(cpus=0.5)._room() == 4
    assert engine(cpus=2.0)._room() == 1
    assert engine(cpus=0.0)._room() == 1
    assert engine(cpus=1.0, gpus=1.0, least=3)._room() == 3


@pytest.mark.parametrize(("address", "options"), [("", True), ("10.0.0.1:6379", False)])
def test_ray_is_joined_or_started_and_given_a_second_try(
    ray: Any, job: Job, monkeypatch: pytest.MonkeyPatch, address: str, options: bool
) -> None:
    tries: list[tuple[str, bool]] = []

    def refuse(address: str, **more: Any) -> None:
        tries.append((address, "include_dashboard" in more))
        raise RuntimeError("The node\ntimed out.")

    monkeypatch.setenv("RAY_ADDRESS", address)
    for name, stub in (("init", refuse), ("is_initialized", bool), ("shutdown", bool)):
        monkeypatch.setattr(ray, name, stub)
    with pytest.raises(EngineFailedError, match=r"Ray stopped: timed out\.$"):
        list(engine().read(job, Plan(job, done_in(job), 4)))
    assert tries == [(address or "local", options)] * 2


def test_ray_of_ones_own_is_ended(ray: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from hematovision.services.archive_ray import _ray

    said: list[str] = []
    monkeypatch.setattr(ray, "is_initialized", bool)
    monkeypatch.setattr(ray, "init", lambda *_, **__: said.append("init"))
    monkeypatch.setattr(ray, "shutdown", lambda: said.append("shutdown"))
    with _ray():
        said.append("work")
    assert said == ["init", "work", "shutdown"]


def test_actor_that_says_what_is_wrong_ends_the_run(job: Job) -> None:
    from hematovision.services.archive_ray import _heard

    assert _heard(Totals(1)) == Totals(1)
    with pytest.raises(ModelMissingError):
        _heard(ModelMissingError("No model is loaded."))
