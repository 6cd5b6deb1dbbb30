"""A request whose answer was lost, as by a kill between the commits of work and answer."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import delete, func, select, update
from tests.conftest import StubReader

from hematovision.cells import ModelIdentity, Reading, RgbImage
from hematovision.services.repeats import LEASE
from hematovision.storage.database import Database
from hematovision.storage.tables import AnswerRow, ClaimRow, JobRow, PhotoRow, ReadingRow

from .conftest import Program

KEY = {"Idempotency-Key": "film-7"}


def lose_answers(database: Database) -> None:
    """Let no request be answered, and whoever worked on them be gone."""
    gone = {"answer": None, "claimed_at": datetime.now(UTC) - LEASE}
    with database.transaction() as records:
        records.session.execute(update(AnswerRow).values(**gone))


def count(database: Database, rows: type) -> int:
    with database.reading() as records:
        return records.session.scalar(select(func.count()).select_from(rows)) or 0


def ids(program: Program, *pictures: bytes) -> list[int]:
    answer = program.send(*pictures, headers=KEY)
    assert "Idempotency-Replayed" not in answer.headers
    return [one["id"] for one in answer.json["readings"]]


def test_what_is_on_record_is_answered_and_not_recorded_again(
    program: Program, database: Database, jpeg: bytes
) -> None:
    first = ids(program, jpeg, jpeg + b"2")
    lose_answers(database)
    assert ids(program, jpeg, jpeg + b"2") == first
    assert count(database, ReadingRow) == 2


def test_what_was_not_done_is_done(program: Program, database: Database, jpeg: bytes) -> None:
    done, _ = ids(program, jpeg, jpeg + b"2")
    lose_answers(database)
    with database.transaction() as records:
        records.session.execute(delete(ClaimRow).where(ClaimRow.claim.endswith("-1")))
    again = ids(program, jpeg, jpeg + b"2")
    assert again[0] == done
    assert count(database, ReadingRow) == 3


def test_answer_is_that_of_the_model_that_is_on_record(
    program: Program, app: Flask, database: Database, jpeg: bytes
) -> None:
    class Later(StubReader):
        model = ModelIdentity("stub", "2.0.0", "2" * 64)

    ids(program, jpeg)
    lose_answers(database)
    app.extensions["hematovision"].shelf.put(Later())
    (reading,) = program.send(jpeg, headers=KEY).json["readings"]
    assert reading["model"]["version"] == "0.0.0"


@pytest.mark.parametrize("explain", ["true", "false"])
def test_of_two_who_work_on_it_one_records(
    program: Program, app: Flask, database: Database, jpeg: bytes, explain: str
) -> None:
    (other,) = [one["id"] for one in program.send(jpeg + b"other").json["readings"]]

    class Overtaken(StubReader):
        def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
            with database.transaction() as records:
                claim = f"{records.session.scalar(select(AnswerRow.work))}-0"
                records.claims.add(claim, now=datetime.now(UTC), became=other)
            return super().read(photo, explain=explain)

    app.extensions["hematovision"].shelf.put(Overtaken())
    answer = program.send(jpeg, headers=KEY, data={"explain": explain})
    assert [one["id"] for one in answer.json["readings"]] == [other]
    assert count(database, PhotoRow) == 1


def test_job_is_sent_once(program: Program, database: Database, jpeg: bytes) -> None:
    headers = KEY | {"Prefer": "respond-async"}
    sent = program.send(jpeg, headers=headers)
    lose_answers(database)
    again = program.send(jpeg, headers=headers)
    assert (again.status_code, again.headers["Location"]) == (202, sent.headers["Location"])
    assert (count(database, JobRow), count(database, PhotoRow)) == (1, 1)
