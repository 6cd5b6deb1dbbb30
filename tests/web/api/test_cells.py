from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import pytest
from flask import Flask
from tests.conftest import StubReader
from tests.services.cases import cells_of, make_case, say
from tests.services.signatures import add_person, ready_case, sign

from hematovision.cells import CellType
from hematovision.people import Right, Role
from hematovision.services.hands import Hand
from hematovision.services.tokens import add_token
from hematovision.storage.cases import Case
from hematovision.storage.database import Database

from .systems import System, read_all, system_of

NEUTROPHIL = CellType.NEUTROPHIL
LARGE = 2**63


@pytest.fixture
def system(app: Flask, database: Database) -> System:
    return system_of(app, database)


@pytest.fixture
def case(app: Flask, system: System, jpeg: bytes, reader: StubReader) -> Case:
    """Make a case with one photo and its two cells, as programs do."""
    made = system.post("/cases", {"accession": "26-1"}).get_json()
    system.send(f"/cases/{made['id']}/photos", (jpeg, "1.jpg"))
    read_all(app, reader)
    with app.extensions["hematovision"].database.reading() as records:
        found = records.cases.find("26-1")
    assert found is not None
    return found


def said(*reviews: tuple[object, str | None, int], **more: object) -> dict[str, object]:
    given = [{"cell": cell, "label": label, "seen": seen} for cell, label, seen in reviews]
    return {"reviews": given, **more}


def test_cell_says_what_the_model_said_and_what_people_say(
    system: System, database: Database, case: Case
) -> None:
    sure, torn = system.walk(f"/cases/{case.id}/cells?limit=1")
    assert sure == {
        "id": 1,
        "number": 1,
        "photo": 1,
        "box": [0, 0, 64, 48],
        "decision": "named",
        "cell_type": "neutrophil",
        "confidence": 0.95,
        "probabilities": dict.fromkeys(map(str, CellType), 0.01) | {"neutrophil": 0.95},
        "prediction_set": ["neutrophil"],
        "doubts": [],
        "known": None,
        "morphology": "bilobed nucleus, fine pink granules",
        "model": {"version": "0.0.0", "sha256": "0" * 64},
        "label": None,
        "called": "neutrophil",
        "version": 0,
        "reviewed_by": None,
    }
    assert (torn["called"], torn["doubts"]) == ("unidentified", ["several"])
    say(database, case, "band", 1)
    told = system.get(f"/cases/{case.id}/cells/1").get_json()
    assert told == sure | {"label": "band", "called": "band", "version": 1, "reviewed_by": "ines"}


def test_walk_gives_every_cell_once(system: System, database: Database) -> None:
    case = make_case(database, [NEUTROPHIL] * 4, [None] * 3, number="26-2")
    found = [one["number"] for one in system.walk(f"/cases/{case.id}/cells?limit=3")]
    assert found == [1, 2, 3, 4, 5, 6, 7]


def test_cell_that_did_not_change_is_not_sent_again(
    system: System, database: Database, case: Case
) -> None:
    for address in (f"/cases/{case.id}/cells/1", f"/cases/{case.id}/cells/1/crop"):
        tag = {"If-None-Match": system.get(address).headers["ETag"]}
        assert system.get(address, **tag).status_code == HTTPStatus.NOT_MODIFIED
    say(database, case, "band", 1)
    tag = {"If-None-Match": tag["If-None-Match"]}
    assert system.get(f"/cases/{case.id}/cells/1", **tag).status_code == HTTPStatus.OK


def test_crop_shows_as_much_as_is_asked_for(system: System, case: Case) -> None:
    usual, wide = (
        system.get(f"/cases/{case.id}/cells/1/crop{asked}") for asked in ("", "?side=256")
    )
    assert (usual.status_code, usual.mimetype) == (HTTPStatus.OK, "image/jpeg")
    assert usual.data != wide.data
    assert system.get(f"/cases/{case.id}/cells/1/crop?side=80").data == usual.data
    for side in ("1", "x", LARGE):
        answer = system.get(f"/cases/{case.id}/cells/1/crop?side={side}")
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


