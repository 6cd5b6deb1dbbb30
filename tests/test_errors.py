import pytest

from hematovision import errors
from hematovision.errors import HematoVisionError

NAMED = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, HematoVisionError) and kind != HematoVisionError
]


@pytest.mark.parametrize("kind", NAMED)
def test_every_error_says_what_it_is_and_what_to_do(kind: type[HematoVisionError]) -> None:
    assert kind.__doc__
    assert kind.advice.endswith(".")
    assert kind("Something is wrong.").message == "Something is wrong."


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.ImageTooLargeError, "image_too_large"),
        (errors.UnsupportedFormatError, "unsupported_format"),
        (errors.ModelMissingError, "model_missing"),
    ],
)
def test_code_is_the_name_in_words(kind: type[HematoVisionError], code: str) -> None:
    assert kind.code() == code


def test_codes_are_unique() -> None:
    codes = [kind.code() for kind in NAMED]
    assert len(set(codes)) == len(codes)
