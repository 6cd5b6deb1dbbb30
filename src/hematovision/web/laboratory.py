"""The laboratory's own names for cells."""

from collections.abc import Callable

from flask import Blueprint, Flask, abort, redirect, render_template, request, url_for
from flask_babel import lazy_gettext
from werkzeug.wrappers import Response

from hematovision.errors import HematoVisionError
from hematovision.labels import Count
from hematovision.people import Right
from hematovision.services.naming import add_label, get_own_labels, retire_label, revive_label
from hematovision.services.references import count_references
from hematovision.web.access import hand, needs
from hematovision.web.errors import STATUS_OF
from hematovision.web.signs import sign_of
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("laboratory", __name__, url_prefix="/laboratory/labels")

Page = Response | tuple[str, int]
COUNTS = {
    Count.WHITE: lazy_gettext("a white cell, one of the hundred"),
    Count.BESIDE: lazy_gettext("beside them, per 100 white cells"),
    Count.OUT: lazy_gettext("not counted"),
}


@blueprint.get("")
@needs(Right.SET_LABORATORY)
def show() -> str:
    """List the laboratory's own names."""
    return _page()


@blueprint.post("")
@needs(Right.SET_LABORATORY)
def add() -> Page:
    """Add a name."""
    try:
        count = Count(request.form.get("count", ""))
    except ValueError:
        abort(400)
    form = request.form
    return _change(
        lambda: add_label(
            get_wiring().database, form.get("name", ""), form.get("key", ""), count, by=hand()
        )
    )


@blueprint.post("/<code>/retire")
@needs(Right.SET_LABORATORY)
def retire(code: str) -> Page:
    """Let no more cells be called so."""
    return _change(lambda: retire_label(get_wiring().database, code, by=hand()))


@blueprint.post("/<code>/revive")
@needs(Right.SET_LABORATORY)
def revive(code: str) -> Page:
    """Let cells be called so again."""
    return _change(lambda: revive_label(get_wiring().database, code, by=hand()))


def _change(change: Callable[[], object]) -> Page:
    try:
        change()
    except HematoVisionError as error:
        return _page(error), STATUS_OF[type(error)]
    return redirect(url_for("laboratory.show"), 303)


def _page(failure: HematoVisionError | None = None) -> str:
    own = get_own_labels(get_wiring().database)
    return render_template(
        "laboratory.html",
        own=own,
        counts=COUNTS,
        references=count_references(get_wiring().database),
        failure=failure,
        typed=request.form,
        sign_of=lambda code: sign_of(code, own.every),
    )


def init_app(app: Flask) -> None:
    """Register the page."""
    app.register_blueprint(blueprint)
