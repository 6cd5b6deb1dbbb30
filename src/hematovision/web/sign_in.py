"""Signing in and out, and the link that lets in once."""

from flask import (
    Blueprint,
    Flask,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.wrappers import Response

from hematovision.errors import HematoVisionError, TooManySignInsError
from hematovision.people import Right, Role
from hematovision.services.accounts import get_linked, has_administrator
from hematovision.services.sign_ins import Credentials, sign_in, sign_in_by_link, sign_out
from hematovision.web.access import (
    find_user,
    forget,
    get_user,
    hand,
    needs,
    public,
    stay_in,
    token_of_browser,
    way_back,
)
from hematovision.web.errors import STATUS_OF
from hematovision.web.language import take_up_language
from hematovision.web.looks import refuse
from hematovision.web.provider import find_provider
from hematovision.web.rates import by_address
from hematovision.web.single_sign_on import came_by_provider
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("sign_in", __name__)

Page = Response | str | tuple[str, int]


@blueprint.get("/sign-in")
@public
def form() -> Page:
    """Ask for name, password and code."""
    if find_user():
        return redirect(way_back())
    first = not has_administrator(get_wiring().database)
    return render_template(
        "sign_in.html",
        failure=None,
        of_provider=False,
        name="",
        first=first,
        stay=get_wiring().stay,
    )


@blueprint.post("/sign-in")
@public
@by_address
def enter() -> Page:
    """Sign somebody in, or say why not beside the form."""
    wiring = get_wiring()
    typed = {field: request.form.get(field, "") for field in ("name", "password", "code")}
    provider = find_provider()
    try:
        user, token = sign_in(
            wiring.database,
            Credentials(**typed),
            seal=wiring.seal,
            stay=wiring.stay,
            by=hand(),
            roles=[Role.ADMINISTRATOR] if provider and provider.trust.is_only else list(Role),
        )
    except HematoVisionError as error:
        page = render_template(
            "sign_in.html",
            failure=error,
            of_provider=False,
            name=typed["name"],
            first=False,
            stay=wiring.stay,
        )
        wait = {"Retry-After": error.seconds} if isinstance(error, TooManySignInsError) else {}
        return make_response(page, STATUS_OF[type(error)], wait)
    stay_in(token)
    take_up_language(user)
    return redirect(way_back(), 303)


@blueprint.post("/sign-out")
@needs(Right.SEE_MODEL)
def leave() -> Response:
    """Sign somebody out here."""
    sign_out(get_wiring().database, token_of_browser(), get_user(), by=hand())
    # No redirect to the provider: the policy lets no form lead to another site.
    left = 1 if find_provider() and came_by_provider() else None
    forget()
    answer = redirect(url_for("sign_in.form", left=left), 303)
    # Pictures of cells may lie in the browser's cache; what it stores is the theme and no more.
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


@blueprint.get("/link/<token>")
@public
@by_address
def link(token: str) -> str:
    """Greet whom a link would let in; looking does not use it up."""
    return _greet(token)


@blueprint.post("/link/<token>")
@public
@by_address
def use_link(token: str) -> Page:
    """Let somebody in once, with the password that they choose."""
    wiring = get_wiring()
    password = request.form.get("password", "")
    if not password and has_administrator(wiring.database):
        return _greet(token, missing=True), 422
    try:
        user, shown = sign_in_by_link(wiring.database, token, password, stay=wiring.stay, by=hand())
    except HematoVisionError as error:
        refuse(error.code())
        return _greet(token, failure=error), STATUS_OF[type(error)]
    stay_in(shown)
    take_up_language(user)
    return redirect(url_for("pages.home"), 303)


def _greet(token: str, *, failure: HematoVisionError | None = None, missing: bool = False) -> str:
    wiring = get_wiring()
    who = get_linked(wiring.database, token, now=hand().now)
    first = not has_administrator(wiring.database)
    return render_template("link.html", who=who, failure=failure, missing=missing, optional=first)


def init_app(app: Flask) -> None:
    """Register the pages."""
    app.register_blueprint(blueprint)
