import logging
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hematovision import jobs
from hematovision.cells import LoadReader, ModelIdentity, Reading, RgbImage
from hematovision.config import Settings
from hematovision.errors import InferenceAwayError, ModelMissingError
from hematovision.exchange.posting import Answer, Poster
from hematovision.jobs import (
    MOST_WAKES,
    SWEEP_SECONDS,
    QueueUnusableError,
    StuckError,
    Wakes,
    Worker,
    open_queue,
)
from hematovision.people import Role
from hematovision.services.batches import LEASE, Desk, add_photo
from hematovision.services.cases import open_case
from hematovision.services.delivering import Courier
from hematovision.services.hands import Hand
from hematovision.services.models import promote
from hematovision.services.repeats import Asked, claim
from hematovision.services.retention import Policy
from hematovision.services.rotation import SETTING
from hematovision.services.shelf import Shelf
from hematovision.services.webhooks import Wanted, add_webhook, send_test
from hematovision.storage.cases import Case
from hematovision.storage.database import Database, Records
from hematovision.storage.files import Files
from hematovision.storage.photos import Photo, PhotoState
from hematovision.storage.sealing import Seal, mark_of
from hematovision.storage.tables import PhotoRow, ReadingRow

from .conftest import StubReader
from .receivers import LOOPBACK, Receiver, receiver

BY = Hand(None, "page", datetime(2026, 11, 25, 20, 0, tzinfo=UTC))
NEVER = threading.Event()


@pytest.fixture(params=["file", "redis"])
def queue_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    url = request.getfixturevalue("redis_address") if request.param == "redis" else ""
    return Settings(data_folder=tmp_path / "private", queue_url=url)


