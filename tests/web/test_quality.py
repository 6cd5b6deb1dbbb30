import csv
import io
import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.services.test_quality import L, N, read, say
from tests.vision.model_folder import write_model_folder

from hematovision.cells import Measured, ModelIdentity
from hematovision.config import Settings
from hematovision.limits import exact_limits
from hematovision.people import Role
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.locator_checks import LocatorCheck
from hematovision.vision.bundle import read_bundle
from hematovision.vision.looks import LOOKS_FILE
from hematovision.web.quality_tables import TABLES

from .conftest import signed_in

NOW = datetime.now(UTC)
FAR = Measured(red=0.5, focus=-5.0)
SETS = {"bccd": {"photos": 99, "measures": {"red": [0, 0.5, 1], "focus": [-2, -1, 0]}}}


@pytest.fixture
def model(settings: Settings) -> ModelIdentity:
    """Keep beside the model how the pictures look that it was made from."""
    folder = write_model_folder(settings.model_folder)
    model = read_bundle(folder).identity
    write_looks(folder, model)
    return model


def write_looks(folder: Path, model: ModelIdentity) -> None:
    (folder / LOOKS_FILE).write_text(json.dumps({"model": asdict(model), "sets": SETS}))


@pytest.fixture
def case(database: Database) -> Case:
    with database.transaction() as records:
        return records.cases.add("26-1", "", by=None, now=NOW)


@pytest.fixture
def filled(database: Database, case: Case, model: ModelIdentity) -> Case:
    """Read photos that look unlike, change a third of their names, and check one of them."""
    for _ in range(24):
        read(database, case, [N, N, L, None], NOW, FAR, model)
    ines = say(database, case, ["neutrophil", "lymphocyte", "lymphocyte", "band"] * 24, at=NOW)
    say(database, case, ["neutrophil", "neutrophil"], by="=omar", at=NOW)
    with database.transaction() as records:
        (first, *_) = records.photos.list(case.id)
        records.locator_checks.add(LocatorCheck(first.id, 4, 1, 1, ines, NOW))
    return case


def table(client: FlaskClient, name: str, **asked: str) -> list[dict[str, str]]:
    answer = client.get(f"/quality/tables/{name}.csv", query_string=asked)
    assert answer.status_code == HTTPStatus.OK
    assert answer.mimetype == "text/csv"
    assert f"quality-{name}.csv" in answer.headers["Content-Disposition"]
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_page_says_what_to_do_where_nothing_was_read(client: FlaskClient) -> None:
    page = client.get("/quality").text
    assert "Nothing was read or reviewed in this time" in page
    assert '<svg class="plot' not in page


def test_page_shows_every_part_and_no_style(client: FlaskClient, filled: Case) -> None:
    answer = client.get("/quality")
    assert answer.status_code == HTTPStatus.OK
    page = answer.text
    for words in (
        "31.9 %</span>",
        "of 72 names that somebody looked at",
        "25.0 %</span>",
        "of 96 cells that were found; limits 16.7 to 34.9",
        "A white cell was found in every photo.",
        "ines",
        "=omar",
        "BCCD",
        "24 of 24 photos lie outside: 100.0 % (85.8 to 100.0)",
        "of 4 white cells were missed; limits 0.6 to 80.6",
        "25.0 % of the boxes hold none",
        "Kappa",
        "These photos look unlike those that the model was made from.",
        "hematovision model adapt",
    ):
        assert words in page
    assert " style=" not in page
    for name in TABLES:
        assert f"/quality/tables/{name}.csv" in page


def test_page_does_not_warn_of_photos_like_those_learnt(
    client: FlaskClient, database: Database, case: Case, model: ModelIdentity
) -> None:
    for _ in range(24):
        read(database, case, [N], NOW, Measured(focus=-1.0), model)
    page = client.get("/quality").text
    assert "0 of 24 photos lie outside: 0.0 % (0.0 to 14.2)" in page
    assert "look unlike" not in page


@pytest.mark.parametrize(
    "content", [pytest.param("", id="missing"), pytest.param("{", id="broken")]
)
def test_page_says_who_can_measure_where_nobody_did(
    client: FlaskClient, settings: Settings, filled: Case, content: str
) -> None:
    path = settings.model_folder / LOOKS_FILE
    path.write_text(content) if content else path.unlink()
    page = client.get("/quality").text
    assert "hematovision model looks" in page
    assert "hematovision model adapt" not in page
    assert table(client, "drift") == []


