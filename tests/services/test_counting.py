import pytest

from hematovision.differential import AgeBand, Differential, Measure, Part, Range, Verdict
from hematovision.labels import LABELS, Count, Label
from hematovision.limits import exact_limits
from hematovision.services.counting import (
    cells_to_settle,
    correct,
    count_cells,
    judge,
    per_hundred,
    share_of,
)
from hematovision.services.ranges import ADULTS
from hematovision.storage.cells import Tally

MOCK = [
    *(Tally(kind, True, kind, n) for kind, n in (("neutrophil", 56), ("lymphocyte", 35))),
    *(Tally(kind, True, kind, n) for kind, n in (("monocyte", 5), ("eosinophil", 11))),
    Tally("basophil", True, "basophil", 1),
    Tally("eosinophil", True, "neutrophil", 2),
    Tally("neutrophil", True, "eosinophil", 1),
    Tally("lymphocyte", True, "monocyte", 1),
    Tally("monocyte", True, "lymphocyte", 1),
    Tally(None, True, "neutrophil", 4),
    Tally(None, True, "lymphocyte", 3),
    Tally(None, True, "monocyte", 3),
    Tally(None, True, "not_classed", 1),
]
"""The case of the mock page: 124 cells, all looked at."""


def part(differential: Differential, code: str) -> Part:
    (found,) = [one for one in differential.parts if one.code == code]
    return found


def shown(measure: Measure | None) -> tuple[float, float, float]:
    assert measure
    return round(measure.value, 1), round(measure.low, 1), round(measure.high, 1)


def test_case_of_the_mock_page_gives_its_numbers() -> None:
    found = count_cells(MOCK, band=ADULTS)
    assert (found.counted, found.confirmed, found.named) == (123, 123, 113)
    assert [(one.code, one.suggested, one.number) for one in found.parts] == [
        ("neutrophil", 57, 62),
        ("eosinophil", 13, 12),
        ("lymphocyte", 36, 39),
        ("monocyte", 6, 9),
        ("basophil", 1, 1),
    ]
    assert shown(part(found, "neutrophil").share) == (50.4, 41.2, 59.5)
    assert shown(part(found, "eosinophil").share) == (9.8, 5.1, 16.4)
    assert [(one.verdict, one.more) for one in found.parts] == [
        (Verdict.WITHIN, None),
        (Verdict.ABOVE, None),
        (Verdict.UNDECIDED, 21),
        (Verdict.UNDECIDED, None),
        (Verdict.UNDECIDED, None),
    ]
    assert (found.unidentified.suggested, found.unidentified.number) == (11, 0)
    assert [(row.code, row.number) for row in found.out] == [("not_classed", 1)]
    assert (found.suggestions.reviewed, found.suggestions.changed) == (113, 5)
    assert shown(found.suggestions.kept) == (95.6, 90.0, 98.5)


def test_suggestion_counts_until_somebody_says_otherwise() -> None:
    found = count_cells([Tally("monocyte", True, None, 4), Tally("monocyte", True, "blast", 1)])
    assert (found.counted, found.confirmed, found.suggestions.waiting) == (5, 1, 4)
    assert (part(found, "monocyte").number, part(found, "monocyte").confirmed) == (4, 0)
    assert part(found, "monocyte").suggested == 5
    assert (part(found, "blast").number, part(found, "blast").suggested) == (1, None)


def test_bands_stand_on_their_own_row_and_among_the_neutrophils() -> None:
    found = count_cells([Tally("neutrophil", True, "neutrophil", 8), Tally(None, True, "band", 2)])
    assert found.counted == 10
    assert (part(found, "neutrophil").number, part(found, "neutrophil").confirmed) == (10, 10)
    assert (part(found, "band").number, part(found, "band").inside) == (2, "neutrophil")


def test_finer_name_keeps_a_suggestion_and_no_cell_changes_it() -> None:
    found = count_cells(
        [Tally("neutrophil", True, "band", 3), Tally("monocyte", True, "no_cell", 2)]
    )
    assert (found.suggestions.reviewed, found.suggestions.changed) == (5, 2)
    assert shown(found.suggestions.kept) == (60.0, 14.7, 94.7)


def test_what_is_no_white_cell_is_not_of_the_hundred() -> None:
    tallies = [
        Tally("neutrophil", True, None, 20),
        Tally(None, True, "erythroblast", 3),
        Tally(None, True, "smudge", 1),
        Tally(None, True, "artefact", 2),
        Tally(None, True, "unidentified", 4),
        Tally(None, False, None, 1),
        Tally("lymphocyte", True, "no_cell", 7),
        Tally(None, True, "gone", 1),
        Tally(None, True, "mine", 5),
        Tally(None, True, "beside", 6),
    ]
    own = (Label("mine", "", Count.WHITE, "Mine"), Label("beside", "", Count.BESIDE, "Beside"))
    found = count_cells(tallies, own)
    assert (found.counted, found.named) == (25, 20)
    assert part(found, "mine").number == 5
    assert [(row.code, row.number) for row in found.beside] == [
        ("erythroblast", 3),
        ("smudge", 1),
        ("beside", 6),
    ]
    assert (found.unidentified.number, found.unidentified.suggested) == (5, 22)
    assert [(row.code, row.number) for row in found.out] == [
        ("artefact", 2),
        ("not_classed", 0),
        ("gone", 1),
    ]


