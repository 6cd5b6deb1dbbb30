import pytest
from tests.conftest import StubReader

from hematovision.cells import Box, CellType, Decision, Doubt, PhotoReading, Reading, RgbImage
from hematovision.services.readings import ReadPhoto
from hematovision.web.cards import (
    counted,
    picture_of,
    sentence,
    short_hash,
    words_of,
)
from hematovision.web.signs import OF_MODEL, sign_of

N, L, M, OTHER = CellType.NEUTROPHIL, CellType.LYMPHOCYTE, CellType.MONOCYTE, CellType.OTHER


@pytest.mark.parametrize(
    ("doubts", "possible", "words"),
    [
        pytest.param((), (N,), "Neutrophil only. No other name is probable enough.", id="named"),
        pytest.param(
            (Doubt.SEVERAL,),
            (N, M),
            "Neutrophil or monocyte. The system cannot rule out either.",
            id="two",
        ),
        pytest.param(
            (Doubt.SEVERAL,),
            (N, M, L),
            "Neutrophil, monocyte or lymphocyte. The system cannot rule out any of them.",
            id="three",
        ),
        pytest.param(
            (Doubt.NONE,),
            (N, M),
            "No name is probable enough. The likeliest are neutrophil and monocyte.",
            id="none",
        ),
        pytest.param(
            (Doubt.OTHER,),
            (OTHER,),
            "None of the five types. To the system this looks like something else.",
            id="other",
        ),
        pytest.param(
            (Doubt.UNFAMILIAR,),
            (N,),
            "Unlike the cells that the system has learnt. "
            "What comes nearest is neutrophil, but such a cell was not among them.",
            id="unfamiliar",
        ),
        pytest.param(
            (Doubt.SEVERAL, Doubt.UNFAMILIAR),
            (N, M),
            "Unlike the cells that the system has learnt. "
            "What comes nearest is neutrophil or monocyte, but such a cell was not among them.",
            id="unfamiliar and several",
        ),
        pytest.param(
            (Doubt.OTHER, Doubt.UNFAMILIAR),
            (OTHER,),
            "Unlike the cells that the system has learnt. "
            "To the system this looks like something else.",
            id="unfamiliar and other",
        ),
        pytest.param(
            None, (), "Not sure. The system would not put a name to this cell.", id="no reason"
        ),
    ],
)
def test_what_is_said_of_a_cell_and_every_doubt_have_words(
    doubts: tuple[Doubt, ...] | None, possible: tuple[CellType, ...], words: str
) -> None:
    decision = Decision.NAMED if doubts == () else Decision.UNIDENTIFIED
    cell = Reading(Box(0, 0, 1, 1), decision, None, 0.5, {}, possible, doubts or ())
    assert " ".join(words_of(cell)) == words


def test_every_doubt_is_said_in_words_of_its_own() -> None:
    said = {
        words_of(Reading(Box(0, 0, 1, 1), Decision.UNIDENTIFIED, None, 0.5, {}, (N, M), (doubt,)))
        for doubt in Doubt
    }
    assert len(said) == len(Doubt)


@pytest.mark.parametrize(
    ("words", "said"), [("", ""), ("no granules", "No granules."), ("N/C high", "N/C high.")]
)
def test_words_become_a_sentence(words: str, said: str) -> None:
    assert sentence(words) == said


def test_card_shows_what_mattered_for_its_name(photo: RgbImage, reader: StubReader) -> None:
    cells = tuple(reader.read(photo, explain=True))
    read = ReadPhoto(photo, PhotoReading("", 128, 96, reader.model, cells))
    picture = picture_of(read, 0.1)
    named, torn = (card.why for card in picture.cards)
    assert picture.explained
    assert named
    assert torn
    assert (named.name, torn.name) == ("neutrophil", "monocyte")
    assert named.picture != picture.cards[0].crop
    assert 0.9 < named.inside <= 1


def test_card_without_heat_shows_no_reason(photo: RgbImage, reader: StubReader) -> None:
    read = ReadPhoto(photo, PhotoReading("", 128, 96, reader.model, tuple(reader.read(photo))))
    picture = picture_of(read, 0.1)
    assert not picture.explained
    assert picture.cards[0].morphology == "Bilobed nucleus, fine pink granules."
    assert picture.cards[1].morphology == ""


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
    assert set(OF_MODEL) == {*map(str, CellType), "unidentified"}
    assert len({sign_of(code).letter for code in OF_MODEL}) == len(OF_MODEL)
    assert len({sign_of(code).shape for code in OF_MODEL}) == len(OF_MODEL)


def test_hash_is_shortened() -> None:
    assert short_hash("9f3c41d7" + "0" * 56) == "9f3c 41d7"
