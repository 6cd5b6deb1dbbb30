from collections.abc import Callable

import pytest

from hematovision.cells import CellType
from hematovision.errors import (
    BlindError,
    CellUnknownError,
    ChangedMeanwhileError,
    LabelUnknownError,
    NotSignedInError,
    SecondReadingError,
)
from hematovision.labels import FIVE
from hematovision.people import Role, User
from hematovision.services.deciding import compare_readings, decide
from hematovision.services.differential import open_sheet
from hematovision.services.galleries import open_gallery
from hematovision.services.hands import Hand
from hematovision.services.review import Said, history_of
from hematovision.services.second_readings import (
    ask_second,
    finish_second,
    give_up_second,
    is_blind,
    name_second,
    open_blind_gallery,
    open_second_desk,
    take_second,
)
from hematovision.storage.cases import Case
from hematovision.storage.cells import Place
from hematovision.storage.database import Database

from .cases import NOW, cells_of, make_case, say
from .signatures import add_person, hand_of

NEUTROPHIL, LYMPHOCYTE = CellType.NEUTROPHIL, CellType.LYMPHOCYTE


@pytest.fixture
def case(database: Database) -> Case:
    """Make a case that ines has read: she calls the unidentified cell a blast."""
    case = make_case(database, [NEUTROPHIL, NEUTROPHIL, LYMPHOCYTE, None])
    say(database, case, "neutrophil", 1, 2)
    say(database, case, "lymphocyte", 3)
    say(database, case, "blast", 4)
    return case


@pytest.fixture
def omar(database: Database) -> User:
    return add_person(database, "omar", Role.TECHNOLOGIST)


def take(database: Database, case: Case, user: User) -> None:
    ask_second(database, case.id, by=hand_of(user))
    take_second(database, case.id, by=hand_of(user))


def name(database: Database, case: Case, user: User, *labels: str | None, seen: int = 0) -> None:
    """Let a second reader call the cells so, in their order."""
    said = [
        Said(cell.id, label, seen)
        for cell, label in zip(cells_of(database, case), labels, strict=False)
    ]
    outcomes = name_second(database, case.id, said, by=hand_of(user))
    assert all(outcome.stored for outcome in outcomes)


def check_states(database: Database, case: Case) -> dict[str, tuple[str, int]]:
    checks = open_sheet(database, case.id).checks
    return {c.code: (str(c.state), c.number) for c in checks if c.code in {"second", "apart"}}


def test_second_reader_sees_what_the_machine_said_and_nothing_else(
    database: Database, case: Case, omar: User
) -> None:
    take(database, case, omar)
    shown = open_blind_gallery(database, case.id, user_id=omar.id, labels=FIVE)
    assert [cell.cell_type for cell in shown.cells] == ["neutrophil"] * 2 + ["lymphocyte", None]
    assert {(cell.label, cell.version, cell.reviewed_by) for cell in shown.cells} == {
        (None, 0, None)
    }
    # Confirmed cells are shown to compare with, but none of this case.
    there = open_gallery(database, case.id, user_id=omar.id, labels=FIVE).references
    assert any(isinstance(one, Place) for one in there["neutrophil"])
    assert not any(shown.references.values())
    name(database, case, omar, "band")
    shown = open_blind_gallery(database, case.id, user_id=omar.id, labels=())
    assert (shown.cells[0].label, shown.cells[0].version) == ("band", 1)


def test_first_readers_labels_stay_as_they_are(database: Database, case: Case, omar: User) -> None:
    before = cells_of(database, case)
    take(database, case, omar)
    name(database, case, omar, "band", "band", "blast", "blast")
    assert cells_of(database, case) == before
    assert len(history_of(database, case.id, before[0].id)) == 1


def test_second_reader_takes_back_and_names_again(
    database: Database, case: Case, omar: User
) -> None:
    take(database, case, omar)
    name(database, case, omar, "band")
    name(database, case, omar, None, seen=1)
    assert open_second_desk(database, case.id, omar.id).left == 4
    (cell, *_) = cells_of(database, case)
    for seen in (0, 1):
        late = [Said(cell.id, "blast", seen)]
        (outcome,) = name_second(database, case.id, late, by=hand_of(omar))
        assert (outcome.stored, outcome.cell.label, outcome.cell.version) == (False, None, 2)
    name(database, case, omar, "neutrophil", seen=2)
    assert open_second_desk(database, case.id, omar.id).left == 3


def test_who_knows_what_was_said_is_no_second_reader(
    database: Database, case: Case, omar: User
) -> None:
    ines = add_person(database, "ines")
    ask_second(database, case.id, by=hand_of(ines))
    assert not open_second_desk(database, case.id, ines.id).may_take
    with pytest.raises(BlindError):
        take_second(database, case.id, by=hand_of(ines))
    take_second(database, case.id, by=hand_of(omar))
    assert (is_blind(database, case.id, omar.id), is_blind(database, case.id, ines.id)) == (
        True,
        False,
    )
    give_up_second(database, case.id, by=hand_of(omar))
    assert not is_blind(database, case.id, omar.id)
    ask_second(database, case.id, by=hand_of(omar))
    with pytest.raises(BlindError):
        take_second(database, case.id, by=hand_of(omar))
    take_second(database, case.id, by=hand_of(add_person(database, "rosa")))


