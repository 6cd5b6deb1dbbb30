import csv
import io
import json
import zipfile
from http import HTTPStatus
from pathlib import Path

import pypdfium2
import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.services.cases import make_case, say
from tests.services.signatures import add_person, hand_of, sign

from hematovision.cells import NOTICE, CellType
from hematovision.people import Role
from hematovision.services.amending import amend_case
from hematovision.services.second_readings import ask_second, take_second
from hematovision.storage.cases import Case
from hematovision.storage.chain import StoredEvent
from hematovision.storage.database import Database

from .conftest import JSON, signed_in

FILES = {
    "report.pdf": "application/pdf",
    "report.fhir.json": "application/fhir+json",
    "cells.csv": "text/csv; charset=utf-8",
    "cells.xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pictures.zip": "application/zip",
}
PAGE = "/cases/1/report"
REASONS = {"target": "No more cells on the film.", "unconfirmed": "They are clear."}


@pytest.fixture
def case(database: Database) -> Case:
    """Make a case of 50 neutrophils, 49 lymphocytes and an unidentified cell."""
    case = make_case(database, [CellType.NEUTROPHIL] * 50 + [CellType.LYMPHOCYTE] * 49 + [None])
    say(database, case, "monocyte", 100)
    return case


def exported(database: Database, subject: str = "case 1") -> StoredEvent | None:
    with database.reading() as records:
        return records.audit.find(action="case.exported", subject=subject)


def text_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    said = []
    for page in document:
        text = page.get_textpage()
        said.append(text.get_text_range())
        text.close()
        page.close()
    document.close()
    return " ".join(" ".join(said).split())


@pytest.mark.parametrize(("file", "mimetype"), FILES.items())
def test_file_is_handed_over_whole_private_and_on_record(
    client: FlaskClient, database: Database, case: Case, file: str, mimetype: str
) -> None:
    answer = client.get(f"/cases/{case.id}/{file}")
    assert (answer.status_code, answer.content_type) == (HTTPStatus.OK, mimetype)
    assert answer.content_length == len(answer.data)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Disposition"] == (f"attachment; filename=case-1-unsigned-{file}")
    event = exported(database)
    assert event is not None
    assert event.actor_id is not None
    assert f'"{event.details["sha256"]}"' == answer.headers["ETag"]


def test_page_says_what_can_be_had(client: FlaskClient, database: Database, case: Case) -> None:
    page = client.get(PAGE).text
    assert "Preliminary, not signed" in page
    assert "Nobody has signed this." in page
    assert "100 cells counted, 1 of them confirmed by people" in page
    for file in FILES:
        assert f"/cases/1/{file}?version=0" in page
    assert "style=" not in page
    assert exported(database) is None
    with database.reading() as records:
        assert records.audit.find(action="report.seen", subject="case 1")


def test_signed_case_can_be_had_in_every_version(
    client: FlaskClient, database: Database, case: Case
) -> None:
    user = add_person(database, "rosa")
    sign(database, case, user, reasons=REASONS)
    amend_case(database, case.id, "A monocyte was a blast.", by=hand_of(user, 1))
    opened = client.get(PAGE).text
    assert "Preliminary, not signed" in opened
    assert "/cases/1/report?version=1" in opened
    say(database, case, "blast", 100)
    sign(database, case, user, minutes=2, reasons=REASONS)
    page = client.get(PAGE).text
    assert "Version 2, amended" in page
    assert "Amended because: A monocyte was a blast." in page
    assert "Rosa Okafor, MD" in page
    for version, status in ((0, "preliminary"), (1, "final"), (2, "amended")):
        answer = client.get(f"/cases/1/report.fhir.json?version={version}")
        assert json.loads(answer.data)["entry"][0]["resource"]["status"] == status
    first = client.get(f"{PAGE}?version=1").text
    assert "Replaced by version 2." in first
    assert "Version 1, final" in first
    assert "/cases/1/report?version=2" in first


def test_code_on_paper_leads_to_the_event_on_this_server(
    client: FlaskClient, database: Database, case: Case
) -> None:
    signature = sign(database, case, add_person(database, "rosa"), reasons=REASONS)
    with database.reading() as records:
        event = records.audit.find(action="case.signed", subject=f"signature {signature.id}")
    assert event is not None
    said = text_of(client.get("/cases/1/report.pdf").data)
    assert f"http://localhost/audit/{event.id}?digest={event.digest}" in said.replace(" ", "")


