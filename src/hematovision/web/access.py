"""Who asks: whoever is signed in at this browser, or whose program shows a token."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from flask import Flask, abort, current_app, g, redirect, request, session, url_for
from werkzeug.wrappers import Response

from hematovision.errors import NotAllowedError, NotSignedInError, Phrase
from hematovision.people import Right, User
from hematovision.services.hands import Hand
from hematovision.services.looking import record_refusal
from hematovision.services.overviews import has_cases
from hematovision.services.sign_ins import find_by_token, find_signed_in
from hematovision.web.uploads import asks_for_json
from hematovision.web.wiring import get_wiring

View = TypeVar("View", bound=Callable[..., Any])

OF_PEOPLE = {"account", "erasing", "keys", "laboratory_signing", "signing", "users"}
"""Blueprints that no token opens: who finds one must not make others, let people in, sign, erase or
say what is asked for before somebody signs."""

SIGN_IN = "sign_in"
"""Where the browser's token lies in Flask's session."""
LANGUAGE = "language"
"""Where the language lies that was chosen at the browser; it stays when people come and go."""


def public(view: View) -> View:
    """Open a view to everybody, signed in or not."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def needs(right: Right) -> Callable[[View], View]:
    """Open a view to everybody with a right; a view without any mark is closed to all."""

    def mark(view: View) -> View:
        view.right = right  # type: ignore[attr-defined]
        return view

    return mark


def find_user() -> User | None:
    """Say who asks, if anybody is signed in."""
    if "user" not in g:
        # Where nobody can tell, the page that says so is shown to nobody in particular.
        g.user = None
        g.user = _find_by_header() if "Authorization" in request.headers else _find_by_cookie()
    user: User | None = g.user
    return user


def get_user() -> User:
    """Say who asks.

    Raises:
        NotSignedInError: If nobody is signed in.
    """
    user = find_user()
    if user is None:
        raise NotSignedInError("Nobody is signed in.")
    return user


def hand() -> Hand:
    """Say by whom, through which door and when something is done."""
    user = find_user()
    door = "api" if "Authorization" in request.headers else "page"
    return Hand(user.id if user else None, door, datetime.now(UTC), request.remote_addr or "")


def stay_in(token: str) -> None:
    """Let the browser show a token from now on; only the language of the session before stays."""
    forget()
    session[SIGN_IN] = token
    g.pop("user", None)


def forget() -> None:
    """Empty the browser's session, but for the language that was chosen there."""
    language = session.get(LANGUAGE)
    session.clear()
    if language:
        session[LANGUAGE] = language


def token_of_browser() -> str:
    """Give the token that the browser shows, or nothing."""
    return str(session.get(SIGN_IN, ""))


def way_back() -> str:
    """Give where somebody wanted to go before they had to sign in: a page of ours, or the first.

    Where there are cases that is what waits, and else a place to put a photo.
    """
    wanted = request.args.get("next", "")
    ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    if ours:
        return wanted
    return url_for("cases.show" if has_cases(get_wiring().database) else "pages.home")


def _find_by_header() -> User | None:
    kind, _, token = request.headers["Authorization"].partition(" ")
    if kind.lower() != "bearer":
        return None
    database, now = get_wiring().database, datetime.now(UTC)
    user = find_by_token(database, token.strip(), now=now)
    if user is None:
        by = Hand(None, "api", now, request.remote_addr or "")
        record_refusal(database, "token", "token_unknown", by=by)
    return user


def _find_by_cookie() -> User | None:
    token = token_of_browser()
    if not token:
        return None
    wiring = get_wiring()
    return find_signed_in(wiring.database, token, stay=wiring.stay, now=datetime.now(UTC))


def _check() -> Response | None:
    if request.endpoint is None:
        return None
    view = current_app.view_functions[request.endpoint]
    if getattr(view, "is_public", False):
        return None
    user = find_user()
    if user is None:
        if request.method == "GET" and not asks_for_json():
            back = request.full_path.rstrip("?")
            return redirect(url_for("sign_in.form", next=None if back == "/" else back))
        raise NotSignedInError("Nobody is signed in.")
    right = getattr(view, "right", None)
    if right is None:
        abort(403)
    if "Authorization" in request.headers and request.blueprint in OF_PEOPLE:
        raise NotAllowedError("A program may not do this.")
    if not user.may(right):
        raise NotAllowedError("A %(role)s may not do this.", role=Phrase(user.role))
    return None


def init_app(app: Flask) -> None:
    """Close the application, and open it as far as each is meant to see."""
    public(app.view_functions["static"])
    app.before_request(_check)
    app.context_processor(lambda: {"user": find_user(), "Right": Right})
