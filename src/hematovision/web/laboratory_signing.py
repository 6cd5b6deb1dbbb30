"""What the laboratory asks for before a case is signed."""

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hematovision.errors import ChangedMeanwhileError
from hematovision.people import Right
from hematovision.services.policies import Policy, get_policy, set_policy
from hematovision.web.access import hand, needs
from hematovision.web.errors import STATUS_OF
from hematovision.web.uploads import number_of
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("laboratory_signing", __name__, url_prefix="/laboratory/signing")
Page = str | Response | tuple[str, int]


@blueprint.get("")
@needs(Right.SET_LABORATORY)
def show() -> str:
    """Show what is asked for."""
    return _page()


@blueprint.post("")
@needs(Right.SET_LABORATORY)
def change() -> Page:
    """Ask for something else."""
    form = request.form
    policy = Policy(
        every_cell="every_cell" in form,
        second_reader="second_reader" in form,
        version=number_of(form.get("version")) or 0,
    )
    try:
        set_policy(get_wiring().database, policy, by=hand())
    except ChangedMeanwhileError as error:
        return _page(failure=error), STATUS_OF[type(error)]
    return redirect(url_for("laboratory_signing.show", done=1), 303)


def _page(failure: ChangedMeanwhileError | None = None) -> str:
    return render_template(
        "laboratory_signing.html",
        policy=get_policy(get_wiring().database),
        failure=failure,
        done="done" in request.args,
    )


def init_app(app: Flask) -> None:
    """Register the page."""
    app.register_blueprint(blueprint)
