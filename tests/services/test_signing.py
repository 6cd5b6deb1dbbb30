from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from hematovision.cells import Box, CellType
from hematovision.errors import (
    CaseClosedError,
    CaseUnknownError,
    ChangedMeanwhileError,
    ChecksOpenError,
    HematoVisionError,
    NameMissingError,
    NotAllowedError,
    PasswordMissingError,
    ReasonMissingError,
    TooManySignInsError,
    WrongPasswordError,
)
from hematovision.people import Role, User
from hematovision.services import batches
from hematovision.services.amending import amend_case, answer, send_back
from hematovision.services.cases import change_note, get_case
from hematovision.services.contents import digest_of
from hematovision.services.deciding import decide
from hematovision.services.differential import Wanted, change_counting
from hematovision.services.hands import Hand
from hematovision.services.intake import leave_out
from hematovision.services.policies import Policy, set_policy
from hematovision.services.printed_names import get_printed_name, set_printed_name
from hematovision.services.review import Said, box_cell, name_cells, take_back
from hematovision.services.second_readings import (
    ask_second,
    finish_second,
    name_second,
    take_second,
)
from hematovision.services.sign_ins import FREE_TRIES
from hematovision.services.signing import MEANINGS, open_desk, sign_case
from hematovision.storage.cases import Case, CaseState
from hematovision.storage.database import Database
from hematovision.storage.files import Files, open_files
from hematovision.storage.photos import Sent
from hematovision.storage.sealing import Seal

from .cases import NOW, cells_of, make_case, say
from .signatures import PASSWORD, add_person, given, hand_of, ready_case, sign

WRONG = PASSWORD.upper()


@pytest.fixture
def rosa(database: Database) -> User:
    return add_person(database, "rosa")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return open_files("", tmp_path, Seal(bytes(32)))


@pytest.fixture
def case(database: Database) -> Case:
    return ready_case(database)


def actions(database: Database) -> list[str]:
    with database.reading() as records:
        return [event.action for event in records.audit.list()]


def test_signature_says_who_when_what_and_why(database: Database, rosa: User, case: Case) -> None:
    signature = sign(database, case, rosa)
    assert (signature.version, signature.signed_by) == (1, rosa.id)
    assert (signature.printed_name, signature.signed_at) == ("Rosa Okafor, MD", NOW)
    assert (signature.meaning, signature.reason) == (MEANINGS[0], "")
    assert signature.overrides == {}
    assert get_case(database, case.id).state is CaseState.SIGNED
    with database.reading() as records:
        assert records.signatures.list(case.id) == [signature]
        assert records.signatures.newest(case.id) == signature
        assert records.signatures.find(case.id, 2) is None
        event = records.audit.list()[0]
    assert (event.action, event.subject) == ("case.signed", f"signature {signature.id}")
    assert event.details == {"case": case.id, "version": 1}
    assert (event.actor_id, event.at) == (rosa.id, NOW)


def test_content_holds_all_that_was_signed(database: Database, rosa: User, case: Case) -> None:
    seen = open_desk(database, case.id, rosa).seen
    content = sign(database, case, rosa).content
    assert digest_of({"content": content, "version": 1, "amends": ""}) == seen
    assert content["differential"]["counted"] == 100
    assert content["differential"]["parts"][0]["share"]["low"] == pytest.approx(49.72, abs=0.01)
    assert len(content["cells"]) == 100
    with database.reading() as records:
        ines = records.users.find("ines")
    assert ines
    first = cells_of(database, case)[0]
    assert content["cells"][0] == {
        "id": first.id,
        "number": 1,
        "photo": 1,
        "box": [0, 0, 40, 40],
        "found": True,
        "suggested": "neutrophil",
        "confidence": 0.9,
        "label": "neutrophil",
        "reviewer": ines.id,
    }
    assert content["models"] == ["stub 0.0.0 (00000000)"]
    assert content["photos"][0]["state"] == "read"


def test_name_is_remembered_for_the_next_signature(
    database: Database, rosa: User, case: Case
) -> None:
    assert open_desk(database, case.id, rosa).printed_name == ""
    sign(database, case, rosa, printed_name="  Rosa   Okafor ")
    other = ready_case(database, "26-2")
    assert open_desk(database, other.id, rosa).printed_name == "Rosa Okafor"
    sign(database, other, rosa, printed_name="R. Okafor")
    assert get_printed_name(database, rosa) == "Rosa Okafor"
    set_printed_name(database, rosa, "Rosa Okafor-Lindt", by=hand_of(rosa))
    assert get_printed_name(database, rosa) == "Rosa Okafor-Lindt"
    with database.reading() as records:
        assert "Lindt" not in str(records.audit.list())


def test_name_that_cannot_be_printed_is_refused(database: Database, rosa: User, case: Case) -> None:
    for name in ("", " ", "x", "a\x00b", "x" * 65):
        with pytest.raises(NameMissingError):
            sign(database, case, rosa, printed_name=name)
    assert get_case(database, case.id).state is CaseState.IN_REVIEW


