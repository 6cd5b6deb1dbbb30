import numpy as np
import pytest

from hematovision.learning.answers import Answer
from hematovision.learning.curves import POINTS, calibration_error, reliability, risk_coverage
from hematovision.learning.protocol import FOUR

from .answers import answer

NEUTROPHIL, EOSINOPHIL, *_ = FOUR


def test_calibration_error_is_that_computed_by_hand() -> None:
    said = [(0.8, True), (0.6, True), (0.9, True), (0.7, False)]
    answers = [
        answer(NEUTROPHIL, NEUTROPHIL if right else EOSINOPHIL, confidence=confidence)
        for confidence, right in said
    ]
    missed = answer(NEUTROPHIL, None)
    measured = calibration_error([*answers, missed])
    assert measured["error"] == pytest.approx((0.4 + 0.7 + 0.2 + 0.1) / 4)


def test_overconfidence_shows_and_honesty_does_not() -> None:
    random = np.random.default_rng(0)
    confidences = random.uniform(0.5, 1, 2000)

    def measured(*, by: float) -> dict[str, float]:
        rights = random.random(2000) < confidences - by
        return calibration_error(
            [
                answer(NEUTROPHIL, NEUTROPHIL if right else EOSINOPHIL, confidence=float(sure))
                for sure, right in zip(confidences, rights, strict=True)
            ]
        )

    honest, boastful = measured(by=0), measured(by=0.2)
    assert honest["error"] < honest["perfect_95"]
    assert honest["perfect"] < honest["perfect_95"] < 0.05
    assert boastful["error"] == pytest.approx(0.2, abs=0.03)


def test_nothing_found_has_no_calibration_error() -> None:
    assert calibration_error([answer(NEUTROPHIL, None)])["error"] == 0


def drawn(number: int, *, by: float = 0.0, seed: int = 0) -> list[Answer]:
    random = np.random.default_rng(seed)
    return [
        answer(
            NEUTROPHIL,
            NEUTROPHIL if random.random() < sure - by else EOSINOPHIL,
            confidence=float(sure),
            refused=bool(sure < 0.6),
            group=str(i),
        )
        for i, sure in enumerate(random.uniform(0.5, 1, number))
    ]


def test_error_of_perfect_calibration_is_near_what_is_said_of_it() -> None:
    errors = [calibration_error(drawn(300, seed=seed))["error"] for seed in range(40)]
    told = calibration_error(drawn(300))
    assert np.mean(errors) == pytest.approx(told["perfect"], rel=0.15)
    assert np.mean(np.asarray(errors) < told["perfect_95"]) >= 0.85


def test_calibration_does_not_depend_on_the_order_of_equal_confidences() -> None:
    equal = [answer(NEUTROPHIL, (NEUTROPHIL, EOSINOPHIL)[i % 2], group=str(i)) for i in range(40)]
    for order in (equal, equal[::2] + equal[1::2], equal[1::2] + equal[::2]):
        assert calibration_error(order)["error"] == pytest.approx(0.4)


def test_copies_of_few_photos_have_no_perfect_model_beside_them() -> None:
    copies = [answer(NEUTROPHIL, NEUTROPHIL, group=str(i % 4)) for i in range(40)]
    assert set(calibration_error(copies)) == {"error"}


def test_bins_hold_equally_many_and_rise() -> None:
    bins = reliability(drawn(95))
    assert [one["cells"] for one in bins] == [10] * 5 + [9] * 5
    said = [one["confidence"] for one in bins]
    assert said == sorted(said)
    assert reliability([answer(NEUTROPHIL, None)]) == []


def test_bins_average_to_the_calibration_error() -> None:
    answers = drawn(200, by=0.1)
    gaps = [abs(b["confidence"] - b["right"]) * b["cells"] / 200 for b in reliability(answers)]
    assert sum(gaps) == pytest.approx(calibration_error(answers)["error"], abs=1e-3)


@pytest.mark.parametrize("number", [1, 3, 99, 250])
def test_risk_ends_at_the_overall_risk(number: int) -> None:
    answers = drawn(number)
    curve = risk_coverage(answers)
    assert curve["coverage"][-1] == 1
    assert curve["risk"][-1] == round(sum(not one.right for one in answers) / number, 4)
    assert len(curve["coverage"]) == len(curve["risk"]) == min(number, POINTS)
    assert curve["coverage"] == sorted(set(curve["coverage"]))


def test_operating_point_lies_on_the_curve_where_the_reader_stops_naming() -> None:
    answers = drawn(100)
    curve = risk_coverage(answers)
    named = sum(not one.refused for one in answers)
    assert curve["operating"] == {
        "coverage": curve["coverage"][named - 1],
        "risk": curve["risk"][named - 1],
    }


def test_what_is_refused_for_being_unknown_comes_after_what_is_named() -> None:
    unsure = answer(NEUTROPHIL, NEUTROPHIL, confidence=0.6)
    strange = answer(NEUTROPHIL, EOSINOPHIL, confidence=0.99, refused=True, known=0.01)
    assert risk_coverage([strange, unsure])["risk"] == [0, 0.5]


def test_none_found_comes_last_and_is_wrong() -> None:
    curve = risk_coverage([answer(NEUTROPHIL, None), answer(NEUTROPHIL, NEUTROPHIL, refused=True)])
    assert curve["risk"] == [0, 0.5]
    assert curve["operating"] == {"coverage": 0, "risk": 0}


def test_a_risk_that_confidence_orders_rises_with_coverage() -> None:
    risk = risk_coverage(drawn(4000))["risk"]
    assert risk[9] < risk[49] < risk[-1]
