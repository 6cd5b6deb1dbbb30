from typing import Any

import marshmallow as ma
import pytest
from flask import Flask
from marshmallow import fields

from hematovision.errors import (
    DocumentMissingError,
    DocumentUnreadableError,
    FieldError,
    FieldsInvalidError,
    OutdatedError,
    UnconditionalError,
)
from hematovision.web.api.etags import checked, insist_on_match, tagged
from hematovision.web.api.resources import Parser
from hematovision.web.api.schemas import Document


class Inner(Document):
    cell = fields.Integer(required=True)


class Outer(Document):
    note = fields.String(required=True)
    reviews = fields.List(fields.Nested(Inner))


def load(app: Flask, data: bytes, content_type: str = "application/json") -> Any:
    with app.test_request_context("/", method="POST", data=data, content_type=content_type):
        return Parser(unknown=ma.RAISE).parse(Outer(), location="json")


def test_document_becomes_values(app: Flask) -> None:
    assert load(app, b'{"note": "a"}') == {"note": "a"}
    kind = "application/merge-patch+json"
    assert load(app, b'{"note": "a", "reviews": [{"cell": 7}]}', kind)["reviews"] == [{"cell": 7}]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b"\xff\xfe\xff", id="not UTF-8"),
        pytest.param(b"[" * 60_000, id="too deep"),
        pytest.param(b'{"note": ' + b"9" * 5_000 + b"}", id="number too long"),
    ],
)
def test_what_is_no_json_is_refused(app: Flask, data: bytes) -> None:
    with pytest.raises(DocumentUnreadableError):
        load(app, data)


def test_what_is_not_called_json_is_refused(app: Flask) -> None:
    with pytest.raises(DocumentMissingError):
        load(app, b'{"note": "a"}', "text/plain")


@pytest.mark.parametrize(
    ("data", "errors"),
    [
        pytest.param(b"[]", [("_schema", "Invalid input type.")], id="no object"),
        pytest.param(
            b'{"colour": 1}',
            [("colour", "Unknown field."), ("note", "Missing data for required field.")],
            id="missing and unknown",
        ),
        pytest.param(
            b'{"note": "a", "reviews": [{"cell": 1}, {"cell": "x"}, {"cell": 1, "shape": 2}]}',
            [
                ("reviews.1.cell", "Not a valid integer."),
                ("reviews.2.shape", "Unknown field."),
            ],
            id="nested",
        ),
    ],
)
def test_wrong_fields_are_named(app: Flask, data: bytes, errors: list[tuple[str, str]]) -> None:
    with pytest.raises(FieldsInvalidError) as caught:
        load(app, data)
    assert sorted(caught.value.errors, key=lambda one: one.field) == [
        FieldError(*one) for one in errors
    ]


def test_change_of_what_was_seen_is_let_through(app: Flask) -> None:
    document = {"id": 1, "note": "a"}
    with app.test_request_context("/"):
        tag = tagged(lambda: document)().headers["ETag"]
        with pytest.raises(UnconditionalError):
            insist_on_match(document)
    with app.test_request_context("/", headers={"If-Match": tag}):
        insist_on_match(document)
        with pytest.raises(OutdatedError):
            insist_on_match(document | {"note": "b"})


def test_failure_is_not_tagged(app: Flask) -> None:
    with app.test_request_context("/"):
        answer = tagged(lambda: ({"id": 1}, 202))()
    assert "ETag" not in answer.headers


def test_change_says_what_it_asks_for() -> None:
    view = checked(lambda: None)
    assert [one["name"] for one in view.asks] == ["If-Match"]
    assert set(view.fails) == {OutdatedError, UnconditionalError}
