import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from tests.films import picture
from tests.vision.networks import write_tiny_model

from hematovision.cells import NOTICE, CellReader
from hematovision.cli.demo import TO_DROP, apart, environment_of
from hematovision.cli.tools import Tools
from hematovision.config import Settings
from hematovision.people import Role
from hematovision.services.accounts import list_users
from hematovision.services.demonstrations import is_demonstration
from hematovision.storage.database import open_database
from hematovision.web import create_app

from .conftest import Run

PERSON = re.compile(r"^  (\w+) +([a-z]{4}(?:-[a-z]{4}){3})  (\w+)$", re.MULTILINE)
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@pytest.fixture(autouse=True)
def temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let what is thrown away lie where a test can look for it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.jpg").write_bytes(picture(number, 96, 64))
    return folder


class StubServer:
    """Says, as it runs, what the data folder holds."""

    effective_host, effective_port = "127.0.0.1", 5050

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.cases: list[str] = []

    def run(self) -> None:
        self.cases = cases_in(self.settings.data_folder)


def cases_in(folder: Path) -> list[str]:
    database = open_database("", folder)
    with database.reading() as records:
        found = map(records.cases.find_by_id, range(1, 10))
        cases = [case.accession for case in found if case]
    database.close()
    return cases


def everything_in(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


def test_demonstration_is_served_and_thrown_away_and_touches_nothing_else(
    run: Run, tools: Tools, photos: Path, tmp_path: Path, temporary_folder: Path
) -> None:
    real = replace(
        tools.settings,
        database_url=f"sqlite:///{tmp_path / 'real.sqlite'}",
        pictures_url=str(tmp_path / "real-pictures"),
        queue_url="redis://nowhere.invalid",
        admin_password_file=tmp_path / "none",
    )
    servers: list[StubServer] = []
    workers: list[tuple[int, Mapping[str, str]]] = []

    def open_server(settings: Settings) -> StubServer:
        servers.append(StubServer(settings))
        return servers[0]

    def keep_workers(number: int, environment: Mapping[str, str]) -> AbstractContextManager[None]:
        workers.append((number, environment))
        return nullcontext()

    tools = replace(tools, settings=real, open_server=open_server, keep_workers=keep_workers)
    result = run("demo", photos, tools=tools)
    assert result.exit_code == 0, result.output
    assert "The demonstration is at http://127.0.0.1:5050\n" in result.stdout
    assert NOTICE in result.stdout
    (server,) = servers
    assert server.cases == [f"DEMO-{number}" for number in range(1, 9)]
    assert (server.settings.host, server.settings.port) == ("127.0.0.1", 0)
    assert server.settings.data_folder.parent == temporary_folder
    assert everything_in(temporary_folder) == []
    ((number, environment),) = workers
    assert number == 1
    assert environment["HEMATOVISION_DATA_FOLDER"] == str(server.settings.data_folder)
    assert server.settings == apart(real, server.settings.data_folder, 0)
    assert not list(tmp_path.glob("real*"))
    assert not real.data_folder.exists()


def test_prepared_laboratory_lets_everybody_in_as_printed(
    run: Run, photos: Path, tmp_path: Path, reader: CellReader
) -> None:
    kept = tmp_path / "kept"
    result = run("demo", "--no-serve", "--keep", kept, photos)
    assert result.exit_code == 0, result.output
    assert f"HEMATOVISION_DATA_FOLDER={kept}" in result.stdout
    people = PERSON.findall(result.stdout)
    assert {role for _, _, role in people} == set(Role)
    database = open_database("", kept)
    assert is_demonstration(database)
    assert [user.name for user in list_users(database)] == sorted(name for name, _, _ in people)
    app = create_app(Settings(data_folder=kept), reader, database)
    for name, password, role in people:
        assert_lets_in(app, name, password, Role(role))
    database.close()
    assert kept.stat().st_mode & 0o777 == 0o700
    assert str(kept / TO_DROP) in result.stdout
    assert len(list((kept / TO_DROP).glob("drawn-*.jpg"))) == 4


def assert_lets_in(app: Flask, name: str, password: str, role: Role) -> None:
    client = app.test_client()
    found = TOKEN.search(client.get("/sign-in").text)
    assert found
    form = {"name": name, "password": password, "csrf_token": found[1]}
    assert client.post("/sign-in", data=form).status_code == 303
    cases = client.get("/cases").text
    assert "DEMO-8" in cases
    assert ('href="/users"' in cases) == (role is Role.ADMINISTRATOR)


def test_nothing_is_left_without_serving_or_keeping(run: Run, temporary_folder: Path) -> None:
    result = run("demo", "--no-serve")
    assert result.exit_code == 2
    assert "--keep" in result.stderr
    assert everything_in(temporary_folder) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("there", "is there already", id="a folder that is there"),
        pytest.param("file", "is there already", id="a file"),
        pytest.param("private", "belongs to the installation", id="the data folder"),
        pytest.param("private/demo", "belongs to the installation", id="inside the data folder"),
        pytest.param("file/demo", "cannot be made", id="where none can be made"),
    ],
)
def test_folder_that_is_not_its_own_is_refused_and_left_alone(
    run: Run, tmp_path: Path, photos: Path, name: str, said: str
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "hematovision.sqlite").write_text("somebody's")
    (tmp_path / "file").write_text("somebody's")
    before = everything_in(tmp_path)
    result = run("demo", "--no-serve", "--keep", tmp_path / name, photos)
    assert result.exit_code == 1
    assert said in result.stderr
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize("given", [[], ["--keep", "kept"]])
def test_folder_without_a_photo_makes_nothing(
    run: Run, tmp_path: Path, given: list[str], temporary_folder: Path
) -> None:
    (tmp_path / "empty").mkdir()
    result = run("demo", *given[:1], *(tmp_path / one for one in given[1:]), tmp_path / "empty")
    assert result.exit_code == 1
    assert "no photo in this folder" in result.stderr
    assert everything_in(temporary_folder) == []
    assert not (tmp_path / "kept").exists()


