"""From where and how somebody comes, as a proxy before this server says, and nobody else.

Whichever server runs the application: what others say of it is dropped before anything reads it.
"""

import ipaddress
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from hematovision.config import ANY_PROXY, Settings

SAID = (
    "HTTP_FORWARDED",
    *(f"HTTP_X_FORWARDED_{what}" for what in ("FOR", "PROTO", "HOST", "PORT", "PREFIX", "BY")),
)
"""What proxies say."""
BELIEVED = {"HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO"}


class Proxied:
    """Believes one proxy, one step, as to address and scheme."""

    def __init__(self, app: WSGIApplication, proxy: str) -> None:
        """Take whom to believe.

        Args:
            app: What is served.
            proxy: An address, a network, `*` for whoever asks, or empty for nobody.
        """
        self._app = app
        self._fixed = ProxyFix(app, x_for=1, x_proto=1)
        self._proxy = proxy
        self._network = None if proxy in {"", ANY_PROXY} else ipaddress.ip_network(proxy)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        is_believed = self._believes(environ.get("REMOTE_ADDR", ""))
        for name in SAID:
            if not (is_believed and name in BELIEVED):
                environ.pop(name, None)
        return (self._fixed if is_believed else self._app)(environ, start_response)

    def _believes(self, address: str) -> bool:
        if self._network is None:
            return self._proxy == ANY_PROXY
        try:
            return ipaddress.ip_address(address) in self._network
        except ValueError:
            return False


def init_app(app: Flask, settings: Settings) -> None:
    """Believe the proxy of the settings alone."""
    app.wsgi_app = Proxied(app.wsgi_app, settings.trusted_proxy)  # type: ignore[method-assign]
