from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import delete, text, update
from tests.records import attack, change, event, keep, put, remove, rewrite, stored

from hematovision.people import Role
from hematovision.services.proving import Fault, Finding, prove
from hematovision.storage.audit_rows import EVENTS
from hematovision.storage.checkpoints import FILE, read_checkpoints
from hematovision.storage.database import Database
from hematovision.storage.tables import AuditKeyRow, AuditValueRow
from hematovision.storage.versions import downgrade, upgrade

LAST = 8
"""The event `chain.begun`, and seven more."""


@pytest.fixture
def record(database: Database) -> Database:
    """Give a record of eight events with checkpoints at the second and the fifth."""
    keep(database, *(event(number) for number in range(1, 5)))
    database.checkpoint()
    keep(database, *(event(number) for number in range(5, 8)))
    return database


def findings(database: Database) -> list[Finding]:
    return prove(database).findings


def faults(database: Database) -> set[Fault]:
    return {finding.fault for finding in findings(database)}


def test_record_is_whole_and_says_how_far_that_is_proved(record: Database) -> None:
    proof = prove(record)
    assert proof.is_whole
    assert (proof.events, proof.begun, proof.last, proof.proved) == (LAST, 1, LAST, 5)
    assert proof.digest == stored(record)[-1].digest
    record.checkpoint()
    assert prove(record).proved == LAST


def test_record_without_any_event_is_whole(database: Database) -> None:
    proof = prove(database)
    assert proof.is_whole
    assert (proof.events, proof.last, proof.proved) == (0, 0, 0)


@pytest.mark.parametrize(
    "values",
    [
        {"action": "case.opened"},
        {"subject": "case 99"},
        {"door": "api"},
        {"address": "192.0.2.1"},
        {"case_id": 99},
        {"details": {"a": 1}},
        {"before_digest": "0" * 64},
        {"after_digest": "0" * 64},
        {"at": event(99).at},
    ],
    ids=str,
)
def test_changed_row_is_found(record: Database, values: dict[str, object]) -> None:
    attack(record, change(4, **values))
    assert findings(record)[0] == Finding(Fault.ALTERED, 4, 4)
    assert faults(record) <= {Fault.ALTERED, Fault.VALUES}


@pytest.mark.parametrize(
    "written",
    [
        "subject = x'00'",
        "case_id = x'00'",
        "digest = x'00'",
        "at = 'yesterday'",
        "at = 5",
        "details = '{'",
        """details = '{"n": NaN}'""",
        f"details = '{'[' * 10_000}{']' * 10_000}'",
        f"details = '[1{'0' * 5_000}]'",
    ],
    ids=lambda written: written[:20],
)
def test_row_that_holds_what_cannot_be_read_is_found(record: Database, written: str) -> None:
    if record.engine.dialect.name != "sqlite":
        pytest.skip("only SQLite takes anything into any column")
    attack(record, text(f"UPDATE audit_events SET {written} WHERE id IN (3, 7)"))  # noqa: S608
    found = findings(record)
    assert {one.first for one in found if one.fault is Fault.ALTERED} >= {3, 7}
    assert prove(record).events == LAST
    attack(record, text(f"UPDATE audit_events SET {written} WHERE id = 1"))  # noqa: S608
    assert {Fault.BEGINNING, Fault.ALTERED} & {one.fault for one in findings(record)[:1]}


def test_values_that_are_no_bytes_are_found(record: Database) -> None:
    if record.engine.dialect.name != "sqlite":
        pytest.skip("only SQLite takes anything into any column")
    keep(record, event(LAST, after={"label": "band"}))
    attack(record, text("UPDATE audit_values SET sealed = 'text'"))
    assert Finding(Fault.VALUES, LAST + 1, LAST + 1) in findings(record)


def test_row_said_to_be_of_somebody_else_is_found(record: Database) -> None:
    with record.transaction() as records:
        ines = records.users.add("ines", Role.VIEWER, now=event().at)
    attack(record, change(4, actor_id=ines.id))
    assert findings(record) == [Finding(Fault.ALTERED, 4, 4)]


