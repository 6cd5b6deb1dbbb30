"""How often somebody may ask, so that nobody takes the server away from all others."""

import ipaddress
import math
import time
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, Response, current_app, g, request
from flask_limiter import ApplicationLimit, Limiter, RateLimitExceeded, RequestLimit

from hematovision.config import RATE_OFF, Settings
from hematovision.errors import TooManyRequestsError
from hematovision.observing.signals import Signal, happened
from hematovision.web.access import find_user, get_user, shown_token
from hematovision.web.counters import SCHEME
from hematovision.web.errors import answer_named

View = TypeVar("View", bound=Callable[..., Any])

ASKER, ADDRESS = "asker", "address"
PATIENCE: dict[str, str | int] = {"socket_connect_timeout": 1, "socket_timeout": 1}
"""Seconds that Redis is waited for; without it each process counts by itself."""
HOUSE_BITS = 64
"""Of an IPv6 address: whoever has one has all that begin alike."""


def by_address(view: View) -> View:
    """Mark a view at which a visitor could guess; whoever asks is counted by their address."""
    view.is_by_address = True  # type: ignore[attr-defined]
    return view


def often(view: View) -> View:
    """Mark a view that one page asks for hundreds of times, such as pictures: it is not counted.

    What programs ask for is, wherever it lies.
    """
    view.is_often = True  # type: ignore[attr-defined]
    return view


def init_app(app: Flask, settings: Settings) -> None:
    """Count requests before it is looked whether they are allowed."""
    limits = ((ASKER, settings.rate_limit), (ADDRESS, settings.rate_limit_visitors))
    limiter = Limiter(
        _key,
        application_limits=[_limit(by, rate) for by, rate in limits if rate != RATE_OFF],
        storage_uri=_storage(settings.queue_url),
        storage_options=PATIENCE if settings.queue_url else {},
        in_memory_fallback_enabled=True,
        key_prefix="hematovision",
    )
    app.before_request(_settle)
    limiter.init_app(app)
    app.after_request(lambda response: _tell(response, limiter.current_limit))
    app.register_error_handler(RateLimitExceeded, lambda _: _refuse(limiter.current_limit))


def _limit(by: str, rate: str) -> ApplicationLimit:
    return ApplicationLimit(rate, exempt_when=lambda: g.counted_by != by)


def _storage(queue_url: str) -> str:
    """Give where requests are counted: where all processes see it, or in this one."""
    if queue_url.startswith("unix://"):
        return f"redis+{queue_url}"
    return queue_url or f"{SCHEME}://"


def _settle() -> None:
    """Settle by what a request is counted; the limiter must meet no failure of the database."""
    g.counted_by = _counted_by()


def _counted_by() -> str | None:
    view = current_app.view_functions.get(request.endpoint or "")
    if getattr(view, "is_by_address", False):
        return ADDRESS
    if view is None or getattr(view, "is_public", False):
        return None
    if find_user() is None:
        return ADDRESS if shown_token() is not None else None
    # No page of ours asks with a token.
    is_often = getattr(view, "is_often", False) and shown_token() is None
    return None if is_often else ASKER


def _key() -> str:
    """Name whoever is counted."""
    if g.counted_by == ADDRESS:
        return f"address {_house(request.remote_addr or '')}"
    # All programs of somebody together: tokens are free, and would lift every limit.
    return f"{'person' if shown_token() is None else 'programs'} {get_user().id}"


def _house(address: str) -> str:
    """Give what one house has of an address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    if found.ipv4_mapped:
        # As a server that listens for both names whoever comes by IPv4; all begin alike.
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, HOUSE_BITS), strict=False))


def _refuse(limit: RequestLimit | None) -> Response:
    happened(Signal.TOO_OFTEN)
    return answer_named(TooManyRequestsError.after(_left(limit)[1] if limit else 1))


def _tell(response: Response, limit: RequestLimit | None) -> Response:
    """Say how much is left (draft-ietf-httpapi-ratelimit-headers), to programs and who is refused.

    Others would be told for nothing, at the price of asking Redis once more.
    """
    if limit is None or not (limit.breached or shown_token() is not None):
        return response
    left, seconds = _left(limit)
    response.headers["RateLimit-Policy"] = (
        f'"{g.counted_by}";q={limit.limit.amount};w={limit.limit.get_expiry()}'
    )
    response.headers["RateLimit"] = f'"{g.counted_by}";r={left};t={seconds}'
    return response


def _left(limit: RequestLimit) -> tuple[int, int]:
    """Give how many requests are left, and for how many seconds they must suffice."""
    try:
        ends, left = limit.window
        return max(0, left), max(1, math.ceil(ends - time.time()))
    except Exception:  # whatever the driver of Redis raises: it went away since the request came
        return 0, limit.limit.get_expiry()
