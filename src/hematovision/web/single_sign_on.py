"""Signing in by a provider, confirming there who one is, and signing out of it."""

import re
import time
from datetime import UTC, datetime

from flask import Blueprint, Flask, abort, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from hematovision.errors import HematoVisionError
from hematovision.people import Right
from hematovision.services.accounts import has_administrator
from hematovision.services.signing import what_is_confirmed
from hematovision.services.single_sign_on import Person, confirm, sign_in_by_provider
from hematovision.web.access import (
    find_user,
    get_user,
    hand,
    is_way,
    needs,
    public,
    stay_in,
    way_back,
)
from hematovision.web.errors import STATUS_OF
from hematovision.web.language import take_up_language
from hematovision.web.provider import Errand, Provider, find_provider
from hematovision.web.rates import by_address
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("single_sign_on", __name__)

Page = Response | str | tuple[str, int]
CAME = "came_by_provider"
"""Lies in the session of whom the provider signed in."""
CONFIRMED = "confirmed"
"""Where the session keeps that somebody confirmed who they are, and for what."""
DIGEST = re.compile(r"[0-9a-f]{64}")


@blueprint.get("/sign-in/provider")
@public
@by_address
def start() -> Page:
    """Lead somebody to the provider; from another site only by way of our page."""
    provider, wanted = _get_provider(), request.args.get("next", "")
    if _is_of_another_site():
        return redirect(url_for("sign_in.form", next=wanted or None))
    way = wanted if is_way(wanted) else ""
    try:
        return _lead(provider, way, "")
    except HematoVisionError as error:
        return _refuse(error)


@blueprint.get("/cases/<int:case_id>/sign/confirm")
@needs(Right.SIGN)
def ask_again(case_id: int) -> Page:
    """Let the provider ask somebody anew who they are, before they sign what they see."""
    provider, seen = _get_provider(), request.args.get("seen", "")
    if not DIGEST.fullmatch(seen):
        abort(400)
    way = url_for("signing.show", case_id=case_id, _anchor="s-h")
    return (
        redirect(way)
        if _is_of_another_site()
        else _lead(provider, way, what_is_confirmed(case_id, seen))
    )


@blueprint.get("/sign-in/provider/back")
@public
@by_address
def back() -> Page:
    """Take up whom the provider sends back."""
    provider = _get_provider()
    try:
        person, errand = provider.receive()
        if not errand.what:
            return _enter(provider, person, errand)
    except HematoVisionError as error:
        return _refuse(error)
    began_at = datetime.fromtimestamp(errand.began, UTC)
    token = confirm(
        get_wiring().database, get_user(), person, errand.what, began_at=began_at, by=hand()
    )
    session[CONFIRMED] = {"what": errand.what, "token": token}
    return redirect(errand.way, 303)


@blueprint.get("/sign-out/provider")
@public
@by_address
def leave() -> Response:
    """Lead somebody who is signed out here to where they sign out of the provider."""
    ours = url_for("sign_in.form", _external=True)
    return redirect(_get_provider().farewell(ours) or ours)


def came_by_provider() -> bool:
    """Tell whether the provider signed in whoever is here."""
    return CAME in session


def confirmation_of(case_id: int, seen: str) -> str:
    """Give what shows that somebody confirmed who they are, to sign a case as they see it."""
    kept = session.get(CONFIRMED, {})
    return str(kept["token"]) if kept.get("what") == what_is_confirmed(case_id, seen) else ""


def _enter(provider: Provider, person: Person, errand: Errand) -> Response:
    wiring = get_wiring()
    user, token = sign_in_by_provider(
        wiring.database, person, provider.trust, stay=wiring.stay, by=hand()
    )
    stay_in(token)
    session[CAME] = True
    take_up_language(user)
    return redirect(way_back(errand.way), 303)


def _lead(provider: Provider, way: str, what: str) -> Response:
    ours = url_for("single_sign_on.back", _external=True)
    return provider.lead(ours, Errand(way, what, time.time()))


def _refuse(error: HematoVisionError) -> Page:
    """Say why on the page to sign in; to whom is signed in already, on a page of its own."""
    if find_user():
        raise error
    wiring = get_wiring()
    page = render_template(
        "sign_in.html",
        failure=error,
        of_provider=True,
        name="",
        first=not has_administrator(wiring.database),
        stay=wiring.stay,
    )
    return page, STATUS_OF[type(error)]


def _get_provider() -> Provider:
    return find_provider() or abort(404)


def _is_of_another_site() -> bool:
    """Tell whether a link of another site leads here: nobody is sent to sign in unasked."""
    return request.headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"}


def init_app(app: Flask) -> None:
    """Register the pages."""
    app.register_blueprint(blueprint)
