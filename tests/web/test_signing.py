import re
from http import HTTPStatus

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from tests.services.cases import add_read_photo, cells_of, make_case, say
from tests.services.signatures import PASSWORD, add_person, hand_of, ready_case, sign
from werkzeug.test import TestResponse

from hematovision.cells import CellType
from hematovision.people import Role
from hematovision.services.amending import amend_case
from hematovision.services.cases import get_case
from hematovision.services.policies import get_policy
from hematovision.services.review import Said, name_cells
from hematovision.services.second_readings import (
    ask_second,
    finish_second,
    name_second,
    take_second,
)
from hematovision.storage.cases import Case, CaseState
from hematovision.storage.database import Database
from hematovision.storage.photos import Sent
from hematovision.storage.tables import SignatureRow
from hematovision.web.second import TELLING

from .conftest import JSON, signed_in
from .test_sign_in import post

SIGN, DIFFERENTIAL, VERSION = "/cases/1/sign", "/cases/1/differential", "/cases/1/versions/1"
SECOND = "/cases/1/second"
DASH = "\N{EN DASH}"
GONE = '<span class="pic gone">Picture not kept</span>'


@pytest.fixture
def case(database: Database) -> Case:
    return ready_case(database)


@pytest.fixture
def chief(app: Flask, database: Database) -> FlaskClient:
    """Give a browser at which a pathologist with a password is signed in."""
    add_person(database, Role.PATHOLOGIST)
    return signed_in(app, database, Role.PATHOLOGIST)


def words(page: str) -> str:
    return " ".join(page.split())


def send(chief: FlaskClient, **fields: str) -> TestResponse:
    """Sign as the page does."""
    seen = re.search(r'name="seen" value="(\w+)"', chief.get(SIGN).text)
    assert seen
    filled = {"seen": seen[1], "password": PASSWORD, "meaning": "0", "printed_name": "Rosa Okafor"}
    return post(chief, SIGN, **filled | fields)


def test_black_button_leads_to_the_open_check_and_then_to_sign(
    chief: FlaskClient, client: FlaskClient, database: Database, case: Case
) -> None:
    assert 'class="btn next" href="/cases/1/sign">Sign' in words(chief.get(DIFFERENTIAL).text)
    add_read_photo(database, case, [None])
    page = words(chief.get(DIFFERENTIAL).text)
    assert 'class="btn next" href="/cases/1/review">1 check left before you sign' in page
    assert "Sign, and say why a check is left open" in page
    technologist = words(client.get(DIFFERENTIAL).text)
    assert 'class="btn next" href="/cases/1/review">Review 1 unidentified' in technologist
    assert "/cases/1/sign" not in technologist
    assert "Send it back" not in technologist


def test_number_that_is_signed_stands_with_its_range_and_a_word(
    chief: FlaskClient, case: Case
) -> None:
    page = words(chief.get(SIGN).text)
    assert f"60.0 % <small>49.7 {DASH} 69.7</small>" in page
    assert f"Undecided<small>40 {DASH} 60 %</small>" in page
    assert "100 cells, all confirmed by people" in page


def test_bands_stand_among_the_neutrophils_that_they_are_counted_in(
    chief: FlaskClient, client: FlaskClient, database: Database, case: Case
) -> None:
    say(database, case, "band", 1)
    assert "among the neutrophils" in chief.get(SIGN).text
    send(chief)
    assert "among the neutrophils" in client.get(VERSION).text
    assert client.get(f"{VERSION}?with=now").text.count("among the neutrophils") == 2


def test_signed_case_waits_for_nobody_and_leads_to_its_differential(
    client: FlaskClient, database: Database, case: Case
) -> None:
    assert '<td class="num opt wrapped"><span' not in client.get("/cases?state=all").text
    sign(database, case, add_person(database, "rosa"))
    assert '<td class="num opt wrapped"><span' in client.get("/cases?state=all").text
    page = words(client.get("/cases/1").text)
    assert 'data-live="next" href="/cases/1/differential">Go to the differential' in page
    assert "Review 100" not in page


