"""One's own keys: which letter names a cell, or that none does."""

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hematovision.errors import HematoVisionError
from hematovision.people import Right
from hematovision.services.galleries import open_keys
from hematovision.services.naming import choose_keys
from hematovision.web.access import get_user, hand, needs
from hematovision.web.errors import STATUS_OF
from hematovision.web.signs import sign_of
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("keys", __name__, url_prefix="/account/keys")


@blueprint.get("")
@needs(Right.SEE_CASES)
def show() -> str:
    """Show the keys of whoever is signed in."""
    return _page()


@blueprint.post("")
@needs(Right.SEE_CASES)
def change() -> Response | tuple[str, int]:
    """Set them, or forget them."""
    form = request.form
    letters = {} if "reset" in form else dict(form.items())
    is_on = "reset" in form or "on" in form
    try:
        choose_keys(get_wiring().database, get_user(), letters, on=is_on, by=hand())
    except HematoVisionError as error:
        return _page(error), STATUS_OF[type(error)]
    return redirect(url_for("keys.show", done=1), 303)


def _page(failure: HematoVisionError | None = None) -> str:
    own, keys = open_keys(get_wiring().database, get_user().id)
    typed = dict(request.form) if failure else keys.letters
    return render_template(
        "keys.html",
        labels=own.usable,
        own=own.every,
        letters=typed,
        on="on" in request.form if failure else keys.on,
        failure=failure,
        done="done" in request.args,
        sign_of=lambda code: sign_of(code, own.every),
    )


def init_app(app: Flask) -> None:
    """Register the page."""
    app.register_blueprint(blueprint)
