"""Whom the application believes from where and how somebody comes, whichever server runs it."""

import pytest
from flask import Flask, Response, request

from hematovision.config import Settings
from hematovision.web import proxies

SAID = {"X-Forwarded-For": "192.0.2.1, 198.51.100.9", "X-Forwarded-Proto": "https"}
TOO_MUCH = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil", "Forwarded": "for=1"}


def asked(proxy: str, peer: str) -> tuple[str, str, str, str]:
    """Ask through somebody; give address, scheme, host and what is left of what they said."""
    app = Flask(__name__)
    proxies.init_app(app, Settings(trusted_proxy=proxy))

    @app.get("/")
    def show() -> Response:
        left = [name for name in TOO_MUCH if name in request.headers]
        words = (request.remote_addr or "", request.scheme, request.host, ",".join(left))
        return Response("|".join(words))

    client = app.test_client()
    text = client.get("/", headers=SAID | TOO_MUCH, environ_overrides={"REMOTE_ADDR": peer}).text
    address, scheme, host, left = text.split("|")
    return address, scheme, host, left


@pytest.mark.parametrize(
    ("proxy", "peer"),
    [
        pytest.param("10.1.2.3", "10.1.2.3", id="address"),
        pytest.param("10.1.0.0/16", "10.1.2.3", id="network"),
        pytest.param("fd12::/64", "fd12::7", id="IPv6"),
        pytest.param("*", "203.0.113.5", id="anybody"),
    ],
)
def test_proxy_is_believed_its_last_step_and_no_more(proxy: str, peer: str) -> None:
    assert asked(proxy, peer) == ("198.51.100.9", "https", "localhost", "")


@pytest.mark.parametrize(
    ("proxy", "peer"),
    [
        pytest.param("", "10.1.2.3", id="nobody is"),
        pytest.param("10.1.2.4", "10.1.2.3", id="another"),
        pytest.param("10.1.0.0/16", "fd12::7", id="another kind"),
        pytest.param("10.1.0.0/16", "", id="a socket"),
    ],
)
def test_nobody_else_is_believed(proxy: str, peer: str) -> None:
    assert asked(proxy, peer) == (peer, "http", "localhost", "")
