from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

import pytest

from hematovision.web.proxies import Proxies

OURS = (ip_network("172.30.57.0/24"), ip_network("fd12::/64"))


def seen(peer: str, **said: str) -> Mapping[str, Any]:
    """Give what an application behind our proxies sees of a request."""
    found: dict[str, Any] = {}

    def application(environ: dict[str, Any], _: object) -> list[bytes]:
        found.update(environ)
        return []

    headers = {f"HTTP_{name.upper()}": text for name, text in said.items()}
    Proxies(application, OURS)(
        {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http"} | headers,
        lambda *_: None,  # type: ignore[arg-type, return-value]
    )
    return found


@pytest.mark.parametrize(
    ("peer", "said", "address"),
    [
        pytest.param("172.30.57.2", "198.51.100.9", "198.51.100.9", id="one proxy"),
        pytest.param("::ffff:172.30.57.2", "198.51.100.9", "198.51.100.9", id="mapped"),
        pytest.param("fd12::2", "2001:db8::7", "2001:db8::7", id="IPv6"),
        pytest.param("172.30.57.2", "6.6.6.6, 198.51.100.9", "198.51.100.9", id="one of them lies"),
        pytest.param("172.30.57.2", "198.51.100.9,172.30.57.3", "198.51.100.9", id="two proxies"),
        pytest.param("172.30.57.2", "x, 172.30.57.3", "172.30.57.3", id="no address"),
        pytest.param("172.30.57.2", "", "172.30.57.2", id="nothing said"),
        pytest.param("192.0.2.7", "198.51.100.9", "192.0.2.7", id="no proxy of ours"),
        pytest.param("", "198.51.100.9", "", id="a socket"),
    ],
)
def test_last_address_that_is_none_of_ours_is_believed(peer: str, said: str, address: str) -> None:
    assert seen(peer, x_forwarded_for=said)["REMOTE_ADDR"] == address


@pytest.mark.parametrize(
    ("peer", "said", "scheme"),
    [
        pytest.param("172.30.57.2", "https", "https", id="TLS"),
        pytest.param("172.30.57.2", "https, http", "http", id="none at the last proxy"),
        pytest.param("172.30.57.2", "gopher", "http", id="nonsense"),
        pytest.param("172.30.57.2", "", "http", id="nothing said"),
        pytest.param("192.0.2.7", "https", "http", id="no proxy of ours"),
    ],
)
def test_scheme_is_what_our_proxy_saw(peer: str, said: str, scheme: str) -> None:
    assert seen(peer, x_forwarded_proto=said)["wsgi.url_scheme"] == scheme


@pytest.mark.parametrize("peer", ["172.30.57.2", "192.0.2.7"])
def test_nothing_that_proxies_say_goes_further(peer: str) -> None:
    found = seen(peer, x_forwarded_host="evil.example", forwarded="for=6.6.6.6", x_real_ip="6")
    assert {name for name in found if "FORWARDED" in name} == set()
    assert found["HTTP_X_REAL_IP"] == "6"
