"""The administrator's page: who has an account, and what each may do."""

from collections.abc import Callable

from flask import Blueprint, Flask, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hematovision.errors import HematoVisionError
from hematovision.people import Right, Role, User
from hematovision.services.accounts import (
    add_user,
    disable_user,
    enable_user,
    get_user_by_id,
    list_users,
    reset_password,
    set_role,
)
from hematovision.services.single_sign_on import list_of_provider
from hematovision.services.tokens import list_tokens, remove_token_of_anybody
from hematovision.web.access import hand, needs
from hematovision.web.errors import STATUS_OF
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("users", __name__, url_prefix="/users")

Page = Response | str | tuple[str, int]


@blueprint.get("")
@needs(Right.MANAGE_USERS)
def show() -> str:
    """List everybody."""
    return _page()


@blueprint.post("")
@needs(Right.MANAGE_USERS)
def add() -> Page:
    """Add somebody, and show the link that lets them in once."""
    database, name = get_wiring().database, request.form.get("name", "").strip()
    try:
        user = add_user(database, name, _role(), by=hand())
    except HematoVisionError as error:
        return _page(failure=error, name=name), STATUS_OF[type(error)]
    return _page(linked=user, link=reset_password(database, user, by=hand()))


@blueprint.post("/<int:user_id>/role")
@needs(Right.MANAGE_USERS)
def change_role(user_id: int) -> Page:
    """Change what somebody is."""
    return _change(lambda user: set_role(get_wiring().database, user, _role(), by=hand()), user_id)


@blueprint.post("/<int:user_id>/disable")
@needs(Right.MANAGE_USERS)
def disable(user_id: int) -> Page:
    """Shut somebody out."""
    return _change(lambda user: disable_user(get_wiring().database, user, by=hand()), user_id)


@blueprint.post("/<int:user_id>/enable")
@needs(Right.MANAGE_USERS)
def enable(user_id: int) -> Page:
    """Let somebody in again."""
    return _change(lambda user: enable_user(get_wiring().database, user, by=hand()), user_id)


@blueprint.post("/<int:user_id>/reset")
@needs(Right.MANAGE_USERS)
def reset(user_id: int) -> Page:
    """Take somebody's password away, and show the link that lets them in once."""
    user = _get(user_id)
    return _page(linked=user, link=reset_password(get_wiring().database, user, by=hand()))


@blueprint.post("/tokens/<int:token_id>/remove")
@needs(Right.MANAGE_USERS)
def take_token(token_id: int) -> Page:
    """Take a token away, whoever's it is."""
    remove_token_of_anybody(get_wiring().database, token_id, by=hand())
    return redirect(url_for("users.show", _anchor="tokens"), 303)


def _change(change: Callable[[User], None], user_id: int) -> Page:
    try:
        change(_get(user_id))
    except HematoVisionError as error:
        return _page(failure=error), STATUS_OF[type(error)]
    return redirect(url_for("users.show"), 303)


def _get(user_id: int) -> User:
    return get_user_by_id(get_wiring().database, user_id)


def _role() -> Role:
    try:
        return Role(request.form.get("role", ""))
    except ValueError:
        abort(400)


def _page(
    *,
    failure: HematoVisionError | None = None,
    name: str = "",
    linked: User | None = None,
    link: str | None = None,
) -> str:
    database = get_wiring().database
    return render_template(
        "users.html",
        everybody=list_users(database),
        of_provider=list_of_provider(database),
        tokens=list_tokens(database, now=hand().now),
        roles=list(Role),
        failure=failure,
        name=name,
        linked=linked,
        link=url_for("sign_in.link", token=link, _external=True) if link else None,
    )


def init_app(app: Flask) -> None:
    """Register the page."""
    app.register_blueprint(blueprint)
