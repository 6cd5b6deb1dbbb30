"""Whatever breaks under a real server: nothing is lost, nothing is there twice or half."""

import hashlib
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
import requests
from sqlalchemy import func, select, update

from hematovision.errors import DatabaseAwayError
from hematovision.services.proving import prove
from hematovision.services.repeats import LEASE
from hematovision.services.vouching import vouches
from hematovision.storage.cases import Case, CaseState
from hematovision.storage.database import Database, connect
from hematovision.storage.photos import PhotoState
from hematovision.storage.signatures import Signature
from hematovision.storage.tables import AnswerRow, CellRow, PhotoRow, ReadingRow
from hematovision.storage.versions import newest_version, version_of

from .conftest import skip_or_fail
from .databases import Postgres, postgres, redis
from .doors import Door, free_port, token_of
from .installations import Installation, field_pictures, installation
from .services.signatures import PASSWORD, ready_case

PHOTOS = 40
SIGNING = {"password": PASSWORD, "meaning": "0", "printed_name": "Rosa Okafor, MD"}


@contextmanager
def serving(home: Installation, *arguments: str) -> Iterator[tuple[Door, list[str]]]:
    """Run a server; give a door to it, and how it is started again."""
    port = free_port()
    command = ["serve", "--port", str(port), *arguments]
    home.start(*command)
    door = Door(f"http://127.0.0.1:{port}", token_of(home.database))
    door.wait()
    yield door, command


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path, threads="1", rate_limit="off") as made:
        yield made


@pytest.fixture
def database_server() -> Iterator[Postgres]:
    """Start a PostgreSQL that may be stopped, or skip."""
    try:
        with postgres() as server:
            yield server
    except LookupError as error:
        skip_or_fail(str(error))


def assert_whole(database: Database, case: Case, number: int) -> None:
    """Insist that each photo was read once, and that the record of changes says so."""
    with database.reading() as records:
        session = records.session
        photos = session.scalars(
            select(PhotoRow.id).where(PhotoRow.case_id == case.id).order_by(PhotoRow.id)
        ).all()
        of_case = select(PhotoRow.id).where(PhotoRow.case_id == case.id)
        readings = session.scalars(
            select(ReadingRow.photo_id)
            .where(ReadingRow.photo_id.in_(of_case))
            .order_by(ReadingRow.photo_id)
        ).all()
    assert len(photos) == number
    assert readings == photos
    assert_proved(database)


def assert_proved(database: Database) -> None:
    """Insist that the record of changes is whole, and that no reading lacks cells or an event."""
    proof = prove(database)
    assert not proof.findings, proof.findings
    with database.reading() as records:
        session = records.session
        cells = session.execute(
            select(ReadingRow.photo_id, func.count(CellRow.id))
            .outerjoin(CellRow, CellRow.photo_id == ReadingRow.photo_id)
            .group_by(ReadingRow.photo_id)
        ).all()
        events = [
            event.subject
            for event in records.audit.list(limit=100_000)
            if event.action in {"photo.read", "reading.made"}
        ]
    assert {number for _, number in cells} <= {2}
    assert sorted(events) == sorted(f"photo {photo_id}" for photo_id, _ in cells)


def all_read(home: Installation, case: Case, number: int = PHOTOS) -> bool:
    return home.states(case) == {PhotoState.READ: number}


def all_read_again(home: Installation, case: Case) -> bool:
    """Tell whether all is read; a connection that was just used may be one that is gone."""
    with suppress(DatabaseAwayError):
        return all_read(home, case)
    return False


