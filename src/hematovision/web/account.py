"""One's own account: password, second factor, other places, programs."""

from flask import Blueprint, Flask, abort, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from hematovision.errors import HematoVisionError, NameMissingError, ScopeInvalidError
from hematovision.people import Right, rights_of_programs
from hematovision.services.accounts import set_password
from hematovision.services.printed_names import get_printed_name, set_printed_name
from hematovision.services.sign_ins import (
    address_of,
    check_password,
    new_second_factor,
    open_account,
    remove_second_factor,
    set_second_factor,
    sign_out_elsewhere,
)
from hematovision.services.single_sign_on import is_of_provider
from hematovision.services.tokens import DAYS, USUAL_DAYS, add_token, remove_token
from hematovision.web.access import get_user, hand, needs, token_of_browser
from hematovision.web.errors import STATUS_OF
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("account", __name__, url_prefix="/account")

Page = Response | str | tuple[str, int]
DONE = "done"
SECRET = "second_factor"  # noqa: S105 - where it lies in the session until it is proved


@blueprint.get("")
@needs(Right.SEE_MODEL)
def show() -> str:
    """Show the account of whoever is signed in."""
    return _page()


@blueprint.post("/password")
@needs(Right.SEE_MODEL)
def change_password() -> Page:
    """Change the password; every other place is signed out."""
    database, user = get_wiring().database, get_user()
    try:
        check_password(database, user, request.form.get("present", ""), by=hand())
        new, ends = request.form.get("password", ""), "end_programs" in request.form
        keep = token_of_browser()
        set_password(database, user, new, by=hand(), keep=keep, end_programs=ends)
    except HematoVisionError as error:
        return _page(failure=error, of="password"), STATUS_OF[type(error)]
    return _done("password")


@blueprint.post("/name")
@needs(Right.SEE_MODEL)
def change_name() -> Page:
    """Set the full name that stands under what one signs."""
    try:
        set_printed_name(
            get_wiring().database, get_user(), request.form.get("printed_name", ""), by=hand()
        )
    except NameMissingError as error:
        return _page(failure=error, of="name"), STATUS_OF[type(error)]
    return _done("name")


@blueprint.post("/second-factor/new")
@needs(Right.SEE_MODEL)
def begin_second_factor() -> Page:
    """Show what an authenticator has to be told."""
    session[SECRET] = new_second_factor()
    return redirect(url_for("account.show", _anchor="second-factor"), 303)


@blueprint.post("/second-factor")
@needs(Right.SEE_MODEL)
def finish_second_factor() -> Page:
    """Ask for codes from now on, once the authenticator has shown the right one."""
    wiring, code = get_wiring(), request.form.get("code", "")
    try:
        set_second_factor(
            wiring.database,
            get_user(),
            str(session.get(SECRET, "")),
            code,
            seal=wiring.seal,
            by=hand(),
        )
    except HematoVisionError as error:
        return _page(failure=error, of="second-factor"), STATUS_OF[type(error)]
    session.pop(SECRET, None)
    return _done("second-factor")


@blueprint.post("/second-factor/remove")
@needs(Right.SEE_MODEL)
def end_second_factor() -> Page:
    """Ask for no codes any more."""
    database, user = get_wiring().database, get_user()
    try:
        check_password(database, user, request.form.get("present", ""), by=hand())
        remove_second_factor(database, user, by=hand())
    except HematoVisionError as error:
        return _page(failure=error, of="second-factor"), STATUS_OF[type(error)]
    return _done("second-factor-removed")


@blueprint.post("/elsewhere")
@needs(Right.SEE_MODEL)
def leave_elsewhere() -> Page:
    """Sign out everywhere but here."""
    sign_out_elsewhere(get_wiring().database, token_of_browser(), get_user(), by=hand())
    return _done("elsewhere")


@blueprint.post("/tokens")
@needs(Right.SEE_MODEL)
def make_token() -> Page:
    """Make a token for a program, and show it this once."""
    database, label = get_wiring().database, request.form.get("label", "")
    try:
        scopes = frozenset(map(Right, request.form.getlist("scope")))
        days = DAYS[DAYS.index(int(request.form.get("days", USUAL_DAYS)))]
    except ValueError:
        abort(400)
    try:
        made = add_token(database, get_user(), label, scopes=scopes, days=days, by=hand())
    except ScopeInvalidError as error:
        return _page(failure=error, of="tokens"), STATUS_OF[type(error)]
    return _page(token=made)


@blueprint.post("/tokens/<int:token_id>/remove")
@needs(Right.SEE_MODEL)
def take_token(token_id: int) -> Page:
    """Take a token away."""
    remove_token(get_wiring().database, get_user(), token_id, by=hand())
    return _done("token-removed")


def _done(what: str) -> Response:
    return redirect(url_for("account.show", done=what), 303)


def _page(
    *, failure: HematoVisionError | None = None, of: str = "", token: str | None = None
) -> str:
    wiring, secret = get_wiring(), session.get(SECRET)
    # Not of the request's beginning: it may just have changed.
    user, places, tokens = open_account(
        wiring.database, get_user().id, stay=wiring.stay, now=hand().now
    )
    return render_template(
        "account.html",
        account=user,
        elsewhere=is_of_provider(wiring.database, user),
        printed_name=get_printed_name(wiring.database, user),
        failure=failure,
        of=of,
        done=request.args.get(DONE),
        places=places,
        tokens=tokens,
        token=token,
        scopes=rights_of_programs(user.role),
        usual_scopes={Right.READ_PHOTOS},
        days=DAYS,
        usual_days=USUAL_DAYS,
        secret=secret,
        code_address=address_of(secret, user) if secret else None,
    )


def draw_code(address: str) -> str:
    """Draw a QR code as the address of a picture."""
    import segno

    picture: str = segno.make(address, error="m").svg_data_uri(border=2)
    return picture


def init_app(app: Flask) -> None:
    """Register the page."""
    app.add_template_filter(draw_code, "qr")
    app.register_blueprint(blueprint)
