import io
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask import Flask

from hematovision.people import Role
from hematovision.services.cases import open_case
from hematovision.services.filing import file_reading
from hematovision.services.hands import Hand
from hematovision.storage.database import Database
from hematovision.web.api.reading_schemas import ReadingDocument

from .conftest import Program

BAD = b"no picture"
URL = "/api/v1/readings"


def different(jpeg: bytes, number: int) -> bytes:
    """Make another file of the same picture: what follows its end is not looked at."""
    return jpeg + str(number).encode()


def test_picture_is_read_and_found_again(program: Program, jpeg: bytes) -> None:
    answer = program.send(jpeg)
    assert answer.status_code == 200
    (reading,) = answer.json["readings"]
    assert [cell["cell_type"] for cell in reading["cells"]] == ["neutrophil", None]
    assert reading["url"] == f"{URL}/{reading['id']}"
    again = program.get(reading["url"])
    assert again.json == reading


def test_reading_is_the_document_of_every_door(program: Program, jpeg: bytes) -> None:
    (reading,) = program.send(jpeg, data={"explain": "true"}).json["readings"]
    form = {"image": [(io.BytesIO(jpeg), "a.jpg")], "explain": "1"}
    headers = {"Accept": "application/json"}
    predicted = program.post("/predict", data=form, headers=headers).json
    assert {name: reading[name] for name in predicted} == predicted
    assert set(reading) - set(predicted) == {"id", "url"}
    assert ReadingDocument().validate(reading) == {}


def test_each_of_several_has_an_entry_in_the_order_sent(program: Program, jpeg: bytes) -> None:
    answer = program.send(jpeg, BAD, jpeg)
    assert answer.status_code == 200
    first, bad, second = answer.json["readings"]
    assert bad["error"]["code"] == "unsupported_format"
    assert first["id"] < second["id"]


@pytest.mark.parametrize(
    ("pictures", "status", "code"),
    [
        pytest.param([], 400, "no_image", id="none"),
        pytest.param([BAD], 415, "unsupported_format", id="no picture"),
        pytest.param([BAD] * 4, 413, "too_many_images", id="too many"),
        pytest.param([bytes(2**17 + 1)], 413, "file_too_large", id="too large"),
    ],
)
def test_refused_request_is_a_problem(
    program: Program, pictures: list[bytes], status: int, code: str
) -> None:
    for headers in ({}, {"Prefer": "respond-async"}):
        if headers and len(pictures) == 1:
            continue
        answer = program.send(*pictures, headers=headers)
        assert (answer.status_code, answer.json["code"]) == (status, code)
        assert answer.mimetype == "application/problem+json"


def test_field_that_is_not_known_is_refused_by_name(program: Program, jpeg: bytes) -> None:
    answer = program.send(jpeg, data={"colour": "red"})
    assert answer.status_code == 422
    assert answer.json["errors"] == [{"field": "colour", "reason": "Unknown field."}]


def test_reading_that_is_known_is_not_sent_again(program: Program, jpeg: bytes) -> None:
    (reading,) = program.send(jpeg).json["readings"]
    tag = program.get(reading["url"]).headers["ETag"]
    again = program.get(reading["url"], **{"If-None-Match": f'"other", {tag}'})
    assert (again.status_code, again.data) == (304, b"")
    assert program.get(reading["url"], **{"If-None-Match": '"other"'}).status_code == 200


def test_unknown_reading_is_a_problem(program: Program) -> None:
    for number in (1, 10**30):
        answer = program.get(f"{URL}/{number}")
        assert (answer.status_code, answer.json["code"]) == (404, "photo_unknown")


def test_list_goes_on_until_it_ends(program: Program, jpeg: bytes) -> None:
    for number in range(5):
        program.send(different(jpeg, number))
    seen, url, pages = [], f"{URL}?limit=2&quick=true", 0
    while url:
        answer = program.get(url)
        seen += [line["id"] for line in answer.json["items"]]
        url, pages = answer.json["next"], pages + 1
        if url:
            assert answer.headers["Link"] == f'<{url}>; rel="next"'
            assert "quick=true" in url
    assert seen == sorted(seen, reverse=True)
    assert (len(set(seen)), pages) == (5, 3)


def test_list_finds_what_is_asked_for(program: Program, database: Database, jpeg: bytes) -> None:
    first, second = (
        program.send(different(jpeg, number)).json["readings"][0]["id"] for number in range(2)
    )
    now = datetime.now(UTC)
    with database.reading() as records:
        user = records.users.find(Role.TECHNOLOGIST)
    assert user
    by = Hand(user.id, "page", now)
    open_case(database, "H-1 a", "", by=by)
    file_reading(database, first, "H-1 a", new=False, user=user, by=by)

    def found(**asked: str) -> list[int]:
        answer = program.client.get(URL, query_string=asked, headers=program.headers)
        assert answer.status_code == 200, answer.text
        return [line["id"] for line in answer.json["items"]]

    assert found() == [second, first]
    assert found(accession="h-1") == found(state="open") == [first]
    assert found(quick="true") == [second]
    assert found(label="neutrophil", person=str(user.id), model_version="0.0.0") == [second, first]
    assert found(label="basophil") == found(person="0") == []
    assert found(since=now.isoformat(), until=now.isoformat()) == []
    assert found(until="2020-01-01T00:00:00Z") == []
    (line,) = program.get(f"{URL}?accession=H-1").json["items"]
    assert (line["accession"], line["door"], line["total"]) == ("H-1 a", "api", 2)
    assert line["read_at"].endswith("Z")
    assert line["counts"] == {"neutrophil": 1, "unidentified": 1}


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "cursor=x",
        "cursor=MQ==",
        "cursor=OTk5OTk5OTk5OTk5OTk5OTk5OS0x",
        "state=lost",
        "since=yesterday",
        "since=0001-01-01T00:00:00%2B14:00",
        "person=-1",
        "person=9223372036854775808",
        "accession=%00",
        "colour=red",
    ],
)
def test_list_refuses_what_it_cannot_ask_for(program: Program, query: str) -> None:
    answer = program.get(f"{URL}?{query}")
    (error,) = answer.json["errors"]
    assert (answer.status_code, answer.json["code"]) == (422, "fields_invalid")
    assert error["field"] == query.partition("=")[0]


def test_no_address_of_programs_answers_a_failure_with_a_page(app: Flask, program: Program) -> None:
    html = {"Accept": "text/html"}
    for method, url, status in (
        ("GET", "/api/v1/nowhere", 404),
        ("DELETE", URL, 405),
        ("GET", "/api/nowhere", 404),
    ):
        answer = program.client.open(url, method=method, headers={**program.headers, **html})
        assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert app.test_client().get(URL, headers=html).mimetype == "application/problem+json"


def test_program_of_another_site_needs_no_form_of_ours(program: Program, jpeg: bytes) -> None:
    answer = program.send(jpeg, headers={"Origin": "https://lis.example"})
    assert answer.status_code == 200


def test_viewer_reads_no_photo(program_of: Callable[[Role], Program], jpeg: bytes) -> None:
    answer = program_of(Role.VIEWER).send(jpeg)
    assert (answer.status_code, answer.json["code"]) == (403, "not_allowed")
