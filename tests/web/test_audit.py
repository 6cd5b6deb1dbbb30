import re
from datetime import UTC, datetime
from http import HTTPStatus

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from tests.records import event, keep

from hematovision.cells import CellReader
from hematovision.people import Role
from hematovision.services.auditing import PAGE
from hematovision.services.batches import Desk, add_photo, read_next
from hematovision.services.hands import Hand
from hematovision.storage.audit import AuditEvent
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.tables import AuditValueRow

from .conftest import JSON, Sender, signed_in

NOW = datetime(2026, 11, 26, 6, 0, tzinfo=UTC)


@pytest.fixture
def chief(app: Flask, database: Database) -> FlaskClient:
    return signed_in(app, database, Role.PATHOLOGIST)


@pytest.fixture
def case(database: Database) -> Case:
    with database.transaction() as records:
        return records.cases.add("26-0837", "", by=None, now=NOW)


def happened(database: Database) -> list[AuditEvent]:
    """Give what happened, the oldest first, but for signing in."""
    with database.reading() as records:
        events = records.audit.list(limit=1000)
    return [one for one in reversed(events) if not one.action.startswith("user.")]


def actions(page: str) -> list[str]:
    """Give the actions that a page lists."""
    body = re.search(r"<tbody>(.*?)</tbody>", page, re.S)
    return re.findall(r"<td><code>(\w+\.[\w.]+)</code></td>", body[1]) if body else []


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


@pytest.mark.parametrize(
    ("url", "action", "subject"),
    [
        ("/cases", "cases.seen", "cases"),
        ("/cases/1", "case.seen", "case 1"),
        ("/cases/1/review", "gallery.seen", "case 1"),
        ("/cases/1/differential", "differential.seen", "case 1"),
        ("/cases/1/sign", "signing.seen", "case 1"),
        ("/cases/1/second", "second_reading.seen", "case 1"),
        ("/quality", "quality.seen", "quality"),
        ("/history?case=26-0837", "history.searched", "history"),
        ("/audit?subject=case+1", "audit.searched", "audit"),
        ("/audit/1", "audit.seen", "event 1"),
    ],
)
def test_every_look_is_on_record_once(
    chief: FlaskClient, case: Case, database: Database, url: str, action: str, subject: str
) -> None:
    keep(database, event(1, action="user.added", subject="user 1"))
    assert chief.get(url).status_code == HTTPStatus.OK
    (seen,) = happened(database)
    assert (seen.action, seen.subject, seen.door) == (action, subject, "page")
    assert seen.address == "127.0.0.1"
    assert seen.actor_id is not None
    assert "26-0837" not in repr(seen)


def test_photo_and_reading_that_are_looked_at_are_on_record(
    sender: Sender, client: FlaskClient, database: Database, jpeg: bytes
) -> None:
    sender.page((jpeg, "a.jpg"))
    client.get("/readings/1")
    client.get("/readings/1", headers=JSON)
    assert [one.action for one in happened(database)] == ["photo.read", *["reading.seen"] * 2]


def test_photo_that_is_fetched_alone_is_on_record_once(
    app: Flask,
    client: FlaskClient,
    case: Case,
    database: Database,
    reader: CellReader,
    jpeg: bytes,
) -> None:
    desk = Desk(database, app.extensions["hematovision"].files, reader)
    photo = add_photo(database, desk.files, case, jpeg, by=Hand(None, "terminal", NOW))
    read_next(desk, "worker", clock=lambda: NOW)
    before = len(happened(database))
    for size in ("small", "large", "large"):
        address = f"/cases/{case.id}/photos/{photo.id}.jpg?size={size}"
        assert client.get(address).status_code == HTTPStatus.OK
    assert client.get(f"/cases/{case.id}/cells/1/history").status_code == HTTPStatus.OK
    assert [one.action for one in happened(database)[before:]] == [
        "photo.seen",
        "cell.history_seen",
    ]


def test_page_that_renews_itself_is_one_look(
    client: FlaskClient, case: Case, database: Database
) -> None:
    for _ in range(3):
        client.get("/cases/1/differential", headers={"Sec-Fetch-Dest": "empty"})
        client.get("/cases/1/differential.json")
        client.get("/cases/1/progress")
    assert [one.action for one in happened(database)] == ["differential.seen"]
    client.get("/cases/1/differential", headers={"Sec-Fetch-Dest": "document"})
    assert len(happened(database)) == 2


