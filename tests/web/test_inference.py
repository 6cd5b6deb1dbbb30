"""The pages and the API while the networks run on a server, and while that does not answer."""

import io
import subprocess
import sys
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from flask import Flask
from PIL import Image
from tests.inference_servers import Served, http_server, reply
from tests.vision.networks import write_whole_model
from tests.vision.test_reader import BLUE, spotted

from hematovision.config import Settings
from hematovision.people import Role
from hematovision.storage.database import Database
from hematovision.web import create_app
from hematovision.web.health import KEY

from .conftest import Sender, bearer, signed_in


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_whole_model(tmp_path_factory.mktemp("remote") / "model")


@pytest.fixture
def served(folder: Path) -> Iterator[Served]:
    with http_server(folder) as served:
        yield served


@pytest.fixture(scope="module")
def picture() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(spotted((64, 64, BLUE))).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def settings(served: Served, folder: Path, tmp_path: Path) -> Settings:
    return Settings(
        model_folder=folder,
        data_folder=tmp_path / "data",
        inference_url=served.url,
        inference_fallback=False,
    )


def application(settings: Settings, database: Database, *, fallback: bool = False) -> Flask:
    given = Settings(
        model_folder=settings.model_folder,
        data_folder=settings.data_folder,
        inference_url=settings.inference_url,
        inference_fallback=fallback,
    )
    return create_app(given, None, database)


def sender_at(app: Flask, database: Database) -> Sender:
    return Sender(signed_in(app, database, Role.TECHNOLOGIST))


def test_photo_is_read_on_the_server(
    settings: Settings, database: Database, served: Served, picture: bytes
) -> None:
    sender = sender_at(application(settings, database), database)
    answer = sender.program((picture, "a.png"))
    assert answer.status_code == HTTPStatus.OK
    assert answer.json["engine"] == "remote"
    assert len(answer.json["cells"]) == 1
    assert served.inferences == 2
    kept = sender.client.get(
        answer.headers["Content-Location"], headers={"Accept": "application/json"}
    )
    assert kept.json == answer.json
    assert "did not answer" not in sender.page((picture, "a.png")).text


def test_server_that_is_gone_is_said_as_a_page_and_as_a_problem(
    settings: Settings, database: Database, served: Served, picture: bytes
) -> None:
    sender = sender_at(application(settings, database), database)
    served.always = reply(503)
    page = sender.page((picture, "a.png"))
    problem = sender.program((picture, "a.png"))
    for answer in (page, problem):
        assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        assert int(answer.headers["Retry-After"]) > 0
    assert "Nothing is wrong with the photo." in page.text
    assert problem.json["code"] == "inference_away"
    # Nothing was recorded, and everything else goes on.
    assert sender.client.get("/cases").status_code == HTTPStatus.OK
    served.always = reply(500)
    for _ in range(2):
        wrong = sender.program((picture, "a.png"), (picture, "b.png"))
    assert wrong.json["code"] in {"inference_wrong", "inference_away"}


def test_answer_that_is_none_is_said(
    settings: Settings, database: Database, served: Served, picture: bytes
) -> None:
    sender = sender_at(application(settings, database), database)
    served.always = reply(200, b"<html>")
    answer = sender.program((picture, "a.png"))
    assert answer.status_code == HTTPStatus.BAD_GATEWAY
    assert answer.json["code"] == "inference_wrong"


def test_fallback_is_marked_on_the_page_in_json_and_on_record(
    settings: Settings, database: Database, served: Served, picture: bytes
) -> None:
    sender = sender_at(application(settings, database, fallback=True), database)
    served.always = reply(503)
    answer = sender.program((picture, "a.png"))
    assert answer.status_code == HTTPStatus.OK
    assert answer.json["engine"] == "fallback"
    address = answer.headers["Content-Location"]
    said = "Read on this server, for the one that does the inference did not answer."
    assert said in sender.page((picture, "a.png")).text
    assert said in sender.client.get(address).text
    kept = sender.client.get(address, headers={"Accept": "application/json"})
    assert kept.json == answer.json


def test_readiness_tells_of_the_server_and_does_not_depend_on_it(
    settings: Settings, database: Database, served: Served
) -> None:
    app = application(settings, database)
    app.extensions[KEY].fresh = 0.0
    visitor = app.test_client()
    assert visitor.get("/readyz").json["checks"]["inference"] == "ok"
    served.is_ready = False
    answer = visitor.get("/readyz")
    assert answer.status_code == HTTPStatus.OK
    assert answer.json["status"] == "ok"
    assert answer.json["checks"]["inference"] == "failed"


READ = """
import io, sys
from pathlib import Path
from hematovision.config import Settings
from hematovision.storage.database import open_database
from hematovision.web import create_app

model, data, url, picture, token = sys.argv[1:]
settings = Settings(model_folder=Path(model), data_folder=Path(data), inference_url=url)
client = create_app(settings, None, open_database("", Path(data))).test_client()
answer = client.post(
    "/api/v1/readings",
    data={"image": (io.BytesIO(Path(picture).read_bytes()), "a.png")},
    headers={"Authorization": token},
)
(reading,) = answer.json["readings"]
print(reading["engine"], len(reading["cells"]), "onnxruntime" in sys.modules)
"""


def test_web_process_with_a_server_never_loads_an_engine(
    settings: Settings, database: Database, served: Served, picture: bytes, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(picture)
    token = bearer(database, Role.TECHNOLOGIST)["Authorization"]
    data = tmp_path / "database"
    words = [settings.model_folder, data, served.url, tmp_path / "a.png", token]
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", READ, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.split() == ["remote", "1", "False"], done.stderr
