"""Whoever reads a case a second time learns nothing of what others said, whatever they ask."""

from collections.abc import Iterator
from http import HTTPStatus

import pytest
from flask import Flask
from tests.conftest import StubReader
from tests.services.cases import cells_of, say
from tests.services.signatures import hand_of

from hematovision.people import Role, User
from hematovision.services.second_readings import ask_second, give_up_second, take_second
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.web.second import TELLING

from .systems import V1, System, read_all, system_of

HARMLESS = {
    "api_cases.show": "counts what the model says",
    "api_cells.crop": "shows pixels",
    "api_photos.index": "counts what the model found",
    "api_photos.picture": "shows pixels",
    "api_photos.send": "says what was sent",
    "api_photos.show": "counts what the model found",
}
"""Addresses of a case that stay open, and why they tell nothing."""
TOLD = "eosinophil"
"""What others call a cell; the model never does."""
BODIES = {
    "api_cells.add": {"photo": 1, "box": [0, 0, 20, 20]},
    "api_cells.review": {"reviews": [{"cell": 1, "label": "band", "seen": 0}]},
}


@pytest.fixture
def omar(app: Flask, database: Database) -> System:
    return system_of(app, database, Role.PATHOLOGIST)


@pytest.fixture
def user(omar: System, database: Database) -> User:
    with database.reading() as records:
        found = records.users.find(Role.PATHOLOGIST)
    assert found is not None
    return found


@pytest.fixture
def case(
    app: Flask, database: Database, omar: System, user: User, jpeg: bytes, reader: StubReader
) -> Case:
    """Make a case that ines has read, and that Omar is reading a second time."""
    made = system_of(app, database).post("/cases", {"accession": "26-1"}).get_json()
    system_of(app, database).send(f"/cases/{made['id']}/photos", (jpeg, "1.jpg"))
    read_all(app, reader)
    with database.reading() as records:
        case = records.cases.find_by_id(made["id"])
    assert case is not None
    say(database, case, TOLD, 2)
    with database.transaction() as records:
        records.cases.begin_review(case.id)
    ask_second(database, case.id, by=hand_of(user))
    take_second(database, case.id, by=hand_of(user))
    return case


def addresses(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Give endpoint, method and address of all that the API has of a case."""
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(f"{V1}/cases/"):
            values = dict.fromkeys(rule.arguments, 1)
            for method in sorted(rule.methods & {"GET", "POST", "PUT", "PATCH", "DELETE"}):
                yield rule.endpoint, method, adapter.build(rule.endpoint, values, method=method)


def test_every_address_of_a_case_is_closed_to_its_second_reader_or_tells_nothing(
    app: Flask, omar: System, case: Case, jpeg: bytes
) -> None:
    found = set()
    for endpoint, method, address in addresses(app):
        found.add(endpoint)
        answer = (
            omar.get(address) if method == "GET" else omar.post(address, BODIES.get(endpoint, {}))
        )
        assert TOLD.encode() not in answer.data, address
        if endpoint in TELLING:
            assert (answer.status_code, answer.get_json()["code"]) == (409, "blind"), address
    assert found == HARMLESS.keys() | {one for one in TELLING if one.startswith("api_")}


def test_what_stays_open_is_the_same_whatever_others_say(
    omar: System, database: Database, case: Case, jpeg: bytes
) -> None:
    def known() -> list[object]:
        told = [
            omar.get(f"/cases/{case.id}").get_json(),
            *omar.walk("/cases"),
            *omar.walk(f"/cases/{case.id}/photos"),
            *omar.walk("/readings"),
            *omar.walk(f"/readings?label={TOLD}"),
            omar.get(f"/cases/{case.id}/photos/1").get_json(),
            [one.status_code for one in (omar.get("/cases?state=signed"), omar.get("/cases?q=26"))],
            omar.send(f"/cases/{case.id}/photos", (jpeg, "1.jpg")).get_json(),
            omar.get(f"/cases/{case.id}/cells/1/crop").data,
        ]
        return [_but_for_times(one) for one in told]

    before = known()
    for label in ("no_cell", "unidentified", "blast"):
        say(database, case, label, 1, 2)
        assert known() == before, label


def test_where_a_page_ends_tells_nothing(
    omar: System, database: Database, case: Case, jpeg: bytes
) -> None:
    """A page after which there is one more tells that a label was found, though it is left out."""
    assert omar.send("/readings", (jpeg, "1.jpg")).status_code == HTTPStatus.OK

    def known() -> object:
        return omar.get("/readings?label=neutrophil&limit=1").get_json()

    say(database, case, "neutrophil", 1, 2)
    before = known()
    say(database, case, "blast", 1, 2)
    assert known() == before


def test_refusals_tell_nothing_either(omar: System, database: Database, case: Case) -> None:
    second = cells_of(database, case)[1]
    answers = {
        (answer.status_code, answer.get_json()["code"])
        for seen in (0, second.version)
        for label in (TOLD, "cat", None)
        for undo in (False, True)
        for answer in [
            omar.post(
                f"/cases/{case.id}/reviews",
                {"reviews": [{"cell": second.id, "label": label, "seen": seen}], "undo": undo},
            )
        ]
    }
    assert answers == {(409, "blind")}
    assert cells_of(database, case)[1] == second


def test_case_opens_again_when_the_second_reading_ends(
    omar: System, database: Database, user: User, case: Case
) -> None:
    give_up_second(database, case.id, by=hand_of(user))
    cells = omar.get(f"/cases/{case.id}/cells")
    assert cells.status_code == HTTPStatus.OK
    assert cells.get_json()["items"][1]["label"] == TOLD


def test_others_see_the_case_meanwhile(app: Flask, database: Database, case: Case) -> None:
    other = system_of(app, database, Role.TECHNOLOGIST)
    assert other.get(f"/cases/{case.id}/differential").status_code == HTTPStatus.OK


def _but_for_times(told: object) -> object:
    """Leave out when somebody last spoke: that they did is no secret."""
    if isinstance(told, dict):
        return {name: value for name, value in told.items() if name != "reviewed_at"}
    return told