def test_case_is_signed_and_shows_who_when_and_what(
    chief: FlaskClient, client: FlaskClient, database: Database, case: Case
) -> None:
    answer = send(chief, meaning="1")
    assert (answer.status_code, answer.location) == (HTTPStatus.SEE_OTHER, VERSION)
    page = words(client.get(VERSION).text)
    assert "<b>Rosa Okafor</b>" in page
    assert "I approve this differential, which others reviewed." in page
    assert "account pathologist" in page
    assert "Neutrophils" in page
    assert "60.0 %" in page
    assert "Read by stub 0.0.0 (00000000)." in page
    assert f"Undecided<small>40 {DASH} 60 %</small>" in page
    assert 'href="/cases/1/report?version=1"' in page
    assert re.search(r'class="id digest">[0-9a-f]{64}<', page)
    shown = words(client.get(DIFFERENTIAL).text)
    assert 'class="btn next" href="/cases/1/versions/1">See what was signed' in shown
    assert 'name="target"' not in shown
    assert chief.get(SIGN).location == VERSION
    assert "Signed" in client.get("/cases?state=signed").text


def test_page_of_a_version_says_whether_the_record_tells_of_it(
    chief: FlaskClient, client: FlaskClient, database: Database, case: Case
) -> None:
    send(chief)
    page = client.get(VERSION).text
    assert 'data-vouched="yes"' in page
    with database.engine.begin() as connection:
        connection.execute(update(SignatureRow).values(printed_name="Somebody else"))
    page = words(client.get(VERSION).text)
    assert 'role="alert" data-vouched="no"' in page
    assert "This is not what was signed." in page
    refused = chief.get("/cases/1/report.pdf")
    assert refused.status_code == HTTPStatus.CONFLICT
    assert "Version 1 is not what was signed." in refused.text


def test_wrong_password_keeps_what_was_typed_but_not_the_password(
    chief: FlaskClient, database: Database, case: Case
) -> None:
    answer = send(chief, password="not the one", printed_name="R. Okafor")  # noqa: S106
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "The present password is another." in answer.text
    assert 'value="R. Okafor"' in answer.text
    assert "not the one" not in answer.text
    assert get_case(database, case.id).state is CaseState.IN_REVIEW


def test_open_check_is_left_with_a_reason(chief: FlaskClient, database: Database) -> None:
    make_case(database, [CellType.NEUTROPHIL, None])
    page = words(chief.get(SIGN).text)
    for code in ("unidentified", "unconfirmed", "target"):
        assert f'name="reason-{code}"' in page
    reasons = {"reason-unidentified": "a torn cell", "reason-unconfirmed": "seen on paper"}
    refused = send(chief, **reasons)
    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert 'value="a torn cell"' in refused.text
    assert send(chief, **reasons | {"reason-target": "no more film"}).status_code == 303
    signed = words(chief.get(VERSION).text)
    assert "<b>Unidentified cells were left</b><br>a torn cell" in signed
    assert "<b>Fewer cells than the target were counted</b><br>no more film" in signed


def test_photo_that_waits_blocks_the_button(
    chief: FlaskClient, database: Database, case: Case
) -> None:
    with database.transaction() as records:
        records.photos.add(
            Sent("b" * 64, 9, "name", "page", None, case.created_at), case_id=case.id
        )
    page = words(chief.get(SIGN).text)
    assert 'aria-disabled="true" aria-describedby="why">Sign and lock' in page
    assert "Waits for: 1 photo is not read yet." in page
    assert send(chief).status_code == HTTPStatus.CONFLICT


def test_what_changed_meanwhile_is_shown_and_not_signed(
    chief: FlaskClient, database: Database, case: Case
) -> None:
    seen = "0" * 64
    answer = send(chief, seen=seen)
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "Something in this case changed since you looked at it." in answer.text
    assert f'value="{seen}"' not in answer.text
    assert send(chief).status_code == HTTPStatus.SEE_OTHER


def test_later_of_two_is_told_that_it_is_signed(
    chief: FlaskClient, database: Database, case: Case
) -> None:
    chief.get(SIGN)
    page = chief.get(SIGN).text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    sign(database, case, add_person(database, "omar"))
    form = {"csrf_token": token[1], "seen": "x", "password": PASSWORD, "meaning": "0"}
    answer = chief.post(SIGN, data=form | {"printed_name": "Rosa Okafor"})
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "This case is signed." in answer.text
    assert "Sign and lock" not in answer.text


