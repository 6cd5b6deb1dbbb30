"""Requests to the server: each with its token, a time limit, and tried again where that is safe."""

import ipaddress
import logging
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from hematovision import __version__
from hematovision.client.failures import ApiError, ClientError, UnreachableError

API = "/api/v1"
CONNECT_SECONDS = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before the second attempt, and the most before any where the server does not say."""
BUSY = {429, 502, 503, 504}
"""The server, or one before it, could not answer now."""
UNDONE = {429, 503}
"""Of these: nothing was done."""
BLOCK = 2**20

Files: TypeAlias = list[tuple[str, tuple[str, bytes]]]

log = logging.getLogger(__name__)


class _Bearer(AuthBase):
    """Shows a token; a `.netrc` of the user does not take its place."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def __repr__(self) -> str:
        return "_Bearer(...)"


@dataclass(slots=True)
class Connection:
    """Speaks to a server.

    Attributes:
        url: Of the server, without `/api/v1`.
        token: Shown with every request.
        timeout: Seconds without a sign of the server after which a request is given up.
        retries: How often a request is tried again.
        patience: Seconds that are waited for a server that asks for it; longer is a failure.
        certificates: A file of authorities to trust, instead of those of everybody.
        sleep: Waits for seconds.
    """

    url: str
    token: str = field(default="", repr=False)
    timeout: float = 60.0
    retries: int = 5
    patience: float = 120.0
    certificates: str | None = None
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    _session: requests.Session = field(default_factory=requests.Session, init=False, repr=False)

    def __post_init__(self) -> None:
        """Make a session that verifies whom it speaks to."""
        if self.timeout <= 0:
            raise ValueError("The timeout must be more than nothing.")
        if not (self.token.isascii() and self.token.isprintable()) or " " in self.token:
            raise ValueError("This is no token.")
        self.url = self.url.rstrip("/")
        self._session.auth = _Bearer(self.token)
        self._session.headers["User-Agent"] = f"hematovision-client/{__version__}"
        if self.certificates:
            self._session.verify = self.certificates

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """Ask for a document."""
        return _json_of(self._send("GET", path, params=_given(parameters)))

    def post(self, path: str, sent: Any = None, *, files: Files | None = None, **more: Any) -> Any:
        """Send a document, or the files of a form; tried again, it is done once all the same."""
        return _json_of(self._send("POST", path, json=sent, files=files, **more))

    def delete(self, path: str) -> None:
        """Delete something."""
        self._send("DELETE", path)

    def walk(self, path: str, **parameters: Any) -> Iterator[Mapping[str, Any]]:
        """Give the entries of a list, page by page as they are wanted."""
        page = self.get(path, **parameters)
        yield from page["items"]
        while page["next"]:
            page = self.get(page["next"])
            yield from page["items"]

    def download(self, path: str, **parameters: Any) -> Iterator[bytes]:
        """Give the blocks of a file."""
        answer = self._send("GET", path, params=_given(parameters), stream=True)
        try:
            yield from answer.iter_content(BLOCK)
        except requests.RequestException as error:
            raise UnreachableError(f"The answer of {self.url} broke off.") from error
        finally:
            answer.close()

    def _send(
        self, method: str, path: str, *, stream: bool = False, **content: Any
    ) -> requests.Response:
        """Send a request until it is answered, or it makes no sense any more."""
        request = self._prepare(method, path, content)
        for attempt in range(self.retries + 1):
            is_last = attempt == self.retries
            answer = self._attempt(request, stream=stream, is_last=is_last or method == "DELETE")
            if answer is not None and answer.ok and not answer.is_redirect:
                return answer
            pause = None if is_last else self._pause(answer, method, attempt)
            if pause is None:
                raise _failure(answer)
            log.info("%s %s is tried again in %.1f s", method, urlsplit(request.url).path, pause)
            if answer is not None:
                answer.close()
            self.sleep(pause)
        raise AssertionError("The last attempt returns or raises.")

    def _prepare(self, method: str, path: str, content: dict[str, Any]) -> requests.PreparedRequest:
        headers = content.pop("headers", {})
        if method == "POST":
            # One for all attempts: whichever arrives first counts.
            headers = {"Idempotency-Key": str(uuid.uuid4()), **headers}
        request = requests.Request(method, self._address(path), headers=headers, **content)
        return self._session.prepare_request(request)

    def _address(self, path: str) -> str:
        """Give an address of this server, which alone is shown the token, whatever it answers."""
        for begin in (urlsplit(self.url).path + API, API):
            path = path.removeprefix(begin)
        return f"{self.url}{API}{path}"

    def _attempt(
        self, request: requests.PreparedRequest, *, stream: bool, is_last: bool
    ) -> requests.Response | None:
        """Send a request once; None where the server was not reached."""
        own = self._session.merge_environment_settings(
            request.url or "", {}, stream, self._session.verify, None
        )
        limits = (min(CONNECT_SECONDS, self.timeout), self.timeout)
        try:
            return self._session.send(request, timeout=limits, allow_redirects=False, **own)
        except requests.exceptions.SSLError as error:
            raise UnreachableError(f"{self.url} does not prove who it is: {error}") from error
        except requests.RequestException as error:
            if is_last:
                raise UnreachableError(f"{self.url} was not reached: {error}") from error
            return None

    def _pause(self, answer: requests.Response | None, method: str, attempt: int) -> float | None:
        """Say for how long to wait before the next attempt; None where there should be none."""
        # With a random part, or all who were turned away come back at once.
        usual = min(FIRST_PAUSE * 2.0**attempt, LONGEST_PAUSE) * random.uniform(0.5, 1)  # noqa: S311
        if answer is None:
            return usual
        asked = retry_after(answer.headers.get("Retry-After"))
        is_busy = answer.status_code in (UNDONE if method == "DELETE" else BUSY)
        # Another attempt of this very request is still being answered.
        is_twin = answer.status_code == requests.codes.conflict and asked is not None
        if not (is_busy or is_twin) or (asked or 0) > self.patience:
            return None
        return usual if asked is None else max(asked, usual)


def check_address(url: str, *, plain: bool) -> None:
    """Insist on an address that a token may be shown to.

    Raises:
        ValueError: If it is none, or leads through a network without encryption.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.username:
        raise ValueError("The address looks like https://lab.example.")
    if parts.scheme == "http" and not plain and not _is_here(parts.hostname):
        raise ValueError(
            "Without https everybody in the network can read token and pictures. If you must: "
            "plain=True."
        )


def retry_after(header: str | None) -> float | None:
    """Read for how many seconds a server asks to wait; None where it says nothing one can read."""
    if not header:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds()) if moment.tzinfo else None


def _is_here(host: str) -> bool:
    """Tell whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _given(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}


def _json_of(answer: requests.Response) -> Any:
    if not answer.content:
        return None
    try:
        return answer.json()
    except requests.JSONDecodeError as error:
        raise ClientError("The server's answer is no JSON. Is it HematoVision?") from error


def _failure(answer: requests.Response | None) -> ClientError:
    """Say why the server refused."""
    if answer is None:
        return UnreachableError("The server was not reached.")
    try:
        problem = answer.json()
    except requests.RequestException:
        problem = None
    given = problem if isinstance(problem, dict) else {"detail": answer.reason or ""}
    request_id = answer.headers.get("X-Request-ID", "")
    failure = ApiError.of(given, status=answer.status_code, request_id=request_id)
    answer.close()
    return failure
