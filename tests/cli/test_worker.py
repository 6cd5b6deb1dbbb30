import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.installations import Installation, field_pictures, installation

from hematovision.cli.tools import Tools
from hematovision.config import Settings
from hematovision.errors import ModelMissingError
from hematovision.storage.photos import PhotoState
from hematovision.storage.private import keep_data_key

from .conftest import Run

SLOW = """
import time
from hematovision.cli import main
from hematovision.cli.tools import Tools
from hematovision.cells import ModelIdentity
from hematovision.config import Settings

class SlowReader:
    model = ModelIdentity("slow", "0.0.0", "0" * 64)
    def read(self, photo, *, explain=False):
        print("begun", file=sys.stderr, flush=True)
        time.sleep(SECONDS)
        return ()

import sys
main(["worker", "--readers", "1"], obj=Tools(
    Settings.from_environment(), load_reader=lambda folder, threads=0: SlowReader()
))
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path) as made:
        yield made


@pytest.fixture
def with_key(settings: Settings) -> Settings:
    keep_data_key(settings.data_folder)
    return settings


def test_missing_model_is_named(run: Run, tools: Tools) -> None:
    def load_reader(folder: Path, *, threads: int = 0) -> None:
        raise ModelMissingError("There is no model.")

    result = run("worker", tools=replace(tools, load_reader=load_reader))
    assert result.exit_code == 1
    assert "There is no model. Put the model folder back" in result.stderr


@pytest.mark.parametrize("command", ["worker", "classify"])
def test_missing_grpc_is_named(
    run: Run, tools: Tools, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setitem(sys.modules, "hematovision.vision.remote_grpc", None)
    settings = replace(tools.settings, inference_url="grpc://127.0.0.1:9")
    words = [command, "--no-record", "a.jpg"] if command == "classify" else [command]
    result = run(*words, tools=replace(tools, settings=settings))
    assert result.exit_code == 1
    assert "pip install 'hematovision[grpc]'" in result.stderr


def test_missing_key_is_named_and_none_is_made(run: Run, settings: Settings) -> None:
    result = run("worker")
    assert result.exit_code == 1
    assert f"There is no {settings.data_folder / 'data_key'}" in result.stderr
    assert "start the server first" in result.stderr
    assert not (settings.data_folder / "data_key").exists()


def test_key_that_is_none_is_named(run: Run, with_key: Settings) -> None:
    (with_key.data_folder / "data_key").write_text("no key")
    result = run("worker")
    assert result.exit_code == 1
    assert "data_key holds no key of 32 bytes. Put back the one of the server." in result.stderr


@pytest.mark.parametrize("command", ["worker", "serve"])
def test_queue_that_is_none_is_named(
    run: Run, tools: Tools, with_key: Settings, command: str
) -> None:
    settings = replace(with_key, port=0, queue_url="http://:hush@host")
    result = run(command, tools=replace(tools, settings=settings))
    assert result.exit_code == 1
    assert "HEMATOVISION_QUEUE_URL cannot be used" in result.stderr
    assert "hush" not in result.output


def test_database_that_is_none_is_named(run: Run, tools: Tools, with_key: Settings) -> None:
    settings = replace(with_key, database_url="nonsense")
    result = run("worker", tools=replace(tools, settings=settings))
    assert result.exit_code == 1
    assert "HEMATOVISION_DATABASE_URL" in result.stderr


def test_worker_whose_parent_is_another_ends_by_itself(run: Run, with_key: Settings) -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        # No process is its own parent.
        assert run("worker", "--parent", str(os.getpid())).exit_code == 0
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (with_key.data_folder / "queue.sqlite").exists()


def test_worker_reads_what_waits_and_says_so(home: Installation) -> None:
    case = home.send(field_pictures(3))
    worker = home.start("worker", "--readers", "1")
    home.until(lambda: home.states(case) == {PhotoState.READ: 3})
    home.until(lambda: "Photos read: 3 in" in home.log)
    worker.send_signal(signal.SIGINT)
    assert worker.wait(20) == 0
    assert "reads with tiny 1.0.0" in home.log
    assert home.log.rstrip().endswith("stops")


@pytest.mark.parametrize(
    ("seconds", "left"),
    [
        pytest.param(1, {PhotoState.READ: 1, PhotoState.WAITING: 1}, id="soon read"),
        pytest.param(600, {PhotoState.WAITING: 2}, id="given back"),
    ],
)
def test_ended_worker_leaves_no_photo_in_hand(
    home: Installation, seconds: int, left: dict[PhotoState, int]
) -> None:
    case = home.send(field_pictures(2))
    worker = home.start(program=SLOW.replace("SECONDS", str(seconds)))
    home.until(lambda: "begun" in home.log)
    worker.terminate()
    assert worker.wait(20) == 0
    assert home.states(case) == left
    assert ("is given back" in home.log) == (PhotoState.READ not in left)
    assert "Traceback" not in home.log


def test_picture_sealed_with_another_key_fails_by_name(home: Installation) -> None:
    case = home.send(field_pictures(1))
    key = home.settings.data_folder / "data_key"
    key.write_text("0" * 64)
    home.start("worker")
    home.until(lambda: home.states(case) == {PhotoState.FAILED: 1})
    assert "cannot be read: picture_gone" in home.log