def test_changed_digest_is_found(record: Database) -> None:
    attack(record, change(4, digest="0" * 64))
    assert findings(record) == [Finding(Fault.ALTERED, 4, 4), Finding(Fault.ALTERED, 5, 5)]


def test_removed_rows_are_found(record: Database) -> None:
    attack(record, remove(3, 4))
    assert findings(record) == [Finding(Fault.MISSING, 3, 4)]


def test_removed_rows_are_found_where_the_others_close_up(record: Database) -> None:
    attack(record, remove(3), *(change(number, id=number - 1) for number in range(4, LAST + 1)))
    assert Finding(Fault.ALTERED, 3, 3) in findings(record)


@pytest.mark.parametrize("digest", [None, "0" * 64])
def test_added_row_is_found(record: Database, digest: str | None) -> None:
    row = replace(stored(record)[-1], id=LAST + 1, digest=digest)
    attack(record, put(row))
    fault = Fault.UNCHAINED if digest is None else Fault.ALTERED
    assert findings(record) == [Finding(fault, LAST + 1, LAST + 1)]


def test_row_squeezed_in_is_found(record: Database) -> None:
    moved = (change(number, id=number + 1) for number in range(LAST, 3, -1))
    attack(record, *moved, put(replace(stored(record)[2], id=4)))
    assert Finding(Fault.ALTERED, 4, 4) in findings(record)


def test_swapped_rows_are_found(record: Database) -> None:
    attack(record, change(3, id=99), change(4, id=3), change(99, id=4))
    assert Finding(Fault.ALTERED, 3, 3) in findings(record)
    assert Finding(Fault.ALTERED, 4, 4) in findings(record)


def test_swapped_contents_are_found(record: Database) -> None:
    third, fourth = stored(record)[2:4]
    attack(record, change(3, subject=fourth.subject), change(4, subject=third.subject))
    assert findings(record) == [Finding(Fault.ALTERED, 3, 3), Finding(Fault.ALTERED, 4, 4)]


def test_cut_tail_is_found_as_far_as_a_checkpoint_has_seen(record: Database) -> None:
    attack(record, remove(4, 5, 6, 7, 8))
    assert findings(record) == [Finding(Fault.CUT, 4, 5)]


def test_what_no_checkpoint_has_seen_cannot_be_proved(record: Database) -> None:
    attack(record, remove(6, 7, 8))
    proof = prove(record)
    assert proof.is_whole
    assert (proof.last, proof.proved) == (5, 5)


def test_emptied_record_is_found(record: Database) -> None:
    attack(record, delete(EVENTS))
    assert findings(record) == [Finding(Fault.CUT, 1, 5)]


def test_record_computed_anew_without_the_key_is_found(record: Database) -> None:
    rewrite(record, stored(record), b"k" * 32)
    assert findings(record)[:2] == [Finding(Fault.ALTERED, 1, 1), Finding(Fault.ALTERED, 2, 2)]
    assert Finding(Fault.REWRITTEN, 1, 2) in findings(record)


def test_record_computed_anew_with_the_key_is_found(record: Database) -> None:
    rows = list(stored(record))
    rows[3] = replace(rows[3], subject="case 99")
    rewrite(record, rows, record.custody.chain.key)
    assert findings(record) == [Finding(Fault.REWRITTEN, 3, 5)]


def test_record_computed_anew_is_found_by_checkpoints_kept_elsewhere(record: Database) -> None:
    elsewhere = read_checkpoints(record.custody.folder / FILE)
    rows = list(stored(record))
    rows[3] = replace(rows[3], subject="case 99")
    rewrite(record, rows, record.custody.chain.key)
    (record.custody.folder / FILE).unlink()
    assert prove(record).is_whole
    proof = prove(record, against=elsewhere)
    assert proof.findings == [Finding(Fault.REWRITTEN, 3, 5)]


