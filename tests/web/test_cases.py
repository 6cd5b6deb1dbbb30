import re
from datetime import UTC, datetime, timedelta
from html import unescape
from http import HTTPStatus

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.conftest import StubReader
from tests.databases import counted_queries

from hematovision.labels import Count, Label
from hematovision.people import Role
from hematovision.services.batches import Desk, add_photo, read_next
from hematovision.services.cases import open_case
from hematovision.services.hands import Hand
from hematovision.storage.cases import Case
from hematovision.storage.cells import Tally
from hematovision.storage.database import Database
from hematovision.web.cases import _greeting, number_of, time_left, waited
from hematovision.web.mixes import mix_of

from .conftest import Sender, signed_in

NOW = datetime.now(UTC)
BY = Hand(None, "page", NOW)


@pytest.fixture
def desk(app: Flask, database: Database, reader: StubReader) -> Desk:
    return Desk(database, app.extensions["hematovision"].files, reader)


def make(desk: Desk, accession: str, jpeg: bytes, *, photos: int = 1, read: int = 1) -> Case:
    case = open_case(desk.database, accession, by=Hand(None, "page", datetime.now(UTC)))
    for number in range(photos):
        picture = jpeg + f"{accession} {number}".encode()
        add_photo(desk.database, desk.files, case, picture, by=BY)
    for _ in range(read):
        assert read_next(desk, "a", clock=lambda: NOW)
    return case


def words(page: str) -> str:
    """Give what a page says, in one line."""
    main = page.partition("<main")[2]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split())


def post(client: FlaskClient, url: str, **fields: object):
    return client.post(url, data=fields | {"csrf_token": Sender(client).token()})


def test_empty_start_page_says_what_to_do(client: FlaskClient) -> None:
    page = words(client.get("/cases").text)
    assert "Nothing waits." in page
    assert "Give the film a number above and add its photos" in page


def test_viewer_sees_and_is_offered_nothing_to_do(
    app: Flask, database: Database, desk: Desk, jpeg: bytes
) -> None:
    make(desk, "26-0837", jpeg, photos=2)
    page = signed_in(app, database, Role.VIEWER).get("/cases").text
    assert "26-0837" in page
    assert "Pause" not in page
    assert "New case" not in page


def test_case_stands_with_all_that_is_to_be_known(
    client: FlaskClient, desk: Desk, jpeg: bytes
) -> None:
    case = make(desk, "26-0837", jpeg, photos=3, read=2)
    page = client.get("/cases").text
    said = words(page)
    assert "1 case waits for you. The oldest has waited less than a minute." in said
    assert "Review 26-0837, the oldest" in said
    assert "1 to review 2 unidentified cells" in said
    assert "Reading 26-0837" in said
    assert "2 of 3 photos · 4 cells" in said
    assert "26-0837 Still being read 4 3 photos" in said
    assert "? 2 Nobody less than a minute" in said
    assert 'aria-label="2 neutrophils, 2 unidentified"' in page
    assert f'href="/cases/{case.id}/review"' in page
    film = re.search(r'<td class="film"><img src="([^"]+)"', page)
    assert film
    assert client.get(unescape(film[1])).mimetype == "image/jpeg"


def test_filters_stand_in_the_address(client: FlaskClient, desk: Desk, jpeg: bytes) -> None:
    make(desk, "26-0837", jpeg)
    make(desk, "26-0838", jpeg)
    assert "26-0838" not in words(client.get("/cases?q=837").text).replace("the oldest", "")
    assert "No case is like this" in client.get("/cases?q=nothing").text
    assert "Nothing waits for a signature" in client.get("/cases?state=sign").text
    assert "No case is like this" in client.get("/cases?mine=1").text
    page = client.get("/cases?state=all&mine=1&q=26").text
    assert 'href="/cases?q=26&amp;state=review&amp;mine=1"' in page
    assert 'href="/cases?q=26&amp;state=all"' in page


@pytest.mark.parametrize(
    "address", ["?state=none", "?after=x", f"?after={'9' * 30}", "?q=%00", "?q=_"]
)
def test_address_that_makes_no_sense_shows_the_page(client: FlaskClient, address: str) -> None:
    assert client.get(f"/cases{address}").status_code == HTTPStatus.OK


def test_pages_lead_from_one_to_the_next(client: FlaskClient, database: Database) -> None:
    for number in range(27):
        open_case(database, f"case {number:02}", by=BY)
    for address, first in (("/cases", "case 00"), ("/cases?state=all", "case 26")):
        page = client.get(address).text
        assert page.count("<tr data-live") == 25
        assert f">{first}<" in page
        more = re.search(r'href="([^"]+)">More<', page)
        assert more
        rest = client.get(unescape(more[1])).text
        assert rest.count("<tr data-live") == 2
        assert ">More<" not in rest
        assert "To the beginning" in rest