def test_database_that_is_gone_is_said_and_is_gone_on_with(
    tmp_path: Path, database_server: Postgres
) -> None:
    with installation(tmp_path, threads="1", database_url=database_server.make()) as home:
        case = home.send(field_pictures(PHOTOS))
        with serving(home) as (door, _):
            (server,) = home.processes
            (worker,) = home.until(lambda: home.children(server))
            home.until(lambda: home.states(case).get(PhotoState.READ, 0) >= 3)
            database_server.stop()
            try:
                refused = door.read(field_pictures(1)[0])
                assert refused.status_code == 503
                assert refused.json()["code"] == "database_away"
                assert int(refused.headers["Retry-After"]) > 0
                page = requests.get(f"{door.url}/cases", cookies={"hematovision": "x"}, timeout=30)
                assert page.status_code in {200, 503}
                assert "Traceback" not in page.text
            finally:
                database_server.start()
            home.until(lambda: all_read_again(home, case), 120)
            assert door.read(field_pictures(1)[0]).status_code == 200
            # Nobody had to start anything again.
            assert home.children(server) == [worker]
        assert_whole(home.database, case, PHOTOS)


def test_redis_that_is_gone_costs_nothing_but_time(tmp_path: Path) -> None:
    try:
        with (
            redis() as queue,
            installation(tmp_path, threads="1", queue_url=queue.address) as home,
            serving(home) as (door, _),
        ):
            case = home.send(field_pictures(5))
            home.until(lambda: all_read(home, case, 5))
            queue.stop()
            late = home.send(field_pictures(PHOTOS)[5:], "26-0838")
            assert door.read(field_pictures(1)[0]).status_code == 200
            home.until(lambda: all_read(home, late, PHOTOS - 5), 120)
            queue.start()
            again = home.send(field_pictures(5), "26-0839")
            home.until(lambda: all_read(home, again, 5), 120)
            assert_whole(home.database, late, PHOTOS - 5)
    except LookupError as error:
        skip_or_fail(str(error))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of its own, of 64 MB; skip where this machine lets nobody mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(  # noqa: S603 - the system's own
        ["/bin/mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted: {mounted.stderr}")
    yield folder
    subprocess.run(["/bin/umount", "-l", str(folder)], check=True)  # noqa: S603


def fill(folder: Path) -> Path:
    """Write until there is no room left."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler


def test_full_disk_is_said_and_nothing_is_half_kept(small_disk: Path) -> None:
    pictures = field_pictures(PHOTOS + 1)
    with installation(small_disk, threads="1") as home:
        with serving(home) as (door, _):
            assert door.read(pictures[-1]).status_code == 200
            case = home.send(pictures[:PHOTOS])
            home.until(lambda: home.states(case).get(PhotoState.READ, 0) >= 3)
            filler = fill(small_disk)
            refused = [door.read(pictures[-1] + str(number).encode()) for number in range(5)]
            assert {one.status_code for one in refused} <= {503, 507}
            assert {one.json()["code"] for one in refused} <= {"database_away", "storage_full"}
            assert not home.states(case).get(PhotoState.FAILED, 0)
            filler.unlink()
            home.until(lambda: all_read(home, case), 120)
            assert door.read(pictures[-1]).status_code == 200
        assert_whole(home.database, case, PHOTOS)
        with home.database.reading() as records:
            kept = set(records.session.scalars(select(PhotoRow.file)))
        drafts = [path.name for path in small_disk.rglob("*.draft")]
        assert not drafts
        stored = {
            path.name.partition(".")[0] for path in (small_disk / "private").rglob("pictures/*/*")
        }
        assert stored == kept


def test_clock_that_jumps_holds_nobody_up(tmp_path: Path) -> None:
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        skip_or_fail("there is no libfaketime: apt-get install faketime")
    clock = tmp_path / "clock"
    clock.write_text("+0")
    folder = tmp_path / "home"
    folder.mkdir()
    with installation(folder, threads="1") as home:
        home.environment = dict(home.environment) | {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        case = home.send(field_pictures(PHOTOS))
        with serving(home) as (door, _):
            (server,) = home.processes
            home.until(lambda: home.states(case).get(PhotoState.READ, 0) >= 3)
            clock.write_text("+2d")
            home.until(lambda: home.states(case).get(PhotoState.READ, 0) >= 10)
            kill_with_photo(home, server)
            clock.write_text("-2d")
            home.until(lambda: all_read(home, case), 120)
            clock.write_text("+0")
            assert door.read(field_pictures(1)[0]).status_code == 200
        assert_whole(home.database, case, PHOTOS)


def kill_with_photo(home: Installation, server: psutil.Process) -> None:
    """Kill the worker of a server while it holds a photo."""

    def killed() -> bool:
        for worker in home.children(server):
            worker.suspend()
            with home.database.reading() as records:
                holds = records.session.scalar(
                    select(PhotoRow.id).where(PhotoRow.state == PhotoState.READING)
                )
            if holds is not None:
                worker.kill()
                return True
            worker.resume()
        return False

    home.until(killed)


@dataclass(slots=True)
class Sender:
    """A program that sends pictures, and each again under its key until it is answered.

    Attributes:
        door: Where it asks.
        answered: The reading of each picture that was answered, by its key.
        left: Pictures whose first request died with the server, by their keys. The server says so
            by 409 until that request's time is over.
        repeated: How often a picture was sent again.
    """

    door: Door
    answered: dict[str, int] = field(default_factory=dict)
    left: dict[str, bytes] = field(default_factory=dict)
    repeated: int = 0

    def send_until(self, stop: threading.Event, lost: threading.Event) -> None:
        """Send one picture after the other; where all is lost, do not wait for the last answer."""
        while not stop.is_set():
            key = str(uuid4())
            picture = picture_of(key)
            while not self.settles(key, picture) and not lost.is_set():
                self.repeated += 1
                time.sleep(0.01)

    def settles(self, key: str, picture: bytes) -> bool:
        """Send a picture once; tell whether it need not be sent again now."""
        try:
            answer = self.send(key, picture)
        except requests.RequestException:
            return False
        if answer.ok:
            (reading,) = answer.json()["readings"]
            self.answered[key] = reading["id"]
        elif answer.status_code == HTTPStatus.CONFLICT:
            assert answer.json()["code"] == "idempotency_key_busy"
            assert int(answer.headers["Retry-After"]) > 0
            self.left[key] = picture
        return answer.ok or key in self.left

    def send(self, key: str, picture: bytes) -> requests.Response:
        return self.door.ask(
            "POST",
            "/api/v1/readings",
            files={"image": ("smear.png", picture)},
            headers={"Idempotency-Key": key},
        )


def picture_of(key: str) -> bytes:
    """Draw a picture that no other key sends."""
    return field_pictures(1)[0] + key.encode()


def readings_of(database: Database, key: str) -> Sequence[int]:
    """Find the readings of what was sent under a key."""
    sha256 = hashlib.sha256(picture_of(key)).hexdigest()
    found = (
        select(ReadingRow.photo_id)
        .join(PhotoRow, PhotoRow.id == ReadingRow.photo_id)
        .where(PhotoRow.image_sha256 == sha256)
    )
    with database.reading() as records:
        return records.session.scalars(found).all()


def let_leases_run_out(database: Database) -> None:
    """Let all that was claimed and not answered be claimed long ago."""
    with database.transaction() as records:
        claimed = update(AnswerRow).where(AnswerRow.answer.is_(None))
        records.session.execute(claimed.values(claimed_at=datetime.now(UTC) - LEASE))


@contextmanager
def sending(senders: Sequence[Sender]) -> Iterator[None]:
    """Let all send for as long as this lasts, and until each was told of its last picture."""
    stop, lost = threading.Event(), threading.Event()
    with ThreadPoolExecutor(len(senders)) as pool:
        sent = [pool.submit(sender.send_until, stop, lost) for sender in senders]
        try:
            yield
        except BaseException:
            lost.set()
            raise
        finally:
            stop.set()
    for one in sent:
        one.result()


def test_what_was_answered_is_kept_once_however_often_the_server_is_killed(
    home: Installation,
) -> None:
    with serving(home) as (door, command):
        senders = [Sender(door) for _ in range(3)]
        with sending(senders):
            for number in (3, 4, 7):
                enough = sum(len(one.answered) for one in senders) + number
                home.until(
                    lambda enough=enough: sum(len(one.answered) for one in senders) >= enough
                )
                home.processes[-1].kill()
                home.processes[-1].wait()
                home.start(*command)
                door.wait()
        assert any(sender.repeated for sender in senders)
        for sender in senders:
            assert_each_is_there_once(home.database, sender)
            assert_the_rest_is_done(home.database, sender)
        assert_proved(home.database)


def assert_each_is_there_once(database: Database, sender: Sender) -> None:
    """Insist that what was answered is on record once, also after it came again."""
    for key, photo_id in sender.answered.items():
        assert readings_of(database, key) == [photo_id]
        again = sender.send(key, picture_of(key))
        assert again.headers["Idempotency-Replayed"] == "true"
        assert [one["id"] for one in again.json()["readings"]] == [photo_id]
        assert readings_of(database, key) == [photo_id]


def assert_the_rest_is_done(database: Database, sender: Sender) -> None:
    """Insist that what died with the server is there once when its time is over.

    Also where the server was killed between the commit of the reading and that of its answer.
    """
    before = {key: len(readings_of(database, key)) for key in sender.left}
    assert set(before.values()) <= {0, 1}
    let_leases_run_out(database)
    for key, picture in sender.left.items():
        assert sender.send(key, picture).ok
        assert len(readings_of(database, key)) == 1


def test_of_many_workers_at_one_batch_each_photo_has_one(home: Installation) -> None:
    case = home.send(field_pictures(PHOTOS))
    for _ in range(3):
        home.start("worker")
    home.until(lambda: all_read(home, case), 120)
    assert_whole(home.database, case, PHOTOS)
    with home.database.reading() as records:
        assert set(records.session.scalars(select(PhotoRow.attempts))) == {1}


@pytest.mark.parametrize("kind", ["SQLite", "PostgreSQL"])
def test_of_many_that_make_the_tables_at_once_all_find_them(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    given = {}
    if kind == "PostgreSQL":
        server: Postgres = request.getfixturevalue("postgres_server")
        given["database_url"] = server.make_bare()
    with installation(tmp_path, connect, **given) as home:
        processes = [home.start("users", "list") for _ in range(4)]
        assert [process.wait(60) for process in processes] == [0] * 4, home.log
        assert version_of(home.database.engine) == newest_version()


@pytest.mark.parametrize("pause", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_case_is_signed_or_it_is_not_whenever_the_server_is_killed(
    home: Installation, pause: float
) -> None:
    case = ready_case(home.database)
    path = f"/cases/{case.id}/sign"
    with serving(home, "--workers", "0") as (door, command):
        door.sign_in()
        form = door.form_of(path) | SIGNING
        with ThreadPoolExecutor(1) as pool:
            sent = pool.submit(door.send, path, form)
            time.sleep(pause)
            home.processes[-1].kill()
            with suppress(requests.RequestException):
                sent.result()
        home.processes[-1].wait()
        before = signatures(home.database, case)
        home.start(*command)
        door.wait()
        again = door.send(path, form)
        assert again.ok or before
        assert len(signatures(home.database, case)) == 1


def signatures(database: Database, case: Case) -> Sequence[Signature]:
    """Give the versions of a case, after a look at whether they, its state and the record agree."""
    with database.reading() as records:
        found = records.signatures.list(case.id)
        state = records.cases.find_by_id(case.id).state
    assert (state is CaseState.SIGNED) == bool(found)
    assert all(vouches(database, signature) for signature in found)
    assert not prove(database).findings
    return found
