import pytest

from hematovision.cells import Box, CellType, Decision, Reading
from hematovision.web.cards import MARKS, counted, percent, short_hash, words_of

N, L, M, OTHER = CellType.NEUTROPHIL, CellType.LYMPHOCYTE, CellType.MONOCYTE, CellType.OTHER


@pytest.mark.parametrize(
    ("cell_type", "possible", "words"),
    [
        pytest.param(N, (N,), "Neutrophil only. No other name is probable enough.", id="named"),
        pytest.param(
            None, (N, M), "Neutrophil or monocyte. The system cannot rule out either.", id="two"
        ),
        pytest.param(
            None,
            (N, M, L),
            "Neutrophil, monocyte or lymphocyte. The system cannot rule out any of them.",
            id="three",
        ),
        pytest.param(
            None,
            (OTHER,),
            "None of the five types. To the system this looks like something else.",
            id="other",
        ),
        pytest.param(
            None, (N,), "Not sure. The system would not put a name to this cell.", id="refused"
        ),
        pytest.param(
            None, (), "Not sure. The system would not put a name to this cell.", id="empty"
        ),
    ],
)
def test_prediction_set_is_said_in_words(
    cell_type: CellType | None, possible: tuple[CellType, ...], words: str
) -> None:
    decision = Decision.NAMED if cell_type else Decision.UNIDENTIFIED
    cell = Reading(Box(0, 0, 1, 1), decision, cell_type, 0.5, {}, possible)
    assert " ".join(words_of(cell)) == words


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (0.0, "0 %"),
        (0.004, "0 %"),
        (0.514, "51 %"),
        (0.994, "99 %"),
        (0.996, "> 99 %"),
        (1, "100 %"),
    ],
)
def test_percentage_is_rounded_but_never_up_to_certainty(part: float, text: str) -> None:
    assert percent(part) == text


@pytest.mark.parametrize(
    ("name", "number", "text"),
    [
        ("neutrophil", 1, "1 neutrophil"),
        ("neutrophil", 2, "2 neutrophils"),
        ("unidentified", 2, "2 unidentified"),
    ],
)
def test_counts_are_said_in_words(name: str, number: int, text: str) -> None:
    assert counted(name, number) == text


def test_every_type_has_a_mark_of_its_own() -> None:
    assert set(MARKS) == {*map(str, CellType), "unidentified"}
    assert len(set(MARKS.values())) == len(MARKS)


def test_hash_is_shortened() -> None:
    assert short_hash("9f3c41d7" + "0" * 56) == "9f3c 41d7"
