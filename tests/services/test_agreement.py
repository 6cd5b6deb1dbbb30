from collections import Counter
from itertools import product

import pytest
from hypothesis import strategies as some

from hematovision.services.agreement import agreement_of
from hematovision.services.pairs import kappa_of

WHITE = {"neutrophil", "lymphocyte", "monocyte"}
NAMES = some.sampled_from([*sorted(WHITE), "smudge"])
PAIRS = some.lists(some.tuples(NAMES, NAMES), min_size=1, max_size=60)
# Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions, 2003, table 18.1.
TABLE = ((75, 1, 4), (5, 4, 1), (0, 0, 10))


def pairs_of(table: tuple[tuple[int, ...], ...]) -> list[tuple[str, str]]:
    names = ("psychotic", "neurotic", "organic")
    return [
        (first, second)
        for (row, first), (column, second) in product(enumerate(names), repeat=2)
        for _ in range(table[row][column])
    ]


def test_kappa_and_its_error_are_the_published_ones() -> None:
    kappa = kappa_of(Counter(pairs_of(TABLE)))
    assert kappa
    assert kappa.value == pytest.approx(0.676, abs=5e-4)
    assert (kappa.high - kappa.low) / 2 / 1.96 == pytest.approx(0.088, abs=1.5e-3)


def test_nothing_has_no_agreement() -> None:
    found = agreement_of([], WHITE)
    assert (found.number, found.same, found.kappa, found.classes) == (0, None, None, ())


def test_class_says_what_either_and_both_saw() -> None:
    pairs = [("neutrophil", "neutrophil")] * 6 + [("neutrophil", "monocyte")] * 2
    pairs += [("lymphocyte", "lymphocyte")] * 11 + [("smudge", "lymphocyte")]
    found = agreement_of(pairs, WHITE)
    assert found.number == 20
    assert found.same
    assert found.same.value == pytest.approx(85)
    one = {part.code: part for part in found.classes}
    assert [(one["neutrophil"].first, one["neutrophil"].second, one["neutrophil"].both)] == [
        (8, 6, 6)
    ]
    agreed, share = one["neutrophil"].agreed, one["neutrophil"].first_share
    assert agreed
    assert share
    assert agreed.value == pytest.approx(75)
    assert share.value == pytest.approx(100 * 8 / 19)
    assert one["smudge"].first_share is None
    assert found.classes[0].code == "lymphocyte"


def test_share_beyond_the_exact_limits_of_the_first_is_discordant() -> None:
    first = ["neutrophil"] * 60 + ["lymphocyte"] * 40

    def discordant(neutrophils: int) -> set[str]:
        second = ["neutrophil"] * neutrophils + ["lymphocyte"] * (100 - neutrophils)
        found = agreement_of(list(zip(first, second, strict=True)), WHITE)
        return {one.code for one in found.classes if one.is_discordant}

    # The exact limits of 60 of 100 are 49.7 and 69.7 %, those of 40 of 100 are 30.3 and 50.3 %.
    assert discordant(50) == discordant(69) == set()
    assert discordant(49) == discordant(70) == {"neutrophil", "lymphocyte"}