def test_form_without_a_meaning_is_none(chief: FlaskClient, case: Case) -> None:
    for meaning in ("2", "x", ""):
        assert send(chief, meaning=meaning).status_code == HTTPStatus.BAD_REQUEST


def test_amendment_is_laid_beside_what_was_signed(
    chief: FlaskClient, client: FlaskClient, database: Database, case: Case
) -> None:
    send(chief)
    answer = post(chief, "/cases/1/amend", on=DIFFERENTIAL, reason="Cell 1 is a <band>")
    assert answer.location == "/cases/1/review"
    note = words(client.get("/cases/1/review").text)
    assert "pathologist opened version 1 again: Cell 1 is a &lt;band&gt;" in note
    assert "To be amended: Cell 1 is a" in client.get("/cases?state=back").text
    say(database, case, "lymphocyte", 1)
    page = words(client.get(f"{VERSION}?with=now").text)
    assert "1 cell is called otherwise" in page
    assert 'data-cell="1"' in page
    assert "This amends version 1." in words(chief.get(SIGN).text)
    assert send(chief).location == "/cases/1/versions/2"
    second = words(client.get("/cases/1/versions/2").text)
    assert "<b>Amended because</b><br>Cell 1 is a &lt;band&gt;" in second
    beside = words(client.get(f"{VERSION}?with=2").text)
    assert "Version 1 beside version 2" in beside
    assert GONE not in beside
    with database.transaction() as records:
        records.photos.forget_picture(1)
    assert GONE in client.get(f"{VERSION}?with=2").text
    assert "Signed and amended" in client.get("/cases?state=signed").text


def test_amendment_without_a_reason_is_refused(
    chief: FlaskClient, database: Database, case: Case
) -> None:
    send(chief)
    answer = post(chief, "/cases/1/amend", on=DIFFERENTIAL, reason=" ")
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert get_case(database, case.id).state is CaseState.SIGNED


def test_case_is_sent_back_and_looked_at_again(
    chief: FlaskClient, client: FlaskClient, case: Case
) -> None:
    post(chief, "/cases/1/send-back", on=DIFFERENTIAL, reason="Look at cells 14 and 90 again")
    assert "Sent back: Look at cells 14 and 90 again" in client.get("/cases?state=back").text
    page = words(client.get(DIFFERENTIAL).text)
    assert "pathologist sent this case back: Look at cells 14 and 90 again" in page
    answer = post(client, "/cases/1/looked-again", on=DIFFERENTIAL)
    assert answer.location == DIFFERENTIAL
    assert "sent this case back" not in client.get(DIFFERENTIAL).text
    assert "Nothing was sent back" in client.get("/cases?state=back").text


@pytest.mark.parametrize("number", ["0", "2", "9999999999"])
def test_version_that_nobody_signed_is_no_page(
    chief: FlaskClient, client: FlaskClient, case: Case, number: str
) -> None:
    send(chief)
    assert client.get(f"/cases/1/versions/{number}").status_code == HTTPStatus.NOT_FOUND
    other = client.get(f"{VERSION}?with={number}")
    assert other.status_code == HTTPStatus.NOT_FOUND


def test_laboratory_sets_what_is_asked_for(chief: FlaskClient, database: Database) -> None:
    url = "/laboratory/signing"
    assert "checked" in chief.get(url).text
    answer = post(chief, url, version="0", second_reader="on")
    assert answer.location == "/laboratory/signing?done=1"
    policy = get_policy(database)
    assert (policy.every_cell, policy.second_reader, policy.version) == (False, True, 1)
    late = post(chief, url, version="0", every_cell="on")
    assert late.status_code == HTTPStatus.CONFLICT
    assert get_policy(database) == policy


def test_name_in_print_is_set_on_the_account_page(
    chief: FlaskClient, client: FlaskClient, case: Case
) -> None:
    assert post(chief, "/account/name", on="/account", printed_name="x").status_code == 422
    post(chief, "/account/name", on="/account", printed_name="Rosa Okafor, MD")
    assert 'value="Rosa Okafor, MD"' in chief.get(SIGN).text
    assert "Name in print" not in client.get("/account").text