def test_tables_have_the_numbers_of_the_charts(client: FlaskClient, filled: Case) -> None:
    first, second = table(client, "classes")
    low, high = exact_limits(23, 48)
    assert first == {
        "class": "neutrophil",
        "changed": "23",
        "named": "48",
        "share": str(round(23 / 48, 6)),
        "low": str(round(low, 6)),
        "high": str(round(high, 6)),
    }
    assert (second["class"], second["changed"], second["named"]) == ("lymphocyte", "0", "24")
    (week,) = table(client, "weeks")
    monday = datetime.now().astimezone().date()
    monday -= timedelta(days=monday.weekday())
    assert (week["week_of"], week["changed"], week["named"]) == (monday.isoformat(), "23", "72")
    (left,) = table(client, "unidentified")
    assert [left[one] for one in ("unidentified", "cells", "photos", "photos_without_cell")] == [
        "24",
        "96",
        "24",
        "0",
    ]
    confusion = {(row["model"], row["people"]): row["cells"] for row in table(client, "confusion")}
    assert confusion["unidentified", "band"] == "24"
    (both,) = [row for row in table(client, "agreement") if not row["class"]]
    assert (both["same"], both["cells"], both["kappa"]) == ("1", "2", "0.0")
    drift = {row["measure"]: row for row in table(client, "drift")}
    assert (drift["focus"]["outside"], drift["focus"]["mean"]) == ("24", "-5.0")
    (checked,) = table(client, "locator")
    assert (checked["missed"], checked["cells"], checked["wrong"], checked["boxes"]) == (
        *("1", "4"),
        *("1", "4"),
    )


def test_no_name_runs_in_a_spreadsheet_as_a_formula(client: FlaskClient, filled: Case) -> None:
    readers = {row["reader"] for row in table(client, "readers")}
    assert readers == {"ines", "'=omar"}


def test_who_takes_numbers_away_is_on_record(
    client: FlaskClient, database: Database, filled: Case
) -> None:
    table(client, "readers")
    with database.reading() as records:
        assert records.audit.list(limit=1)[0].action == "quality.exported"
        assert records.audit.list(limit=1)[0].subject == "table readers"


def test_table_that_there_is_not_is_not_found(client: FlaskClient) -> None:
    assert client.get("/quality/tables/x.csv").status_code == HTTPStatus.NOT_FOUND


def test_period_is_that_of_the_address(client: FlaskClient, filled: Case) -> None:
    tomorrow = (datetime.now().astimezone() + timedelta(days=1)).date().isoformat()
    assert table(client, "weeks", **{"from": tomorrow}) == []
    assert len(table(client, "weeks", to=tomorrow)) == 1
    assert "Nothing was read or reviewed" in client.get(f"/quality?from={tomorrow}").text


@pytest.mark.parametrize("day", ["x", "2026-02-30", "9999-12-31", "0001-01-01", "-1"])
def test_day_that_is_none_bounds_nothing(
    client: FlaskClient, database: Database, case: Case, day: str
) -> None:
    read(database, case, [N], NOW)
    say(database, case, ["neutrophil"], at=NOW)
    assert len(table(client, "weeks", **{"from": day, "to": ""})) == 1


def test_numbers_hold_where_nobody_looked_yet(
    client: FlaskClient, database: Database, case: Case
) -> None:
    read(database, case, [], NOW)
    page = client.get("/quality").text
    for words in (
        "Nobody looked at a name in this time.",
        "No cell was found in this time.",
        "No two people named the same cell in this time.",
        "Nobody checked the locator in this time.",
        "hematovision model looks",
    ):
        assert words in page


def test_photos_without_a_cell_are_counted(
    client: FlaskClient, database: Database, filled: Case
) -> None:
    read(database, filled, [], NOW)
    assert "No white cell was found in 1 of 25 photos." in client.get("/quality").text


def test_menu_offers_the_page_to_those_who_may_see_it(app: Flask, database: Database) -> None:
    link = 'href="/quality"'
    assert link in signed_in(app, database, Role.TECHNOLOGIST).get("/").text
    assert link not in signed_in(app, database, Role.VIEWER).get("/").text