@pytest.fixture
def queue(tmp_path: Path) -> Wakes:
    return open_queue(Settings(data_folder=tmp_path / "private"))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker look around often."""
    monkeypatch.setattr(jobs, "SWEEP_SECONDS", 0.1)
    monkeypatch.setattr(jobs, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(jobs, "RENEW_SECONDS", 0.1)


@pytest.fixture
def desk(database: Database, tmp_path: Path, reader: StubReader) -> Desk:
    return Desk(database, Files(str(tmp_path / "pictures"), Seal(bytes(32))), reader)


@pytest.fixture
def case(database: Database) -> Case:
    return open_case(database, "26-0837", by=BY)


class SlowReader(StubReader):
    """Looks at a photo until it is told to speak."""

    def __init__(self) -> None:
        self.began, self.may_speak = threading.Event(), threading.Event()

    def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
        self.began.set()
        assert self.may_speak.wait(20)
        return super().read(photo)


@contextmanager
def at_work(worker: Worker) -> Iterator[list[bool]]:
    """Let a worker work meanwhile; in the end its answer is in the list."""
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(worker.run()))
    thread.start()
    try:
        yield answers
    finally:
        worker.stop()
        thread.join(20)
        assert not thread.is_alive()


def until(happened: Callable[[], object], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "this does not happen"
        time.sleep(0.01)


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as there:
        yield there


def told_by(desk: Desk, there: Receiver) -> Courier:
    """Add a webhook, with something that waits for it; give who tells it."""
    seal = desk.files.seal
    wanted = Wanted(there.url, "", ["case.signed"])
    webhook, _ = add_webhook(desk.database, seal, wanted, LOOPBACK, by=BY)
    send_test(desk.database, webhook.id, by=BY)
    return Courier(desk.database, seal, Poster(LOOPBACK))


def test_worker_tells_webhooks_while_it_reads(
    desk: Desk, case: Case, jpeg: bytes, queue: Wakes, quick: None, there: Receiver
) -> None:
    slow = SlowReader()
    desk = replace(desk, reader=slow)
    add_photo(desk.database, desk.files, case, jpeg, by=BY)
    with at_work(Worker(desk, queue, courier=told_by(desk, there))):
        assert slow.began.wait(30)
        until(lambda: there.heard, 30)
        assert the_photo(desk.database).state is PhotoState.READING
        slow.may_speak.set()


def test_photos_are_read_while_a_webhook_does_not_answer(
    desk: Desk, case: Case, jpeg: bytes, queue: Wakes, quick: None, there: Receiver
) -> None:
    asked, may_answer = threading.Event(), threading.Event()

    class Silent(Poster):
        def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
            asked.set()
            assert may_answer.wait(60)
            return Answer(200)

    courier = replace(told_by(desk, there), post=Silent())
    with at_work(Worker(desk, queue, courier=courier)) as answers:
        assert asked.wait(30)
        add_photo(desk.database, desk.files, case, jpeg, by=BY)
        until(lambda: the_photo(desk.database).state is PhotoState.READ, 30)
        may_answer.set()
    assert answers == [True]


def test_worker_that_cannot_tell_goes_on_when_it_can(
    desk: Desk, queue: Wakes, quick: None, there: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    courier = told_by(desk, there)
    with desk.database.transaction() as records:
        assert records.laboratory.set(SETTING, "another", seen=0, by=None, now=BY.now)
    with at_work(Worker(desk, queue, courier=courier)):
        until(lambda: "Telling is interrupted" in caplog.text, 30)
        assert there.heard == []
        mark = mark_of(bytes(32))
        with desk.database.transaction() as records:
            assert records.laboratory.set(SETTING, mark, seen=1, by=None, now=BY.now)
        until(lambda: there.heard, 30)


def test_what_webhooks_were_told_is_forgotten_by_the_keeping_of_the_house(
    desk: Desk, queue: Wakes, quick: None, there: Receiver
) -> None:
    told_by(desk, there)

    def waits_still() -> int:
        with desk.database.reading() as records:
            return len(records.deliveries.list(1, limit=9))

    assert waits_still() == 1
    later = BY.now + timedelta(days=31)
    with at_work(Worker(desk, queue, clock=lambda: later)):
        until(lambda: not waits_still(), 30)


def the_photo(database: Database) -> Photo:
    with database.reading() as records:
        (row,) = records.session.query(PhotoRow.id)
        found = records.photos.find(row.id)
    assert found is not None
    return found


def waits(queue: Wakes, seconds: float) -> float:
    began = time.monotonic()
    queue.wait(seconds, NEVER)
    return time.monotonic() - began


def test_wake_ends_the_waiting_of_another_process(queue_settings: Settings) -> None:
    sender, worker = open_queue(queue_settings), open_queue(queue_settings)
    assert waits(worker, 0.5) >= 0.5
    sender.wake()
    assert waits(worker, 10) < 5
    assert waits(worker, 0.5) >= 0.5


def test_wakes_that_nobody_hears_do_not_pile_up(queue_settings: Settings) -> None:
    queue = open_queue(queue_settings)
    for _ in range(3 * MOST_WAKES):
        queue.wake()
    heard = 0
    while waits(queue, 0.5) < 0.5:
        heard += 1
    assert heard == MOST_WAKES


def test_worker_that_is_to_stop_does_not_wait(queue: Wakes) -> None:
    stop = threading.Event()
    stop.set()
    began = time.monotonic()
    queue.wait(10, stop)
    assert time.monotonic() - began < 5


def test_queue_out_of_reach_is_told_once_and_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    queue = open_queue(Settings(queue_url=f"unix://:hush@{tmp_path}/nobody"))
    for _ in range(100):
        queue.wake()
    assert waits(queue, 0.5) < SWEEP_SECONDS
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "The queue cannot be used" in record.message
    assert "hush" not in record.message


@pytest.mark.parametrize(
    ("address", "said"),
    [
        pytest.param("http://:hush@host", "redis://", id="another kind"),
        pytest.param("redis://:hush@host:port", "could not be cast", id="port"),
        pytest.param("redis://[", "Invalid IPv6 URL", id="host"),
    ],
)
def test_address_that_is_none_is_named_without_its_password(address: str, said: str) -> None:
    with pytest.raises(QueueUnusableError, match=said) as refused:
        open_queue(Settings(queue_url=address))
    assert "HEMATOVISION_QUEUE_URL" in str(refused.value)
    assert "hush" not in str(refused.value)


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(QueueUnusableError, match=r"pip install 'hematovision\[server\]'"):
        open_queue(Settings(queue_url="redis://host"))


def test_queue_is_a_private_file(queue: Wakes, tmp_path: Path) -> None:
    queue.wake()
    files = list((tmp_path / "private").iterdir())
    assert tmp_path / "private" / "queue.sqlite" in files
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "queue.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(QueueUnusableError, match=r"queue\.sqlite cannot be used.*delete it"):
        open_queue(Settings(data_folder=tmp_path))


NEW = ModelIdentity("stub", "2.0.0", "2" * 64)


class NewReader(StubReader):
    """Is another model."""

    model = NEW


def shelf_of(desk: Desk, load: LoadReader) -> Shelf:
    """Give a shelf whose shipped model is the desk's, and where another is installed."""
    shelf = Shelf(desk.database, Path("data"), Path("shipped"), load, clock=lambda: 0.0)
    shelf.put(desk.reader)
    with desk.database.transaction() as records:
        records.models.add(NEW, by=None, now=BY.now)
    return shelf


