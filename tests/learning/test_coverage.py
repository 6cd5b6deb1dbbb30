from hematovision.learning.coverage import score_prediction_sets
from hematovision.learning.protocol import FOUR

from .answers import answer

NEUTROPHIL, EOSINOPHIL, LYMPHOCYTE, MONOCYTE = FOUR


def test_sets_are_counted_by_true_type() -> None:
    both = (NEUTROPHIL, EOSINOPHIL)
    counted = score_prediction_sets(
        [
            answer(NEUTROPHIL, NEUTROPHIL),
            answer(NEUTROPHIL, EOSINOPHIL, shown_set=both),
            answer(NEUTROPHIL, EOSINOPHIL),
            answer(EOSINOPHIL, EOSINOPHIL),
            answer(LYMPHOCYTE, None),
        ],
        FOUR,
    )
    assert list(counted) == [NEUTROPHIL, EOSINOPHIL, "all"]
    assert (counted[NEUTROPHIL]["cells"], counted[NEUTROPHIL]["covered"]) == (3, 2)
    assert counted[NEUTROPHIL]["coverage"][0] == round(2 / 3, 4)
    assert counted[NEUTROPHIL]["size_one"] == round(2 / 3, 4)
    assert (counted["all"]["cells"], counted["all"]["covered"]) == (4, 3)


def test_no_cell_found_has_no_sets() -> None:
    assert score_prediction_sets([answer(MONOCYTE, None)], FOUR) == {}


def test_copies_of_few_photos_have_no_exact_limits() -> None:
    copies = [answer(MONOCYTE, MONOCYTE, group=str(i % 4)) for i in range(40)]
    assert score_prediction_sets(copies, FOUR)[MONOCYTE]["coverage"] == [1.0]
