"""What may come in: host, session cookie, CSRF, headers; `access` says who."""

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, request
from flask.sessions import SecureCookieSessionInterface
from flask_wtf.csrf import CSRFProtect
from werkzeug.routing import IntegerConverter

from hematovision.config import Settings
from hematovision.storage.private import keep_secret_key
from hematovision.storage.tables import LARGEST_KEY
from hematovision.web.errors import CrossSiteError, UntrustedHostError
from hematovision.web.uploads import asks_for_json, is_for_programs

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "font-src 'none'",
        "object-src 'none'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": browsers would then post the form with "Origin: null" and no referrer,
    # and Flask-WTF refuses a post over HTTPS without one.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), usb=()",
}
STRICT_TRANSPORT = "max-age=31536000; includeSubDomains"
"""Said over HTTPS only; browsers heed it nowhere else, and then come by HTTPS alone for a year."""

csrf = CSRFProtect()


class KeyConverter(IntegerConverter):
    """Numbers in addresses; of those that no database knows each stands for the largest it does."""

    def to_python(self, value: str) -> int:
        """Read a number, which is no row's where it is too large."""
        return min(int(super().to_python(value)), LARGEST_KEY)


class SessionInterface(SecureCookieSessionInterface):
    """Flask's own, with `Secure` on the cookie whenever the request came over HTTPS.

    A laboratory's first installation is http://127.0.0.1; a cookie that is always `Secure` would
    not come back there in every browser, and no form could be sent. Over HTTPS its name begins with
    `__Host-`: no other host of the domain can plant it, nor can a page without TLS.
    """

    def get_cookie_name(self, app: Flask) -> str:
        """Name the cookie."""
        name = super().get_cookie_name(app)
        return f"__Host-{name}" if request.is_secure else name

    def get_cookie_secure(self, app: Flask) -> bool:
        """Say whether the cookie may only travel over HTTPS."""
        return request.is_secure


View = TypeVar("View", bound=Callable[..., Any])


def at_any_host(view: View) -> View:
    """Let a view answer under any name: who watches a machine calls it by its address.

    Such a view makes no link and tells a page of another site nothing.
    """
    view.at_any_host = True  # type: ignore[attr-defined]
    return view


def init_app(app: Flask, settings: Settings) -> None:
    """Close the application, and open it as far as it is meant to be open."""
    app.config.from_mapping(
        SECRET_KEY=settings.secret_key or keep_secret_key(settings.keys),
        SESSION_COOKIE_NAME="hematovision",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_CHECK_DEFAULT=False,
        # The token lives as long as the session: a page may stay open over a long shift.
        WTF_CSRF_TIME_LIMIT=None,
    )
    app.session_interface = SessionInterface()
    csrf.init_app(app)
    app.url_map.converters["int"] = KeyConverter
    app.before_request(lambda: _check_host(settings.trusted_hosts))
    app.after_request(_add_headers)


def guard_forms(app: Flask) -> None:
    """Insist that forms come from our own pages; whoever may not send one is refused before.

    The check reads the whole form, and a visitor's upload must not be read for nothing.
    """
    app.before_request(_check_sender)


def host_is_trusted(host: str, trusted: tuple[str, ...]) -> bool:
    """Tell whether a `Host` header names this server.

    Flask's TRUSTED_HOSTS is not used, for it never matches an IPv6 address such as `[::1]`.

    Args:
        host: As it was sent, with or without a port.
        trusted: Names; a leading dot admits subdomains as well.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return any(
        name == one.strip("[].").lower() or (one[:1] == "." and name.endswith(one.lower()))
        for one in trusted
    )


def _check_host(trusted: tuple[str, ...]) -> None:
    view = current_app.view_functions.get(request.endpoint or "")
    if not getattr(view, "at_any_host", False) and not host_is_trusted(request.host, trusted):
        raise UntrustedHostError


def _check_sender() -> None:
    if request.endpoint is None or request.method in SAFE_METHODS or is_for_programs():
        return
    if not asks_for_json():
        csrf.protect()
    elif _is_cross_site():
        raise CrossSiteError


def _is_cross_site() -> bool:
    """Tell whether the browser says that another site sent this; programs say nothing."""
    if request.headers.get("Sec-Fetch-Site", "none") not in {"same-origin", "none"}:
        return True
    origin = request.headers.get("Origin")
    return origin is not None and origin.partition("://")[2].lower() != request.host.lower()


def _add_headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = STRICT_TRANSPORT
    if request.endpoint != "static":
        # Only a view that says otherwise lets the browser keep anything.
        response.headers.setdefault("Cache-Control", "no-store")
    return response
