"""The models of this installation: which are installed, which reads, and how two of them do."""

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hematovision.cells import ModelIdentity
from hematovision.errors import HematoVisionError, ModelUnknownError, NoModelBeforeError
from hematovision.people import Right
from hematovision.services.choosing import SHIPPED, Choice
from hematovision.services.models import cast_shadow, list_models, promote, roll_back
from hematovision.services.trials import Trial, try_on_shelf
from hematovision.web.access import get_user, hand, needs
from hematovision.web.errors import STATUS_OF
from hematovision.web.uploads import number_of
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("models", __name__, url_prefix="/models")

Page = Response | str | tuple[str, int]
OFF = "off"


@dataclass(frozen=True, slots=True)
class Line:
    """A model in the list.

    Attributes:
        key: Its hash, or `shipped`.
        model: Its name, version and hash; None where the shipped one cannot be read.
        installed_at: When, UTC; None for the one that came with the program.
        reads: Whether it is the one that reads.
        is_shadow: Whether it reads in the shadow.
    """

    key: str
    model: ModelIdentity | None
    installed_at: datetime | None
    reads: bool
    is_shadow: bool


@blueprint.get("")
@needs(Right.SEE_MODEL)
def show() -> str:
    """List the models, and compare two of them where the address asks for it."""
    return _page()


@blueprint.get("/<key>/promote")
@needs(Right.MANAGE_MODELS)
def ask_promotion(key: str) -> str:
    """Ask whether a model is to read from now on."""
    choice, lines = _lines()
    line = next((line for line in lines if line.key == key and line.model), None)
    if line is None:
        raise ModelUnknownError("This model is not installed.")
    return _ask(choice, lines, line, url_for("models.accept", key=key))


@blueprint.post("/<key>/promote")
@needs(Right.MANAGE_MODELS)
def accept(key: str) -> Page:
    """Let a model read from now on."""
    try:
        promote(get_wiring().shelf, key, by=hand(), seen=number_of(request.form.get("seen")))
    except HematoVisionError as error:
        return _page(error), STATUS_OF[type(error)]
    return redirect(url_for("models.show"), 303)


@blueprint.get("/rollback")
@needs(Right.MANAGE_MODELS)
def ask_rollback() -> Page:
    """Ask whether the model is to read again that read before."""
    choice, lines = _lines()
    line = next((line for line in lines if line.key == choice.before), None)
    if line is None:
        error = NoModelBeforeError("No model was promoted.")
        return _page(error), STATUS_OF[type(error)]
    return _ask(choice, lines, line, url_for("models.go_back"))


@blueprint.post("/rollback")
@needs(Right.MANAGE_MODELS)
def go_back() -> Page:
    """Let the model read again that read before."""
    try:
        roll_back(get_wiring().shelf, by=hand(), seen=number_of(request.form.get("seen")))
    except HematoVisionError as error:
        return _page(error), STATUS_OF[type(error)]
    return redirect(url_for("models.show"), 303)


@blueprint.post("/shadow")
@needs(Right.MANAGE_MODELS)
def shadow() -> Page:
    """Let a model read in the shadow, or none."""
    key = request.form.get("model", OFF)
    seen = number_of(request.form.get("seen"))
    try:
        cast_shadow(get_wiring().shelf, None if key == OFF else key, by=hand(), seen=seen)
    except HematoVisionError as error:
        return _page(error), STATUS_OF[type(error)]
    return redirect(url_for("models.show"), 303)


def _page(failure: HematoVisionError | None = None) -> str:
    choice, lines = _lines()
    one, other = _asked(choice, lines)
    wanted = request.method == "GET" and "one" in request.args and one != other
    return render_template(
        "models.html",
        lines=lines,
        named={line.key: line.model for line in lines if line.model},
        choice=choice,
        one=one,
        other=other,
        trial=_try(one, other) if wanted else None,
        candidate=_candidate(lines) if get_user().may(Right.MANAGE_MODELS) else None,
        failure=failure,
    )


def _ask(choice: Choice, lines: list[Line], line: Line, address: str) -> str:
    return render_template(
        "models_ask.html",
        line=line,
        now=next((line for line in lines if line.reads), None),
        choice=choice,
        address=address,
        is_rollback=request.endpoint == "models.ask_rollback",
        trial=_try(choice.reads, line.key),
    )


def _lines() -> tuple[Choice, list[Line]]:
    shelf = get_wiring().shelf
    register = list_models(shelf.database)
    choice = register.choice
    installed: list[tuple[str, ModelIdentity | None, datetime | None]] = [
        (model.identity.sha256, model.identity, model.installed_at) for model in register.models
    ]
    return choice, [
        Line(key, model, at, reads=choice.reads == key, is_shadow=choice.shadow == key)
        for key, model, at in [*installed, (SHIPPED, shelf.identity(SHIPPED), None)]
    ]


def _asked(choice: Choice, lines: list[Line]) -> tuple[str, str]:
    """Read which two are compared: the one that reads, and its shadow or the newest other."""
    keys = [line.key for line in lines]
    others = [key for key in (choice.shadow, *keys) if key and key != choice.reads]
    asked = (request.args.get("one", ""), request.args.get("other", ""))
    one = asked[0] if asked[0] in keys else choice.reads
    return one, asked[1] if asked[1] in keys else next(iter(others), one)


def _try(one: str, other: str) -> Trial | None:
    """Compare two models; None where one of them cannot be loaded."""
    try:
        return try_on_shelf(get_wiring().shelf, one, other)
    except ModelUnknownError:
        return None


def _candidate(lines: list[Line]) -> Line | None:
    """Give the model that could be promoted next: the one in the shadow, or the newest."""
    others = [line for line in lines if not line.reads and line.key != SHIPPED]
    return next((line for line in others if line.is_shadow), next(iter(others), None))


def init_app(app: Flask) -> None:
    """Register the pages."""
    app.register_blueprint(blueprint)
