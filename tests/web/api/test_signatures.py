from http import HTTPStatus

from flask import Flask
from tests.services.cases import cells_of, say
from tests.services.signatures import add_person, hand_of, ready_case, sign

from hematovision.people import Role
from hematovision.services.amending import amend_case
from hematovision.services.contents import digest_of
from hematovision.storage.database import Database

from .systems import system_of


def test_signatures_say_who_signed_what_and_when(app: Flask, database: Database) -> None:
    case, rosa = ready_case(database), add_person(database, "rosa")
    viewer = system_of(app, database, Role.VIEWER)
    address = f"/cases/{case.id}/signatures"
    assert list(viewer.walk(address)) == []
    first = sign(database, case, rosa)
    amend_case(database, case.id, "One cell was a blast.", by=hand_of(rosa, 1))
    say(database, case, "blast", cells_of(database, case)[0].number)
    sign(database, case, rosa, minutes=2)
    found = list(viewer.walk(f"{address}?limit=1"))
    assert [one["version"] for one in found] == [1, 2]
    assert found[0] == {
        "version": 1,
        "name": "Rosa Okafor, MD",
        "account": "rosa",
        "meaning": first.meaning,
        "at": "2026-11-25T20:00:00Z",
        "reason": "",
        "overrides": {},
        "sha256": digest_of(first.content),
        "is_vouched": True,
    }
    assert found[1]["reason"] == "One cell was a blast."
    assert viewer.get(f"/cases/{case.id}").get_json()["state"] == "amended"
    assert viewer.get("/cases/99/signatures").status_code == HTTPStatus.NOT_FOUND
    with database.reading() as records:
        assert records.audit.find(action="signatures.seen", subject=f"case {case.id}")
