"""What other systems are told of cases: in the transaction of what happened, and nothing else."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

import pytest
from tests.databases import open_copy

from hematovision.errors import WrongPasswordError
from hematovision.services.amending import amend_case
from hematovision.services.case_copies import export_case
from hematovision.services.contents import digest_of
from hematovision.services.erasing import Confirmation, Why, erase_case
from hematovision.services.signing import sign_case
from hematovision.services.telling import Event
from hematovision.services.webhooks import change_webhook
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.files import Files
from hematovision.storage.signatures import Signature

from .signatures import add_person, given, hand_of, ready_case, sign
from .webhooks import BY, SEAL, WANTED, add, deliveries

ACCESSION = "HUSH-26-0837"


@pytest.fixture
def database(tmp_path: Path, empty_file: Path) -> Iterator[Database]:
    """Give SQLite alone; what is asked of either database takes `each_database`."""
    database = open_copy(empty_file, tmp_path / "database")
    yield database
    database.close()


@pytest.fixture
def case(database: Database) -> Case:
    return ready_case(database, ACCESSION)


def amend(database: Database, case: Case, minutes: int) -> None:
    user = add_person(database, "rosa")
    amend_case(database, case.id, "A cell was miscounted.", by=hand_of(user, minutes))


def test_each_step_of_a_case_is_told(each_database: Database) -> None:
    webhook, _ = add(each_database)
    case = ready_case(each_database, ACCESSION)
    rosa = add_person(each_database, "rosa")
    first = sign(each_database, case, rosa, minutes=1)
    amend(each_database, case, 2)
    second = sign(each_database, case, rosa, minutes=3)
    told = deliveries(each_database, webhook)
    assert [one.told.event for one in told] == [
        "case.signed",
        "case.amendment_opened",
        "case.amended",
    ]
    assert len({one.told.event_id for one in told}) == 3
    assert {one.told.case_id for one in told} == {case.id}
    for one, signature, minute in zip(told, (first, first, second), (1, 2, 3), strict=True):
        assert json.loads(one.told.body) == {
            "type": one.told.event,
            "timestamp": f"2026-11-25T20:0{minute}:00.000Z",
            "data": data_of(signature),
        }


def data_of(signature: Signature) -> dict[str, object]:
    return {
        "case": signature.case_id,
        "version": signature.version,
        "signed_at": signature.signed_at.isoformat(timespec="milliseconds")[:-6] + "Z",
        "content_sha256": digest_of(signature.content),
        "resources": {
            "case": f"/api/v1/cases/{signature.case_id}",
            "signatures": f"/api/v1/cases/{signature.case_id}/signatures",
            "differential": f"/api/v1/cases/{signature.case_id}/differential",
            "report": f"/api/v1/cases/{signature.case_id}/report.pdf",
            "fhir": f"/api/v1/cases/{signature.case_id}/fhir",
        },
    }


def test_nothing_of_a_patient_is_told(database: Database, case: Case) -> None:
    webhook, _ = add(database)
    sign(database, case, add_person(database, "rosa"))
    (told,) = deliveries(database, webhook)
    for secret in (ACCESSION, "Okafor", "rosa", "neutrophil", "note"):
        assert secret.lower() not in told.told.body.lower()


def test_only_who_wants_to_know_is_told_and_all_of_the_same_event(
    database: Database, case: Case
) -> None:
    everything, signed = add(database)[0], add(database, events=[Event.CASE_SIGNED])[0]
    amended, off = add(database, events=[Event.CASE_AMENDED])[0], add(database)[0]
    change_webhook(database, off.id, replace(WANTED, is_on=False), (), seen=1, by=BY)
    sign(database, case, add_person(database, "rosa"))
    (one,), (other,) = deliveries(database, everything), deliveries(database, signed)
    assert one.told == other.told
    assert deliveries(database, amended) == deliveries(database, off) == []


def test_signature_that_is_refused_is_not_told(database: Database, case: Case) -> None:
    webhook, _ = add(database)
    rosa = add_person(database, "rosa")
    with pytest.raises(WrongPasswordError):
        sign(database, case, rosa, password="wrong")  # noqa: S106
    assert deliveries(database, webhook) == []


def test_case_is_signed_while_a_webhook_is_deleted(each_database: Database) -> None:
    webhook, _ = add(each_database)
    case, rosa = ready_case(each_database), add_person(each_database, "rosa")
    seen = given(each_database, case, rosa)
    with ThreadPoolExecutor(1) as pool:
        with each_database.transaction() as records:
            assert records.webhooks.hold(webhook.id)
            records.webhooks.remove(webhook.id)
            by = hand_of(rosa)
            signing = pool.submit(sign_case, each_database, rosa, case.id, seen, by=by)
            # On PostgreSQL it comes as far as the webhook by then; SQLite lets nobody begin.
            wait([signing], 0.5)
        assert signing.result(60).version == 1
    assert deliveries(each_database, webhook) == []


def test_what_is_not_kept_is_not_told(database: Database, case: Case) -> None:
    webhook, _ = add(database)
    rosa = add_person(database, "rosa")

    # The last act of a transaction, after all that it says.
    with database.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON audit_events WHEN NEW.action = 'case.signed' "
            "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    with pytest.raises(Exception, match="disk full"):
        sign(database, case, rosa)
    assert deliveries(database, webhook) == []
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER full")
    sign(database, case, rosa)
    assert len(deliveries(database, webhook)) == 1


def test_what_is_told_of_a_case_is_erased_and_copied_with_it(
    each_database: Database, tmp_path: Path
) -> None:
    webhook, _ = add(each_database)
    case = ready_case(each_database, ACCESSION)
    other = ready_case(each_database, "26-2")
    rosa = add_person(each_database, "rosa")
    for one in (case, other):
        sign(each_database, one, rosa)
    files = Files(str(tmp_path / "pictures"), SEAL)
    export_case(each_database, files, case, tmp_path / "copy", by=BY)
    copied = json.loads((tmp_path / "copy" / "case.json").read_text())
    assert [row["event"] for row in copied["webhook_deliveries"]] == ["case.signed"]
    asked = Confirmation(ACCESSION, Why.TRIAL)
    erase_case(each_database, files, case.id, asked, by=BY)
    (left,) = deliveries(each_database, webhook)
    assert left.told.case_id == other.id
