import ast
import re
from collections.abc import Iterator
from gettext import GNUTranslations
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from flask import Flask

from hematovision.web.catalogues import (
    PACKAGE,
    bring_up_to_date,
    extract,
    failures,
    missing,
    path_of,
    read,
    write,
)
from hematovision.web.language import LANGUAGES

from .wording import bare_strings, bare_texts

OTHERS = list(LANGUAGES)[1:]
PLACE = re.compile(r"%\(\w+\)s|%%|\{\w+\}")
TEMPLATES = sorted((PACKAGE / "web/templates").glob("*.html"))
SCRIPTS = sorted((PACKAGE / "web/static").glob("*.js"))
NAMES = {"HematoVision", "sha256"}
"""What is called so in every language."""


@pytest.fixture(scope="session")
def template() -> Catalog:
    return extract()


@pytest.fixture(params=OTHERS)
def catalogue(request: pytest.FixtureRequest) -> Catalog:
    return read(path_of(request.param))


def keys(catalogue: Catalog) -> set[tuple[object, str | None]]:
    return {(message.id, message.context) for message in catalogue if message.id}


def said(message: Message) -> tuple[str, ...]:
    return message.string if isinstance(message.string, tuple) else (message.string,)


def pairs(catalogue: Catalog) -> Iterator[tuple[str, str]]:
    """Give every text beside its translation; one and many apart."""
    for message in catalogue:
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        yield from zip(ids, said(message), strict=True) if message.id else ()


def test_catalogue_holds_every_text_and_no_other(catalogue: Catalog, template: Catalog) -> None:
    assert keys(catalogue) == keys(template), "run `make translations`, and translate"
    assert not catalogue.obsolete


def test_every_text_is_translated_and_none_is_guessed(catalogue: Catalog) -> None:
    assert missing(catalogue) == []
    assert not catalogue.fuzzy
    assert [message.id for message in catalogue if message.fuzzy] == []


def test_values_stand_in_every_translation(catalogue: Catalog) -> None:
    assert [(message.id, errors) for message, errors in catalogue.check()] == []
    for source, text in pairs(catalogue):
        assert sorted(PLACE.findall(text)) == sorted(PLACE.findall(source)), source


def test_sentences_end_as_they_do_in_the_source(catalogue: Catalog) -> None:
    for source, text in pairs(catalogue):
        assert (text[-1] in ".:?…") == (source[-1] in ".:?…"), source
        assert text.strip() == text, source


def test_program_reads_what_people_read(catalogue: Catalog) -> None:
    with path_of(str(catalogue.locale)).with_suffix(".mo").open("rb") as file:
        program = GNUTranslations(file)
    for message in catalogue:
        if isinstance(message.id, tuple):
            held = tuple(program.ngettext(*message.id, number) for number in (1, 2))
        elif message.context:
            held = (program.pgettext(message.context, message.id),)
        else:
            held = (program.gettext(message.id),)
        assert not message.id or held == said(message), "run `make translations`"


def test_texts_of_every_floor_are_found(template: Catalog) -> None:
    for text in (
        "The file is larger than %(size)s MB.",  # errors
        "There is a case %(accession)s.",  # services
        "The file is empty.",  # vision
        "Send them in several requests.",  # advice
        "For research use only. Not for use in diagnostic procedures.",  # a constant
        "neutrophil",  # a table of web
        "Skip to content",  # a template
        "Five folds by field",  # the shipped model
    ):
        assert template.get(text) is not None, text
    assert template.get("small", "cell") is not None


def test_new_texts_are_translated_by_other_catalogues_and_old_ones_go() -> None:
    ours, theirs, template = Catalog("es"), Catalog("es"), Catalog()
    ours.add("Cells", "Células")
    ours.add("Gone", "Ido")
    theirs.add("Cells", "Otra cosa")
    theirs.add(("%(num)s film", "%(num)s films"), ("%(num)s frotis", "%(num)s frotis"))
    theirs.add("open", "laxa", context="chromatin")
    for message in ("Cells", "Cell", ("%(num)s film", "%(num)s films")):
        template.add(message)
    template.add("open", context="chromatin")
    bring_up_to_date(ours, template, [theirs])
    assert {message.id: message.string for message in ours if message.id} == {
        "Cells": "Células",
        "Cell": None,
        ("%(num)s film", "%(num)s films"): ("%(num)s frotis", "%(num)s frotis"),
        "open": "laxa",
    }
    assert [message.id for message in missing(ours)] == ["Cell"]
    assert not ours.obsolete


def test_catalogue_is_written_the_same_again(
    catalogue: Catalog, template: Catalog, tmp_path: Path
) -> None:
    bring_up_to_date(catalogue, template, [])
    write(catalogue, tmp_path / "messages.po")
    before, after = (
        [line for line in path.read_text().splitlines() if "Generated-By" not in line]
        for path in (path_of(str(catalogue.locale)), tmp_path / "messages.po")
    )
    assert after == before


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_word_of_a_template_is_translated(app: Flask, path: Path) -> None:
    bare = bare_texts(path.read_text(), app.jinja_env)
    assert [text for text in bare if " ".join(text.split()).strip(" ·") not in NAMES] == []


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("<p>Nothing here</p>", id="text"),
        pytest.param('<img alt="A cell">', id="attribute"),
        pytest.param("<b>{{ 1 }} of {{ 2 }}</b>", id="between values"),
        pytest.param('{{ "Let in" if out else _("Shut out") }}', id="in an expression"),
        pytest.param('{% set words = {"done": "The token is gone."} %}', id="in a table"),
    ],
)
def test_untranslated_word_of_a_template_is_found(app: Flask, source: str) -> None:
    assert bare_texts(source, app.jinja_env)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_say_failures_in_the_language_of_the_page(path: Path) -> None:
    own_words = re.compile(r"\b\w*(?:failure|error|too_large)\.(?:message|advice)\b")
    assert own_words.findall(path.read_text()) == [], "say `failure | message_of`"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_say_only_what_their_page_tells_them(path: Path) -> None:
    assert bare_strings(path.read_text()) == []


@pytest.mark.parametrize(
    "script",
    [
        'say.textContent = "Waiting";',
        "hint = `${cells} unidentified in ${films}`;",
        "x = 'no cell';",
    ],
)
def test_untranslated_word_of_a_script_is_found(script: str) -> None:
    assert bare_strings(script)


def raised() -> Iterator[tuple[str, ast.Call]]:
    names = {kind.__name__ for kind in failures()}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            called = getattr(node, "func", None)
            if isinstance(node, ast.Call) and isinstance(called, ast.Name) and called.id in names:
                yield f"{path.name}:{node.lineno}", node


def test_every_failure_is_said_in_a_text_that_can_be_translated() -> None:
    found = list(raised())
    assert len(found) > 30
    for place, call in found:
        first = call.args[0] if call.args else None
        assert isinstance(first, ast.Constant), f"{place}: give a template and its values"
        values = {one.arg for one in call.keywords}
        assert set(re.findall(r"%\((\w+)\)s", str(first.value))) == values, place