def versions(database: Database) -> list[str]:
    """Say which model read each photo, and each cell of it."""
    with database.reading() as records:
        found = records.session.query(ReadingRow.model_version).order_by(ReadingRow.photo_id)
        return [version for (version,) in found]


def test_promotion_is_taken_up_between_two_photos(
    desk: Desk, case: Case, jpeg: bytes, queue: Wakes, quick: None
) -> None:
    slow = SlowReader()
    desk = replace(desk, reader=slow)
    shelf = shelf_of(desk, lambda folder, threads=0: NewReader())
    for end in (b"", b"2", b"3"):
        add_photo(desk.database, desk.files, case, jpeg + end, by=BY)
    with at_work(Worker(desk, queue, shelf=shelf)):
        assert slow.began.wait(15)
        promote(shelf, NEW.sha256, by=BY)
        slow.may_speak.set()
        until(lambda: len(versions(desk.database)) == 3)
    assert versions(desk.database) == ["0.0.0", "2.0.0", "2.0.0"]


def test_photos_wait_while_the_model_that_reads_cannot_be_loaded(
    desk: Desk, case: Case, jpeg: bytes, queue: Wakes, quick: None
) -> None:
    tried, is_back = threading.Event(), threading.Event()
    now = [0.0]

    def load(folder: Path, *, threads: int = 0) -> NewReader:
        if not is_back.is_set():
            tried.set()
            raise ModelMissingError("The folder is gone.")
        return NewReader()

    shelf = shelf_of(desk, load)
    shelf.clock = lambda: now[0]
    with desk.database.transaction() as records:
        content = {"promoted": [NEW.sha256], "shadow": None}
        records.laboratory.set("models", content, seen=0, by=None, now=BY.now)
    add_photo(desk.database, desk.files, case, jpeg, by=BY)
    with at_work(Worker(desk, queue, shelf=shelf)):
        assert tried.wait(15)
        assert the_photo(desk.database).state is PhotoState.WAITING
        is_back.set()
        now[0] = 60.0
        until(lambda: the_photo(desk.database).state is PhotoState.READ)
    assert versions(desk.database) == ["2.0.0"]


def test_worker_reads_as_soon_as_it_is_woken(
    desk: Desk, case: Case, jpeg: bytes, queue: Wakes
) -> None:
    with at_work(Worker(desk, queue)) as answers:
        # Past its first look, the next is seconds away.
        time.sleep(0.3)
        add_photo(desk.database, desk.files, case, jpeg, by=BY)
        queue.wake()
        until(lambda: the_photo(desk.database).state is PhotoState.READ, SWEEP_SECONDS - 1)
    assert answers == [True]


def test_worker_cuts_the_cells_out_when_nothing_more_waits(
    desk: Desk, case: Case, jpeg: bytes, queue: Wakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "CUT_AT_ONCE", 1)
    for end in (b"", b"1", b"2"):
        add_photo(desk.database, desk.files, case, jpeg + end, by=BY)
    with at_work(Worker(desk, queue)):
        until(lambda: len(list(Path(desk.files.root).rglob("*.cells-*"))) == 3)


