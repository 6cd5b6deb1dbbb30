from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hematovision.errors import (
    AccessionInvalidError,
    AccessionTakenError,
    CaseClosedError,
    CaseUnknownError,
    ChangedMeanwhileError,
)
from hematovision.services.cases import change_case, change_note, get_case, open_case
from hematovision.services.hands import Hand
from hematovision.storage.cases import CaseState
from hematovision.storage.database import Database

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
BY = Hand(None, "page", NOW)


def test_new_case_is_open_and_recorded_without_what_names_a_patient(database: Database) -> None:
    case = open_case(database, " 26-0837 ", "smear of Ann", by=BY)
    assert (case.accession, case.state, case.version) == ("26-0837", CaseState.OPEN, 1)
    assert get_case(database, case.id) == case
    with database.reading() as records:
        (event,) = records.audit.list()
    assert (event.action, event.subject, event.details) == ("case.opened", f"case {case.id}", {})


@pytest.mark.parametrize("accession", ["", " ", "-", "a\x00b", "x" * 65, "<b>", "a\n" * 3 + "?"])
def test_number_that_cannot_be_shown_is_refused(database: Database, accession: str) -> None:
    with pytest.raises(AccessionInvalidError):
        open_case(database, accession, by=BY)


def test_number_is_one_case_whatever_its_capitals(database: Database) -> None:
    open_case(database, "h26/0837", by=BY)
    with pytest.raises(AccessionTakenError):
        open_case(database, "H26/0837", by=BY)


def test_case_that_is_not_there_is_named(database: Database) -> None:
    with pytest.raises(CaseUnknownError):
        get_case(database, 1)


def test_later_of_two_who_change_at_once_is_told(database: Database) -> None:
    seen = open_case(database, "26-0837", by=BY)
    changed = change_note(database, seen, "first", by=BY)
    assert (changed.note, changed.version) == ("first", 2)
    with pytest.raises(ChangedMeanwhileError):
        change_note(database, seen, "second", by=BY)
    assert get_case(database, seen.id) == changed


def test_signed_case_is_not_changed(database: Database) -> None:
    case = open_case(database, "26-0837", by=BY)
    signed = change_case(database, replace(case, state=CaseState.SIGNED), "signed", by=BY)
    with pytest.raises(CaseClosedError):
        change_note(database, signed, "late", by=BY)
    assert get_case(database, case.id).note == ""


def test_of_two_who_open_one_case_at_once_the_later_is_told(database: Database) -> None:
    def open_one(_: int) -> str:
        try:
            open_case(database, "26-0837", by=BY)
        except AccessionTakenError:
            return "taken"
        return "opened"

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(open_one, range(8)))
    assert sorted(outcomes) == ["opened", *["taken"] * 7]


def test_note_keeps_what_can_be_written_and_read(database: Database) -> None:
    case = open_case(database, "26-0837", "first\nsecond\x00\x1b[31m", by=BY)
    assert get_case(database, case.id).note == "first\nsecond[31m"