def test_second_reader_is_led_away_from_what_others_said(
    chief: FlaskClient, client: FlaskClient, database: Database, case: Case
) -> None:
    with database.reading() as records:
        ines = records.users.find("ines")
    assert ines
    ask_second(database, case.id, by=hand_of(ines))
    offered = words(client.get(SECOND).text)
    assert '<button class="btn next">Read it as the second reader' in offered
    assert "Go to the differential" not in offered
    answer = post(client, f"{SECOND}/take", on=SECOND)
    assert answer.location == f"{SECOND}/cells"
    page = client.get(f"{SECOND}/cells").text
    assert "You read this case a second time." in page
    assert "ines" not in page
    for url in ("/cases/1/review", DIFFERENTIAL, "/cases/1/photos/1", f"{SECOND}/agreement"):
        assert client.get(url).location == SECOND, url
        refused = client.get(url, headers=JSON)
        assert (refused.status_code, refused.json["code"]) == (HTTPStatus.CONFLICT, "blind")
    assert chief.get("/cases/1/review").status_code == HTTPStatus.OK
    assert "Read 100 cells" in client.get(SECOND).text


def test_lists_exports_and_the_audit_record_tell_a_second_reader_nothing(
    app: Flask, chief: FlaskClient, client: FlaskClient, database: Database
) -> None:
    case = make_case(database, [CellType.NEUTROPHIL] * 3)
    cells = [Said(cell.id, "monocyte", 0) for cell in cells_of(database, case)]
    name_cells(database, case.id, cells, by=hand_of(add_person(database, "ines")))
    with database.reading() as records:
        named = records.audit.find(action="cell.named", subject=f"cell {cells[0].cell_id}")
    assert named
    event = f"/audit/{named.id}"
    places = ("/cases?state=all", "/cases/export?state=all", "/history", event)

    def told(browser: FlaskClient) -> list[bool]:
        pages = [words(browser.get(place).text) for place in places]
        signs = ("3 monocytes", ",3,3,0,0,0.0,", "3 monocytes", "<code>monocyte</code>")
        return [sign in page for sign, page in zip(signs, pages, strict=True)]

    assert told(chief) == [True] * 4
    ask_second(database, case.id, by=hand_of(add_person(database, "ines")))
    take_second(database, case.id, by=hand_of(add_person(database, Role.PATHOLOGIST)))
    assert told(chief) == [False] * 4
    assert "3 neutrophils" in words(chief.get(places[0]).text)
    assert chief.get(event).status_code == HTTPStatus.CONFLICT
    assert 'href="/readings/1"' in chief.get("/history").text
    assert 'href="/readings/1"' not in chief.get("/history?class=monocyte").text
    assert "3 monocytes" in words(client.get(places[0]).text)


def test_every_page_of_a_case_is_closed_to_its_second_reader_or_known_to_tell_nothing(
    app: Flask,
) -> None:
    of_cases = {rule.endpoint for rule in app.url_map.iter_rules() if "case_id" in rule.arguments}
    assert of_cases >= TELLING
    assert of_cases - TELLING == {
        *(f"cases.{name}" for name in ("photos", "progress", "add_photos", "pause", "resume")),
        *(f"cases.{name}" for name in ("cancel", "retry", "leave_photo_out", "change_note")),
        "cases.allow_teaching",
        *("erasing.show", "erasing.erase"),
        *("gallery.crop", "gallery.heat", "gallery.picture"),
        *(f"second.{name}" for name in ("show", "ask", "take", "give_up", "finish")),
        *("second.gallery", "second.review"),
        *("signing.amend", "signing.back", "signing.looked"),
        "single_sign_on.ask_again",
        *("api_cases.show", "api_photos.index", "api_photos.show", "api_photos.picture"),
        *("api_photos.send", "api_cells.crop"),
    }


@pytest.mark.parametrize("address", [SIGN, DIFFERENTIAL, f"{SECOND}/cells/1/decide"])
def test_second_reader_sends_no_form_that_is_answered_with_the_counts(
    chief: FlaskClient, database: Database, case: Case, address: str
) -> None:
    ask_second(database, case.id, by=hand_of(add_person(database, "ines")))
    take_second(database, case.id, by=hand_of(add_person(database, Role.PATHOLOGIST)))
    answer = post(chief, address, on=SECOND, meaning="0", target="none", label="band")
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "You read this case a second time." in answer.text
    assert "60" not in answer.text