def test_missing_model_leaves_nothing(
    run: Run, tools: Tools, photos: Path, tmp_path: Path, temporary_folder: Path
) -> None:
    tools = Tools(replace(tools.settings, model_folder=tmp_path / "none"))
    for given in ([], ["--no-serve", "--keep", tmp_path / "kept"]):
        result = run("demo", *given, photos, tools=tools)
        assert result.exit_code == 1
        assert "model" in result.stderr
    assert everything_in(temporary_folder) == []
    assert not (tmp_path / "kept").exists()


def test_taken_port_is_told_before_anything_is_made(run: Run, photos: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        result = run("demo", "--port", port, "--keep", tmp_path / "kept", photos)
    assert result.exit_code == 1
    assert f"port {port}" in result.stderr
    assert not (tmp_path / "kept").exists()


def test_only_model_and_threads_are_those_of_the_installation(tmp_path: Path) -> None:
    given: dict[str, Any] = {"model_folder": tmp_path / "model", "threads": 3}
    real = Settings(
        **given,
        host="0.0.0.0",  # noqa: S104 - that is what must not be taken over
        trusted_hosts=("lab.example",),
        secret_key="theirs",  # noqa: S106
        database_url="postgresql://lab",
    )
    assert apart(real, tmp_path, 5) == Settings(**given, data_folder=tmp_path, port=5)


def test_workers_see_nothing_of_the_real_installation(tmp_path: Path) -> None:
    environment = environment_of(
        Settings(data_folder=tmp_path, threads=2),
        {"PATH": "/bin", "HEMATOVISION_DATABASE_URL": "postgresql://lab"},
    )
    assert environment.pop("PATH") == "/bin"
    assert set(environment) == {
        "HEMATOVISION_MODEL_FOLDER",
        "HEMATOVISION_DATA_FOLDER",
        "HEMATOVISION_THREADS",
        "HEMATOVISION_DECODERS",
    }
    settings = Settings.from_environment(environment)
    assert (settings.data_folder, settings.threads) == (tmp_path, 2)


def test_real_processes_read_what_arrives_and_leave_nothing(
    photos: Path, tmp_path: Path, temporary_folder: Path
) -> None:
    real = tmp_path / "real"
    environment = {name: value for name, value in os.environ.items() if "HEMATOVISION" not in name}
    environment |= {
        "TMPDIR": str(temporary_folder),
        "HEMATOVISION_DATA_FOLDER": str(real),
        "HEMATOVISION_DATABASE_URL": f"sqlite:///{real / 'real.sqlite'}",
        "HEMATOVISION_MODEL_FOLDER": str(write_tiny_model(tmp_path / "model")),
    }
    command = [sys.executable, "-m", "hematovision", "demo", str(photos)]
    process = subprocess.Popen(  # noqa: S603 - our own program
        command, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        address = next(line for line in process.stdout if "The demonstration is at" in line)
        assert re.search(r"http://127\.0\.0\.1:[1-9]\d*$", address)
        (folder,) = temporary_folder.glob("hematovision-demo-*")
        wait_until_read(folder)
        assert not real.exists()
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
    assert list(temporary_folder.glob("hematovision-demo-*")) == []


def wait_until_read(folder: Path) -> None:
    """Wait until the photos that arrive are read: by a worker, for nobody else does."""
    database = open_database("", folder)
    waiting = {"waiting": 1}
    while waiting:
        with database.reading() as records:
            states = records.photos.count(7)
        waiting = {state: number for state, number in states.items() if state != "read"}
    assert states
    database.close()
