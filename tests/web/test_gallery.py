import re
from http import HTTPStatus
from itertools import chain

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.conftest import StubReader
from tests.databases import counted_queries
from tests.films import NOW, FilmReader, cells_of, make_case, picture

from hematovision.labels import Count
from hematovision.people import Role
from hematovision.services.crops import Album
from hematovision.services.hands import Hand
from hematovision.services.naming import add_label
from hematovision.services.references import add_reference
from hematovision.storage.cases import Case, CaseState
from hematovision.storage.database import Database
from hematovision.storage.files import Files
from hematovision.storage.tables import CaseRow, PhotoRow

from .conftest import JSON, signed_in


@pytest.fixture
def files(app: Flask) -> Files:
    return app.extensions["hematovision"].files


@pytest.fixture
def case(database: Database, files: Files) -> Case:
    return make_case(database, files, FilmReader(12), [picture()])


def say(client: FlaskClient, case: Case, *said: tuple[int, str | None, int], undo: bool = False):
    body = {
        "said": [{"cell": cell, "label": label, "seen": seen} for cell, label, seen in said],
        "undo": undo,
    }
    return client.post(f"/cases/{case.id}/reviews", json=body, headers=JSON)


def sign(database: Database, case: Case) -> None:
    with database.transaction() as records:
        row = records.session.get(CaseRow, case.id)
        assert row is not None
        row.state = CaseState.SIGNED


def rows_of(page: str) -> list[tuple[str, list[int]]]:
    """Give the rows with cells, and the ids of their cells in order."""
    rows = re.findall(r'data-row="(\w+)"(.*?)</section>', page, re.DOTALL)
    found = [
        (code, [int(one) for one in re.findall(r'data-id="(\d+)"', row)]) for code, row in rows
    ]
    return [(code, cells) for code, cells in found if cells]


def test_cells_stand_by_name_and_the_most_uncertain_first(
    client: FlaskClient, database: Database, case: Case
) -> None:
    page = client.get(f"/cases/{case.id}/review").text
    cells = {cell.id: cell for cell in cells_of(database, case)}
    rows = dict(rows_of(page))
    assert list(rows) == [
        "unidentified",
        "neutrophil",
        "eosinophil",
        "lymphocyte",
        "monocyte",
        "basophil",
    ]
    for code, ids in rows.items():
        sure = [cells[one].confidence for one in ids]
        assert sure == sorted(sure)
        assert {cells[one].cell_type or "unidentified" for one in ids} == {code}
    assert sorted(chain(*rows.values())) == sorted(cells)
    assert "3 unidentified left" in page
    # Those above 95 % are folded away.
    assert page.count("<li hidden><button") == 3


def test_answer_of_a_person_moves_a_cell_to_its_own_row(
    client: FlaskClient, database: Database, case: Case
) -> None:
    cell = cells_of(database, case)[0]
    answer = say(client, case, (cell.id, "plasma_cell", 0))
    assert answer.status_code == HTTPStatus.OK
    assert answer.json == {
        "cells": [
            {
                "stored": True,
                "id": cell.id,
                "number": 1,
                "label": "plasma_cell",
                "version": 1,
                "by": "technologist",
            }
        ]
    }
    page = client.get(f"/cases/{case.id}/review").text
    assert dict(rows_of(page))["plasma_cell"] == [cell.id]


def test_later_of_two_is_told_what_the_other_said(
    app: Flask, client: FlaskClient, database: Database, case: Case
) -> None:
    first, second, *_ = cells_of(database, case)
    say(signed_in(app, database, Role.PATHOLOGIST), case, (first.id, "band", 0))
    answer = say(client, case, (first.id, "blast", 0), (second.id, "blast", 0))
    assert answer.status_code == HTTPStatus.CONFLICT
    told, stored = answer.json["cells"]
    assert (told["stored"], told["label"], told["by"]) == (False, "band", "pathologist")
    assert (told["version"], stored["stored"]) == (1, True)