def test_wrong_password_signs_nothing_and_is_recorded(
    database: Database, rosa: User, case: Case
) -> None:
    with pytest.raises(WrongPasswordError):
        sign(database, case, rosa, password=WRONG)
    assert get_case(database, case.id).state is CaseState.IN_REVIEW
    assert actions(database)[0] == "case.signing_refused"
    assert sign(database, case, rosa).version == 1


def test_guesses_count_as_those_of_a_sign_in(database: Database, rosa: User, case: Case) -> None:
    for _ in range(FREE_TRIES):
        with pytest.raises(WrongPasswordError):
            sign(database, case, rosa, password=WRONG)
    with pytest.raises(TooManySignInsError):
        sign(database, case, rosa)
    assert sign(database, case, rosa, minutes=20).version == 1


def test_who_has_no_password_signs_nothing(database: Database, case: Case) -> None:
    with database.transaction() as records:
        linked = records.users.add("linked", Role.PATHOLOGIST, now=NOW)
    with pytest.raises(PasswordMissingError):
        sign(database, case, linked)


def test_case_that_nobody_knows_is_told(database: Database, rosa: User, case: Case) -> None:
    wanted = given(database, case, rosa)
    with pytest.raises(CaseUnknownError):
        sign_case(database, rosa, 4711, wanted, by=hand_of(rosa))


def test_open_check_needs_a_reason(database: Database, rosa: User) -> None:
    case = make_case(database, [CellType.NEUTROPHIL, None])
    with pytest.raises(ReasonMissingError):
        sign(database, case, rosa)
    reasons = {"unidentified": "a torn cell", "unconfirmed": "seen on paper"}
    with pytest.raises(ReasonMissingError):
        sign(database, case, rosa, reasons=reasons | {"target": " . "})
    more = reasons | {"target": "the film ends here", "models": "no open check"}
    signature = sign(database, case, rosa, reasons=more)
    assert signature.overrides == reasons | {"target": "the film ends here"}


def test_photo_that_waits_cannot_be_left(database: Database, rosa: User, case: Case) -> None:
    with database.transaction() as records:
        sent = Sent("b" * 64, 9, "name", "page", None, NOW)
        records.photos.add(sent, case_id=case.id)
    with pytest.raises(ChecksOpenError):
        sign(database, case, rosa, reasons={"waiting": "it does not matter"})


def test_nothing_cannot_be_signed(database: Database, rosa: User) -> None:
    case = make_case(database, [])
    with pytest.raises(ChecksOpenError):
        sign(database, case, rosa, reasons={"target": "there is no cell at all"})


def test_policy_of_the_laboratory_decides(database: Database, rosa: User) -> None:
    case = make_case(database, [CellType.NEUTROPHIL] * 100)
    set_policy(database, Policy(every_cell=False, second_reader=True), by=hand_of(rosa))
    with pytest.raises(ReasonMissingError):
        sign(database, case, rosa)
    assert sign(database, case, rosa, reasons={"second": "night shift"}).version == 1
    with pytest.raises(ChangedMeanwhileError):
        set_policy(database, Policy(), by=hand_of(rosa))
    assert "laboratory.signing_changed" in actions(database)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda database, case: say(database, case, "band", 1), id="a cell is named"),
        pytest.param(
            lambda database, case: change_note(
                database, get_case(database, case.id), "another note", by=Hand(None, "page", NOW)
            ),
            id="the note",
        ),
        pytest.param(
            lambda database, case: change_counting(
                database, case.id, Wanted(2, "90", "adults", ""), by=Hand(None, "page", NOW)
            ),
            id="the target",
        ),
        pytest.param(
            lambda database, case: set_policy(
                database, Policy(second_reader=True), by=Hand(None, "page", NOW)
            ),
            id="the policy",
        ),
    ],
)
def test_what_changed_since_it_was_seen_is_not_signed(
    database: Database, rosa: User, case: Case, change: Callable[[Database, Case], None]
) -> None:
    wanted = given(database, case, rosa)
    change(database, case)
    with pytest.raises(ChangedMeanwhileError):
        sign_case(database, rosa, case.id, wanted, by=hand_of(rosa))
    assert get_case(database, case.id).state is CaseState.IN_REVIEW


def test_form_for_the_first_version_signs_no_amendment(
    database: Database, rosa: User, case: Case
) -> None:
    stale = given(database, case, rosa)
    sign(database, case, rosa)
    amend_case(database, case.id, "a reason that the form did not show", by=hand_of(rosa))
    with pytest.raises(ChangedMeanwhileError):
        sign_case(database, rosa, case.id, stale, by=hand_of(rosa))
    form = given(database, case, rosa)
    sign_case(database, rosa, case.id, form, by=hand_of(rosa))
    amend_case(database, case.id, "another reason", by=hand_of(rosa))
    with pytest.raises(ChangedMeanwhileError):
        sign_case(database, rosa, case.id, form, by=hand_of(rosa))
    assert sign(database, case, rosa).reason == "another reason"


