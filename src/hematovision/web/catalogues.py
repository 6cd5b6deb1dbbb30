"""The catalogues: every text that a page may show, extracted, kept by language, and compiled.

`python -m hematovision.web.catalogues` brings them up to date; further catalogues that it is given
translate what has no translation yet.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

import hematovision
from hematovision import errors
from hematovision.cells import NOTICE
from hematovision.config import PACKAGED_MODEL
from hematovision.errors import HematoVisionError
from hematovision.services.passwords import WARNINGS
from hematovision.vision.bundle import read_bundle
from hematovision.vision.evaluation import EVALUATION_FILE, TITLES, read_evaluation
from hematovision.vision.morphology import NO_GRANULES
from hematovision.vision.origins import BACKBONE, SOURCES, UNDESCRIBED, learnt_from
from hematovision.vision.scores import Evaluation, plain_words
from hematovision.web.language import LANGUAGES
from hematovision.web.vocabulary import PARTS

PACKAGE = Path(hematovision.__file__).parent
FOLDER = PACKAGE / "web" / "translations"
METHODS = [
    ("cli/**.py", "ignore"),
    ("client/**.py", "ignore"),
    ("learning/**.py", "ignore"),
    ("**.py", "python"),
    ("web/templates/**.html", "jinja2"),
]
"""What the command line and the client say stays English."""
OPTIONS = {"web/templates/**.html": {"newstyle_gettext": "true", "silent": "false"}}


def failures() -> tuple[type[HematoVisionError], ...]:
    """Give every class of named failures."""
    kinds = (kind for kind in vars(errors).values() if isinstance(kind, type))
    return tuple(
        kind for kind in kinds if issubclass(kind, HematoVisionError) and kind != HematoVisionError
    )


def keywords() -> dict[str, Any]:
    """Give the calls whose first text is translated; a failure's is, wherever it is raised."""
    lazy = {f"lazy_{name}": DEFAULT_KEYWORDS[name] for name in ("gettext", "ngettext", "pgettext")}
    return {**DEFAULT_KEYWORDS, **lazy, "cls": None} | {kind.__name__: None for kind in failures()}


def extract() -> Catalog:
    """Collect every text: of the sources, and of the tables of lower floors."""
    catalogue = Catalog()
    for file, _, message, _, context in extract_from_dir(
        PACKAGE, METHODS, OPTIONS, keywords=keywords()
    ):
        catalogue.add(message, locations=[(file, 0)], context=context)
    for context, text in texts_below():
        catalogue.add(text, context=context)
    return catalogue


def texts_below() -> Iterator[tuple[str | None, str]]:
    """Give what lower floors keep in tables and a page may show, each with its context, if any.

    The texts of a model are those of the shipped one; what another says of itself stays English.
    """
    said = [NOTICE, *WARNINGS, NO_GRANULES, *(kind.advice for kind in failures())]
    said += [part.noun for part in PARTS]
    said += [text for title in TITLES.values() for text in title]
    for source in (*SOURCES.values(), UNDESCRIBED, BACKBONE):
        said += [source.title, source.shows, source.licence]
    yield from ((None, text) for text in (*said, *_texts_of_model()) if text)
    for part in PARTS:
        yield from ((part.noun, one) for values in part.words.values() for one in values.values())


def _texts_of_model() -> Iterator[str]:
    for origin in learnt_from(read_bundle(PACKAGED_MODEL).document):
        yield from (name.replace("_", " ") for name in (*origin.learnt, *origin.held))
    evaluation = read_evaluation(PACKAGED_MODEL / EVALUATION_FILE)
    for score in evaluation.sets.values():
        yield from (score.title, score.note)
    yield from (disturbance.unit for disturbance in evaluation.robustness.values())
    yield evaluation.leaky.note if evaluation.leaky else ""
    yield from map(plain_words, _names_of(evaluation))


def _names_of(evaluation: Evaluation) -> Iterator[str]:
    for score in evaluation.sets.values():
        yield from (*score.confusion, *score.prediction_sets)
        yield from (name for row in score.confusion.values() for name in row)
    if evaluation.known:
        yield from (*evaluation.known.other_types, *evaluation.known.not_blood)
    yield from (*evaluation.robustness, *evaluation.locator, *evaluation.morphology)


def path_of(language: str) -> Path:
    """Say where the catalogue of a language lies as people read it."""
    return FOLDER / language / "LC_MESSAGES" / "messages.po"


def read(path: Path) -> Catalog:
    """Read a catalogue."""
    with path.open("rb") as file:
        return read_po(file)


def bring_up_to_date(catalogue: Catalog, template: Catalog, others: Sequence[Catalog]) -> None:
    """Let a catalogue hold the template's texts alone, and translate new ones from others.

    Nothing is guessed from texts that are alike.
    """
    catalogue.update(template, no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    for message in missing(catalogue):
        known = (other.get(message.id, message.context) for other in others)
        message.string = next((one.string for one in known if one and one.string), message.string)


def missing(catalogue: Catalog) -> list[Any]:
    """List the messages that have no translation."""
    return [
        message
        for message in catalogue
        if message.id
        and not all(message.string if isinstance(message.string, tuple) else [message.string])
    ]


def write(catalogue: Catalog, path: Path) -> None:
    """Keep a catalogue as people read it, and beside it as the program does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalogue, width=100, sort_output=True, include_lineno=False)
    with path.with_suffix(".mo").open("wb") as file:
        write_mo(file, catalogue)


def main(others: Sequence[str]) -> int:
    """Bring the catalogue of every language but the first up to date; give what is missing."""
    template, left = extract(), 0
    for language in list(LANGUAGES)[1:]:
        path = path_of(language)
        catalogue = read(path) if path.is_file() else Catalog(language, fuzzy=False)
        bring_up_to_date(catalogue, template, [read(Path(other)) for other in others])
        write(catalogue, path)
        for message in missing(catalogue):
            sys.stderr.write(f"{language}: no translation of {message.id!r}\n")
        left += len(missing(catalogue))
    return left


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