def test_reviews_are_stored_and_stand_in_the_history(system: System, case: Case) -> None:
    answer = system.post(f"/cases/{case.id}/reviews", said((1, "band", 0), (2, "blast", 0)))
    assert answer.status_code == HTTPStatus.OK
    outcomes = answer.get_json()["reviews"]
    assert [(one["stored"], one["cell"]["label"]) for one in outcomes] == [
        (True, "band"),
        (True, "blast"),
    ]
    assert outcomes[0]["cell"] == system.get(f"/cases/{case.id}/cells/1").get_json()
    undone = system.post(f"/cases/{case.id}/reviews", said((1, None, 1), undo=True))
    assert undone.get_json()["reviews"][0]["cell"]["label"] is None
    history = list(system.walk(f"/cases/{case.id}/cells/1/reviews?limit=1"))
    assert [(one["number"], one["label"], one["by"]) for one in history] == [
        (2, None, "technologist"),
        (1, "band", "technologist"),
    ]
    assert system.get(f"/cases/{case.id}").get_json()["state"] == "in_review"


def test_later_of_two_reviews_is_told_and_the_others_are_stored(
    system: System, database: Database, case: Case
) -> None:
    say(database, case, "band", 1)
    answer = system.post(f"/cases/{case.id}/reviews", said((1, "blast", 0), (2, "blast", 0)))
    problem = answer.get_json()
    assert (answer.status_code, answer.mimetype) == (409, "application/problem+json")
    assert (problem["code"], problem["status"]) == ("changed_meanwhile", 409)
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert [one["stored"] for one in problem["reviews"]] == [False, True]
    assert problem["reviews"][0]["cell"]["label"] == "band"
    assert [cell.label for cell in cells_of(database, case)] == ["band", "blast"]


REFUSED: list[tuple[Any, int, str]] = [
    (said((99, "band", 0)), 404, "cell_unknown"),
    (said((LARGE - 1, "band", 0)), 404, "cell_unknown"),
    (said((1, "cat", 0)), 422, "label_unknown"),
    (said((1, "band\x00", 0)), 422, "label_unknown"),
    (said((1, "\ud800", 0)), 422, "label_unknown"),
    (said((1, None, 0)), 422, "label_unknown"),
    (said((1, "band", 0), (1, "blast", 0)), 422, "fields_invalid"),
    (said((LARGE, "band", 0)), 422, "fields_invalid"),
    (said((1, "band", LARGE)), 422, "fields_invalid"),
    (said((1, "band", 2**31 - 1)), 422, "fields_invalid"),
    (said((1, "band", -1)), 422, "fields_invalid"),
    (said((0, "band", 0)), 422, "fields_invalid"),
    (said((1, "x" * 65, 0)), 422, "fields_invalid"),
    (said((1, "", 0)), 422, "fields_invalid"),
    (said((1, "band", 0), undo="yes"), 422, "fields_invalid"),
    (said((1, "band", 0), undo=1), 422, "fields_invalid"),
    (said(), 422, "fields_invalid"),
    (said(*[(1, "band", 0)] * 501), 422, "fields_invalid"),
    ({"reviews": [{"cell": 1}]}, 422, "fields_invalid"),
    ({"reviews": [[]]}, 422, "fields_invalid"),
    ({"reviews": {"cell": 1}}, 422, "fields_invalid"),
    ({"reviews": [{"cell": True}]}, 422, "fields_invalid"),
    (said((1.5, "band", 0)), 422, "fields_invalid"),
    (said((1e300, "band", 0)), 422, "fields_invalid"),
    (said((float("inf"), "band", 0)), 422, "fields_invalid"),
    (said(("1", "band", 0)), 422, "fields_invalid"),
    (1, 422, "fields_invalid"),
    (None, 422, "fields_invalid"),
]


