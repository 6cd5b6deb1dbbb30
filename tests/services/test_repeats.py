import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import text

from hematovision.errors import (
    IdempotencyKeyBusyError,
    IdempotencyKeyReusedError,
    KeyOutdatedError,
)
from hematovision.people import Role
from hematovision.services.accounts import add_user
from hematovision.services.case_copies import export_case
from hematovision.services.cases import open_case
from hematovision.services.erasing import Confirmation, erase_case
from hematovision.services.hands import Hand
from hematovision.services.repeats import (
    KEPT,
    LEASE,
    Answer,
    Asked,
    Claim,
    claim,
    find_done,
    finish,
    forget_old,
    release,
)
from hematovision.services.rotation import Vault, rotate
from hematovision.storage.database import Database
from hematovision.storage.files import Files, open_files
from hematovision.storage.keys import open_seal
from hematovision.storage.sealing import Seal

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SEAL = Seal(bytes(32))
DONE = Answer(201, {"Location": "/api/v1/cases/7"}, b'{"accession": "26-0837"}\n')


@pytest.fixture
def user_id(database: Database) -> int:
    return add_user(database, "robot", Role.TECHNOLOGIST, by=Hand(None, "terminal", NOW)).id


def ask(user_id: int, key: str = "a key", what: int = 1) -> Asked:
    return Asked(user_id, key, bytes([what]) * 32)


def begin(database: Database, asked: Asked, now: datetime = NOW, seal: Seal = SEAL) -> Claim:
    found = claim(database, asked, seal=seal, now=now)
    assert isinstance(found, Claim)
    return found


def end(database: Database, held: Claim, seal: Seal = SEAL, case_id: int | None = None) -> None:
    finish(database, held, DONE, seal=seal, case_id=case_id)


def test_answer_is_given_again(database: Database, user_id: int) -> None:
    end(database, begin(database, ask(user_id)))
    for later in (timedelta(), KEPT - SECOND):
        assert claim(database, ask(user_id), seal=SEAL, now=NOW + later) == DONE


def test_key_belongs_to_who_asks(database: Database, user_id: int) -> None:
    other = add_user(database, "other", Role.VIEWER, by=Hand(None, "terminal", NOW))
    end(database, begin(database, ask(user_id)))
    begin(database, ask(other.id, what=2))


def test_request_that_is_being_answered_waits(database: Database, user_id: int) -> None:
    held = begin(database, ask(user_id))
    with pytest.raises(IdempotencyKeyBusyError):
        claim(database, ask(user_id), seal=SEAL, now=NOW + LEASE - SECOND)
    end(database, held)


def test_something_else_under_the_same_key_is_refused(database: Database, user_id: int) -> None:
    held = begin(database, ask(user_id))
    for now in (NOW, NOW + LEASE):
        with pytest.raises(IdempotencyKeyReusedError):
            claim(database, ask(user_id, what=2), seal=SEAL, now=now)
    end(database, held)
    with pytest.raises(IdempotencyKeyReusedError):
        claim(database, ask(user_id, what=2), seal=SEAL, now=NOW)


def test_request_that_was_let_go_of_comes_again(database: Database, user_id: int) -> None:
    release(database, begin(database, ask(user_id)))
    with pytest.raises(IdempotencyKeyReusedError):
        begin(database, ask(user_id, what=2))
    end(database, begin(database, ask(user_id)))


def test_part_that_was_done_is_found_whoever_works_on_the_request(
    database: Database, user_id: int
) -> None:
    first = begin(database, ask(user_id))
    assert find_done(database, first.of(0)) is None
    with database.transaction() as records:
        records.claims.add(first.of(0), now=NOW, became=7)
    release(database, first)
    later = begin(database, ask(user_id))
    assert (find_done(database, later.of(0)), find_done(database, later.of(1))) == (7, None)
    forget_old(database, now=NOW + 2 * KEPT)
    assert find_done(database, later.of(0)) is None


