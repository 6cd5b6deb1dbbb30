import io
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import pytest
from benchmarks.history import BEGIN, STEP, fill
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from tests.databases import counted_queries

from hematovision.cells import CellReader, Reading, RgbImage
from hematovision.config import Settings
from hematovision.errors import CaseUnknownError, PictureNotKeptError
from hematovision.labels import Count
from hematovision.people import Role
from hematovision.services.hands import Hand
from hematovision.services.naming import add_label
from hematovision.storage.cases import Case, CaseState
from hematovision.storage.database import Database
from hematovision.storage.search import Wanted
from hematovision.web import create_app

from .conftest import JSON, Sender, encode, sender_of, signed_in

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)


@pytest.fixture
def app(settings: Settings, reader: CellReader, database: Database) -> Flask:
    return create_app(settings, reader, database)


@pytest.fixture
def case(database: Database) -> Case:
    with database.transaction() as records:
        return records.cases.add("26-0837", "", by=None, now=NOW)


def token(client: FlaskClient) -> str:
    return Sender(client).token()


def number_of_readings(database: Database) -> int:
    with database.reading() as records:
        return len(records.search.find(Wanted(), limit=1000))


def rows(page: str) -> list[str]:
    """Give the lines of the list, as text."""
    body = re.search(r"<tbody>(.*?)</tbody>", page, re.S)
    lines = re.findall(r"<tr>(.*?)</tr>", body[1], re.S) if body else []
    return [" ".join(re.sub(r"<[^>]+>", " ", line).split()) for line in lines]


def file_into(client: FlaskClient, photo_id: int, accession: str, **fields: str):
    form = {"accession": accession, "csrf_token": token(client), **fields}
    return client.post(f"/readings/{photo_id}/case", data=form)


def test_history_without_a_reading_says_what_to_do(client: FlaskClient) -> None:
    page = client.get("/history").text
    assert "Nothing was read here yet" in page
    assert rows(page) == []


def test_every_reading_of_page_and_program_is_listed(
    app: Flask, sender: Sender, jpeg: bytes
) -> None:
    sender.page((jpeg, "a.jpg"))
    sender.program((jpeg, "a.jpg"), **{"Authorization": "Bearer none"})
    sender.program((jpeg, "a.jpg"), (b"", "b.jpg"), (jpeg, "c.jpg"))
    lines = rows(sender.client.get("/history").text)
    assert len(lines) == 3
    for line in lines:
        assert "quick reading" in line
        assert "1 neutrophil" in line
        assert "1 unidentified" in line
        assert "technologist page 0.0.0" in line


def test_program_comes_through_its_own_door(app: Flask, database: Database, jpeg: bytes) -> None:
    from hematovision.services.accounts import add_user
    from hematovision.services.hands import Hand
    from hematovision.services.tokens import add_token

    by = Hand(None, "terminal", NOW)
    shown = add_token(database, add_user(database, "robot", Role.TECHNOLOGIST, by=by), "", by=by)
    answer = Sender(app.test_client()).program((jpeg, "a.jpg"), Authorization=f"Bearer {shown}")
    assert answer.status_code == HTTPStatus.OK
    (line,) = rows(signed_in(app, database, Role.VIEWER).get("/history").text)
    assert "robot program" in line


def test_refused_upload_records_nothing(
    sender: Sender, database: Database, settings: Settings
) -> None:
    for files in ([(b"", "a.jpg")], [(b"text", "a.jpg"), (b"", "b.jpg")]):
        sender.page(*files)
        sender.program(*files)
    assert number_of_readings(database) == 0
    with database.reading() as records:
        assert records.audit.list() == []
    assert not [path for path in (settings.data_folder / "pictures").rglob("*") if path.is_file()]


def test_answer_that_cannot_be_recorded_is_not_given(
    sender: Sender, database: Database, settings: Settings, jpeg: bytes
) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("DROP TABLE history"))
    answer = sender.program((jpeg, "a.jpg"))
    assert answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert answer.json["code"] == "internal"
    assert not [path for path in (settings.data_folder / "pictures").rglob("*") if path.is_file()]


def test_reading_has_an_address_at_which_it_is_the_same(sender: Sender, jpeg: bytes) -> None:
    first = sender.program((jpeg, "a.jpg"))
    again = sender.client.get(first.headers["Content-Location"], headers=JSON)
    assert again.json == first.json
    assert "Accept" in again.headers["Vary"]
    assert "Content-Location" not in sender.program((jpeg, "a.jpg"), (jpeg, "b.jpg")).headers


