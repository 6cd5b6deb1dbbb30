import hashlib
import io
import json
from http import HTTPStatus

import pytest
from fhir.resources.R4B.bundle import Bundle
from flask import Flask
from openpyxl import load_workbook
from tests.services.cases import say
from tests.services.signatures import add_person, hand_of, ready_case, sign

from hematovision.people import Role
from hematovision.services.amending import amend_case
from hematovision.storage.cases import Case
from hematovision.storage.database import Database

from .systems import System, system_of

FILES = {
    "report.pdf": "application/pdf",
    "cells.csv": "text/csv; charset=utf-8",
    "workbook.xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "fhir": "application/fhir+json",
}


@pytest.fixture
def system(app: Flask, database: Database) -> System:
    return system_of(app, database)


@pytest.fixture
def case(database: Database) -> Case:
    return ready_case(database)


def test_files_are_handed_over_whole_and_on_record(
    system: System, database: Database, case: Case
) -> None:
    for file, mimetype in FILES.items():
        answer = system.get(f"/cases/{case.id}/{file}")
        assert (answer.status_code, answer.content_type) == (HTTPStatus.OK, mimetype)
        assert answer.headers["Cache-Control"] == "no-store"
        assert case.accession not in answer.headers["Content-Disposition"]
        with database.reading() as records:
            event = records.audit.find(action="case.exported", subject=f"case {case.id}")
        assert event is not None
        assert event.details["sha256"] == hashlib.sha256(answer.data).hexdigest()
        assert event.door == "api"
    workbook = load_workbook(io.BytesIO(system.get(f"/cases/{case.id}/workbook.xlsx").data))
    assert workbook.worksheets[0].max_row == 101


def test_status_of_fhir_follows_the_signatures(
    system: System, database: Database, case: Case
) -> None:
    def status(asked: str = "") -> str:
        bundle = system.get(f"/cases/{case.id}/fhir{asked}")
        assert Bundle.model_validate_json(bundle.data)
        found: str = json.loads(bundle.data)["entry"][0]["resource"]["status"]
        return found

    rosa = add_person(database, "rosa")
    assert status() == "preliminary"
    sign(database, case, rosa)
    assert (status(), status("?version=0")) == ("final", "preliminary")
    amend_case(database, case.id, "One cell was a blast.", by=hand_of(rosa, 1))
    assert status() == "preliminary"
    say(database, case, "blast", 1)
    sign(database, case, rosa, minutes=2)
    assert (status(), status("?version=1"), status("?version=2")) == ("amended", "final", "amended")


def test_version_that_is_none_is_refused(system: System, case: Case) -> None:
    for asked, code, status in (
        ("1", "not_signed", 404),
        (2**31 - 2, "not_signed", 404),
        (2**63, "fields_invalid", 422),
        ("-1", "fields_invalid", 422),
        ("x", "fields_invalid", 422),
    ):
        for file in FILES:
            answer = system.get(f"/cases/{case.id}/{file}?version={asked}")
            assert (answer.status_code, answer.get_json()["code"]) == (status, code)
    assert system.get("/cases/99/fhir").get_json()["code"] == "case_unknown"


def test_viewer_takes_nothing_out(app: Flask, database: Database, case: Case) -> None:
    viewer = system_of(app, database, Role.VIEWER)
    for file in FILES:
        assert viewer.get(f"/cases/{case.id}/{file}").status_code == HTTPStatus.FORBIDDEN