def test_every_label_of_the_table_counts_once() -> None:
    found = count_cells([Tally(None, True, label.code, 1) for label in LABELS])
    rows = [*found.parts, *found.beside, *found.out]
    assert sorted(row.code for row in rows) == sorted(label.code for label in LABELS)
    assert found.counted == sum(label.count is Count.WHITE for label in LABELS)


def test_nothing_counted_has_no_shares() -> None:
    found = count_cells([Tally(None, True, None, 3)], band=ADULTS, white_count=7.2)
    assert found.counted == 0
    assert {one.share for one in found.parts} == {one.absolute for one in found.parts} == {None}
    assert found.corrected_count is None
    assert found.beside[0].rate is None


@pytest.mark.parametrize(
    ("number", "counted", "share", "low", "high"),
    [
        pytest.param(40, 100, 40.0, 30.3, 50.3, id="40 of 100"),
        pytest.param(80, 200, 40.0, 33.2, 47.1, id="80 of 200"),
        pytest.param(0, 100, 0.0, 0.0, 3.6, id="none of 100"),
    ],
)
def test_shares_have_the_published_limits(
    number: int, counted: int, share: float, low: float, high: float
) -> None:
    assert shown(share_of(number, counted)) == (share, low, high)


@pytest.mark.parametrize(
    ("low", "value", "high", "verdict"),
    [
        pytest.param(1, 5, 19.9, Verdict.BELOW, id="wholly below"),
        pytest.param(1, 5, 20, Verdict.MAYBE_BELOW, id="touches from below"),
        pytest.param(20, 30, 40, Verdict.WITHIN, id="both ends belong to it"),
        pytest.param(19.9, 30, 40, Verdict.UNDECIDED, id="reaches below"),
        pytest.param(20, 30, 40.1, Verdict.UNDECIDED, id="reaches above"),
        pytest.param(10, 30, 50, Verdict.UNDECIDED, id="reaches out both ways"),
        pytest.param(40, 41, 60, Verdict.MAYBE_ABOVE, id="touches from above"),
        pytest.param(40.1, 41, 60, Verdict.ABOVE, id="wholly above"),
    ],
)
def test_limits_and_range_give_a_verdict(
    low: float, value: float, high: float, verdict: Verdict
) -> None:
    assert judge(Measure(value, low, high), Range(20, 40)).verdict is verdict


@pytest.mark.parametrize(
    ("number", "counted", "limits"),
    [
        pytest.param(39, 123, Range(20, 40), id="lymphocytes"),
        pytest.param(0, 107, Range(0.5, 1), id="none seen"),
        pytest.param(13, 107, Range(2, 8), id="monocytes"),
        pytest.param(1, 100, Range(1, 4), id="on a limit"),
        pytest.param(61, 100, Range(40, 60), id="beside a limit"),
    ],
)
def test_further_cells_are_the_least_that_settle(number: int, counted: int, limits: Range) -> None:
    stats = pytest.importorskip("scipy.stats")

    def settles(more: int) -> bool:
        total = counted + more
        hits = number * total / counted
        low = 100 * stats.beta.ppf(0.025, hits, total - hits + 1) if hits else 0
        high = 100 * stats.beta.ppf(0.975, hits + 1, total - hits)
        inside = limits.low <= low and high <= limits.high
        return bool(inside or low > limits.high or high < limits.low)

    expected = next((more for more in range(1001 - counted) if settles(more)), None)
    assert cells_to_settle(number, counted, limits) == expected


def test_nobody_is_asked_to_count_beyond_a_thousand() -> None:
    assert cells_to_settle(400, 1000, Range(20, 40)) is None
    assert cells_to_settle(440, 1100, Range(20, 40)) is None


def test_total_count_gives_counts_of_each_class() -> None:
    band = AgeBand("a", "A", "s", absolute={"neutrophil": Range(1.8, 7.7)})
    tallies = [Tally("neutrophil", True, None, 40), Tally("lymphocyte", True, None, 60)]
    found = count_cells(tallies, band=band, white_count=10)
    absolute = part(found, "neutrophil").absolute
    assert absolute
    assert shown(absolute) == (4.0, 3.0, 5.0)
    assert absolute.verdict is Verdict.WITHIN
    lymphocytes = part(found, "lymphocyte").absolute
    assert lymphocytes
    assert lymphocytes.verdict is None
    assert found.corrected_count is None


def test_erythroblasts_are_taken_out_of_the_total() -> None:
    assert correct(12.0, 100, 20) == pytest.approx(10.0)
    assert correct(12.0, 200, 20) == pytest.approx(12 * 100 / 110)
    assert correct(None, 100, 20) is correct(12.0, 100, 0) is correct(12.0, 0, 20) is None
    tallies = [Tally("neutrophil", True, None, 100), Tally(None, True, "erythroblast", 20)]
    absolute = part(count_cells(tallies, white_count=12.0), "neutrophil").absolute
    assert absolute
    assert absolute.value == pytest.approx(10.0)


def test_rate_beside_the_hundred_has_the_limits_of_its_odds() -> None:
    rate = per_hundred(20, 100)
    assert rate
    low, high = exact_limits(20, 120)
    assert rate == Measure(20, 100 * low / (1 - low), 100 * high / (1 - high))