def test_history_says_who_said_what(client: FlaskClient, database: Database, case: Case) -> None:
    cell = cells_of(database, case)[0]
    say(client, case, (cell.id, "band", 0))
    say(client, case, (cell.id, None, 1), undo=True)
    answer = client.get(f"/cases/{case.id}/cells/{cell.id}/history")
    said = [(one["says"], one["by"]) for one in answer.json]
    assert said == [("taken back", "technologist"), ("band neutrophil", "technologist")]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({}, 400, id="nothing"),
        pytest.param([], 400, id="a list"),
        pytest.param({"said": []}, 400, id="of no cell"),
        pytest.param({"said": [{"cell": "1", "label": "band", "seen": 0}]}, 400, id="text"),
        pytest.param({"said": [{"cell": True, "label": "band", "seen": 0}]}, 400, id="truth"),
        pytest.param({"said": [{"cell": -1, "label": "band", "seen": 0}]}, 400, id="negative"),
        pytest.param({"said": [{"cell": 2**70, "label": "band", "seen": 0}]}, 400, id="huge"),
        pytest.param({"said": [{"cell": 1, "label": 5, "seen": 0}]}, 400, id="number"),
        pytest.param({"said": [{"cell": 1, "label": "unicorn", "seen": 0}]}, 422, id="label"),
        pytest.param({"said": [{"cell": 999, "label": "band", "seen": 0}]}, 404, id="cell"),
        pytest.param({"said": [{"cell": 1, "seen": 0}] * 501}, 400, id="too many"),
    ],
)
def test_what_is_no_review_is_refused(
    client: FlaskClient, case: Case, body: object, status: int
) -> None:
    answer = client.post(f"/cases/{case.id}/reviews", json=body, headers=JSON)
    assert answer.status_code == status


def test_viewer_sees_all_and_changes_nothing(app: Flask, database: Database, case: Case) -> None:
    viewer = signed_in(app, database, Role.VIEWER)
    page = viewer.get(f"/cases/{case.id}/review").text
    assert "You may look at this case, but not change it." in page
    assert "data-confirm" not in page
    assert 'data-name="neutrophil"' not in page
    answer = say(viewer, case, (cells_of(database, case)[0].id, "band", 0))
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert cells_of(database, case)[0].label is None


def test_signed_case_is_shown_and_not_changed(
    client: FlaskClient, database: Database, case: Case
) -> None:
    sign(database, case)
    page = client.get(f"/cases/{case.id}/review").text
    assert "This case is signed." in page
    assert "data-confirm" not in page
    answer = say(client, case, (cells_of(database, case)[0].id, "band", 0))
    assert (answer.status_code, answer.json["code"]) == (HTTPStatus.CONFLICT, "case_closed")