def test_reading_that_is_not_there_or_taken_is_told(
    database: Database, case: Case, omar: User
) -> None:
    rosa = add_person(database, "rosa")

    def refused(act: Callable[[], object]) -> None:
        with pytest.raises(SecondReadingError):
            act()

    refused(lambda: take_second(database, case.id, by=hand_of(omar)))
    refused(lambda: finish_second(database, case.id, by=hand_of(omar)))
    refused(lambda: give_up_second(database, case.id, by=hand_of(omar)))
    refused(lambda: name(database, case, omar, "band"))
    refused(lambda: open_blind_gallery(database, case.id, user_id=omar.id, labels=()))
    refused(lambda: compare_readings(database, case.id))
    take(database, case, omar)
    refused(lambda: ask_second(database, case.id, by=hand_of(rosa)))
    refused(lambda: take_second(database, case.id, by=hand_of(rosa)))
    refused(lambda: finish_second(database, case.id, by=hand_of(omar)))
    refused(lambda: decide(database, case.id, 1, "band", seen=1, by=hand_of(rosa)))
    with pytest.raises(NotSignedInError):
        take_second(database, case.id, by=Hand(None, "terminal", NOW))


def test_label_or_cell_that_is_none_stores_nothing(
    database: Database, case: Case, omar: User
) -> None:
    take(database, case, omar)
    cell = cells_of(database, case)[0]
    for wrong, failure in (
        (Said(cell.id, "no such name", 0), LabelUnknownError),
        (Said(4711, "band", 0), CellUnknownError),
    ):
        with pytest.raises(failure):
            name_second(database, case.id, [Said(cell.id, "band", 0), wrong], by=hand_of(omar))
    assert open_second_desk(database, case.id, omar.id).left == 4


def test_finished_reading_is_compared_and_decided(
    database: Database, case: Case, omar: User
) -> None:
    assert check_states(database, case) == {}
    take(database, case, omar)
    assert check_states(database, case) == {"second": ("open", 0)}
    name(database, case, omar, "neutrophil", "band", "lymphocyte", "monocyte")
    finish_second(database, case.id, by=hand_of(omar))
    with pytest.raises(SecondReadingError):
        name(database, case, omar, "blast", seen=1)
    assert check_states(database, case) == {"second": ("done", 1), "apart": ("open", 2)}

    found = compare_readings(database, case.id)
    assert (found.reading.reader, found.unread, found.agreement.number) == ("omar", 0, 4)
    assert found.agreement.same
    assert found.agreement.same.value == 50
    assert [(one.said.first, one.said.label) for one in found.apart] == [
        ("neutrophil", "band"),
        ("blast", "monocyte"),
    ]

    rosa = add_person(database, "rosa")
    for one, label in zip(found.apart, ("band", "blast"), strict=True):
        seen = one.cell.version
        decide(database, case.id, one.cell.id, label, seen=seen, by=hand_of(rosa))
    assert check_states(database, case) == {"second": ("done", 1), "apart": ("done", 0)}
    cells = cells_of(database, case)
    assert [(cell.label, cell.reviewed_by) for cell in cells[1::2]] == [
        ("band", "rosa"),
        ("blast", "rosa"),
    ]
    after = compare_readings(database, case.id)
    assert after.agreement == found.agreement
    assert [(one.said.decided, one.said.decided_by) for one in after.apart] == [
        ("band", "rosa"),
        ("blast", "rosa"),
    ]
    with database.reading() as records:
        actions = {event.action for event in records.audit.list()}
    assert {
        "second_reading.asked",
        "second_reading.begun",
        "second_reading.named",
        "second_reading.finished",
        "cell.decided",
    } <= actions


def test_what_second_readers_said_goes_with_the_case(
    database: Database, case: Case, omar: User
) -> None:
    take(database, case, omar)
    name(database, case, omar, "band", "band", "lymphocyte", "monocyte")
    finish_second(database, case.id, by=hand_of(omar))
    first, *_ = cells_of(database, case)
    rosa = hand_of(add_person(database, "rosa"))
    decide(database, case.id, first.id, "blast", seen=first.version, by=rosa)
    with database.reading() as records:
        named = records.audit.find(action="second_reading.named", subject="second reading 1")
        decided = records.audit.find(action="cell.decided", subject=f"cell {first.id}")
        assert named
        assert decided
        assert set(named.details) == {"case", "cell"}
        assert set(decided.details) == {"case"}
        values = records.audit.values.open(decided.id)
    assert values
    assert (values.before, values.after) == (
        {"first": "neutrophil", "second": "band"},
        {"label": "blast"},
    )


def test_decision_is_refused_where_there_is_none_to_make(
    database: Database, case: Case, omar: User
) -> None:
    take(database, case, omar)
    name(database, case, omar, "neutrophil", "band", "lymphocyte", "monocyte")
    finish_second(database, case.id, by=hand_of(omar))
    same, apart, *_ = cells_of(database, case)
    rosa = hand_of(add_person(database, "rosa"))
    with pytest.raises(CellUnknownError):
        decide(database, case.id, same.id, "band", seen=1, by=rosa)
    with pytest.raises(LabelUnknownError):
        decide(database, case.id, apart.id, "no such name", seen=1, by=rosa)
    with pytest.raises(ChangedMeanwhileError):
        decide(database, case.id, apart.id, "band", seen=0, by=rosa)
    with pytest.raises(NotSignedInError):
        decide(database, case.id, apart.id, "band", seen=1, by=Hand(None, "terminal", NOW))
    assert check_states(database, case)["apart"] == ("open", 2)


def test_cell_of_which_the_first_said_nothing_counts_neither_way(
    database: Database, omar: User
) -> None:
    case = make_case(database, [NEUTROPHIL, LYMPHOCYTE])
    say(database, case, "neutrophil", 1)
    take(database, case, omar)
    name(database, case, omar, "neutrophil", "monocyte")
    finish_second(database, case.id, by=hand_of(omar))
    found = compare_readings(database, case.id)
    assert (found.agreement.number, found.unread, found.apart) == (1, 1, [])
    # What is said later is no longer without knowledge of the second.
    say(database, case, "lymphocyte", 2)
    assert compare_readings(database, case.id).apart == []
