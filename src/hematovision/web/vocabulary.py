"""What lower floors say in English, in the language of the page."""

from decimal import Decimal

from flask import Flask
from flask_babel import get_locale, gettext, lazy_gettext, pgettext

from hematovision.cells import NOTICE
from hematovision.errors import HematoVisionError, Phrase
from hematovision.people import Right, Role
from hematovision.vision.morphology import CELL, CHROMATIN, CYTOPLASM, GRANULES, NUCLEUS, Part
from hematovision.vision.scores import plain_words
from hematovision.web.numbers import short

ROLES = {
    Role.VIEWER: lazy_gettext("viewer"),
    Role.TECHNOLOGIST: lazy_gettext("technologist"),
    Role.PATHOLOGIST: lazy_gettext("pathologist"),
    Role.ADMINISTRATOR: lazy_gettext("administrator"),
}
SCOPES = {
    Right.SEE_MODEL: lazy_gettext("See the model"),
    Right.READ_PHOTOS: lazy_gettext("Have photos read"),
    Right.SEE_CASES: lazy_gettext("See cases and search them"),
    Right.REVIEW: lazy_gettext("Make cases, add photos, name cells"),
    Right.EXPORT: lazy_gettext("Take reports, tables and pictures out"),
    Right.SEE_QUALITY: lazy_gettext("See the quality"),
    Right.SEE_AUDIT: lazy_gettext("Search the audit record"),
    Right.SET_LABORATORY: lazy_gettext("Set what holds for everybody"),
    Right.MANAGE_MODELS: lazy_gettext("Install and promote models"),
    Right.CONNECT: lazy_gettext("Connect other systems"),
}
"""What a token can carry, in the words of the page."""
PARTS = (CELL, NUCLEUS, CHROMATIN, CYTOPLASM, GRANULES)


def translated(text: str | None) -> str:
    """Say a text of a lower floor; one that no catalogue has stays as it is."""
    return str(gettext(text)) if text else ""


def message_of(error: HematoVisionError) -> str:
    """Say what is wrong."""
    if str(get_locale() or "en") == "en":
        return error.message
    return str(gettext(error.template, **{name: _value(one) for name, one in error.values.items()}))


def advice_of(error: HematoVisionError) -> str:
    """Say what to do about a failure."""
    return translated(error.advice)


def plain(name: str) -> str:
    """Say the name of a thing in a document: `immature_granulocyte` is `Immature granulocyte`."""
    return translated(plain_words(name))


def kind_of(name: str) -> str:
    """Say the name of a thing inside a sentence: `immature granulocyte`."""
    return translated(name.replace("_", " "))


def morphology(words: str) -> str:
    """Say how a cell looks; each adjective where the language puts it, and of its noun's gender."""
    return ", ".join(_part(part) for part in words.split(", ")) if words else ""


def _value(value: object) -> str:
    if isinstance(value, Phrase):
        return translated(value)
    return short(float(value), 12) if isinstance(value, int | Decimal) else str(value)


def _part(words: str) -> str:
    part = next((one for one in PARTS if words.endswith(f" {one.noun}")), None)
    adjectives = part and _adjectives(words.removesuffix(part.noun), part)
    if not part or not adjectives:
        return translated(words)
    said = " ".join(str(pgettext(part.noun, one)) for one in adjectives)
    return str(gettext("%(adjectives)s %(noun)s", adjectives=said, noun=translated(part.noun)))


def _adjectives(words: str, part: Part) -> list[str]:
    """Find the adjectives of a part, in their order; empty where a word is none of them."""
    found = []
    for values in part.words.values():
        for one in values.values():
            if words.startswith(f"{one} "):
                found.append(one)
                words = words.removeprefix(f"{one} ")
    return [] if words.strip() else found


def init_app(app: Flask) -> None:
    """Let templates say it."""
    for say in (translated, message_of, advice_of, plain, kind_of):
        app.add_template_filter(say)
    app.jinja_env.globals.update(role_names=ROLES, scope_names=SCOPES)
    app.context_processor(lambda: {"notice": translated(NOTICE)})