def test_crop_is_private_and_asked_for_once(
    client: FlaskClient, visitor: FlaskClient, database: Database, case: Case
) -> None:
    url = f"/cases/{case.id}/cells/{cells_of(database, case)[0].id}.jpg?side=64"
    answer = client.get(url)
    assert (answer.status_code, answer.mimetype) == (HTTPStatus.OK, "image/jpeg")
    assert answer.headers["Cache-Control"] == "private, max-age=43200, immutable"
    assert "Cookie" in answer.vary
    again = client.get(url, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == HTTPStatus.NOT_MODIFIED
    refused = visitor.get(url, headers=JSON)
    assert refused.status_code == HTTPStatus.UNAUTHORIZED
    assert refused.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("side", ["63", "0", "-64", "x", "99999"])
def test_crop_of_any_other_scale_is_not_made(
    client: FlaskClient, database: Database, case: Case, side: str
) -> None:
    cell = cells_of(database, case)[0]
    answer = client.get(f"/cases/{case.id}/cells/{cell.id}.jpg?side={side}")
    assert answer.status_code == HTTPStatus.NOT_FOUND


def test_all_crops_of_a_page_have_one_scale(client: FlaskClient, case: Case) -> None:
    page = client.get(f"/cases/{case.id}/review").text
    assert len(set(re.findall(r"\.jpg\?side=(\d+)", page))) == 1


def test_cell_whose_picture_is_not_kept_says_so(
    client: FlaskClient, database: Database, case: Case
) -> None:
    cell = cells_of(database, case)[0]
    with database.transaction() as records:
        row = records.session.get(PhotoRow, cell.photo_id)
        assert row is not None
        row.file = None
    page = client.get(f"/cases/{case.id}/review").text
    assert page.count("not kept</span>") == 12
    assert "Go to the differential" in page
    answer = say(client, case, (cell.id, "band", 0))
    assert (answer.status_code, answer.json["code"]) == (HTTPStatus.GONE, "picture_not_kept")
    crop = client.get(f"/cases/{case.id}/cells/{cell.id}.jpg?side=64", headers=JSON)
    assert crop.status_code == HTTPStatus.GONE
    assert "not kept" in client.get(f"/cases/{case.id}/photos/1").text


def test_case_without_cells_says_what_to_do(
    client: FlaskClient, database: Database, files: Files
) -> None:
    case = make_case(database, files, FilmReader(0), [picture()])
    page = client.get(f"/cases/{case.id}/review").text
    assert "No cell yet" in page
    assert f"/cases/{case.id}/photos/1" in page
    with database.transaction() as records:
        empty = records.cases.add("26-0838", "", by=None, now=NOW)
    assert "Add photos" in client.get(f"/cases/{empty.id}/review").text


@pytest.mark.parametrize("page", ["review", "photos/1"])
def test_number_of_queries_does_not_grow_with_the_cells(
    client: FlaskClient, database: Database, files: Files, page: str
) -> None:
    numbers = []
    for place, cells in enumerate((2, 40)):
        photos = [picture(10 * place + number) for number in range(1 + 3 * place)]
        case = make_case(database, files, FilmReader(cells), photos, f"26-{place}")
        with counted_queries(database) as queries:
            assert client.get(f"/cases/{case.id}/{page}").status_code == HTTPStatus.OK
        numbers.append(len(queries))
    assert numbers[0] == numbers[1]


def test_pages_need_neither_inline_script_nor_style(client: FlaskClient, case: Case) -> None:
    for url in (f"/cases/{case.id}/review", f"/cases/{case.id}/photos/1", "/account/keys"):
        page = client.get(url).text
        assert " style=" not in page
        assert not re.search(r"\son\w+=", page)
        scripts = re.findall(r"<script(?![^>]*(?:src=|application/json))", page)
        assert scripts == []


def test_boxed_cell_comes_back_with_its_number(
    client: FlaskClient, database: Database, case: Case
) -> None:
    url = f"/cases/{case.id}/boxes"
    answer = client.post(url, json={"photo": 1, "box": [300, 200, 340, 250]}, headers=JSON)
    assert (answer.status_code, answer.json["number"]) == (HTTPStatus.CREATED, 13)
    assert cells_of(database, case)[-1].box.as_list() == [300, 200, 340, 250]
    page = client.get(f"/cases/{case.id}/photos/1").text
    assert "A person boxed this cell" in page


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([], id="list"),
        pytest.param({"photo": 1}, id="no box"),
        pytest.param({"photo": 1, "box": [1, 2, 3]}, id="three numbers"),
        pytest.param({"photo": 1, "box": [0.5, 2, 30, 40]}, id="fractions"),
        pytest.param({"photo": "1", "box": [0, 0, 40, 40]}, id="text"),
        pytest.param({"photo": 1, "box": [0, 0, 3, 40]}, id="too small"),
        pytest.param({"photo": 1, "box": [0, 0, 40, 4000]}, id="outside"),
    ],
)
def test_what_is_no_box_is_refused(client: FlaskClient, case: Case, body: object) -> None:
    answer = client.post(f"/cases/{case.id}/boxes", json=body, headers=JSON)
    assert (answer.status_code, answer.json["code"]) == (422, "box_invalid")