@pytest.mark.usefixtures("quick")
def test_photo_whose_wake_was_lost_is_found(
    desk: Desk, case: Case, jpeg: bytes, queue: Wakes
) -> None:
    with at_work(Worker(desk, queue)):
        time.sleep(0.3)
        add_photo(desk.database, desk.files, case, jpeg, by=BY)
        until(lambda: the_photo(desk.database).state is PhotoState.READ)


@pytest.mark.usefixtures("quick")
def test_worker_reads_without_any_queue(
    desk: Desk, case: Case, jpeg: bytes, tmp_path: Path
) -> None:
    add_photo(desk.database, desk.files, case, jpeg, by=BY)
    with at_work(Worker(desk, open_queue(Settings(queue_url=f"unix://{tmp_path}/nobody")))):
        until(lambda: the_photo(desk.database).state is PhotoState.READ)


@pytest.mark.usefixtures("quick")
def test_lease_is_renewed_while_a_photo_is_read(
    desk: Desk, case: Case, jpeg: bytes, queue: Wakes
) -> None:
    add_photo(desk.database, desk.files, case, jpeg, by=BY)
    reader = SlowReader()

    def lease() -> datetime | None:
        with desk.database.reading() as records:
            return records.session.query(PhotoRow.lease_until).scalar()

    with at_work(Worker(replace(desk, reader=reader), queue)):
        assert reader.began.wait(15)
        first = lease()
        until(lambda: lease() > first)
        reader.may_speak.set()
        until(lambda: the_photo(desk.database).state is PhotoState.READ)


def test_worker_that_stops_finishes_its_photo_and_begins_no_other(
    desk: Desk, case: Case, jpeg: bytes, queue: Wakes
) -> None:
    reader = SlowReader()
    for number in range(2):
        add_photo(desk.database, desk.files, case, jpeg + bytes(number), by=BY)
    worker = Worker(replace(desk, reader=reader), queue)
    with at_work(worker) as answers:
        assert reader.began.wait(15)
        worker.stop()
        reader.may_speak.set()
    assert answers == [True]
    with desk.database.reading() as records:
        assert records.photos.count(case.id) == {PhotoState.READ: 1, PhotoState.WAITING: 1}


def test_photo_that_takes_too_long_is_given_back_and_read_by_another(
    desk: Desk, case: Case, jpeg: bytes, queue: Wakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "GRACE_SECONDS", 0.1)
    add_photo(desk.database, desk.files, case, jpeg, by=BY)
    slow = SlowReader()
    with at_work(Worker(replace(desk, reader=slow), queue)) as answers:
        assert slow.began.wait(15)
    assert answers == [False]
    photo = the_photo(desk.database)
    assert (photo.state, photo.attempts) == (PhotoState.WAITING, 0)
    with at_work(Worker(desk, queue)):
        until(lambda: the_photo(desk.database).state is PhotoState.READ)
    # The first speaks after all.
    slow.may_speak.set()
    until(lambda: "reading" not in {thread.name for thread in threading.enumerate()})
    with desk.database.reading() as records:
        actions = [event.action for event in records.audit.list()]
    assert actions.count("photo.read") == 1


