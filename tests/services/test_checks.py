import pytest

from hematovision.services.checks import Check, CheckState, Second, checks_of
from hematovision.services.counting import count_cells
from hematovision.services.policies import Policy
from hematovision.storage.cells import Tally
from hematovision.storage.photos import PhotoState

ASKS = Policy()
ALONE = Second()
READY = [Tally("neutrophil", True, "neutrophil", 100)]


def checks(
    tallies: list[Tally] = READY,
    photos: dict[PhotoState, int] | None = None,
    empty: tuple[int, ...] = (),
    models: tuple[str, ...] = ("a",),
    policy: Policy = ASKS,
    second: Second = ALONE,
) -> dict[str, Check]:
    found = checks_of(
        count_cells(tallies),
        100,
        photos or {},
        empty=empty,
        models=models,
        policy=policy,
        second=second,
    )
    return {check.code: check for check in found}


def test_case_that_is_ready_has_nothing_left() -> None:
    found = checks(photos={PhotoState.READ: 3, PhotoState.SAME: 1, PhotoState.CANCELLED: 1})
    assert {check.state for check in found.values()} == {CheckState.DONE}
    assert found["target"].number == 100


@pytest.mark.parametrize(
    ("code", "state", "number", "given"),
    [
        pytest.param(
            "waiting",
            CheckState.OPEN,
            6,
            {"photos": {PhotoState.WAITING: 1, PhotoState.READING: 2, PhotoState.PAUSED: 3}},
            id="photos wait",
        ),
        pytest.param(
            "unidentified",
            CheckState.OPEN,
            2,
            {"tallies": [*READY, Tally(None, True, None, 1), Tally(None, False, None, 1)]},
            id="no name",
        ),
        pytest.param(
            "unconfirmed",
            CheckState.OPEN,
            4,
            {"tallies": [*READY, Tally("monocyte", True, None, 4)]},
            id="only suggested",
        ),
        pytest.param(
            "target",
            CheckState.OPEN,
            1,
            {"tallies": [Tally("neutrophil", True, "neutrophil", 99)]},
            id="too few",
        ),
        pytest.param("failed", CheckState.LOOK, 2, {"photos": {PhotoState.FAILED: 2}}, id="failed"),
        pytest.param("empty", CheckState.LOOK, 2, {"empty": (3, 7)}, id="no cell"),
        pytest.param("models", CheckState.LOOK, 2, {"models": ("a", "b")}, id="two models"),
    ],
)
def test_what_is_left_is_said(
    code: str, state: CheckState, number: int, given: dict[str, object]
) -> None:
    found = checks(**given)  # type: ignore[arg-type]
    assert (found[code].state, found[code].number) == (state, number)
    others = {check.state for check in found.values() if check.code != code}
    assert others == {CheckState.DONE}


def test_policy_says_whether_every_suggestion_is_looked_at() -> None:
    tallies = [*READY, Tally("monocyte", True, None, 4)]
    found = checks(tallies, policy=Policy(every_cell=False))
    assert (found["unconfirmed"].state, found["unconfirmed"].number) == (CheckState.LOOK, 4)


@pytest.mark.parametrize(
    ("policy", "second", "expected"),
    [
        pytest.param(Policy(), Second(), {}, id="not asked for"),
        pytest.param(Policy(), Second(asked=True), {"second": CheckState.OPEN}, id="asked for"),
        pytest.param(
            Policy(second_reader=True), Second(), {"second": CheckState.OPEN}, id="by policy"
        ),
        pytest.param(
            Policy(),
            Second(asked=True, finished=1),
            {"second": CheckState.DONE, "apart": CheckState.DONE},
            id="both agree",
        ),
        pytest.param(
            Policy(second_reader=True),
            Second(asked=True, finished=1, apart=2),
            {"second": CheckState.DONE, "apart": CheckState.OPEN},
            id="both differ",
        ),
    ],
)
def test_second_reading_is_checked_where_there_should_be_one(
    policy: Policy, second: Second, expected: dict[str, CheckState]
) -> None:
    found = checks(policy=policy, second=second)
    assert {code: found[code].state for code in ("second", "apart") if code in found} == expected


def test_photo_that_waits_and_a_count_of_nothing_cannot_be_left() -> None:
    waiting = {PhotoState.WAITING: 1}
    tallies = [Tally("neutrophil", True, None, 9), Tally(None, True, None, 1)]
    found = checks(tallies, waiting, second=Second(asked=True))
    leavable = {code for code, check in found.items() if check.is_leavable}
    assert leavable == {"unidentified", "unconfirmed", "target", "second"}
    assert not checks([Tally(None, True, None, 1)])["target"].is_leavable
