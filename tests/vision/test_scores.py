import pytest

from hematovision.vision.scores import (
    NOT_MEASURED,
    Share,
    limits_in_words,
    plain_words,
    share_in_words,
)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (None, NOT_MEASURED),
        (0.9284, "92.8 %"),
        (0.9996, "> 99.9 %"),
        (1.0, "100.0 %"),
        (0.0, "0.0 %"),
    ],
)
def test_share_is_written_with_one_decimal(share: float | None, words: str) -> None:
    assert share_in_words(share) == words


def test_limits_that_are_not_known_are_a_dash() -> None:
    assert limits_in_words(Share(0.9, 0.839, 0.976)) == "83.9 to 97.6"
    assert limits_in_words(Share(0.9)) == limits_in_words(None) == NOT_MEASURED


def test_names_of_documents_become_words() -> None:
    assert plain_words("immature_granulocyte") == "Immature granulocyte"
