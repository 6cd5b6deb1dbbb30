"""Who asks: whoever is signed in at this browser, or whose program shows a token."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from flask import Flask, abort, current_app, g, redirect, request, session, url_for
from werkzeug.wrappers import Response

from hematovision.errors import (
    NotAllowedError,
    NotSignedInError,
    Phrase,
    ScopeMissingError,
    TokenUnknownError,
)
from hematovision.people import OF_PEOPLE_ALONE, RIGHTS_OF, Right, User
from hematovision.services.hands import Hand
from hematovision.services.looking import record_refusal
from hematovision.services.overviews import has_cases
from hematovision.services.sign_ins import find_signed_in
from hematovision.services.tokens import find_by_token
from hematovision.web.uploads import asks_for_json, is_for_programs
from hematovision.web.wiring import get_wiring

View = TypeVar("View", bound=Callable[..., Any])

OF_PEOPLE = {
    "account",
    "erasing",
    "keys",
    "laboratory_signing",
    "signing",
    "single_sign_on",
    "users",
}
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


def needs(right: Right, *, sight: bool = False) -> Callable[[View], View]:
    """Open a view to everybody with a right; a view without any mark is closed to all.

    Args:
        right: Every role that has it may see cases where it is about cases; a token may not.
        sight: Whether the view shows of a case what was not sent along, so that a token must carry
            `SEE_CASES` as well.
    """

    def mark(view: View) -> View:
        view.right = right  # type: ignore[attr-defined]
        view.sight = sight  # type: ignore[attr-defined]
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


def shown_token() -> str | None:
    """Give what a program shows as its token (RFC 6750), if anything."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def token_of_browser() -> str:
    """Give the token that the browser shows, or nothing."""
    return str(session.get(SIGN_IN, ""))


def is_way(wanted: str) -> bool:
    """Tell whether an address is one of our own pages, and nowhere else."""
    return wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()


def way_back(wanted: str | None = None) -> str:
    """Give where somebody wanted to go before they had to sign in: a page of ours, or the first.

    Where there are cases that is what waits, and else a place to put a photo.
    """
    wanted = request.args.get("next", "") if wanted is None else wanted
    if is_way(wanted):
        return wanted
    return url_for("cases.show" if has_cases(get_wiring().database) else "pages.home")


def _find_by_header() -> User | None:
    token = shown_token()
    view = current_app.view_functions.get(request.endpoint or "")
    if token is None or view is None or getattr(view, "is_public", False):
        # Where none is asked for, none is looked up: such requests are not counted, and who guesses
        # tokens would see by the answer, or by how long it takes, which there are.
        return None
    address = request.remote_addr or ""
    return find_by_token(get_wiring().database, token, now=datetime.now(UTC), address=address)


def _find_by_cookie() -> User | None:
    # A browser sends its cookie for whoever asks it to; programs show what they mean to show.
    token = "" if is_for_programs() else token_of_browser()
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
        return _ask_who()
    right = getattr(view, "right", None)
    if right is None:
        abort(403)
    _insist(user, right)
    # Our pages show the case again of which something was said, the more so where it was refused.
    shows = getattr(view, "sight", False) or (right is Right.REVIEW and not is_for_programs())
    if shows and not user.may(Right.SEE_CASES):
        raise ScopeMissingError.of(Right.SEE_CASES)
    return None


def _ask_who() -> Response:
    """Lead a person to the sign-in; tell a program that it must show a token, or another one.

    Raises:
        TokenUnknownError: If it shows one.
        NotSignedInError: If it shows none.
    """
    if shown_token() is not None:
        record_refusal(get_wiring().database, "token", TokenUnknownError.code(), by=hand())
        raise TokenUnknownError("The token is unknown, or it has ended.")
    if request.method != "GET" or asks_for_json():
        raise NotSignedInError("Nobody is signed in.")
    back = request.full_path.rstrip("?")
    return redirect(url_for("sign_in.form", next=None if back == "/" else back))


def _insist(user: User, right: Right) -> None:
    """Insist that somebody may do what a view asks for.

    Raises:
        NotAllowedError: If they may not; for a program it says which scope its token lacks.
    """
    is_program = user.scopes is not None
    if is_program and (request.blueprint in OF_PEOPLE or right in OF_PEOPLE_ALONE):
        raise NotAllowedError("A program may not do this.")
    if right not in RIGHTS_OF[user.role]:
        raise NotAllowedError("A %(role)s may not do this.", role=Phrase(user.role))
    if not user.may(right):
        raise ScopeMissingError.of(right)


def init_app(app: Flask) -> None:
    """Close the application, and open it as far as each is meant to see."""
    public(app.view_functions["static"])
    app.before_request(_check)
    app.context_processor(lambda: {"user": find_user(), "Right": Right})