def test_photo_shows_all_its_boxes_and_leads_to_the_next(
    client: FlaskClient, database: Database, files: Files
) -> None:
    photos = [picture(0), picture(1), picture(0)]
    case = make_case(database, files, FilmReader(5), photos)
    page = client.get(f"/cases/{case.id}/photos/1").text
    assert page.count("data-box=") == 5
    assert "data-after" in page
    assert "data-before" not in page
    last = client.get(f"/cases/{case.id}/photos/2").text
    assert "data-after" not in last
    same = client.get(f"/cases/{case.id}/photos/3")
    assert same.location == f"/cases/{case.id}/photos/1"
    assert client.get(f"/cases/{case.id}/photos/9").status_code == HTTPStatus.NOT_FOUND


def test_photo_for_the_screen_is_private(
    client: FlaskClient, visitor: FlaskClient, database: Database, case: Case
) -> None:
    url = f"/cases/{case.id}/photos/{cells_of(database, case)[0].photo_id}.jpg"
    assert client.get(url).mimetype == "image/jpeg"
    assert visitor.get(url, headers=JSON).status_code == HTTPStatus.UNAUTHORIZED


def test_what_mattered_is_shown_or_why_not(
    client: FlaskClient, database: Database, files: Files
) -> None:
    case = make_case(database, files, StubReader(), [picture()], "26-0839")
    first = cells_of(database, case)[0]
    answer = client.get(f"/cases/{case.id}/cells/{first.id}/heat.jpg?side=256")
    assert (answer.status_code, answer.mimetype) == (HTTPStatus.OK, "image/jpeg")
    assert answer.headers["X-Heat-Of"] == "neutrophil"
    other = make_case(database, files, FilmReader(2), [picture()], "26-0840")
    cell = cells_of(database, other)[0]
    url = f"/cases/{other.id}/cells/{cell.id}/heat.jpg?side=64"
    refused = client.get(url, headers=JSON)
    assert refused.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert "1.2.3" in refused.json["detail"]


def test_reference_cells_are_those_loaded_and_those_confirmed(
    client: FlaskClient, visitor: FlaskClient, database: Database, files: Files, case: Case
) -> None:
    by = Hand(None, "terminal", NOW)
    add_reference(Album(database, files), "monocyte", "PBC 2020", picture(7), by=by)
    cell = next(cell for cell in cells_of(database, case) if cell.cell_type == "neutrophil")
    say(client, case, (cell.id, "neutrophil", 0))
    page = client.get(f"/cases/{case.id}/review").text
    assert '"from": "PBC 2020", "url": "/references/1.jpg"' in page.replace("\\u0026", "&")
    assert "confirmed here" in page
    assert client.get("/references/1.jpg").mimetype == "image/jpeg"
    assert visitor.get("/references/1.jpg", headers=JSON).status_code == HTTPStatus.UNAUTHORIZED
    assert client.get("/references/2.jpg", headers=JSON).status_code == HTTPStatus.GONE


def test_own_label_has_its_row_and_button(
    client: FlaskClient, database: Database, case: Case
) -> None:
    label = add_label(database, "Hairy cell", "Y", Count.WHITE, by=Hand(None, "page", NOW))
    page = client.get(f"/cases/{case.id}/review").text
    assert f'data-row="{label.code}"' in page
    assert page.count(f'data-name="{label.code}"') == 2
    say(client, case, (cells_of(database, case)[0].id, label.code, 0))
    assert label.code in dict(rows_of(client.get(f"/cases/{case.id}/review").text))


def test_body_that_is_nested_without_end_is_refused(client: FlaskClient, case: Case) -> None:
    body = "[" * 60_000
    answer = client.post(
        f"/cases/{case.id}/reviews", data=body, headers=JSON, content_type="application/json"
    )
    assert answer.status_code == HTTPStatus.BAD_REQUEST
