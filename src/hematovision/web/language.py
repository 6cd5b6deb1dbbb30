"""Languages: which one the page speaks, who chooses it, and what it calls a cell."""

from collections.abc import Sequence

from flask import Blueprint, Flask, Response, abort, redirect, request, session
from flask_babel import Babel, get_locale, lazy_gettext, refresh
from werkzeug.wrappers import Response as Redirect

from hematovision.labels import Label, find_label
from hematovision.people import User
from hematovision.services.preferences import find_language, set_language
from hematovision.web.access import LANGUAGE, find_user, hand, public, way_back
from hematovision.web.wiring import get_wiring

LANGUAGES = {"en": "English", "es": "Español"}
"""As each calls itself; the first is the language of the sources."""

blueprint = Blueprint("language", __name__)

NAMES = {
    "neutrophil": (lazy_gettext("neutrophil"), lazy_gettext("neutrophils")),
    "band": (lazy_gettext("band neutrophil"), lazy_gettext("band neutrophils")),
    "eosinophil": (lazy_gettext("eosinophil"), lazy_gettext("eosinophils")),
    "lymphocyte": (lazy_gettext("lymphocyte"), lazy_gettext("lymphocytes")),
    "atypical_lymphocyte": (
        lazy_gettext("atypical lymphocyte"),
        lazy_gettext("atypical lymphocytes"),
    ),
    "monocyte": (lazy_gettext("monocyte"), lazy_gettext("monocytes")),
    "basophil": (lazy_gettext("basophil"), lazy_gettext("basophils")),
    "immature_granulocyte": (
        lazy_gettext("immature granulocyte"),
        lazy_gettext("immature granulocytes"),
    ),
    "blast": (lazy_gettext("blast"), lazy_gettext("blasts")),
    "plasma_cell": (lazy_gettext("plasma cell"), lazy_gettext("plasma cells")),
    "erythroblast": (lazy_gettext("erythroblast"), lazy_gettext("erythroblasts")),
    "smudge": (lazy_gettext("smudge cell"), lazy_gettext("smudge cells")),
    "giant_platelet": (lazy_gettext("giant platelet"), lazy_gettext("giant platelets")),
    "artefact": (lazy_gettext("artefact"), lazy_gettext("artefacts")),
    "not_classed": (lazy_gettext("not classed"), lazy_gettext("not classed")),
    "no_cell": (lazy_gettext("no cell"), lazy_gettext("no cells")),
    "unidentified": (lazy_gettext("unidentified"), lazy_gettext("unidentified")),
    "other": (lazy_gettext("other"), lazy_gettext("other")),
}
"""One and many of every code that a cell can have."""


def name_of(code: str, number: int = 1, own: Sequence[Label] = ()) -> str:
    """Say what a cell, or several, of a code are called, in the language of the page.

    Args:
        code: A cell type, a label's code, `unidentified` or `no_cell`.
        number: How many.
        own: The laboratory's own labels, which have one name in every language.
    """
    if code in NAMES:
        return str(NAMES[code][number != 1])
    label = find_label(code, own)
    return label.name if label and label.name else code.replace("_", " ")


def choose_language() -> str:
    """Choose what somebody chose at this browser, or what it asks for, as far as it is spoken."""
    chosen = session.get(LANGUAGE)
    if chosen in LANGUAGES:
        return str(chosen)
    asked = (tag.partition("-")[0].lower() for tag, quality in request.accept_languages if quality)
    return next((language for language in asked if language in LANGUAGES), next(iter(LANGUAGES)))


def take_up_language(user: User) -> None:
    """Speak as somebody who comes in chose before, wherever that was."""
    language = find_language(get_wiring().database, user)
    if language:
        session[LANGUAGE] = language


@blueprint.post("/language")
@public
def choose() -> Redirect:
    """Speak another language from now on; an account remembers it."""
    language = request.form.get("language", "")
    if language not in LANGUAGES:
        abort(400)
    session[LANGUAGE] = language
    user = find_user()
    if user:
        set_language(get_wiring().database, user, language, by=hand())
    refresh()
    return redirect(way_back(), 303)


def _tell(response: Response) -> Response:
    """Say that another language gets another answer."""
    if request.endpoint != "static":
        response.vary.add("Accept-Language")
    return response


def init_app(app: Flask) -> None:
    """Let pages speak: `_`, `ngettext` and `name_of` in every template."""
    Babel(app, locale_selector=choose_language)
    app.jinja_env.globals.update(name_of=name_of, get_locale=get_locale, languages=LANGUAGES)
    app.after_request(_tell)
    app.register_blueprint(blueprint)
