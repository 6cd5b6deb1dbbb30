import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.conftest import StubReader

from hematovision.cells import PhotoReading
from hematovision.errors import JobUnknownError, KeyOutdatedError
from hematovision.people import Role, User
from hematovision.services.accounts import add_user
from hematovision.services.batches import LEASE, MOST_ATTEMPTS, Desk, read_next, take_next
from hematovision.services.hands import Hand
from hematovision.services.jobs import JobTray, get_job, send_job
from hematovision.services.retention import Policy, delete_due, find_due
from hematovision.services.rotation import SETTING
from hematovision.storage.database import Database
from hematovision.storage.files import Files
from hematovision.storage.photos import PhotoState
from hematovision.storage.sealing import Seal

NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
FAR = datetime.max.replace(tzinfo=UTC)


class Bell:
    """Counts how often somebody wakes the workers."""

    def __init__(self) -> None:
        self.rung = 0

    def wake(self) -> None:
        self.rung += 1


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def tray(each_database: Database, tmp_path: Path, bell: Bell) -> JobTray:
    return JobTray(each_database, Files(str(tmp_path / "pictures"), Seal(bytes(32))), bell, 2**20)


@pytest.fixture
def user(tray: JobTray) -> User:
    return add_user(tray.database, "tom", Role.TECHNOLOGIST, by=Hand(None, "terminal", NOW))


@pytest.fixture
def by(user: User) -> Hand:
    return Hand(user.id, "api", NOW)


@pytest.fixture
def desk(tray: JobTray, reader: StubReader) -> Desk:
    return Desk(tray.database, tray.files, reader)


def clock(after: timedelta = timedelta()) -> Callable[[], datetime]:
    return lambda: NOW + after


def send(tray: JobTray, by: Hand, *pictures: bytes) -> int:
    return send_job(tray, map(io.BytesIO, pictures), by=by)


def test_job_waits_is_read_and_says_so(
    tray: JobTray, desk: Desk, user: User, by: Hand, bell: Bell, jpeg: bytes
) -> None:
    job_id = send(tray, by, jpeg, b"", jpeg)
    assert bell.rung == 1
    job = get_job(tray.database, job_id, user=user)
    assert [part.state for part in job.parts] == [PhotoState.WAITING, None, PhotoState.WAITING]
    assert (job.done, job.is_begun, job.parts[1].failure) == (1, False, "empty_file")
    assert read_next(desk, "a", clock=clock())
    assert get_job(tray.database, job_id, user=user).is_begun
    while read_next(desk, "a", clock=clock()):
        pass
    job = get_job(tray.database, job_id, user=user)
    assert job.done == 3
    first, _, last = job.parts
    assert isinstance(first.reading, PhotoReading)
    assert len(first.reading.cells) == 2
    assert first.photo_id != last.photo_id
    with tray.database.reading() as records:
        actions = [event.action for event in records.audit.list()]
    assert actions == ["photo.read"] * 2 + ["job.sent"] + ["photo.sent"] * 2 + ["user.added"]


def test_photo_of_a_lost_worker_is_read_by_another_once(
    tray: JobTray, desk: Desk, user: User, by: Hand, jpeg: bytes
) -> None:
    job_id = send(tray, by, jpeg)
    assert take_next(tray.database, "lost", now=NOW)
    assert not read_next(desk, "b", clock=clock())
    assert read_next(desk, "b", clock=clock(LEASE))
    assert not read_next(desk, "b", clock=clock(2 * LEASE))
    (part,) = get_job(tray.database, job_id, user=user).parts
    assert part.reading


def test_photo_that_nobody_can_read_fails_after_some_attempts(
    tray: JobTray, desk: Desk, user: User, by: Hand, jpeg: bytes
) -> None:
    job_id = send(tray, by, jpeg)
    for number in range(MOST_ATTEMPTS):
        assert take_next(tray.database, "lost", now=NOW + number * LEASE)
    read_next(desk, "b", clock=clock(MOST_ATTEMPTS * LEASE))
    (part,) = get_job(tray.database, job_id, user=user).parts
    assert (part.failure, part.is_done) == ("internal", True)
    # Nobody could look at it or try it again.
    assert list(tray.files.names(before=FAR)) == []
    with tray.database.reading() as records:
        assert records.discards.list(before=FAR, limit=9)


def test_what_cannot_be_kept_leaves_nothing(
    tray: JobTray, by: Hand, bell: Bell, jpeg: bytes
) -> None:
    def broken() -> Iterator[io.BytesIO]:
        yield io.BytesIO(jpeg)
        raise OSError("the upload broke off")

    with pytest.raises(OSError, match="broke off"):
        send_job(tray, broken(), by=by)
    with tray.database.transaction() as records:
        records.laboratory.set(SETTING, "of another key", seen=0, by=by.user_id, now=NOW)
    with pytest.raises(KeyOutdatedError):
        send(tray, by, jpeg)
    assert list(tray.files.names(before=FAR)) == []
    assert bell.rung == 0
    with tray.database.reading() as records:
        assert records.jobs.find(1) is None


def test_job_is_forgotten_with_its_readings(
    tray: JobTray, desk: Desk, user: User, by: Hand, jpeg: bytes
) -> None:
    job_id = send(tray, by, jpeg, b"")
    read_next(desk, "a", clock=clock())
    policy, later = Policy(case_days=30), Hand(None, "worker", NOW + timedelta(days=31))
    early = Hand(None, "worker", NOW + timedelta(days=29))
    for hand in (early, later):
        assert get_job(tray.database, job_id, user=user).done == 2
        due = find_due(tray.database, policy, now=hand.now)
        delete_due(tray.database, tray.files, due, policy, by=hand)
    with pytest.raises(JobUnknownError):
        get_job(tray.database, job_id, user=user)
    with tray.database.reading() as records:
        assert records.readings.find(1) is None
        assert records.audit.list()[0].action == "jobs.forgotten"


def test_of_two_who_send_one_job_one_does(tray: JobTray, by: Hand, jpeg: bytes) -> None:
    def overtaken() -> Iterator[io.BytesIO]:
        yield io.BytesIO(jpeg)
        with tray.database.transaction() as records:
            records.claims.add("request-0", now=NOW, became=7)

    assert send_job(tray, overtaken(), by=by, claim="request-0") == 7
    assert send_job(tray, overtaken(), by=by, claim="request-0") == 7
    assert tray.files.is_empty()