def test_reading_is_opened_again_without_the_model(
    settings: Settings, database: Database, sender: Sender, jpeg: bytes
) -> None:
    place = sender.program((jpeg, "a.jpg")).headers["Content-Location"]
    later = signed_in(create_app(settings, None, database), database, Role.VIEWER)
    page = later.get(place).text
    assert page.count("<article") == 2
    assert "<b>Monocyte or lymphocyte.</b> The system cannot rule out either." in page
    assert "1 N: cell 1, neutrophil" in page
    assert "stub 0.0.0" in page
    assert page.count("data:image/jpeg;base64,") == 3
    assert "What mattered" not in page
    assert "File into a case" not in page


def test_reading_whose_picture_is_not_kept_says_so(
    settings: Settings, reader: CellReader, database: Database, jpeg: bytes
) -> None:
    none = create_app(replace(settings, keep_pictures=False), reader, database)
    sender = sender_of(none, database)
    assert "The picture is deleted when it has been read." in sender.client.get("/").text
    result = sender.page((jpeg, "a.jpg"))
    assert "the picture was deleted when it had been read" in result.text
    page = sender.client.get(result.headers["Content-Location"]).text
    assert "The picture is not kept. What was read in it is." in page
    assert page.count("<article") == 2
    assert "data:image" not in page
    assert "File into a case" not in page
    assert not [path for path in (settings.data_folder / "pictures").rglob("*") if path.is_file()]


def test_page_says_what_is_kept(sender: Sender, jpeg: bytes) -> None:
    assert "So is the picture, encrypted." in sender.client.get("/").text
    assert "What was read is kept, and the picture, encrypted" in sender.page((jpeg, "a")).text


@pytest.mark.parametrize("photo_id", ["4711", "9223372036854775807", "9" * 30, "x"])
def test_reading_that_is_not_there_is_not_found(client: FlaskClient, photo_id: str) -> None:
    assert client.get(f"/readings/{photo_id}").status_code == HTTPStatus.NOT_FOUND
    assert file_into_status(client, photo_id) == HTTPStatus.NOT_FOUND


def file_into_status(client: FlaskClient, photo_id: str) -> int:
    form = {"accession": "26-0837", "csrf_token": token(client)}
    return client.post(f"/readings/{photo_id}/case", data=form).status_code


def test_picture_that_is_looked_at_is_not_recorded_again(
    sender: Sender, database: Database, jpeg: bytes, photo: RgbImage
) -> None:
    place = sender.program((jpeg, "a.jpg")).headers["Content-Location"]
    photo_id = place.rsplit("/", 1)[1]
    page = sender.page((jpeg, "a.jpg"), recorded=photo_id)
    assert "What mattered" in page.text
    assert page.headers["Content-Location"] == place
    assert number_of_readings(database) == 1
    for wrong in (str(int(photo_id) + 1), "x", "9" * 30, ""):
        assert sender.page((jpeg, "a.jpg"), recorded=wrong).status_code == HTTPStatus.OK
    assert number_of_readings(database) == 5
    other = encode(photo[:64], "PNG")
    assert sender.page((other, "b.png"), recorded=photo_id).status_code == HTTPStatus.OK
    assert number_of_readings(database) == 6


def test_reading_is_filed_into_a_case_and_found_there(
    sender: Sender, database: Database, case: Case, jpeg: bytes
) -> None:
    result = sender.page((jpeg, "a.jpg"))
    action = re.search(r'action="(/readings/(\d+)/case)"', result.text)
    assert action
    answer = file_into(sender.client, int(action[2]), "26-0837")
    assert answer.status_code == HTTPStatus.SEE_OTHER
    assert answer.location == f"/cases/{case.id}"
    (line,) = rows(sender.client.get("/history?case=26-08").text)
    assert "26-0837" in line
    assert "open" in line
    page = sender.client.get(f"/readings/{action[2]}").text
    assert f'href="/cases/{case.id}"' in page
    assert "File into a case" not in page


def test_reading_is_filed_into_a_new_case(sender: Sender, database: Database, jpeg: bytes) -> None:
    sender.page((jpeg, "a.jpg"))
    assert file_into(sender.client, 1, "26-0901", new="1").status_code == HTTPStatus.SEE_OTHER
    with database.reading() as records:
        assert records.cases.find("26-0901") is not None