def test_who_may_sign_no_more_signs_nothing(database: Database, rosa: User, case: Case) -> None:
    form = given(database, case, rosa)
    with database.transaction() as records:
        records.users.set_role(rosa.id, Role.TECHNOLOGIST)
    with pytest.raises(NotAllowedError, match="technologist"):
        sign_case(database, rosa, case.id, form, by=hand_of(rosa))
    with database.transaction() as records:
        records.users.set_role(rosa.id, Role.PATHOLOGIST)
        records.users.set_password_hash(rosa.id, None)
    with pytest.raises(WrongPasswordError):
        sign_case(database, rosa, case.id, form, by=hand_of(rosa))
    assert get_case(database, case.id).state is CaseState.IN_REVIEW


def test_of_two_who_sign_at_once_one_is_told(database: Database, rosa: User, case: Case) -> None:
    people = [rosa, add_person(database, "omar")]
    wanted = [given(database, case, one) for one in people]

    def try_it(place: int) -> str:
        try:
            sign_case(database, people[place], case.id, wanted[place], by=hand_of(people[place]))
        except HematoVisionError as error:
            return error.code()
        return "signed"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(try_it, (0, 1))) == ["case_closed", "signed"]
    with database.reading() as records:
        assert len(records.signatures.list(case.id)) == 1


def test_correction_and_signature_at_once_never_miss_each_other(
    database: Database, rosa: User, case: Case
) -> None:
    wanted, cell = given(database, case, rosa), cells_of(database, case)[0]

    def correct() -> str:
        said = Said(cell.id, "band", cell.version)
        (outcome,) = name_cells(database, case.id, [said], by=hand_of(rosa))
        return "stored" if outcome.stored else "late"

    def sign_it() -> str:
        return f"version {sign_case(database, rosa, case.id, wanted, by=hand_of(rosa)).version}"

    def try_it(act: Callable[[], str]) -> str:
        try:
            return act()
        except HematoVisionError as error:
            return error.code()

    with ThreadPoolExecutor(2) as pool:
        outcome = tuple(pool.map(try_it, (correct, sign_it)))
    assert outcome in {("stored", "changed_meanwhile"), ("case_closed", "version 1")}


def verbs(
    database: Database, case: Case, by: Hand, files: Files
) -> dict[str, Callable[[], object]]:
    """List all that changes a case."""
    now, cell = get_case(database, case.id), cells_of(database, case)[0]
    said = [Said(cell.id, "band", cell.version)]
    counting = Wanted(now.version, "200", "adults", "")
    return {
        "name": lambda: name_cells(database, case.id, said, by=by),
        "take back": lambda: take_back(database, case.id, said, by=by),
        "box": lambda: box_cell(database, case.id, 1, Box(1, 1, 30, 30), by=by),
        "note": lambda: change_note(database, now, "other", by=by),
        "counting": lambda: change_counting(database, case.id, counting, by=by),
        "photo": lambda: batches.add_photo(database, files, now, b"photo", by=by),
        "leave out": lambda: leave_out(database, now, 1, by=by),
        "pause": lambda: batches.pause(database, now, by=by),
        "resume": lambda: batches.resume(database, now, by=by),
        "cancel": lambda: batches.cancel(database, now, by=by),
        "retry": lambda: batches.retry(database, now, by=by),
        "send back": lambda: send_back(database, case.id, "look again", by=by),
        "answer": lambda: answer(database, case.id, by=by),
        "ask second": lambda: ask_second(database, case.id, by=by),
        "take second": lambda: take_second(database, case.id, by=by),
        "name second": lambda: name_second(database, case.id, said, by=by),
        "finish second": lambda: finish_second(database, case.id, by=by),
        "decide": lambda: decide(database, case.id, cell.id, "band", seen=1, by=by),
    }


def test_signed_case_is_read_only_to_every_verb(
    database: Database, rosa: User, case: Case, files: Files
) -> None:
    sign(database, case, rosa)
    before = open_desk(database, case.id, rosa)
    for name, verb in verbs(database, case, hand_of(rosa), files).items():
        with pytest.raises(CaseClosedError):
            verb()
        assert open_desk(database, case.id, rosa) == before, name
    wanted = given(database, case, rosa)
    with pytest.raises(CaseClosedError):
        sign_case(database, rosa, case.id, wanted, by=hand_of(rosa))


def test_password_is_in_no_text_of_a_signing(database: Database, rosa: User, case: Case) -> None:
    assert PASSWORD not in repr(given(database, case, rosa))
    assert NOW + timedelta(minutes=1) == hand_of(rosa, 1).now
