from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from hematovision.services.pairs import agreement, agreements, kappa_of
from hematovision.services.shares import Part
from hematovision.storage.quality import Pair

LABELS = ("neutrophil", "lymphocyte", "monocyte", "band")
READINGS = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=2)


@given(READINGS)
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    found = kappa_of(Counter(pairs))
    if found is None:
        assert len({label for pair in pairs for label in pair}) == 1
        return
    first, second = zip(*pairs, strict=True)
    assert found.value == pytest.approx(cohen_kappa_score(first, second))
    assert -1 <= found.low <= found.value <= found.high <= 1


def test_limits_of_kappa_are_as_wide_as_chance_makes_them() -> None:
    """Draw the same readers again and again: the error must be how much their kappas differ."""
    random = np.random.default_rng(0)
    chances = np.array([[0.5, 0.06, 0.02], [0.05, 0.22, 0.02], [0.01, 0.04, 0.08]])
    places = [(one, other) for one in LABELS[:3] for other in LABELS[:3]]
    drawn = random.multinomial(300, chances.ravel(), 2000)
    kappas = [kappa_of(dict(zip(places, row.tolist(), strict=True))) for row in drawn]
    errors = [(kappa.high - kappa.low) / 2 / 1.96 for kappa in kappas]
    assert np.mean(errors) == pytest.approx(np.std([kappa.value for kappa in kappas]), rel=0.05)


def test_nothing_and_one_label_alone_have_no_kappa() -> None:
    assert kappa_of({}) is None
    assert kappa_of({("monocyte", "monocyte"): 9}) is None


def test_agreement_is_also_given_by_class() -> None:
    counts = {("band", "band"): 3, ("band", "neutrophil"): 2, ("neutrophil", "neutrophil"): 5}
    found = agreement("successive", 1, 2, counts)
    assert found.same == Part(8, 10)
    assert found.classes == {"band": Part(3, 5), "neutrophil": Part(5, 7)}


def test_two_people_are_one_pair_whoever_spoke_first() -> None:
    said = [
        Pair(2, 1, ("band", "neutrophil"), 3),
        Pair(1, 2, ("neutrophil", "band"), 4),
        Pair(1, 3, ("band", "band"), 9),
    ]
    fewer, more = sorted(agreements("successive", said), key=lambda one: one.same.number)
    assert (fewer.first, fewer.second, fewer.same) == (1, 2, Part(0, 7))
    assert (more.first, more.second, more.same) == (1, 3, Part(9, 9))
