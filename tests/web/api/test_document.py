import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.web.conftest import signed_in

from hematovision.people import Right, Role
from hematovision.storage.database import Database
from hematovision.web.api.chapters import METHODS, chapters_of, coded
from hematovision.web.api.document import document as document_here
from hematovision.web.api.resources import Api

from .conftest import Program

Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture
def document(program: Program) -> dict[str, Any]:
    answer = program.get("/api/openapi.json")
    assert answer.status_code == 200
    return dict(answer.json)


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield path, method, methods[method]


def test_document_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert "research use only" in document["info"]["description"]
    OpenAPIV31SpecValidator(document).validate()


def test_document_is_written_once_though_many_ask_at_once(
    program: Program, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    write = Api.write

    def slowly(api: Api) -> dict[str, Any]:
        written.append(api)
        time.sleep(0.05)
        return write(api)

    def ask(_: int) -> int:
        with app.app_context():
            return id(document_here())

    monkeypatch.setattr(Api, "write", slowly)
    with ThreadPoolExecutor(4) as pool:
        seen = set(pool.map(ask, range(4)))
    assert (len(seen), len(written)) == (1, 1)


def test_document_that_is_known_is_not_sent_again(program: Program) -> None:
    tag = program.get("/api/openapi.json").headers["ETag"]
    assert program.get("/api/openapi.json", **{"If-None-Match": tag}).status_code == 304


def test_every_operation_says_what_it_is_and_who_may(document: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for path, method, one in operations(document):
        where = f"{method} {path}"
        assert one["summary"].endswith("."), where
        assert one.get("description"), where
        assert set(one["tags"]) <= tags, where
        if one["security"]:
            assert one["security"] == [{"token": one["x-scope"].split()}], where
            assert set(one["x-scope"].split()) <= set(Right), where
            assert {"401", "403"} <= set(one["responses"]), where
        else:
            assert path == "/api/v1/health"


def test_every_failure_is_a_problem(document: dict[str, Any]) -> None:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    more = {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/OutcomesProblem"}}
    }
    shared = document["components"]["responses"]["DEFAULT_ERROR"]
    assert shared["content"] == problem
    for path, method, one in operations(document):
        assert one["responses"]["default"]["$ref"].endswith("/DEFAULT_ERROR"), path
        for status, response in one["responses"].items():
            if status[0] in "45":
                assert response["content"] in (problem, more), f"{method} {path} {status}"
                assert response["x-codes"], f"{method} {path} {status}"


def test_everything_is_described(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for one in methods.get("parameters", []):
            assert one["description"], path
    for path, method, one in operations(document):
        for parameter in one.get("parameters", []):
            assert parameter["description"], f"{method} {path} {parameter['name']}"
    for name, schema in document["components"]["schemas"].items():
        for member, one in schema["properties"].items():
            assert one.get("description") or "$ref" in one, f"{name}.{member}"


def test_document_has_every_route_and_no_other(app: Flask, document: dict[str, Any]) -> None:
    def plain(rule: str) -> str:
        return rule.replace("<int:", "{").replace("<", "{").replace(">", "}")

    routes = {
        (plain(rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {(path, method) for path, method, _ in operations(document)} == routes


def test_parameters_of_a_list_stand_beside_headers(document: dict[str, Any]) -> None:
    listed = document["paths"]["/api/v1/readings"]["get"]
    assert {"limit", "cursor", "accession"} <= {one["name"] for one in listed["parameters"]}
    sent = document["paths"]["/api/v1/readings"]["post"]
    assert [one["name"] for one in sent["parameters"]] == ["Prefer", "Idempotency-Key"]
    assert set(sent["requestBody"]["content"]) == {"multipart/form-data"}


def test_page_shows_every_operation_with_its_scope(
    app: Flask, database: Database, document: dict[str, Any]
) -> None:
    page = signed_in(app, database, Role.VIEWER).get("/api/docs").text
    for path, _method, one in operations(document):
        assert f'id="{one["operationId"]}"' in page
        assert path in page
        assert not one["security"] or f"<code>{one['x-scope']}</code>" in page
    assert "respond-async" in page
    assert "--form image=@smear.jpg" in page


def test_page_is_behind_the_sign_in_and_found_from_the_account(
    app: Flask, database: Database
) -> None:
    assert app.test_client().get("/api/docs").location == "/sign-in?next=/api/docs"
    assert (
        "What programs can ask for"
        in signed_in(app, database, Role.TECHNOLOGIST).get("/account").text
    )


def test_names_of_an_operation_follow_what_lies_within(document: dict[str, Any]) -> None:
    (chapter,) = (one for one in chapters_of(document) if one.name == "Readings")
    (show,) = (one for one in chapter.operations if one.id == "readings_show")
    (answer, nothing) = show.answers
    names = [member.name for member in answer.members]
    assert {"image.sha256", "cells[].box", "cells[].probabilities"} <= set(names)
    assert set(answer.headers) == {"ETag"}
    assert (nothing.status, nothing.members) == ("304", [])
    assert ("404", "photo_unknown") in [(one.status, one.code) for one in show.failures]
    assert "/api/v1/readings/1" in show.curl


def test_text_of_a_document_is_no_markup() -> None:
    assert coded("a `<b>` c & d") == "a <code>&lt;b&gt;</code> c &amp; d"


def test_json_that_is_sent_has_a_sample() -> None:
    schema = {
        "type": "object",
        "required": ["accession", "ids", "kind"],
        "properties": {
            "accession": {"type": "string", "description": "A.", "example": "26'1"},
            "ids": {"type": "array", "items": {"type": ["integer", "null"]}, "description": "B."},
            "kind": {"enum": ["a", "b"], "description": "C."},
            "note": {"type": "string", "description": "D."},
            "share": {"type": "number", "minimum": 0, "maximum": 1, "description": "E."},
        },
    }
    operation = {
        "operationId": "x",
        "summary": "X.",
        "tags": ["X"],
        "security": [{"token": ["review"]}],
        "requestBody": {"content": {"application/json": {"schema": schema}}},
        "responses": {"204": {"description": "Done."}},
    }
    document = {
        "tags": [{"name": "X", "description": "Y."}],
        "paths": {"/api/v1/x": {"patch": operation}},
        "components": {"schemas": {}},
    }
    ((one,),) = ([*chapter.operations] for chapter in chapters_of(document))
    assert one.curl.splitlines()[1:4] == [
        "  --request PATCH \\",
        '  --header "Authorization: Bearer $HEMATOVISION_TOKEN" \\',
        """  --json '{"accession": "26'"'"'1", "ids": [1], "kind": "a"}' \\""",
    ]
    kinds = {member.name: member.kind for member in one.body}
    assert kinds["ids"] == "array of integer or null"
    assert kinds["share"] == "number, 0 to 1"
    assert [member.name for member in one.body if member.is_required] == [
        "accession",
        "ids",
        "kind",
    ]