def test_second_reading_is_named_finished_compared_and_decided(
    chief: FlaskClient, client: FlaskClient, database: Database
) -> None:
    case = make_case(database, [CellType.NEUTROPHIL, CellType.LYMPHOCYTE])
    say(database, case, "neutrophil", 1)
    say(database, case, "lymphocyte", 2)
    post(client, f"{SECOND}/ask", on=SECOND)
    post(client, f"{SECOND}/take", on=SECOND)
    token = re.search(r'name="csrf-token" content="([^"]+)"', client.get(f"{SECOND}/cells").text)
    assert token
    said = [{"cell": cell, "label": "neutrophil", "seen": 0} for cell in (1, 2)]
    headers = {"X-CSRFToken": token[1]}
    named = client.post(f"{SECOND}/reviews", json={"said": said}, headers=headers)
    assert named.status_code == HTTPStatus.OK
    again = client.post(f"{SECOND}/reviews", json={"said": said}, headers=headers)
    assert again.status_code == HTTPStatus.CONFLICT
    assert again.json["cells"][0]["by"] is None
    answer = post(client, f"{SECOND}/finish", on=SECOND)
    assert answer.location == f"{SECOND}/agreement"
    page = words(client.get(f"{SECOND}/agreement").text)
    assert "They differ on 1 cell" in page
    assert "50.0 %" in page
    assert "/decide" not in page
    assert GONE not in page
    with database.transaction() as records:
        records.photos.forget_picture(1)
    assert GONE in client.get(f"{SECOND}/agreement").text
    # Neither reader's name is chosen beforehand.
    assert 'required><option value="">Choose</option>' in chief.get(f"{SECOND}/agreement").text
    assert " selected" not in chief.get(f"{SECOND}/agreement").text
    decided = post(
        chief, f"{SECOND}/cells/2/decide", on=f"{SECOND}/agreement", label="neutrophil", seen="1"
    )
    assert decided.location == f"{SECOND}/agreement#cell-2"
    assert "1 decided" in client.get(f"{SECOND}/agreement").text
    assert "It was read a second time" in client.get(SECOND).text


def test_readers_who_agree_leave_nothing_to_decide(client: FlaskClient, database: Database) -> None:
    case = make_case(database, [CellType.NEUTROPHIL, None, None])
    for number, label in enumerate(("neutrophil", "not_classed", "not_classed"), 1):
        say(database, case, label, number)
    ask_second(database, case.id, by=hand_of(add_person(database, "rosa")))
    omar = hand_of(add_person(database, "omar"))
    take_second(database, case.id, by=omar)
    cells = zip((1, 2, 3), ("neutrophil", "not_classed", "not_classed"), strict=True)
    name_second(database, case.id, [Said(cell, label, 0) for cell, label in cells], by=omar)
    finish_second(database, case.id, by=omar)
    page = words(client.get(f"{SECOND}/agreement").text)
    assert "They differ on no cell" in page
    assert "decided" not in page
    # What counts in no hundred stands last, however much there is of it.
    assert re.findall(r'<tr data-part="(\w+)"', page) == ["neutrophil", "not_classed"]


def test_second_reading_is_given_up(client: FlaskClient, database: Database, case: Case) -> None:
    post(client, f"{SECOND}/ask", on=SECOND)
    post(client, f"{SECOND}/take", on=SECOND)
    post(client, f"{SECOND}/give-up", on=SECOND)
    assert client.get("/cases/1/review").status_code == HTTPStatus.OK
    post(client, f"{SECOND}/ask", on=SECOND)
    assert "somebody else reads it" in client.get(SECOND).text
    omar = add_person(database, "omar")
    take_second(database, case.id, by=hand_of(omar))
    assert "omar reads this case a second time" in client.get(SECOND).text
    left = post(client, f"{SECOND}/finish", on=SECOND)
    assert left.status_code == HTTPStatus.CONFLICT


def test_signed_case_offers_no_second_reading(
    client: FlaskClient, database: Database, case: Case
) -> None:
    rosa = add_person(database, "rosa")
    sign(database, case, rosa)
    page = client.get(SECOND).text
    assert "Ask for" not in page
    amend_case(database, case.id, "another look", by=hand_of(rosa))
    assert "Ask for a second reading" in client.get(SECOND).text
