from http import HTTPStatus

import pytest
from flask import Flask
from tests.services.cases import make_case, say

from hematovision.cells import CellType
from hematovision.people import Role
from hematovision.storage.database import Database

from .systems import System, system_of

NEUTROPHIL = CellType.NEUTROPHIL


@pytest.fixture
def system(app: Flask, database: Database) -> System:
    return system_of(app, database)


def test_case_is_made_and_found_where_location_says(system: System) -> None:
    made = system.post("/cases", {"accession": " 26-0837 ", "note": "Follow-up."})
    assert made.status_code == HTTPStatus.CREATED
    assert made.headers["Location"] == "/api/v1/cases/1"
    shown = system.get(made.headers["Location"])
    assert shown.get_json() == made.get_json()
    assert made.get_json() | {"created_at": ""} == {
        "id": 1,
        "accession": "26-0837",
        "note": "Follow-up.",
        "state": "open",
        "version": 1,
        "target": 100,
        "white_count": None,
        "age_band": None,
        "may_improve": False,
        "created_at": "",
        "reviewed_at": None,
        "reviewer": None,
        "sent_back": False,
        "photos": {},
        "cells": 0,
        "unidentified": 0,
    }
    assert made.get_json()["created_at"].endswith("Z")


def test_case_says_how_far_it_is(system: System, database: Database) -> None:
    case = make_case(database, [NEUTROPHIL, None, None])
    say(database, case, "blast", 2)
    found = system.get(f"/cases/{case.id}").get_json()
    assert (found["cells"], found["unidentified"], found["photos"]) == (3, 1, {"read": 1})
    assert (found["reviewer"], found["reviewed_at"]) == ("ines", "2026-11-25T20:00:00Z")


def test_walk_gives_every_case_once_though_others_are_made_meanwhile(
    system: System, database: Database
) -> None:
    cases = [make_case(database, number=f"26-{number}").id for number in range(5)]
    walk = system.walk("/cases?limit=2")
    found = [next(walk)["id"]]
    make_case(database, number="27-1")
    found += [one["id"] for one in walk]
    assert found == cases[::-1]


def test_cases_are_found_by_state_and_by_part_of_their_number(
    system: System, database: Database
) -> None:
    for number in ("26-A", "26-a/2", "27-1"):
        make_case(database, number=number)
    with database.transaction() as records:
        records.cases.begin_review(2)

    def found(asked: str) -> list[str]:
        return [one["accession"] for one in system.walk(f"/cases?{asked}&limit=1")]

    assert found("q=A") == ["26-a/2", "26-A"]
    assert found("state=in_review") == ["26-a/2"]
    assert found("state=open&q=26") == ["26-A"]
    assert found("q=%25") == []
    assert found("state=signed") == []


def test_case_that_did_not_change_is_not_sent_again(system: System, database: Database) -> None:
    case = make_case(database, [NEUTROPHIL])
    tag = system.get(f"/cases/{case.id}").headers["ETag"]
    again = system.get(f"/cases/{case.id}", **{"If-None-Match": tag})
    assert (again.status_code, again.data) == (HTTPStatus.NOT_MODIFIED, b"")
    say(database, case, "blast", 1)
    changed = system.get(f"/cases/{case.id}", **{"If-None-Match": tag})
    assert changed.status_code == HTTPStatus.OK


def test_number_that_is_taken_is_refused(system: System) -> None:
    assert system.post("/cases", {"accession": "26-A"}).status_code == HTTPStatus.CREATED
    answer = system.post("/cases", {"accession": "26-a"})
    assert (answer.status_code, answer.get_json()["code"]) == (409, "accession_taken")


REFUSED: list[tuple[object, str]] = [
    ({}, "fields_invalid"),
    ([], "fields_invalid"),
    ({"accession": ""}, "fields_invalid"),
    ({"accession": "1" * 65}, "fields_invalid"),
    ({"accession": 26}, "fields_invalid"),
    ({"accession": "26", "state": "signed"}, "fields_invalid"),
    ({"accession": "26", "note": "x" * 4001}, "fields_invalid"),
    ({"accession": "26\x00"}, "accession_invalid"),
    ({"accession": "\ud800"}, "accession_invalid"),
    ({"accession": "<b>"}, "accession_invalid"),
]


def test_what_cannot_be_a_case_is_refused(system: System, database: Database) -> None:
    # One application for all of them: none of them leaves anything behind.
    for sent, code in REFUSED:
        answer = system.post("/cases", sent)
        assert (answer.status_code, answer.get_json()["code"]) == (422, code), sent
        assert answer.mimetype == "application/problem+json"
    assert list(system.walk("/cases")) == []


def test_search_that_cannot_be_is_refused(system: System) -> None:
    for asked in (
        "state=closed",
        "limit=0",
        "limit=201",
        "limit=x",
        "cursor=x",
        "cursor=LTE=",
        "x=1",
    ):
        answer = system.get(f"/cases?{asked}")
        assert (answer.status_code, answer.get_json()["code"]) == (422, "fields_invalid"), asked


def test_search_for_what_no_number_holds_is_no_failure(system: System) -> None:
    for asked in ("q=%00", "q=%ED%A0%80", f"q={'9' * 64}"):
        assert system.get(f"/cases?{asked}").get_json()["items"] == []


def test_case_that_is_none_is_not_found(system: System) -> None:
    for number in (0, 9, 2**63, 10**30):
        answer = system.get(f"/cases/{number}")
        assert (answer.status_code, answer.get_json()["code"]) == (404, "case_unknown")


def test_looks_are_on_record_once_though_programs_ask_again_and_again(
    system: System, database: Database
) -> None:
    case = make_case(database)
    for _ in range(3):
        system.get("/cases")
        system.get(f"/cases/{case.id}")
    with database.reading() as records:
        events = [(one.action, one.subject, one.door) for one in records.audit.walk()]
    assert events.count(("cases.seen", "cases", "api")) == 1
    assert events.count(("case.seen", f"case {case.id}", "api")) == 1


def test_viewer_sees_cases_and_makes_none(app: Flask, database: Database) -> None:
    viewer = system_of(app, database, Role.VIEWER)
    assert viewer.get("/cases").status_code == HTTPStatus.OK
    answer = viewer.post("/cases", {"accession": "26-1"})
    assert (answer.status_code, answer.get_json()["code"]) == (403, "not_allowed")