def test_page_of_the_event_says_whether_the_digest_on_paper_is_its_own(
    app: Flask, database: Database, case: Case
) -> None:
    signature = sign(database, case, add_person(database, "rosa"), reasons=REASONS)
    with database.reading() as records:
        event = records.audit.find(action="case.signed", subject=f"signature {signature.id}")
    assert event is not None
    chief = signed_in(app, database, Role.PATHOLOGIST)
    address = f"/audit/{event.id}"
    assert "is that of this event" in chief.get(f"{address}?digest={event.digest}").text
    assert "is not that of this event" in chief.get(f"{address}?digest={'0' * 64}").text
    assert "data-paper" not in chief.get(address).text


def test_paper_speaks_the_language_of_the_page(client: FlaskClient, case: Case) -> None:
    spanish = client.get("/cases/1/report.pdf", headers={"Accept-Language": "es"})
    said = text_of(spanish.data)
    assert "Neutrófilos 50" in said
    assert "50,0 %" in said
    assert b"/Lang (es)" in spanish.data
    english = text_of(client.get("/cases/1/report.pdf", headers={"Accept-Language": "en"}).data)
    assert "Neutrophils 50" in english
    assert NOTICE in english


def test_version_that_is_none_is_refused(client: FlaskClient, case: Case) -> None:
    assert client.get("/cases/1/report.pdf?version=1").status_code == HTTPStatus.NOT_FOUND
    assert client.get(f"{PAGE}?version=1").status_code == HTTPStatus.NOT_FOUND
    assert client.get(f"{PAGE}?version=x").status_code == HTTPStatus.NOT_FOUND
    assert client.get(f"{PAGE}?version=").status_code == HTTPStatus.NOT_FOUND
    assert client.get("/cases/2/report.pdf").status_code == HTTPStatus.NOT_FOUND


def test_viewer_gets_nothing_and_is_shown_no_way(
    app: Flask, database: Database, case: Case
) -> None:
    viewer = signed_in(app, database, Role.VIEWER)
    for file in (*FILES, "report"):
        answer = viewer.get(f"/cases/1/{file}", headers=JSON)
        assert answer.status_code == HTTPStatus.FORBIDDEN
    assert viewer.get("/cases/export", headers=JSON).status_code == HTTPStatus.FORBIDDEN
    assert PAGE not in viewer.get("/cases/1/differential").text
    assert "/cases/export" not in viewer.get("/cases?state=all").text
    assert exported(database) is None


def test_technologist_finds_the_way(client: FlaskClient, case: Case) -> None:
    assert PAGE in client.get("/cases/1/differential").text
    assert "/cases/export?" in client.get("/cases?state=all").text


def test_list_that_is_looked_at_is_the_list_that_goes_out(
    client: FlaskClient, database: Database, case: Case
) -> None:
    make_case(database, number="27-9")
    for search, numbers in (("state=all", {"26-1", "27-9"}), ("state=all&q=27", {"27-9"})):
        answer = client.get(f"/cases/export?{search}")
        rows = csv.DictReader(io.StringIO(answer.text))
        assert {row["accession"] for row in rows} == numbers
    event = exported(database, "cases")
    assert event is not None
    assert event.details["cases"] == 1
    book = client.get("/cases/export?format=xlsx")
    assert book.headers["Content-Disposition"] == "attachment; filename=cases.xlsx"
    assert zipfile.is_zipfile(io.BytesIO(book.data))


@pytest.mark.parametrize("kind", ["pdf", "zip", "fhir", "exe", ""])
def test_list_has_no_other_format(client: FlaskClient, case: Case, kind: str) -> None:
    assert client.get(f"/cases/export?format={kind}").status_code == HTTPStatus.NOT_FOUND


def test_nothing_is_left_on_disk(app: Flask, client: FlaskClient, case: Case) -> None:
    for file in FILES:
        client.get(f"/cases/1/{file}")
    assert list(Path(app.config["UPLOAD_FOLDER"]).iterdir()) == []


def test_who_reads_a_case_a_second_time_is_not_told_what_was_said(
    app: Flask, database: Database, case: Case
) -> None:
    second = signed_in(app, database, Role.PATHOLOGIST)
    with database.reading() as records:
        user = records.users.find(Role.PATHOLOGIST)
    assert user is not None
    ask_second(database, case.id, by=hand_of(add_person(database, "rosa")))
    take_second(database, case.id, by=hand_of(user))
    for file in (*FILES, "report"):
        answer = second.get(f"/cases/1/{file}", headers=JSON)
        assert answer.status_code == HTTPStatus.CONFLICT
    assert exported(database) is None