def test_reviews_that_cannot_be_are_refused_and_store_nothing(
    system: System, database: Database, case: Case
) -> None:
    # One case for all of them: none of them leaves anything behind.
    for sent, status, code in REFUSED:
        answer = system.post(f"/cases/{case.id}/reviews", sent)
        assert (answer.status_code, answer.get_json()["code"]) == (status, code), sent
        assert answer.mimetype == "application/problem+json"
    assert [cell.version for cell in cells_of(database, case)] == [0, 0]


def test_whole_number_is_one_however_it_is_written(system: System, case: Case) -> None:
    answer = system.post(f"/cases/{case.id}/reviews", said((1.0, "band", 0)))
    assert answer.status_code == HTTPStatus.OK


def test_document_that_no_program_should_read_is_refused(system: System, case: Case) -> None:
    for sent in (
        "",
        "[" * 60_000,
        '{"reviews": ' + "9" * 9000 + "}",
        '{"reviews": NaN}',
        '{"reviews":' * 5000,
        '{"reviews":' + "[" * 5000 + "]" * 5000 + "}",
    ):
        answer = system.post_text(f"/cases/{case.id}/reviews", sent)
        assert answer.status_code in {400, 422}, sent[:20]


def test_missed_cell_is_added_and_waits_to_be_named(system: System, case: Case) -> None:
    sent = {"photo": 1, "box": [70, 4, 110, 40]}
    answer = system.post(f"/cases/{case.id}/cells", sent)
    assert answer.status_code == HTTPStatus.CREATED
    added = answer.get_json()
    assert added == system.get(answer.headers["Location"]).get_json()
    assert (added["number"], added["box"], added["decision"]) == (3, sent["box"], None)
    assert (added["model"], added["called"], added["probabilities"]) == (None, "unidentified", {})
    review = said((added["id"], "blast", added["version"]))
    assert system.post(f"/cases/{case.id}/reviews", review).status_code == HTTPStatus.OK
    assert system.get(f"/cases/{case.id}/cells/{added['id']}/crop").status_code == HTTPStatus.OK


MISSED: list[tuple[Any, int, str]] = [
    ({"photo": 9, "box": [0, 0, 20, 20]}, 404, "photo_unknown"),
    ({"photo": 1, "box": [0, 0, 4, 20]}, 422, "box_invalid"),
    ({"photo": 1, "box": [20, 20, 0, 0]}, 422, "box_invalid"),
    ({"photo": 1, "box": [0, 0, 129, 20]}, 422, "box_invalid"),
    ({"photo": 1, "box": [0, 0, 20]}, 422, "fields_invalid"),
    ({"photo": 1, "box": [-1, 0, 20, 20]}, 422, "fields_invalid"),
    ({"photo": 1, "box": [0, 0, LARGE, 20]}, 422, "fields_invalid"),
    ({"photo": 1, "box": [0, 0, "20", 20]}, 422, "fields_invalid"),
    ({"photo": 1, "box": "box"}, 422, "fields_invalid"),
    ({"photo": LARGE, "box": [0, 0, 20, 20]}, 422, "fields_invalid"),
    ({"box": [0, 0, 20, 20]}, 422, "fields_invalid"),
]


def test_box_that_holds_no_cell_is_refused(system: System, database: Database, case: Case) -> None:
    for sent, status, code in MISSED:
        answer = system.post(f"/cases/{case.id}/cells", sent)
        assert (answer.status_code, answer.get_json()["code"]) == (status, code), sent
    assert len(cells_of(database, case)) == 2


def test_cell_of_another_case_is_not_found(system: System, database: Database, case: Case) -> None:
    other = make_case(database, [NEUTROPHIL], number="26-2")
    for case_id, cell_id in ((other.id, 1), (case.id, 99), (case.id, LARGE), (99, 1)):
        for behind in ("", "/crop", "/reviews"):
            answer = system.get(f"/cases/{case_id}/cells/{cell_id}{behind}")
            assert answer.status_code == HTTPStatus.NOT_FOUND
    assert system.get("/cases/99/cells").get_json()["code"] == "case_unknown"
    assert system.post("/cases/99/reviews", said((1, "band", 0))).status_code == 404
    assert system.post("/cases/99/cells", MISSED[0][0]).get_json()["code"] == "case_unknown"


