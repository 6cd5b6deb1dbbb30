"""Two machines with empty disks share PostgreSQL, Redis, objects and keys; either may vanish."""

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import requests
from click import ClickException

from hematovision.cells import CellType
from hematovision.cli.starting import prepare
from hematovision.services.choosing import folder_of
from hematovision.services.installing import Store, install_model
from hematovision.services.models import promote
from hematovision.services.proving import prove
from hematovision.services.shelf import Shelf
from hematovision.storage.depot import open_depot
from hematovision.storage.keys import KEY_FILES, new_key, open_seal, place_private, read_key_files
from hematovision.vision.bundle import read_bundle
from hematovision.vision.reader import load_reader

from .conftest import skip_or_fail
from .databases import Postgres
from .installations import field_pictures
from .machines import Cluster, Machine, cluster, look_at
from .models import BY
from .vision.networks import write_tiny_model


@dataclass(slots=True)
class Two:
    """Two servers, and a worker on a third machine."""

    all: Cluster
    a: Machine
    b: Machine
    worker: Machine


@pytest.fixture(scope="module")
def two(postgres_server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    try:
        with cluster(tmp_path_factory.mktemp("machines"), postgres_server) as shared:
            a, b, third = (shared.machine(name) for name in ("a", "b", "third"))
            # At once, before there is a single table or anybody who may come in.
            a.serve()
            b.serve()
            a.wait()
            b.wait()
            third.start("hematovision", "worker")
            shared.database = look_at(b.settings)
            yield Two(shared, a, b, third)
    except LookupError as error:
        skip_or_fail(str(error))


def test_both_started_at_once_and_one_made_the_first_administrator(two: Two) -> None:
    with two.all.database.reading() as records:
        assert [user.name for user in records.users.list()].count("administrator") == 1
        done = [event.action for event in records.audit.list()]
    assert done.count("server.started") == 2


def test_who_signs_in_at_one_is_in_at_the_other_and_out_everywhere(two: Two) -> None:
    two.all.token("rosa")
    a, b = (two.all.door(one, requests.Session()) for one in (two.a, two.b))
    b.browser = a.browser
    # The form is of the one and goes to the other.
    form = a.form_of("/sign-in") | {"name": "rosa", "password": "plum orbit walnut canyon"}
    assert b.send("/sign-in", form).ok
    for door in (a, b):
        assert door.browser.get(f"{door.url}/cases", timeout=30).url == f"{door.url}/cases"
    assert b.send("/sign-out", a.form_of("/cases")).ok
    for door in (a, b):
        assert "/sign-in" in door.browser.get(f"{door.url}/cases", timeout=30).url


def test_requests_are_counted_together(two: Two) -> None:
    token = two.all.token("ines")
    left = []
    for machine in (two.a, two.b, two.a):
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.get(f"{machine.url}/api/v1/cases", headers=headers, timeout=30)
        left.append(int(answer.headers["RateLimit"].split("r=")[1].split(";")[0]))
    assert left == [left[0], left[0] - 1, left[0] - 2]


def test_photo_sent_to_one_is_read_by_a_third_and_shown_by_the_other(two: Two) -> None:
    with two.all.client(two.a) as a, two.all.client(two.b, "ben") as b:
        case = a.make_case("26-0001")
        a.add_photos(case, *field_pictures(2))
        read = b.wait_for_case(case.id, timeout=60)
        assert read.photos["read"] == 2
        cells = list(b.cells(case.id))
        assert b.crop(case.id, cells[0].id)[:2] == b"\xff\xd8"
        assert b.image(case.id, 1) == a.image(case.id, 1)
    assert not list((two.a.folder / "private").rglob("*cells-*"))


def test_model_promoted_at_one_reads_at_the_other(two: Two) -> None:
    settings = two.a.settings
    seal = open_seal(settings.keys)
    depot = open_depot(settings.shared, seal)
    shelf = Shelf(
        two.all.database, settings.data_folder, settings.model_folder, load_reader, depot=depot
    )
    shipped = read_bundle(settings.model_folder)
    store = Store(two.all.database, settings.data_folder, shipped, load_reader, depot)
    other = write_tiny_model(two.all.folder / "other", "2.0.0", CellType.LYMPHOCYTE)
    model = install_model(store, other, by=BY).sha256
    assert folder_of(settings.data_folder, model).exists()
    promote(shelf, model, by=BY)
    with two.all.client(two.b) as b:
        assert b.read(field_pictures(5)[4]).model.version == "2.0.0"
        # A worker on a third machine takes it up as well.
        job = b.wait(b.submit(field_pictures(6)[5]), timeout=60)
    assert all(folder_of(one.settings.data_folder, model).exists() for one in (two.b, two.worker))
    assert job.readings[0].model.version == "2.0.0"


@pytest.mark.parametrize("key", KEY_FILES)
def test_machine_with_a_key_of_its_own_does_not_serve(two: Two, tmp_path: Path, key: str) -> None:
    place_private(tmp_path / "keys", {**read_key_files(two.all.keys), key: new_key().hex()})
    given = replace(two.b.settings, keys_folder=tmp_path / "keys", data_folder=tmp_path / "data")
    with pytest.raises(ClickException, match=key):
        prepare(given)


def test_machine_that_vanishes_takes_nothing_with_it(two: Two) -> None:
    with two.all.client(two.a) as a:
        read = a.read(field_pictures(8)[7])
        case = a.make_case("26-0002")
        a.add_photos(case, *field_pictures(12)[8:])
    two.a.vanish()
    with two.all.client(two.b) as b:
        assert b.reading(read.id).cells == read.cells
        assert b.wait_for_case(case.id, timeout=60).photos["read"] == 4
        assert b.image(case.id, 4)
    proof = prove(two.all.database)
    assert proof.is_whole
    assert proof.proved
    assert not Path(two.b.folder / "private" / "audit_checkpoints").exists()


def test_server_that_is_to_end_says_so_first_and_answers_meanwhile(two: Two) -> None:
    two.b.process.send_signal(signal.SIGTERM)
    end = time.monotonic() + 30
    while (ready := requests.get(f"{two.b.url}/readyz", timeout=30)).ok:
        assert time.monotonic() < end
    assert ready.json()["checks"] == {"draining": "failed"}
    assert requests.get(f"{two.b.url}/health", timeout=30).ok
    assert two.b.process.wait(60) == 0
    with two.all.database.reading() as records:
        assert "server.stopped" in [event.action for event in records.audit.list()]
