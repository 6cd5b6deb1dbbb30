import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.installations import Installation, field_pictures, installation, lives

from hematovision.cli import children
from hematovision.cli.children import keep_workers
from hematovision.storage.photos import PhotoState
from hematovision.storage.private import keep_data_key


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path) as made:
        keep_data_key(made.settings.data_folder)
        yield made


def worker_of(home: Installation, server: psutil.Popen) -> psutil.Process:
    """Wait until a server's worker is at work."""
    (worker,) = home.until(lambda: home.children(server))
    home.until(lambda: f"-{worker.pid}-" in home.log)
    return worker


def test_server_reads_in_the_background_and_ends_its_worker(home: Installation) -> None:
    server = home.start("serve", "--port", "0")
    case = home.send(field_pictures(2))
    home.until(lambda: home.states(case) == {PhotoState.READ: 2})
    worker = worker_of(home, server)
    server.terminate()
    assert server.wait(20) == 0
    assert not lives(worker)
    assert "stops" in home.log
    assert "another is started" not in home.log


def test_worker_that_died_is_started_anew(home: Installation) -> None:
    server = home.start("serve", "--port", "0")
    worker_of(home, server).kill()
    home.until(lambda: "A worker ended (code -9); another is started in 1 s" in home.log)
    case = home.send(field_pictures(1))
    home.until(lambda: home.states(case) == {PhotoState.READ: 1})


def test_worker_ends_when_its_server_is_killed(home: Installation) -> None:
    server = home.start("serve", "--port", "0")
    worker = worker_of(home, server)
    server.kill()
    home.until(lambda: not lives(worker))
    assert "the server that started it has ended" in home.log


def test_server_without_workers_lets_others_read(home: Installation) -> None:
    server = home.start("serve", "--port", "0", "--workers", "0")
    case = home.send(field_pictures(1))
    home.start("worker")
    home.until(lambda: home.states(case) == {PhotoState.READ: 1})
    assert home.children(server) == []


def test_the_sooner_workers_die_the_longer_until_the_next(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(children, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(children, "LONGEST_PAUSE", 0.4)
    monkeypatch.setattr(children, "worker_command", lambda: ["/no/such/program"])
    with keep_workers(1):
        time.sleep(2)
    pauses = [record.args[1] for record in caplog.records if "another" in record.msg]
    assert pauses[:3] == [0.1, 0.2, 0.4]
    assert set(pauses[3:]) <= {0.4}
    assert "No worker can be started" in caplog.text


def test_worker_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "GRACE_SECONDS", 0.2)
    stubborn = ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]
    monkeypatch.setattr(children, "worker_command", lambda: stubborn)
    with keep_workers(2):
        time.sleep(0.5)
        started = [one for one in psutil.Process().children() if "trap" in str(one.cmdline())]
        assert len(started) == 2
    assert not any(map(lives, started))


def test_ending_is_as_before_once_the_server_has_ended() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with keep_workers(0):
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is before