def test_signed_case_takes_no_reviews(system: System, database: Database) -> None:
    case = ready_case(database, "26-2")
    sign(database, case, add_person(database, "rosa"))
    first = cells_of(database, case)[0]
    for address, sent in (
        (f"/cases/{case.id}/reviews", said((first.id, "band", first.version))),
        (f"/cases/{case.id}/cells", {"photo": 1, "box": [0, 0, 20, 20]}),
    ):
        answer = system.post(address, sent)
        assert (answer.status_code, answer.get_json()["code"]) == (409, "case_closed")


def test_viewer_sees_cells_and_says_nothing_of_them(
    app: Flask, database: Database, case: Case
) -> None:
    viewer = system_of(app, database, Role.VIEWER)
    assert viewer.get(f"/cases/{case.id}/cells").status_code == HTTPStatus.OK
    for address, sent in (("reviews", said((1, "band", 0))), ("cells", MISSED[0][0])):
        answer = viewer.post(f"/cases/{case.id}/{address}", sent)
        assert answer.status_code == HTTPStatus.FORBIDDEN


def test_looks_at_cells_are_on_record(system: System, database: Database, case: Case) -> None:
    for address in ("cells", "cells/1", "cells/1/reviews", "cells/1/crop", "cells/2/crop"):
        system.get(f"/cases/{case.id}/{address}")
    with database.reading() as records:
        for action, subject in (
            ("gallery.seen", f"case {case.id}"),
            ("cell.seen", "cell 1"),
            ("cell.history_seen", "cell 1"),
            ("crops.seen", f"case {case.id}"),
        ):
            event = records.audit.find(action=action, subject=subject)
            assert event is not None, action
            assert event.door == "api"


def test_program_takes_no_picture_unseen_by_the_address_of_a_page(
    app: Flask, system: System, database: Database, case: Case
) -> None:
    """A page is on record before it asks for its pictures; a program asks for them alone."""
    for address in ("cells/1.jpg?side=64", "photos/1.jpg?size=small"):
        url = f"/cases/{case.id}/{address}"
        answer = app.test_client().get(url, headers=system.headers)
        assert answer.status_code == HTTPStatus.OK
    with database.reading() as records:
        for action, subject in (("crops.seen", f"case {case.id}"), ("photo.seen", "photo 1")):
            assert records.audit.find(action=action, subject=subject) is not None, action


def test_scope_to_review_shows_no_case_without_the_one_to_see_it(
    app: Flask, database: Database
) -> None:
    """What sends photos in needs `review` alone, and who finds its token reads nothing by it."""
    by = Hand(None, "terminal", datetime.now(UTC))
    with database.transaction() as records:
        user = records.users.add("scanner", Role.TECHNOLOGIST, now=by.now)
    token = add_token(database, user, "scanner", scopes={Right.REVIEW}, by=by)
    scanner = System(app, {"Authorization": f"Bearer {token}", "Accept": "application/json"})
    case = scanner.post("/cases", {"accession": "26-9"})
    assert case.status_code == HTTPStatus.CREATED
    asked = {"reviews": [{"cell": 1, "label": "band", "seen": 0}]}
    boxed = {"photo": 1, "box": [0, 0, 20, 20]}
    for address, sent in (
        ("/api/v1/cases/1/reviews", asked),
        ("/api/v1/cases/1/cells", boxed),
        ("/cases/1/reviews", asked),
        ("/cases/1/boxes", boxed),
        ("/cases/1/differential", {}),
    ):
        answer = app.test_client().post(address, json=sent, headers=scanner.headers)
        assert (answer.status_code, answer.get_json()["code"]) == (403, "scope_missing"), address
        assert "see_cases" in answer.headers["WWW-Authenticate"]
