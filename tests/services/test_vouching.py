import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, update
from tests.databases import Postgres

from hematovision.errors import SignatureBrokenError
from hematovision.people import Role
from hematovision.services.amending import amend_case
from hematovision.services.backups import back_up, restore
from hematovision.services.erasing import Confirmation, erase_case
from hematovision.services.proving import Fault, Finding, prove
from hematovision.services.reports import open_report
from hematovision.services.vouching import vouches
from hematovision.storage.database import Database, connect
from hematovision.storage.files import Files, open_files
from hematovision.storage.keys import open_seal
from hematovision.storage.sealing import Seal
from hematovision.storage.signatures import Signature
from hematovision.storage.tables import SignatureRow

from .cases import NOW, say
from .signatures import add_person, hand_of, ready_case, sign


@pytest.fixture
def signed(database: Database) -> Signature:
    return sign(database, ready_case(database), add_person(database, "rosa"))


def meddle(database: Database, statement: Any) -> None:
    """Do to the signatures what the owner of the database can."""
    with database.engine.begin() as connection:
        connection.execute(statement)


def change(database: Database, **values: Any) -> None:
    meddle(database, update(SignatureRow).values(**values))


def kept(database: Database, case_id: int, version: int = 1) -> Signature:
    with database.reading() as records:
        found = records.signatures.find(case_id, version)
    assert found is not None
    return found


def findings(database: Database) -> list[Finding]:
    return prove(database).findings


def event_of(database: Database, signature: Signature, action: str = "case.signed") -> int:
    with database.reading() as records:
        event = records.audit.find(action=action, subject=f"signature {signature.id}")
    assert event is not None
    return event.id


def test_record_vouches_for_every_version(database: Database, signed: Signature) -> None:
    rosa = add_person(database, "rosa")
    case = amend_case(database, signed.case_id, "Cell 3 is a band.", by=hand_of(rosa))
    say(database, case, "band", 3)
    second = sign(database, case, rosa, minutes=1)
    assert vouches(database, kept(database, case.id, 1))
    assert vouches(database, kept(database, case.id, 2))
    assert second.reason == "Cell 3 is a band."
    assert findings(database) == []


def with_another_name(content: Mapping[str, Any]) -> dict[str, Any]:
    cells = [dict(cell) for cell in content["cells"]]
    cells[0]["label"] = "blast"
    return {**content, "cells": cells}


@pytest.mark.parametrize(
    "field", ["content", "printed_name", "meaning", "reason", "overrides", "version", "signed_at"]
)
def test_signature_that_was_changed_by_hand_is_found(
    database: Database, signed: Signature, field: str
) -> None:
    event = event_of(database, signed)
    others = {
        "content": with_another_name(signed.content),
        "overrides": {"target": "Few cells."},
        "version": 2,
        "signed_at": signed.signed_at.replace(year=2020),
    }
    change(database, **{field: others.get(field, "Somebody else")})
    version = 2 if field == "version" else 1
    assert not vouches(database, kept(database, signed.case_id, version))
    assert findings(database) == [Finding(Fault.SIGNED, event, event)]
    with pytest.raises(SignatureBrokenError):
        open_report(database, signed.case_id, now=NOW, version=version)


def test_signature_that_cannot_be_read_is_found(database: Database, signed: Signature) -> None:
    event = event_of(database, signed)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("""UPDATE signatures SET overrides = '"none"', content = '7'""")
    assert findings(database) == [Finding(Fault.SIGNED, event, event)]


def test_signature_that_was_removed_or_put_there_is_found(
    database: Database, signed: Signature
) -> None:
    event = event_of(database, signed)
    meddle(database, delete(SignatureRow))
    assert findings(database) == [Finding(Fault.SIGNED, event, event)]
    forged = {
        "case_id": signed.case_id,
        "version": 1,
        "meaning": signed.meaning,
        "printed_name": "Nobody",
        "signed_by": signed.signed_by,
        "signed_at": signed.signed_at,
        "reason": "",
        "overrides": {},
        "content": dict(signed.content),
    }
    meddle(database, insert(SignatureRow).values(id=99, **forged))
    assert Finding(Fault.UNTOLD, 99, 99) in findings(database)
    assert not vouches(database, kept(database, signed.case_id))


def test_signature_of_an_erased_case_is_not_missed(
    database: Database, signed: Signature, tmp_path: Path
) -> None:
    files = Files(str(tmp_path), Seal(os.urandom(32)))
    by = hand_of(add_person(database, "ada", Role.ADMINISTRATOR))
    erase_case(database, files, signed.case_id, Confirmation("26-1", "trial"), by=by)
    assert findings(database) == []


def test_record_vouches_where_a_backup_was_put_back_into_the_other_database(
    database: Database, signed: Signature, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    by, key = hand_of(add_person(database, "rosa")), tmp_path / "backup"
    home = Files(str(tmp_path / "pictures"), open_seal(database.custody.folder))
    back_up(database, home, tmp_path / "backup", keys=key, by=by)
    server: Postgres = request.getfixturevalue("postgres_server")
    address = server.make() if database.engine.dialect.name == "sqlite" else ""
    other = connect(address, tmp_path / "other")
    files = open_files("", tmp_path / "other", Seal())
    restore(other, files, tmp_path / "backup", keys=key, by=by)
    assert vouches(other, kept(other, signed.case_id))
    assert findings(other) == []
    other.close()