@pytest.mark.usefixtures("quick")
def test_stuck_worker_ends_and_its_attempt_counts(
    desk: Desk, case: Case, jpeg: bytes, queue: Wakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LONGEST_SECONDS", 0.2)
    add_photo(desk.database, desk.files, case, jpeg, by=BY)
    reader = SlowReader()
    worker = Worker(replace(desk, reader=reader), queue)
    with pytest.raises(StuckError, match=r"Photo 1 .* stuck"):
        worker.run()
    photo = the_photo(desk.database)
    assert (photo.state, photo.attempts) == (PhotoState.READING, 1)
    worker.stop()
    reader.may_speak.set()
    until(lambda: "reading" not in {thread.name for thread in threading.enumerate()})


@dataclass(frozen=True, slots=True)
class AwayDatabase(Database):
    """Cannot be reached the first few times that something is to be written."""

    times: list[int]

    @contextmanager
    def transaction(self) -> Iterator[Records]:
        if self.times:
            self.times.pop()
            raise ConnectionError("the database is away")
        with Database(self.engine, self.custody).transaction() as records:
            yield records


@pytest.mark.usefixtures("quick")
def test_worker_waits_for_a_database_that_is_away(
    desk: Desk, case: Case, jpeg: bytes, queue: Wakes, caplog: pytest.LogCaptureFixture
) -> None:
    add_photo(desk.database, desk.files, case, jpeg, by=BY)
    away = AwayDatabase(desk.database.engine, desk.database.custody, [1, 2, 3])
    with at_work(Worker(replace(desk, database=away), queue)):
        until(lambda: the_photo(desk.database).state is PhotoState.READ)
    interrupted = [record for record in caplog.records if "interrupted" in record.message]
    assert len(interrupted) == 3


@pytest.mark.usefixtures("quick")
def test_worker_waits_for_an_inference_server_and_keeps_the_house_meanwhile(
    desk: Desk, case: Case, jpeg: bytes, queue: Wakes, caplog: pytest.LogCaptureFixture
) -> None:
    class Away(StubReader):
        reads = 0

        def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
            self.reads += 1
            if self.reads < 4:
                raise InferenceAwayError("The server that does the inference does not answer.")
            return super().read(photo)

    add_photo(desk.database, desk.files, case, jpeg, by=BY)
    worker = Worker(replace(desk, reader=Away()), queue)
    with at_work(worker):
        until(lambda: worker._kept is not None)
        until(lambda: the_photo(desk.database).state is PhotoState.READ)
    assert the_photo(desk.database).attempts == 1
    told = [record for record in caplog.records if "does not answer" in record.message]
    assert len(told) == 3
    assert all(record.exc_info is None for record in told)


@pytest.mark.usefixtures("quick")
def test_worker_without_its_parent_ends(desk: Desk, queue: Wakes) -> None:
    assert Worker(desk, queue, parent=1).run()


def test_no_two_workers_have_one_name(desk: Desk, queue: Wakes) -> None:
    names = {Worker(desk, queue).name for _ in range(9)}
    assert len(names) == 9
    assert max(map(len, names)) <= 64


def test_lease_outlives_lost_renewals() -> None:
    assert LEASE.total_seconds() >= 3 * jobs.RENEW_SECONDS
    assert jobs.LONGEST_SECONDS > LEASE.total_seconds() > jobs.GRACE_SECONDS


@pytest.mark.usefixtures("quick")
def test_worker_deletes_what_was_kept_for_long_enough(
    desk: Desk, case: Case, jpeg: bytes, queue: Wakes
) -> None:
    add_photo(desk.database, desk.files, case, jpeg, by=BY)
    later = BY.now + timedelta(days=8)
    keeping = replace(desk, policy=Policy(picture_days=7))
    with at_work(Worker(keeping, queue, clock=lambda: later)):
        until(lambda: the_photo(desk.database).file is None)
    assert the_photo(desk.database).state is PhotoState.READ
    assert desk.files.is_empty()


def test_worker_forgets_what_was_answered_a_day_ago(desk: Desk, queue: Wakes) -> None:
    with desk.database.transaction() as records:
        ines = records.users.add("robot", Role.TECHNOLOGIST, now=BY.now)
    asked = Asked(ines.id, "a key", bytes(32))
    assert claim(desk.database, asked, seal=desk.files.seal, now=BY.now)
    later = BY.now + timedelta(days=1)

    def is_there() -> bool:
        with desk.database.reading() as records:
            return records.answers.are_there(before=later)

    assert is_there()
    with at_work(Worker(desk, queue, clock=lambda: later)):
        until(lambda: not is_there())


@pytest.mark.usefixtures("quick")
def test_worker_with_a_key_that_no_longer_holds_reads_nothing(
    desk: Desk, case: Case, jpeg: bytes, queue: Wakes, caplog: pytest.LogCaptureFixture
) -> None:
    add_photo(desk.database, desk.files, case, jpeg, by=BY)
    with desk.database.transaction() as records:
        assert records.laboratory.set(SETTING, mark_of(b"another"), seen=0, by=None, now=BY.now)
    with at_work(Worker(desk, queue)):
        until(lambda: "is not the one that holds" in caplog.text)
    assert the_photo(desk.database).state is PhotoState.WAITING
