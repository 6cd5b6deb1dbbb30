from http import HTTPStatus

import pytest
from flask import Flask
from tests.services.cases import NOW, make_case, say

from hematovision.cells import CellType
from hematovision.labels import Count
from hematovision.people import Role
from hematovision.services.hands import Hand
from hematovision.services.naming import add_label
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.web.api.differential import DifferentialDocument

from .systems import System, system_of


@pytest.fixture
def system(app: Flask, database: Database) -> System:
    return system_of(app, database, Role.VIEWER)


@pytest.fixture
def case(database: Database) -> Case:
    case = make_case(database, [CellType.NEUTROPHIL] * 6 + [CellType.LYMPHOCYTE] * 3 + [None])
    by = Hand(None, "page", NOW)
    label = add_label(database, "Hairy cell", "J", Count.WHITE, by=by)
    say(database, case, label.code, 10)
    say(database, case, "band", 1)
    return case


def test_differential_gives_each_class_with_its_limits(system: System, case: Case) -> None:
    found = system.get(f"/cases/{case.id}/differential").get_json()
    assert (found["counted"], found["confirmed"], found["named"]) == (10, 2, 9)
    parts = {part["code"]: part for part in found["parts"]}
    neutrophils = parts["neutrophil"]
    assert (neutrophils["key"], neutrophils["number"], neutrophils["suggested"]) == ("N", 6, 6)
    share = neutrophils["share"]
    assert (share["value"], round(share["low"], 1), round(share["high"], 1)) == (60, 26.2, 87.8)
    assert share["range"]["low"] < share["range"]["high"]
    assert share["verdict"] == "undecided"
    assert parts["band"]["inside"] == "neutrophil"
    assert parts["own_hairy_cell"]["number"] == 1
    own = next(label for label in found["labels"] if label["is_own"])
    assert own == {
        "code": "own_hairy_cell",
        "key": "J",
        "count": "white",
        "name": "Hairy cell",
        "is_own": True,
    }
    assert found["labels"][0]["name"] == "neutrophil"
    assert {check["code"] for check in found["checks"]} >= {"target", "unconfirmed"}
    assert found["case"]["id"] == case.id


def test_document_holds_all_that_its_schema_promises(system: System, case: Case) -> None:
    found = system.get(f"/cases/{case.id}/differential").get_json()
    assert DifferentialDocument().validate(found) == {}


def test_differential_that_did_not_change_is_not_sent_again(
    system: System, database: Database, case: Case
) -> None:
    address = f"/cases/{case.id}/differential"
    tag = {"If-None-Match": system.get(address).headers["ETag"]}
    assert system.get(address, **tag).status_code == HTTPStatus.NOT_MODIFIED
    say(database, case, "blast", 2)
    assert system.get(address, **tag).status_code == HTTPStatus.OK


def test_look_is_on_record(system: System, database: Database, case: Case) -> None:
    system.get(f"/cases/{case.id}/differential")
    with database.reading() as records:
        event = records.audit.find(action="differential.seen", subject=f"case {case.id}")
    assert event is not None
    assert event.door == "api"
    assert system.get("/cases/99/differential").status_code == HTTPStatus.NOT_FOUND
