import shutil
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import SQLAlchemyError

from hematovision.cells import CellReader
from hematovision.config import Settings
from hematovision.services.readiness import Needs
from hematovision.services.rotation import SETTING
from hematovision.storage.connections import FILE
from hematovision.storage.database import Database
from hematovision.storage.versions import downgrade
from hematovision.web import create_app
from hematovision.web.health import DRAINING, KEY

WELL = dict.fromkeys(("database", "pictures", "data_key", "model", "disk"), "ok")


def fresh(app: Flask) -> FlaskClient:
    """Give a visitor for whom everything is tried again."""
    app.extensions[KEY].fresh = 0.0
    return app.test_client()


def break_database(database: Database) -> None:
    """Take the tables away, as if it were another database."""
    database.close()
    folder = Path(database.engine.url.database).parent
    for file in folder.glob(f"{FILE}*"):
        file.unlink()


def test_server_in_order_is_ready(visitor: FlaskClient) -> None:
    answer = visitor.get("/readyz")
    assert answer.status_code == HTTPStatus.OK
    assert answer.json == {"status": "ok", "checks": WELL}


def test_process_answers_without_a_database(visitor: FlaskClient, database: Database) -> None:
    break_database(database)
    answer = visitor.get("/healthz")
    assert answer.status_code == HTTPStatus.OK
    assert answer.json == {"status": "ok"}


def failed(answer: object) -> set[str]:
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert answer.json["status"] == "failed"
    return {name for name, said in answer.json["checks"].items() if said != "ok"}


def test_database_that_is_away_is_named(app: Flask, database: Database) -> None:
    client = fresh(app)
    break_database(database)
    assert "database" in failed(client.get("/readyz"))


def test_tables_of_another_version_are_named(app: Flask, database: Database) -> None:
    client = fresh(app)
    downgrade(database.engine, "0007")
    assert "database" in failed(client.get("/readyz"))


def test_place_of_pictures_that_cannot_be_written_is_named(app: Flask, settings: Settings) -> None:
    client = fresh(app)
    pictures = settings.data_folder / "pictures"
    shutil.rmtree(pictures)
    pictures.write_bytes(b"no folder")
    assert failed(client.get("/readyz")) == {"pictures"}


def test_key_that_is_none_is_named(app: Flask, settings: Settings) -> None:
    client = fresh(app)
    (settings.data_folder / "data_key").write_text("no key")
    assert failed(client.get("/readyz")) == {"data_key"}


def test_key_that_holds_no_more_is_named(app: Flask, database: Database) -> None:
    client = fresh(app)
    with database.transaction() as records:
        records.laboratory.set(SETTING, "another", seen=0, by=None, now=datetime.now(UTC))
    assert failed(client.get("/readyz")) == {"data_key"}


def test_missing_model_is_named(settings: Settings, database: Database) -> None:
    app = create_app(settings, database=database)
    assert failed(app.test_client().get("/readyz")) == {"model"}


def test_disk_that_is_almost_full_is_named(app: Flask) -> None:
    wiring = app.extensions["hematovision"]
    folder = wiring.settings.data_folder
    needs = Needs(wiring.database, wiring.files, wiring.shelf, folder, folder)
    assert needs.check()["disk"]
    assert not replace(needs, least_free=10**18).check()["disk"]


def test_check_leaves_no_picture_behind(visitor: FlaskClient, settings: Settings) -> None:
    visitor.get("/readyz")
    assert [path for path in (settings.data_folder / "pictures").rglob("*") if path.is_file()] == []


def test_many_who_ask_are_answered_by_one_look(app: Flask, reader: CellReader) -> None:
    kept, asked = app.extensions[KEY], []
    make = kept.make
    kept.make = lambda: asked.append(1) or make()
    kept.fresh = 3600.0
    for _ in range(20):
        app.test_client().get("/readyz")
    assert len(asked) == 1


def test_what_hangs_is_not_ready(app: Flask) -> None:
    kept = app.extensions[KEY]
    kept.patience = 0.0
    kept.make = lambda: __import__("time").sleep(0.2)
    assert failed(app.test_client().get("/readyz")) == {"in_time"}


@pytest.mark.parametrize("address", ["/healthz", "/readyz"])
def test_who_watches_may_call_the_server_by_its_address(visitor: FlaskClient, address: str) -> None:
    assert visitor.get(address, base_url="http://10.1.2.3:5000").status_code == HTTPStatus.OK
    answer = visitor.get("/health", base_url="http://10.1.2.3:5000")
    assert answer.status_code == HTTPStatus.BAD_REQUEST


def test_failure_says_no_more_than_names(app: Flask, database: Database) -> None:
    client = fresh(app)
    break_database(database)
    text = client.get("/readyz").text
    assert str(database.engine.url.database) not in text
    assert SQLAlchemyError.__name__ not in text


def test_server_that_is_about_to_end_is_not_ready_and_answers(app: Flask) -> None:
    app.extensions[DRAINING] = lambda: True
    client = fresh(app)
    assert failed(client.get("/readyz")) == {"draining"}
    assert client.get("/healthz").status_code == HTTPStatus.OK
