import pytest

from hematovision.errors import (
    CaseClosedError,
    CaseUnknownError,
    NotSignedError,
    NotSignedInError,
    ReasonMissingError,
)
from hematovision.people import User
from hematovision.services.amending import (
    REASON_LENGTH,
    amend_case,
    answer,
    compare_versions,
    get_version,
    get_versions,
    send_back,
)
from hematovision.services.cases import get_case
from hematovision.services.hands import Hand
from hematovision.services.overviews import look_over
from hematovision.services.signing import open_desk
from hematovision.storage.cases import Case, CaseState
from hematovision.storage.database import Database
from hematovision.storage.overviews import Pile, Search

from .cases import NOW, add_read_photo, say
from .signatures import add_person, hand_of, ready_case, sign


@pytest.fixture
def rosa(database: Database) -> User:
    return add_person(database, "rosa")


@pytest.fixture
def case(database: Database) -> Case:
    return ready_case(database)


def on_pile(database: Database, pile: Pile) -> list[str]:
    return [found.case.accession for found in look_over(database, Search(pile=pile)).cases]


def test_amended_case_keeps_both_versions(database: Database, rosa: User, case: Case) -> None:
    first = sign(database, case, rosa)
    reopened = amend_case(database, case.id, "cell 1 is a band", by=hand_of(rosa))
    assert reopened == get_case(database, case.id)
    assert reopened.state is CaseState.IN_REVIEW
    assert get_version(database, case.id, 1) == first
    assert open_desk(database, case.id, rosa).amends == "cell 1 is a band"
    say(database, case, "band", 1)
    second = sign(database, case, rosa)
    assert (second.version, second.reason) == (2, "cell 1 is a band")
    closed, versions = get_versions(database, case.id)
    assert (closed.state, versions) == (CaseState.AMENDED, [first, second])
    with database.reading() as records:
        event = records.audit.list()[0]
        reasons = str(records.audit.list())
    assert (event.action, event.details) == ("case.amended", {"case": case.id, "version": 2})
    assert "band" not in reasons.replace("'to': 'band'", "")


def test_amendment_of_an_amendment_has_its_own_reason(
    database: Database, rosa: User, case: Case
) -> None:
    sign(database, case, rosa)
    for number in (2, 3):
        amend_case(database, case.id, f"reason {number}", by=hand_of(rosa))
        assert sign(database, case, rosa).version == number
    versions = get_versions(database, case.id)[1]
    assert [version.reason for version in versions] == ["", "reason 2", "reason 3"]


def test_versions_are_laid_beside_each_other(database: Database, rosa: User, case: Case) -> None:
    sign(database, case, rosa)
    amend_case(database, case.id, "two cells", by=hand_of(rosa))
    say(database, case, "lymphocyte", 1)
    say(database, case, "neutrophil", 2)
    add_read_photo(database, case, [None])
    say(database, case, "blast", 101)
    difference = compare_versions(database, case.id, 1, None)
    changes = [(cell.number, cell.photo, cell.before, cell.after) for cell in difference.cells]
    assert changes == [(1, 1, "neutrophil", "lymphocyte"), (101, 2, None, "blast")]
    with database.reading() as records:
        ines = records.users.find("ines")
    assert ines
    assert {cell.reviewer_id for cell in difference.cells} == {ines.id}
    numbers = {
        part.code: (part.before and part.before["number"], part.after and part.after["number"])
        for part in difference.parts
        if part.is_changed
    }
    assert numbers == {"neutrophil": (60, 59), "lymphocyte": (40, 41), "blast": (None, 1)}
    assert difference.counted == (100, 101)
    sign(database, case, rosa)
    assert compare_versions(database, case.id, 1, 2) == difference
    same = compare_versions(database, case.id, 2, None)
    assert (same.cells, [part for part in same.parts if part.is_changed]) == ((), [])
    back = compare_versions(database, case.id, 2, 1)
    assert (back.cells[1].before, back.cells[1].after) == ("blast", None)


def test_only_a_signed_case_is_amended_and_only_with_a_reason(
    database: Database, rosa: User, case: Case
) -> None:
    with pytest.raises(NotSignedError):
        amend_case(database, case.id, "too early", by=hand_of(rosa))
    sign(database, case, rosa)
    for nothing in ("", "  \n ", "no", "\x00\x07ab"):
        with pytest.raises(ReasonMissingError):
            amend_case(database, case.id, nothing, by=hand_of(rosa))
    with pytest.raises(NotSignedInError):
        amend_case(database, case.id, "nobody", by=Hand(None, "terminal", NOW))
    with pytest.raises(CaseUnknownError):
        amend_case(database, 4711, "nowhere", by=hand_of(rosa))
    amend_case(database, case.id, "x" * 5000, by=hand_of(rosa))
    assert len(open_desk(database, case.id, rosa).amends) == REASON_LENGTH
    with pytest.raises(NotSignedError):
        amend_case(database, case.id, "a second time", by=hand_of(rosa))


def test_version_that_nobody_signed_is_told(database: Database, rosa: User, case: Case) -> None:
    sign(database, case, rosa)
    for version in (0, 2):
        with pytest.raises(NotSignedError):
            get_version(database, case.id, version)
        with pytest.raises(NotSignedError):
            compare_versions(database, case.id, 1, version)


def test_case_goes_from_pile_to_pile(database: Database, rosa: User, case: Case) -> None:
    by = hand_of(rosa)

    def piles() -> set[Pile]:
        return {pile for pile in Pile if on_pile(database, pile)} - {Pile.ALL}

    assert piles() == {Pile.SIGN}
    send_back(database, case.id, "look at cells 14 and 90 again", by=by)
    assert piles() == {Pile.BACK}
    start = look_over(database, Search(pile=Pile.BACK))
    assert (start.waiting.back, start.waiting.to_sign, start.waiting.to_review) == (1, 0, 0)
    returned = start.cases[0].returned
    assert returned
    assert (returned.reason, returned.asked_by) == ("look at cells 14 and 90 again", "rosa")
    answer(database, case.id, by=by)
    answer(database, case.id, by=by)
    assert piles() == {Pile.SIGN}
    sign(database, case, rosa)
    assert piles() == {Pile.SIGNED}
    amend_case(database, case.id, "one more look", by=by)
    assert piles() == {Pile.BACK}
    answer(database, case.id, by=by)
    assert piles() == {Pile.SIGN}
    assert sign(database, case, rosa).reason == "one more look"
    with database.reading() as records:
        actions = [event.action for event in reversed(records.audit.list())]
    assert actions == [
        "case.sent_back",
        "case.looked_again",
        "case.signed",
        "case.reopened",
        "case.looked_again",
        "case.amended",
    ]


def test_signing_answers_what_was_sent_back(database: Database, rosa: User, case: Case) -> None:
    send_back(database, case.id, "look again", by=hand_of(rosa))
    assert open_desk(database, case.id, rosa).amends == ""
    assert sign(database, case, rosa).reason == ""
    assert open_desk(database, case.id, rosa).sheet.returned is None
    with pytest.raises(CaseClosedError):
        send_back(database, case.id, "too late", by=hand_of(rosa))
