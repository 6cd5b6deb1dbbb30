import pytest
from tests.vision.evaluations import evaluation_document, old_evaluation_document

from hematovision.learning.targets import TARGETS, Target, Verdict, judge_all
from hematovision.vision.evaluation import as_evaluation


def target(floor: float | None, aim: float | None, *, at_most: bool = False) -> Target:
    return Target("set", "measure", floor, aim, lambda evaluation: None, at_most=at_most)


@pytest.mark.parametrize(
    ("row", "value", "verdict"),
    [
        pytest.param(target(0.8, 0.9), 0.9, Verdict.AIM, id="aim"),
        pytest.param(target(0.8, 0.9), 0.8, Verdict.FLOOR, id="floor"),
        pytest.param(target(0.8, 0.9), 0.79, Verdict.MISSED, id="missed"),
        pytest.param(target(0.8, None), 0.9, Verdict.FLOOR_ONLY, id="no aim"),
        pytest.param(target(None, 0.9), 0.8, Verdict.AIM_MISSED, id="no floor"),
        pytest.param(target(0.03, 0.01, at_most=True), 0.02, Verdict.FLOOR, id="less is better"),
        pytest.param(target(0.03, 0.01, at_most=True), 0.04, Verdict.MISSED, id="too much"),
        pytest.param(target(0.8, 0.9), None, Verdict.UNKNOWN, id="not measured"),
    ],
)
def test_number_is_judged(row: Target, value: float | None, verdict: Verdict) -> None:
    assert row.judge(value) is verdict


def judged(document: dict[str, object]) -> dict[tuple[str, str], tuple[str, Verdict]]:
    return {
        (one.target.asked, one.target.measure): (one.value, one.verdict)
        for one in judge_all(as_evaluation(document))
    }


def test_every_target_that_can_be_is_measured() -> None:
    rows = judged(evaluation_document())
    assert len(rows) == len(TARGETS)
    unknown = {asked for (asked, _), (_, verdict) in rows.items() if verdict is Verdict.UNKNOWN}
    assert unknown == {one.asked for one in TARGETS if one.elsewhere}


def test_what_version_1_did_not_measure_is_not_judged() -> None:
    rows = judged(old_evaluation_document())
    assert rows["Grouped 5 folds", "balanced accuracy"][1] is Verdict.UNKNOWN
    assert rows["JTSC, never trained on", "accuracy"][1] is not Verdict.UNKNOWN


def test_coverage_is_of_types_with_enough_cells() -> None:
    document = evaluation_document()
    sets = document["sets"]["pbc_test"]["prediction_sets"]
    sets["neutrophil"]["coverage"] = [0.99, 0.96, 1.0]
    sets["basophil"] |= {"cells": 99, "coverage": [0.5, 0.4, 0.6]}
    row = ("Prediction sets, PBC test", "types of 100 cells or more whose exact limits hold 95 %")
    assert judged(document)[row] == ("75.0 %", Verdict.MISSED)


def test_types_that_were_learnt_from_are_no_strangers() -> None:
    document = evaluation_document()
    document["known"]["leave_one_type_out"] = False
    row = ("Known or not: other cell types", "AUROC, leave one type out, mean of the types")
    assert judged(document)[row][1] is Verdict.UNKNOWN