@pytest.mark.parametrize(
    ("harm", "line"),
    [
        pytest.param(lambda lines: lines[1:], 1, id="removed"),
        pytest.param(
            lambda lines: [lines[0].replace('"event":2', '"event":1'), lines[1]], 1, id="changed"
        ),
        pytest.param(lambda lines: [*lines, lines[0]], 3, id="added"),
        pytest.param(lambda lines: lines[::-1], 1, id="swapped"),
        pytest.param(lambda lines: ["no checkpoint", lines[1]], 2, id="garbled"),
    ],
)
def test_harmed_checkpoints_are_found(
    record: Database, harm: Callable[[list[str]], list[str]], line: int
) -> None:
    file = record.custody.folder / FILE
    file.write_text("\n".join(harm(file.read_text().splitlines())) + "\n")
    assert Finding(Fault.CHECKPOINT, line, line) in findings(record)


def test_line_that_a_crash_has_left_is_no_harm(record: Database) -> None:
    with (record.custody.folder / FILE).open("a") as stream:
        stream.write('{"event":7,"dig')
    record.checkpoint()
    proof = prove(record)
    assert proof.is_whole
    assert proof.proved == LAST


def test_triggers_that_are_gone_are_found(record: Database) -> None:
    attack(record, quietly=False)
    assert findings(record) == [Finding(Fault.TRIGGERS, 0, 0)]


def test_what_was_written_before_there_was_a_chain_is_vouched_for(record: Database) -> None:
    downgrade(record.engine, "0003")
    upgrade(record.engine)
    (record.custody.folder / FILE).unlink()
    keep(record, event(8))
    proof = prove(record)
    assert proof.is_whole
    assert (proof.begun, proof.last) == (LAST + 1, LAST + 2)
    attack(record, change(4, subject="case 99"))
    assert findings(record) == [Finding(Fault.BEGINNING, LAST + 1, LAST + 1)]


def test_chain_without_its_beginning_is_found(record: Database) -> None:
    attack(record, remove(1))
    assert Fault.BEGINNING in faults(record)


def test_changed_and_removed_values_are_found(database: Database) -> None:
    for number in range(1, 4):
        keep(database, event(number, before={"label": "band"}, after={"label": None}))
    assert prove(database).is_whole
    changed = update(AuditValueRow).where(AuditValueRow.event_id == 2).values(sealed=b"0" * 40)
    attack(database, changed, delete(AuditValueRow).where(AuditValueRow.event_id == 3))
    attack(database, delete(AuditKeyRow).where(AuditKeyRow.case_id == 3))
    assert findings(database) == [Finding(Fault.VALUES, number, number) for number in (2, 4, 3)]


def test_forgetting_leaves_the_chain_whole(database: Database) -> None:
    keep(database, event(1, before={"label": "band"}, after={"label": "blast"}))
    with database.transaction() as records:
        records.audit.add(event(1, action="case.erased"))
        records.audit.forget(1)
    assert prove(database).is_whole


def test_case_that_is_erased_meanwhile_is_no_finding(database: Database) -> None:
    for number in (1, 2):
        keep(database, event(number, after={"label": "band"}, case_id=number))
    attack(database, delete(AuditKeyRow).where(AuditKeyRow.case_id == 1))
    with database.reading() as records:
        found = records.audit.values.list_broken()
        assert next(found) == 2
        with database.transaction() as others:
            others.audit.add(event(3, action="case.erased", subject="case 2"))
            others.audit.forget(2)
        assert list(found) == []


def test_so_many_findings_are_only_counted(database: Database) -> None:
    with database.transaction() as records:
        for number in range(60):
            records.audit.add(event(number))
    attack(database, update(EVENTS).where(EVENTS.c.id > 1).values(door="api"))
    proof = prove(database)
    assert (len(proof.findings), proof.wrong) == (50, 60)
