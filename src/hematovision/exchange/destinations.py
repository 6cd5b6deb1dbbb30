"""Where a webhook may lead: an address that people write must not open the network to them.

A URL is read strictly, so that no two readers of it differ; a name is resolved once, every address
that it has must be one that may be spoken to, and the connection is made to that very address.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Sequence[str]]

URL_LENGTH = 2000
PORTS = {"https": 443, "http": 80}
FIRST_FREE_PORT = 1024
"""Below it listen mail servers, directories and others that are no receivers of webhooks."""
SIGNS = re.compile(r"[!-~]+")
"""What a URL is made of; a name in other letters is written in its ASCII form, xn--…"""
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
NAME_LENGTH = 253
SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "192.0.0.0/24",
            "192.88.99.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
            "::/96",
            "::ffff:0:0/96",
            "::ffff:0:0:0/96",
            "64:ff9b::/96",
            "64:ff9b:1::/48",
            "2001::/23",
            "2002::/16",
            "3fff::/20",
            "fe80::/10",
            "fec0::/10",
            "ff00::/8",
        ),
    )
)
"""Only a network that lies wholly in one of these opens it: this machine, its neighbours on the
wire (where clouds keep their credentials), groups, what is for protocols and books, and IPv6 that
carries another address inside. Python's own table differs from version to version."""
PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")
"""All that is given out to anybody; the rest is of one network, or nobody knows yet of whom."""


class DestinationRefusedError(Exception):
    """The URL is none that may be told anything."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a URL leads.

    Attributes:
        scheme: `https` or `http`.
        host: A name in small letters, or an address without brackets.
        port: Where it listens.
        target: The path and the query.
    """

    scheme: str
    host: str
    port: int
    target: str


def read_url(url: str) -> Destination:
    """Read the URL of a webhook.

    Raises:
        DestinationRefusedError: If it could be read in two ways, names a user, or a port that is
            not for this.
    """
    if not SIGNS.fullmatch(url) or len(url) > URL_LENGTH or "\\" in url or "#" in url:
        raise DestinationRefusedError("It holds what no URL of a webhook does.")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname or ""
    except ValueError as error:
        raise DestinationRefusedError("It is no URL.") from error
    if parts.scheme not in PORTS or "@" in parts.netloc or parts.netloc.endswith(":"):
        raise DestinationRefusedError("It is not https, or it names a user.")
    if port is None:
        port = PORTS[parts.scheme]
    if port not in PORTS.values() and port < FIRST_FREE_PORT:
        raise DestinationRefusedError("Its port is not for this.")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Destination(parts.scheme, _read_host(host), port, target)


def find_address(host: str) -> Address | None:
    """Give the address that a host is; None where it is a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def insist_on_address(scheme: str, text: str, networks: Sequence[Network]) -> Address:
    """Insist that an address may be spoken to.

    Args:
        scheme: `http` only within the networks; what is told is not encrypted.
        text: The address.
        networks: Of the laboratory, which may be told though they are not public.

    Raises:
        DestinationRefusedError: If it may not.
    """
    address = find_address(text)
    if address is None or "%" in text:
        raise DestinationRefusedError("It is no address.")
    listed = [network for network in networks if address in network]
    if _is_special(address):
        listed = [network for network in listed if any(map(_within(network), SPECIAL))]
        allowed = bool(listed)
    else:
        allowed = bool(listed) or (scheme == "https" and _is_public(address))
    if not allowed:
        raise DestinationRefusedError("Its address may not be spoken to.")
    return address


def find_destination(
    destination: Destination, networks: Sequence[Network], resolve: Resolve
) -> Sequence[Address]:
    """Give the addresses of a destination, each of which may be spoken to.

    Raises:
        DestinationRefusedError: If there is none, or any may not.
    """
    found = [destination.host]
    if find_address(destination.host) is None:
        try:
            found = list(dict.fromkeys(resolve(destination.host, destination.port)))
        except OSError as error:
            raise DestinationRefusedError("Its name is not known.") from error
    if not found:
        raise DestinationRefusedError("Its name has no address.")
    return [insist_on_address(destination.scheme, one, networks) for one in found]


def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """Ask the machine's resolver for the addresses of a name.

    Raises:
        OSError: If it has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in found]


def _read_host(host: str) -> str:
    """Read a host; what any program could take for a number must be written as an address is."""
    address = find_address(host)
    if address is not None and "%" not in host:
        return str(address)
    labels = host.split(".")
    is_name = len(host) <= NAME_LENGTH and all(map(LABEL.fullmatch, labels))
    if not is_name or labels[-1][:1].isdigit():
        raise DestinationRefusedError("Its host is neither a name nor an address.")
    return host


def _is_public(address: Address) -> bool:
    return address.is_global and (address.version == 4 or address in PUBLIC_IPV6)


def _is_special(address: Address) -> bool:
    return any(address in network for network in SPECIAL)


def _within(network: Network) -> Callable[[Network], bool]:
    def holds(special: Network) -> bool:
        return network.version == special.version and network.subnet_of(special)  # type: ignore[arg-type]

    return holds
