"""The pages of one's own keys and of the laboratory's own names."""

import re
from http import HTTPStatus

import pytest
from flask import Flask
from flask.testing import FlaskClient

from hematovision.people import Role
from hematovision.services.naming import get_own_labels
from hematovision.storage.database import Database

from .conftest import signed_in


def post(client: FlaskClient, url: str, page: str, **form: str):
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(page).text)
    assert found
    return client.post(url, data=form | {"csrf_token": found[1]})


@pytest.fixture
def pathologist(app: Flask, database: Database) -> FlaskClient:
    return signed_in(app, database, Role.PATHOLOGIST)


def add(client: FlaskClient, **form: str):
    return post(client, "/laboratory/labels", "/laboratory/labels", **form)


def test_own_name_is_added_retired_and_used_again(
    pathologist: FlaskClient, database: Database
) -> None:
    page = "/laboratory/labels"
    assert "None yet. Add one below." in pathologist.get(page).text
    added = add(pathologist, name="Hairy cell", key="y", count="white")
    assert added.status_code == HTTPStatus.SEE_OTHER
    code = get_own_labels(database).active[0].code
    assert "Hairy cell" in pathologist.get(page).text
    post(pathologist, f"{page}/{code}/retire", page)
    assert "No cell can be called so any more" in pathologist.get(page).text
    post(pathologist, f"{page}/{code}/revive", page)
    assert get_own_labels(database).active[0].code == code


def test_refused_name_says_why_and_keeps_what_was_typed(pathologist: FlaskClient) -> None:
    answer = add(pathologist, name="Hairy cell", key="N", count="beside")
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "N would give two names." in answer.text
    assert 'value="Hairy cell"' in answer.text
    assert '<option value="beside" selected>' in answer.text
    assert add(pathologist, name="Hairy cell", count="twice").status_code == 400
    gone = post(pathologist, "/laboratory/labels/nothing/retire", "/laboratory/labels")
    assert gone.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


def keys(client: FlaskClient, **form: str):
    return post(client, "/account/keys", "/account/keys", **form)


def test_keys_are_changed_switched_off_and_put_back(client: FlaskClient) -> None:
    answer = keys(client, band="q")
    assert answer.status_code == HTTPStatus.SEE_OTHER
    page = client.get(answer.location).text
    assert "Your keys are changed." in page
    assert 'name="band" value="Q"' in page
    assert 'name="on" checked' not in page
    keys(client, band="q", reset="1")
    page = client.get("/account/keys").text
    assert 'name="band" value="D"' in page
    assert 'name="on" checked' in page


def test_key_that_is_taken_says_so(client: FlaskClient) -> None:
    answer = keys(client, band="N", on="on")
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "N would give two names." in answer.text
    assert 'name="band" value="N"' in answer.text


def test_number_of_queries_does_not_grow_with_the_names(
    pathologist: FlaskClient, database: Database
) -> None:
    from tests.databases import counted_queries

    numbers = []
    for letters in ("QV", "WYJ"):
        for letter in letters:
            add(pathologist, name=f"cell {letter}", key=letter, count="out")
        with counted_queries(database) as queries:
            pathologist.get("/laboratory/labels")
            pathologist.get("/account/keys")
        numbers.append(len(queries))
    assert numbers[0] == numbers[1]