def test_start_page_asks_as_often_however_many_cases_there_are(
    client: FlaskClient, desk: Desk, jpeg: bytes
) -> None:
    def asked() -> int:
        with counted_queries(desk.database) as queries:
            assert client.get("/cases").status_code == HTTPStatus.OK
        return len(queries)

    for number in range(3):
        make(desk, f"running {number}", jpeg, photos=2, read=0)
    some = asked()
    for number in range(12):
        make(desk, f"more {number}", jpeg, photos=2, read=1)
    assert asked() == some


def test_new_case_leads_to_where_its_photos_come_in(
    client: FlaskClient, database: Database
) -> None:
    answer = post(client, "/cases", accession=" 26-0837 ")
    assert (answer.status_code, answer.location) == (HTTPStatus.SEE_OTHER, "/cases/1")
    page = client.get("/cases/1").text
    assert "26-0837" in page
    assert "Waits for photos" in page


def test_number_that_is_taken_leads_to_its_case(client: FlaskClient, database: Database) -> None:
    case = open_case(database, "h26/0837", by=BY)
    answer = post(client, "/cases", accession="H26/0837")
    assert answer.status_code == HTTPStatus.CONFLICT
    assert f'href="/cases/{case.id}">Open h26/0837' in answer.text
    assert 'value="H26/0837"' in answer.text


def test_number_that_cannot_be_one_is_refused_at_its_field(client: FlaskClient) -> None:
    answer = post(client, "/cases", accession="<b>")
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "This cannot be a case&#39;s number." in answer.text
    assert 'value="&lt;b&gt;"' in answer.text


def test_who_signs_in_is_led_to_what_waits_where_there_are_cases(
    client: FlaskClient, database: Database
) -> None:
    assert client.get("/sign-in").location == "/"
    open_case(database, "26-0837", by=BY)
    assert client.get("/sign-in").location == "/cases"
    assert client.get("/sign-in?next=/model").location == "/model"


@pytest.mark.parametrize(
    ("span", "words"),
    [
        pytest.param(timedelta(seconds=59), "less than a minute", id="moment"),
        pytest.param(timedelta(minutes=12), "12 min", id="minutes"),
        pytest.param(timedelta(hours=3, minutes=5), "3 h 05", id="hours"),
        pytest.param(timedelta(days=2, hours=4), "2 d 4 h", id="days"),
        pytest.param(timedelta(minutes=-5), "less than a minute", id="clocks apart"),
    ],
)
def test_how_long_something_waits_is_said_in_words(app: Flask, span: timedelta, words: str) -> None:
    with app.test_request_context():
        assert waited(span) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        pytest.param(None, "", id="unknown"),
        pytest.param(59, "less than a minute left", id="seconds"),
        pytest.param(540, "about 9 min left", id="minutes"),
        pytest.param(7300, "about 2 h left", id="hours"),
    ],
)
def test_how_long_it_takes_is_said_in_words(app: Flask, seconds: int | None, words: str) -> None:
    with app.test_request_context():
        assert time_left(seconds) == words


@pytest.mark.parametrize(
    ("hour", "words"), [(4, "evening"), (5, "morning"), (12, "afternoon"), (18, "evening")]
)
def test_greeting_knows_the_hour(app: Flask, hour: int, words: str) -> None:
    with app.test_request_context():
        assert _greeting(hour) == f"Good {words}"


@pytest.mark.parametrize("text", [None, "", "-1", "1.5", "x", "9" * 19])
def test_number_that_is_none_counts_as_none(text: str | None) -> None:
    assert number_of(text) is None


OWN = (
    Label("our_own", "", Count.WHITE, "Hairy cell"),
    Label("our_other", "", Count.OUT, "Stain deposit"),
)


def test_mix_shows_white_cells_as_people_call_them(app: Flask) -> None:
    tallies = [
        Tally("neutrophil", True, None, 40),
        Tally("neutrophil", True, "eosinophil", 2),
        Tally("neutrophil", True, "artefact", 7),
        Tally("lymphocyte", True, "blast", 10),
        Tally("lymphocyte", True, "our_own", 10),
        Tally("lymphocyte", True, "our_other", 3),
        Tally("monocyte", True, "no_cell", 5),
        Tally(None, True, None, 18),
    ]
    with app.test_request_context():
        mix = mix_of(tallies, OWN)
    assert mix is not None
    assert mix.words == "40 neutrophils, 2 eosinophils, 20 others, 18 unidentified"
    assert [(part.colour, part.letter) for part in mix.parts] == [
        ("n", "N"),
        ("e", ""),
        ("x", ""),
        ("u", ""),
    ]
    assert sum(part.width for part in mix.parts) == pytest.approx(100)
    assert mix.parts[2].start == pytest.approx(52.5)


def test_mix_of_no_white_cell_is_none(app: Flask) -> None:
    with app.test_request_context():
        assert mix_of([Tally("neutrophil", True, "artefact", 1)]) is None