def test_filing_that_is_refused_says_why_beside_the_form(
    sender: Sender, database: Database, case: Case, jpeg: bytes
) -> None:
    sender.page((jpeg, "a.jpg"))
    answer = file_into(sender.client, 1, "26-08x")
    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert CaseUnknownError.advice in answer.text
    assert 'value="26-08x"' in answer.text
    taken = file_into(sender.client, 1, "26-0837", new="1")
    assert taken.status_code == HTTPStatus.CONFLICT
    assert " checked" in taken.text
    with database.transaction() as records:
        assert records.cases.change(replace(case, state=CaseState.SIGNED), seen=1)
    assert file_into(sender.client, 1, "26-0837").status_code == HTTPStatus.CONFLICT


def test_picture_that_is_not_kept_cannot_be_filed(
    settings: Settings, reader: CellReader, database: Database, case: Case, jpeg: bytes
) -> None:
    none = create_app(replace(settings, keep_pictures=False), reader, database)
    sender = sender_of(none, database)
    sender.page((jpeg, "a.jpg"))
    answer = file_into(sender.client, 1, "26-0837")
    assert answer.status_code == HTTPStatus.GONE
    assert PictureNotKeptError.advice in answer.text


def test_form_is_shown_to_who_may_use_it(
    app: Flask, sender: Sender, database: Database, jpeg: bytes
) -> None:
    sender.page((jpeg, "a.jpg"))
    shown = {
        role: "File into a case" in signed_in(app, database, role).get("/readings/1").text
        for role in Role
    }
    assert shown == {role: role != Role.VIEWER for role in Role}


@pytest.fixture
def filled(database: Database, app: Flask) -> FlaskClient:
    fill(database, 120)
    return signed_in(app, database, Role.VIEWER)


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        pytest.param("case=26-000002", 'value="26-000002"', id="case"),
        pytest.param("from=2024-01-01&to=2024-01-01", 'value="2024-01-01"', id="days"),
        pytest.param("class=basophil", '<option value="basophil" selected', id="class"),
        pytest.param("class=unidentified", '<option value="unidentified" selected', id="doubt"),
        pytest.param("person=3", '<option value="3" selected', id="person"),
        pytest.param("state=open", '<option value="open" selected', id="state"),
        pytest.param("state=quick", '<option value="quick" selected', id="no case"),
        pytest.param("model=1.0.0", '<option value="1.0.0" selected', id="model"),
    ],
)
def test_filters_stand_in_the_address_and_in_the_form(
    filled: FlaskClient, query: str, kept: str
) -> None:
    page = filled.get(f"/history?{query}").text
    assert kept in page
    assert "Show all" in page
    assert rows(page) or "Nothing found" in page


@pytest.mark.parametrize(
    ("query", "inside"),
    [
        pytest.param("class=eosinophil", "eosinophil", id="class"),
        pytest.param("person=3", "person3", id="person"),
        pytest.param("state=signed", "signed", id="state"),
        pytest.param("state=quick", "quick reading", id="no case"),
        pytest.param("model=1.2.0", "1.2.0", id="model"),
        pytest.param("case=26-000002&model=1.4.0", "26-000002", id="case"),
    ],
)
def test_lines_are_those_that_were_asked_for(filled: FlaskClient, query: str, inside: str) -> None:
    lines = rows(filled.get(f"/history?{query}").text)
    assert lines
    assert all(inside in line for line in lines)


def test_days_begin_and_end_by_the_clock(filled: FlaskClient) -> None:
    assert rows(filled.get("/history?from=2024-01-02").text) == []
    assert "Nothing found" in filled.get("/history?from=2024-01-02").text
    assert len(rows(filled.get("/history?to=2024-01-01").text)) == 50
    assert rows(filled.get("/history?to=2023-12-31").text) == []


HOSTILE = [
    "from=9999-12-31&to=9999-12-31",
    "from=0001-01-01&to=0001-01-01",
    "from=yesterday&to=%00",
    "person=99999999999999999999",
    "person=-1",
    "person=1%20OR%201=1",
    "class=%27;DROP%20TABLE%20history;--",
    "class=",
    "state=%3Cscript%3E",
    "model=%00",
    "before=1",
    "before=99999999999999-999999999999999999",
    "before=%D9%A1-%D9%A1",
    "before=-1--1",
    "case=%00",
    "case=%25",
    "case=%F0%9F%A9%B8",
    "case=" + "x" * 500,
    "case=%3Cscript%3Ealert(1)%3C/script%3E",
    "case=a&case=b",
    "page=2",
]


@pytest.mark.parametrize("query", HOSTILE)
def test_what_is_not_on_offer_does_no_harm(filled: FlaskClient, query: str) -> None:
    answer = filled.get(f"/history?{query}")
    assert answer.status_code == HTTPStatus.OK
    assert "<script>alert" not in answer.text
    assert "\0" not in answer.text