def test_request_of_a_killed_server_is_taken_over_and_it_answers_no_more(
    database: Database, user_id: int
) -> None:
    killed = begin(database, ask(user_id))
    taken = begin(database, ask(user_id), NOW + LEASE)
    finish(database, killed, Answer(500, {}, b"late"), seal=SEAL, case_id=None)
    release(database, killed)
    end(database, taken)
    assert claim(database, ask(user_id), seal=SEAL, now=NOW + LEASE) == DONE


def test_answer_that_was_kept_for_long_enough_is_forgotten(
    database: Database, user_id: int
) -> None:
    end(database, begin(database, ask(user_id)))
    forget_old(database, now=NOW + KEPT - SECOND)
    with pytest.raises(IdempotencyKeyReusedError):
        claim(database, ask(user_id, what=2), seal=SEAL, now=NOW)
    forget_old(database, now=NOW + KEPT)
    release(database, begin(database, ask(user_id, what=2)))


def test_key_is_free_after_a_day_though_nobody_swept(database: Database, user_id: int) -> None:
    end(database, begin(database, ask(user_id)))
    begin(database, ask(user_id, what=2), NOW + KEPT)


def test_of_many_at_once_one_works(database: Database, user_id: int) -> None:
    gate = Barrier(8)

    def try_it(_: int) -> object:
        gate.wait()
        try:
            return claim(database, ask(user_id), seal=SEAL, now=NOW)
        except IdempotencyKeyBusyError:
            return None

    with ThreadPoolExecutor(8) as pool:
        found = [one for one in pool.map(try_it, range(8)) if one is not None]
    assert len(found) == 1


def test_neither_key_nor_answer_can_be_read_in_the_database(
    database: Database, user_id: int
) -> None:
    end(database, begin(database, ask(user_id, "case 26-0837")))
    with database.engine.connect() as connection:
        (row,) = connection.execute(text("SELECT * FROM idempotency_keys"))
    assert b"0837" not in b"".join(bytes(one) for one in row if isinstance(one, bytes | memoryview))
    assert "0837" not in str(row)


def test_answer_goes_with_its_case(database: Database, user_id: int, tmp_path: Path) -> None:
    by, files = Hand(user_id, "api", NOW), Files(str(tmp_path / "pictures"), SEAL)
    case = open_case(database, "26-0837", by=by)
    other = open_case(database, "26-0838", by=by)
    late = begin(database, ask(user_id, "late"))
    for key, case_id in (("its", case.id), ("none", None), ("another's", other.id)):
        end(database, begin(database, ask(user_id, key)), case_id=case_id)
    erase_case(database, files, case.id, Confirmation("26-0837", "asked"), by=by)
    # Of whatever tells of no case nobody knows what went into one since.
    for key in ("its", "none"):
        begin(database, ask(user_id, key))
    assert claim(database, ask(user_id, "another's"), seal=SEAL, now=NOW) == DONE
    end(database, late, case_id=case.id)
    begin(database, ask(user_id, "late"))


def test_copy_of_a_case_holds_no_answer(database: Database, user_id: int, tmp_path: Path) -> None:
    by, files = Hand(user_id, "api", NOW), Files(str(tmp_path / "pictures"), SEAL)
    case = open_case(database, "26-0837", by=by)
    end(database, begin(database, ask(user_id)), case_id=case.id)
    export_case(database, files, case, tmp_path / "copy", by=by)
    copied = json.loads((tmp_path / "copy" / "case.json").read_text())
    assert "cases" in copied
    assert "idempotency_keys" not in copied


def test_answer_is_given_after_the_key_was_rotated(database: Database, user_id: int) -> None:
    folder = database.custody.folder
    seal = open_seal(folder)
    old = Seal(*seal.keys)
    end(database, begin(database, ask(user_id), seal=seal), seal)
    vault = Vault(database, open_files("", folder, seal))
    by = Hand(None, "terminal", NOW)
    rotate(vault, by=by, wait=lambda _: None, clock=lambda: NOW)
    assert claim(database, ask(user_id), seal=seal, now=NOW) == DONE
    with pytest.raises(KeyOutdatedError):
        claim(database, ask(user_id), seal=old, now=NOW)
    held = begin(database, ask(user_id, "another"), seal=seal)
    with pytest.raises(KeyOutdatedError):
        end(database, held, old)