def test_what_is_not_there_is_not_looked_at(client: FlaskClient, database: Database) -> None:
    assert client.get("/cases/99").status_code == HTTPStatus.NOT_FOUND
    assert happened(database) == []


def test_refused_access_is_on_record(app: Flask, client: FlaskClient, database: Database) -> None:
    assert client.get("/audit").status_code == HTTPStatus.FORBIDDEN
    stranger = app.test_client()
    stranger.get("/cases", headers={"Authorization": "Bearer none"})
    refused = happened(database)
    assert [(one.action, one.subject, one.details) for one in refused] == [
        ("access.refused", "page audit.show", {"why": "not_allowed"}),
        ("access.refused", "token", {"why": "token_unknown"}),
    ]
    assert [one.actor_id is None for one in refused] == [False, True]


def test_record_is_listed_newest_first_by_pages(chief: FlaskClient, database: Database) -> None:
    keep(database, *(event(number, subject="case 7") for number in range(PAGE + 5)))
    page = chief.get("/audit?subject=case+7").text
    assert actions(page) == ["case.seen"] * PAGE
    older = re.search(r'href="([^"]+)" rel="next"', page)
    assert older is not None
    page = chief.get(older[1].replace("&amp;", "&")).text
    assert len(actions(page)) == 5
    assert 'rel="next"' not in page
    assert "Nothing older" in chief.get("/audit?subject=case+7&before=1").text


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        pytest.param("action=case.opened", ["case.opened"], id="action"),
        pytest.param("subject=case+7", ["cell.named", "case.opened"], id="of a case"),
        pytest.param("subject=ranges", ["ranges.set"], id="subject"),
        pytest.param(
            "person=0", ["ranges.set", "cell.named", "case.opened", "chain.begun"], id="who"
        ),
        pytest.param("from=2026-11-27&person=0", [], id="since"),
        pytest.param("to=2026-11-24&person=0", [], id="until"),
        pytest.param("from=no&digest=x&subject=ranges", ["ranges.set"], id="no date"),
        pytest.param("action=no.such", [], id="never done"),
    ],
)
def test_record_is_searched(
    chief: FlaskClient, database: Database, asked: str, found: list[str]
) -> None:
    keep(
        database,
        event(1, action="case.opened", subject="case 7"),
        event(2, action="cell.named", subject="cell 3", details={"case": 7}),
        event(3, action="ranges.set", subject="ranges"),
    )
    shown = actions(chief.get(f"/audit?{asked}").text)
    assert [one for one in shown if not one.startswith("user.")] == found


def test_event_is_found_by_how_its_digest_begins(chief: FlaskClient, database: Database) -> None:
    keep(database, event(1), event(2, action="case.opened"))
    with database.reading() as records:
        found = records.audit.find(action="case.opened", subject="case 2")
    assert found is not None
    assert found.digest is not None
    begin = f"{found.digest[:6].upper()}+{found.digest[6:10]}"
    assert actions(chief.get(f"/audit?digest={begin}").text) == ["case.opened"]
    page = chief.get(f"/audit/{found.id}").text
    assert found.digest in page
    assert f"/audit/{found.id - 1}" in page


def test_event_shows_before_and_after_until_they_are_erased(
    chief: FlaskClient, database: Database
) -> None:
    keep(database, event(7, before={"label": "band"}, after={"label": "blast"}), event(8))
    with database.reading() as records:
        found = records.audit.find(action="case.seen", subject="case 7")
    assert found is not None
    url = f"/audit/{found.id}"
    page = words(chief.get(url).text)
    assert "Before label band" in page
    assert "After label blast" in page
    assert "says nothing of before and after" in chief.get(f"/audit/{found.id + 1}").text
    with database.transaction() as records:
        records.session.execute(update(AuditValueRow).values(sealed=b"0" * 40))
    assert "was changed" in chief.get(url).text
    with database.transaction() as records:
        records.audit.forget(7)
    page = chief.get(url).text
    assert "Erased with the case" in page
    assert "blast" not in page


def test_event_that_is_not_there_is_said_so(chief: FlaskClient) -> None:
    for number in ("0", "99", "9" * 30):
        assert chief.get(f"/audit/{number}").status_code == HTTPStatus.NOT_FOUND


def test_audit_is_in_the_navigation_of_those_who_may(
    chief: FlaskClient, client: FlaskClient
) -> None:
    assert 'href="/audit"' in chief.get("/model").text
    assert 'href="/audit"' not in client.get("/model").text