def test_pages_go_on_from_each_other_with_their_filters(filled: FlaskClient) -> None:
    seen: list[str] = []
    url = "/history?class=neutrophil"
    for _ in range(3):
        page = filled.get(url).text
        seen += re.findall(r'href="(/readings/\d+)"', page)
        older = re.search(r'href="([^"]+)" rel="next"', page)
        if older is None:
            break
        url = older[1].replace("&amp;", "&")
        assert "class=neutrophil" in url
    assert len(seen) == len(set(seen))
    assert len(seen) > 60
    assert 'href="/history?class=neutrophil">Newest' in page


def test_page_stays_where_it_is_while_new_readings_come(
    filled: FlaskClient, app: Flask, database: Database, jpeg: bytes
) -> None:
    older = re.search(r'href="([^"]+)" rel="next"', filled.get("/history").text)
    assert older
    before = rows(filled.get(older[1]).text)
    sender_of(app, database).program((jpeg, "a.jpg"))
    assert rows(filled.get(older[1]).text) == before


def test_end_of_the_history_says_so(filled: FlaskClient) -> None:
    assert "Nothing older" in filled.get("/history?before=1-1").text


def test_number_of_queries_does_not_grow_with_the_readings(
    filled: FlaskClient, database: Database
) -> None:
    numbers = set()
    for _ in range(2):
        # Once a process proves that the chain of the record is its own.
        filled.get("/history")
    second = int((BEGIN + 2 * STEP).timestamp() * 1000)
    for query, lines in ((f"before={second}-2", 1), ("", 50)):
        with counted_queries(database) as queries:
            assert len(rows(filled.get(f"/history?{query}").text)) == lines
        numbers.add(len(queries))
    assert len(numbers) == 1


class ManyCellsReader:
    """Finds twenty times as many cells as the stub does."""

    def __init__(self, reader: CellReader) -> None:
        self.reader, self.model = reader, reader.model

    def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
        return tuple(self.reader.read(photo, explain=explain)) * 20


def test_number_of_queries_does_not_grow_with_the_cells(
    settings: Settings, reader: CellReader, database: Database, jpeg: bytes
) -> None:
    numbers = set()
    for some in (reader, ManyCellsReader(reader)):
        app = create_app(settings, some, database)
        sender = sender_of(app, database)
        place = sender.program((jpeg, "a.jpg")).headers["Content-Location"]
        sender.client.get(place)
        with counted_queries(database) as queries:
            assert sender.client.get(place).status_code == HTTPStatus.OK
        numbers.add(len(queries))
    assert len(numbers) == 1


def test_label_of_a_person_has_its_name_and_its_letter(
    client: FlaskClient, database: Database, case: Case, jpeg: bytes
) -> None:
    Sender(client).page((jpeg, "a.jpg"))
    file_into(client, 1, "26-0837")
    with database.transaction() as records:
        cell = records.cells.list(case.id)[0]
        assert records.cells.review(case.id, cell.id, "band", seen=0, by=1, now=NOW)
    page = client.get("/history?class=band").text
    mark = '<span class="mark small" data-c="band" aria-hidden="true">D</span>'
    assert f"{mark}1 band neutrophil" in page


def test_own_label_of_the_laboratory_has_its_name_and_its_key(
    client: FlaskClient, database: Database, case: Case, jpeg: bytes
) -> None:
    own = add_label(database, "hairy cell", "y", Count.WHITE, by=Hand(None, "page", NOW))
    Sender(client).page((jpeg, "a.jpg"))
    file_into(client, 1, "26-0837")
    with database.transaction() as records:
        cell = records.cells.list(case.id)[0]
        assert records.cells.review(case.id, cell.id, own.code, seen=0, by=1, now=NOW)
    page = client.get(f"/history?class={own.code}").text
    assert '<span class="mark small" data-c="more" aria-hidden="true">Y</span>1 hairy cell' in page
    assert f'<option value="{own.code}" selected>hairy cell</option>' in page


@pytest.mark.real_data
def test_real_photo_comes_back_as_it_was_read(
    settings: Settings, reader: CellReader, data_folder: Path, database: Database
) -> None:
    app = create_app(replace(settings, max_file_bytes=2**20), reader, database)
    sender = sender_of(app, database)
    photo = data_folder / "bccd" / "photos" / "BloodImage_00010.jpg"
    form = {"image": (io.BytesIO(photo.read_bytes()), photo.name)}
    first = sender.client.post("/predict", data=form, headers=JSON)
    page = sender.client.get(first.headers["Content-Location"]).text
    assert "640 \N{MULTIPLICATION SIGN} 480" in page
