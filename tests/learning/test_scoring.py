from typing import Any

import pytest

from hematovision.learning.protocol import FOUR
from hematovision.learning.scoring import score

from .answers import answer

NEUTROPHIL, EOSINOPHIL, LYMPHOCYTE, MONOCYTE = FOUR


SEVEN = [
    *[answer(NEUTROPHIL, NEUTROPHIL, group=str(i)) for i in range(3)],
    answer(NEUTROPHIL, EOSINOPHIL),
    answer(EOSINOPHIL, EOSINOPHIL),
    answer(EOSINOPHIL, None),
    answer(LYMPHOCYTE, LYMPHOCYTE, refused=True),
]


@pytest.fixture(scope="module")
def seven() -> dict[str, Any]:
    return score(SEVEN, FOUR)


def test_scores_are_those_computed_by_hand(seven: dict[str, Any]) -> None:
    assert (seven["pictures"], seven["right"]) == (7, 5)
    assert seven["accuracy"][0] == round(5 / 7, 4)
    assert seven["refusal_is_wrong"][0] == round(4 / 7, 4)
    assert seven["refused"][0] == round(2 / 7, 4)
    assert seven["balanced_accuracy"][0] == round((3 / 4 + 1 / 2 + 1) / 3, 4)
    assert seven["macro_f1"][0] == round((6 / 7 + 2 / 4 + 1) / 3, 4)
    recall, precision = seven["recall"], seven["precision"]
    assert [recall[kind][0] for kind in FOUR[:3]] == [0.75, 0.5, 1]
    assert [precision[kind][0] for kind in FOUR[:3]] == [1, 0.5, 1]
    assert recall[MONOCYTE] is precision[MONOCYTE] is None
    assert seven["confusion"]["eosinophil"]["none found"] == 1
    assert seven["confusion"]["neutrophil"] == {
        "neutrophil": 3,
        "eosinophil": 1,
        "lymphocyte": 0,
        "monocyte": 0,
        "none found": 0,
    }
    assert [(one["truth"], one["named"]) for one in seven["wrong"]] == [
        (NEUTROPHIL, EOSINOPHIL),
        (EOSINOPHIL, None),
    ]


def test_limits_enclose_the_value(seven: dict[str, Any]) -> None:
    measures = ("accuracy", "refusal_is_wrong", "refused", "balanced_accuracy", "macro_f1")
    found = [seven[name] for name in measures]
    found += [seven[table][kind] for table in ("recall", "precision") for kind in FOUR[:3]]
    for value, low, high in found:
        assert 0 <= low <= value <= high <= 1
    assert seven["accuracy"][1] < seven["accuracy"][0] < seven["accuracy"][2]


def test_limits_are_drawn_over_groups_not_pictures() -> None:
    def width(groups: int) -> float:
        answers = [
            answer(NEUTROPHIL, NEUTROPHIL if i % groups % 2 else EOSINOPHIL, group=str(i % groups))
            for i in range(200)
        ]
        _, low, high = score(answers, FOUR)["accuracy"]
        return high - low

    assert width(200) == pytest.approx(2 * 1.96 * (0.25 / 200) ** 0.5, rel=0.15)
    assert width(10) > 3 * width(200)


def test_same_seed_gives_the_same_limits(seven: dict[str, Any]) -> None:
    assert score(SEVEN, FOUR) == seven


def test_every_number_of_a_set_is_there(seven: dict[str, Any]) -> None:
    assert seven["types"] == [str(kind) for kind in FOUR]
    assert seven["prediction_sets"]["all"]["cells"] == 6
    assert sum(one["cells"] for one in seven["reliability"]) == 6
    assert seven["risk_coverage"]["risk"][-1] == round(2 / 7, 4)
