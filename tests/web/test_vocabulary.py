from collections.abc import Iterator

import pytest
from flask import Flask

from hematovision.errors import (
    FileTooLargeError,
    HematoVisionError,
    ImageTooLargeError,
    NotAllowedError,
    PasswordTooWeakError,
    Phrase,
    TooManyImagesError,
    TooManySignInsError,
    UserNameTakenError,
)
from hematovision.people import Role
from hematovision.vision.morphology import GRANULES, NO_GRANULES, TELLING
from hematovision.web.vocabulary import (
    ROLES,
    advice_of,
    kind_of,
    message_of,
    morphology,
    plain,
    translated,
)


@pytest.fixture
def spanish(app: Flask) -> Iterator[None]:
    with app.test_request_context(headers={"Accept-Language": "es"}):
        yield


FAILURES = [
    pytest.param(
        TooManyImagesError("More than %(limit)s pictures in one request.", limit=12345),
        "More than 12345 pictures in one request.",
        "Más de 12.345 imágenes en una sola petición.",
        id="whole number",
    ),
    pytest.param(
        FileTooLargeError.over(2**17),
        "The file is larger than 0.125 MB.",
        "El archivo supera los 0,125 MB.",
        id="decimal number",
    ),
    pytest.param(
        TooManySignInsError.until(61),
        "Too many sign-ins failed. The next is possible in 1 min 1 s.",
        "Demasiados intentos fallidos de inicio de sesión. El próximo será posible dentro de "
        "1 min 1 s.",
        id="time",
    ),
    pytest.param(
        NotAllowedError("A %(role)s may not do this.", role=Phrase(Role.VIEWER)),
        "A viewer may not do this.",
        "El rol de observador no permite hacer esto.",
        id="word",
    ),
    pytest.param(
        UserNameTakenError("There is a user %(name)s.", name="viewer"),
        "There is a user viewer.",
        "Ya existe el usuario viewer.",
        id="name that is a word",
    ),
    pytest.param(
        PasswordTooWeakError(
            "This password would be guessed: %(why)s.", why=Phrase("this is a very common password")
        ),
        "This password would be guessed: this is a very common password.",
        "Esta contraseña se adivinaría: es una contraseña muy común.",
        id="sentence in a sentence",
    ),
    pytest.param(
        ImageTooLargeError("It is 100 % too large."),
        "It is 100 % too large.",
        "It is 100 % too large.",
        id="not in the catalogue",
    ),
]


@pytest.mark.parametrize(("failure", "english", "spanish_words"), FAILURES)
def test_failure_is_said_with_its_values_in_both_languages(
    app: Flask, failure: HematoVisionError, english: str, spanish_words: str
) -> None:
    assert str(failure) == english
    assert message_of(failure) == english
    with app.test_request_context(headers={"Accept-Language": "es"}):
        assert message_of(failure) == spanish_words
        assert str(failure) == english


@pytest.mark.usefixtures("spanish")
def test_advice_is_said_in_spanish() -> None:
    assert advice_of(TooManyImagesError()) == "Envíelas en varias peticiones."


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("bilobed nucleus, fine pink granules", "núcleo bilobulado, gránulos finos rosados"),
        ("small cell, round nucleus, dense chromatin", None),
        ("scant vacuolated pale blue cytoplasm", "citoplasma escaso vacuolado azul pálido"),
        ("granules", "gránulos"),
        ("no granules", "sin gránulos"),
        ("odd nucleus", "odd nucleus"),
        ("", ""),
    ],
)
@pytest.mark.usefixtures("spanish")
def test_cell_is_described_in_spanish(words: str, said: str | None) -> None:
    assert morphology(words) == (
        "célula pequeña, núcleo redondo, cromatina densa" if said is None else said
    )


def test_cell_is_described_in_english_as_the_model_does() -> None:
    for words in ("bilobed nucleus, fine pink granules", "scant pale blue cytoplasm", "granules"):
        assert morphology(words) == words


@pytest.mark.usefixtures("spanish")
def test_every_word_of_the_morphology_is_said_in_spanish() -> None:
    parts = {part.noun: part for parts in TELLING.values() for part in parts} | {"": GRANULES}
    for part in parts.values():
        for values in part.words.values():
            for word in values.values():
                said = morphology(f"{word} {part.noun}")
                assert word not in said or word == "irregular"
                assert part.noun not in said
    assert morphology(NO_GRANULES) != NO_GRANULES


@pytest.mark.usefixtures("spanish")
def test_things_of_a_document_are_said_in_spanish() -> None:
    assert plain("immature_granulocyte") == "Granulocito inmaduro"
    assert kind_of("immature_granulocyte") == "granulocito inmaduro"
    assert plain("a_set_of_ours") == "A set of ours"
    assert translated("Five folds by field") == "Cinco particiones por campo"
    assert translated("") == translated(None) == ""
    assert {str(ROLES[role]) for role in Role} == {
        "observador",
        "técnico",
        "patólogo",
        "administrador",
    }
