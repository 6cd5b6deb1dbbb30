"""Post to another system: to the very address that was checked, once, and not for long."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from hematovision.exchange.destinations import (
    Address,
    Destination,
    DestinationRefusedError,
    Network,
    Resolve,
    find_destination,
    read_url,
    resolve_by_system,
)

MOST_READ = 4096
"""Bytes of an answer that are read, and thrown away."""


class NotReachedError(Exception):
    """No answer in HTTP came, whatever the reason; its cause says which."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What another system answered.

    Attributes:
        status: In HTTP.
        retry_after: When it wants to be asked again, in its own words; empty where it says nothing.
    """

    status: int
    retry_after: str = ""


class Post(Protocol):
    """Tells another system something."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post, and give the answer.

        Raises:
            NotReachedError: If there is none.
        """
        ...


@dataclass(frozen=True, slots=True)
class Poster:
    """Posts over the network; redirects are answers, and no proxy of the environment is asked.

    Attributes:
        networks: Of the laboratory, which may be told though they are not public.
        resolve: Gives the addresses of a name.
        context: Checks certificates.
        seconds: So long an attempt may take in all once the name is resolved.
    """

    networks: Sequence[Network] = ()
    resolve: Resolve = resolve_by_system
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    seconds: float = 10.0

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post, and give the answer.

        Raises:
            NotReachedError: If there is none.
        """
        try:
            destination = read_url(url)
            addresses = find_destination(destination, self.networks, self.resolve)
            end = time.monotonic() + self.seconds
            line = _dial(addresses, destination.port, end)
            with line, _cut_at(end, line):
                return self._ask(line, end, destination, body, headers)
        except (DestinationRefusedError, OSError, http.client.HTTPException) as error:
            raise NotReachedError(type(error).__name__) from error

    def _ask(
        self,
        line: socket.socket,
        end: float,
        there: Destination,
        body: bytes,
        headers: Mapping[str, str],
    ) -> Answer:
        kind: type[http.client.HTTPConnection] = http.client.HTTPConnection
        if there.scheme == "https":
            kind = http.client.HTTPSConnection
            line = self.context.wrap_socket(line, server_hostname=there.host)
        with closing(kind(there.host, there.port)) as connection:
            connection.sock = line
            connection.request("POST", there.target, body, {**headers, "Connection": "close"})
            answer = connection.getresponse()
            if time.monotonic() >= end:
                # Headers that were cut off read like headers that ended.
                raise TimeoutError
            with suppress(OSError, http.client.HTTPException, ValueError):
                # Not `read`: a chunk of “-1” bytes would be read to its end, however far that is.
                answer.read1(MOST_READ)
            return Answer(answer.status, answer.headers.get("Retry-After", ""))


def _dial(addresses: Sequence[Address], port: int, end: float) -> socket.socket:
    """Connect to the first address that answers.

    Raises:
        OSError: If none does in time.
    """
    failure: OSError = TimeoutError()
    for address in addresses:
        left = end - time.monotonic()
        if left <= 0:
            break
        try:
            return socket.create_connection((str(address), port), timeout=left)
        except OSError as error:
            failure = error
    raise failure


@contextmanager
def _cut_at(end: float, line: socket.socket) -> Iterator[None]:
    """End a connection at a moment, however slowly the other side goes on speaking.

    The time-out of a socket is one of each read: a byte now and then would hold a line for ever.
    """
    # TLS takes the socket over; this second handle of the same connection stays.
    handle = line.dup()

    def cut() -> None:
        with suppress(OSError):
            handle.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, end - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        handle.close()
