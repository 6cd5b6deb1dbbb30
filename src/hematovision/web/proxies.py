"""From where and how somebody comes, where a proxy stands before the server and says so."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any

from flask import Flask

from hematovision.config import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Networks = Sequence[IPv4Network | IPv6Network]
SAID = (
    "HTTP_FORWARDED",
    "HTTP_X_FORWARDED_BY",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PREFIX",
    "HTTP_X_FORWARDED_PROTO",
)
"""What proxies say; nothing behind this room sees it."""


class Proxies:
    """Believes the proxies of some networks from where and how somebody comes, and nobody else.

    Every server of this program needs it, so it stands before the application and not in the
    server's own options: gunicorn has none for the address.
    """

    def __init__(self, application: "WSGIApplication", networks: Networks) -> None:
        """Stand before an application."""
        self._application, self._networks = application, networks

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Put what is believed where the application looks for it."""
        said = {name: environ.pop(name, "") for name in SAID}
        if self._is_ours(environ.get("REMOTE_ADDR", "")):
            environ["REMOTE_ADDR"] = self._come_from(environ, said["HTTP_X_FORWARDED_FOR"])
            environ["wsgi.url_scheme"] = _scheme(said["HTTP_X_FORWARDED_PROTO"])
        return self._application(environ, start_response)

    def _come_from(self, environ: "WSGIEnvironment", said: str) -> str:
        """Give the last address that is none of our proxies': those before it anybody may write."""
        found: str = environ["REMOTE_ADDR"]
        for address in reversed([part.strip() for part in said.split(",")]):
            if _read(address) is None:
                return found
            found = address
            if not self._is_ours(address):
                return found
        return found

    def _is_ours(self, text: str) -> bool:
        address = _read(text)
        return address is not None and any(address in network for network in self._networks)


def init_app(app: Flask, settings: Settings) -> None:
    """Stand before the application."""
    app.wsgi_app = Proxies(app.wsgi_app, settings.trusted_proxy)  # type: ignore[method-assign]


def _read(text: str) -> Any:
    """Read an address; None where it is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A socket for both kinds writes the old ones in the new form.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _scheme(said: str) -> str:
    """Give what the last proxy saw: https or, where it says nothing else, http."""
    return "https" if said.rpartition(",")[2].strip().lower() == "https" else "http"
