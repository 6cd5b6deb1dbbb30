"""Ask an inference server over HTTP, by the Open Inference Protocol V2."""

import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote, urlsplit

import urllib3
from numpy.typing import NDArray

from hematovision import __version__
from hematovision.vision.attempts import NoAnswerError
from hematovision.vision.open_inference import (
    PICTURES,
    MessageError,
    pack_request,
    unpack_response,
)

Arrays = dict[str, NDArray[Any]]

MOST_BYTES = 2**25
"""No answer is larger; that of a tile of 640 pixels has 180 kB, in JSON 1 MB."""
BLOCK = 2**16
CONNECTIONS = 32
"""Kept open, a server; more are opened where more threads ask at once, and closed again."""

LATER = {408, 429, 502, 503, 504}
"""The server, or one before it, could not answer now."""
BUSY = 429
SHUT, UNKNOWN, FAILED_WITHIN = {401, 403}, 404, 500
NOT_UNDERSTOOD = {400, 415, 422, 500, 501}
"""What servers answer that do not know tensors as bytes."""


class InferenceServer(Protocol):
    """Whatever runs networks elsewhere; each question is asked once."""

    def infer(
        self, model: str, pictures: NDArray[Any], outputs: Sequence[str], *, seconds: float
    ) -> Arrays:
        """Run a network.

        Args:
            model: Its name.
            pictures: Shape (N, height, width, 3), RGB, uint8.
            outputs: The names of those that are wanted.
            seconds: So long it may take.

        Returns:
            Tensors by name, as they came.

        Raises:
            NoAnswerError: If none came.
        """
        ...

    def outputs_of(self, model: str, *, seconds: float) -> Sequence[str]:
        """Name the outputs of a network.

        Raises:
            NoAnswerError: If nobody says.
        """
        ...

    def insist_on(self, model: str, *, seconds: float) -> None:
        """Insist that the server and a network are ready.

        Raises:
            NoAnswerError: If they are not.
        """
        ...


def read_token(file: Path | None) -> str:
    """Read the token that a server is shown; empty where there is none.

    It is read each time: whoever puts a new one there need not start anything anew.

    Raises:
        NoAnswerError: If the file cannot be read, or holds none.
    """
    if file is None:
        return ""
    try:
        token = file.read_text("ascii").strip()
    except (OSError, ValueError) as error:
        raise NoAnswerError("the file of the token cannot be read") from error
    if not token.isprintable() or " " in token or not token:
        raise NoAnswerError("the file of the token holds none")
    return token


class _Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpServer:
    """A server over HTTP; many threads may ask it at once."""

    def __init__(self, url: str, token_file: Path | None = None) -> None:
        """Say where it is; nothing is sent yet.

        Args:
            url: Without `/v2`.
            token_file: Holds the token that it is shown.
        """
        parts = urlsplit(url)
        self._path = parts.path.rstrip("/")
        self._token_file = token_file
        # Certificates are checked, and neither a proxy of the environment nor a redirect followed.
        self._pool = urllib3.connection_from_url(
            f"{parts.scheme}://{parts.netloc}", maxsize=CONNECTIONS, retries=False
        )
        self._binary: bool | None = None

    def infer(
        self, model: str, pictures: NDArray[Any], outputs: Sequence[str], *, seconds: float
    ) -> Arrays:
        """Run a network; with numbers as text where the server does not know them as bytes."""
        end = time.monotonic() + seconds
        reply = self._infer(model, pictures, outputs, end, binary=self._binary is not False)
        if self._binary is None and reply.status in NOT_UNDERSTOOD:
            failed_within = reply.status == FAILED_WITHIN
            reply = self._infer(model, pictures, outputs, end, binary=False)
            if not failed_within:
                # It may have failed once, and would be sent numbers as text for good.
                self._learn(reply, binary=False)
        elif self._binary is None:
            self._learn(reply, binary=True)
        _insist_on_success(reply)
        try:
            return unpack_response(reply.headers, reply.body)
        except MessageError as error:
            raise NoAnswerError.wrong(str(error)) from error

    def outputs_of(self, model: str, *, seconds: float) -> Sequence[str]:
        """Name the outputs of a network."""
        reply = self._send("GET", f"/v2/models/{quote(model)}", {}, None, _end(seconds))
        _insist_on_success(reply)
        try:
            return [str(output["name"]) for output in json.loads(reply.body)["outputs"]]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise NoAnswerError.wrong("it does not say what the network gives") from error

    def insist_on(self, model: str, *, seconds: float) -> None:
        """Insist that the server and a network are ready."""
        for path in ("/v2/health/ready", f"/v2/models/{quote(model)}/ready"):
            _insist_on_success(self._send("GET", path, {}, None, _end(seconds)))

    def _infer(
        self,
        model: str,
        pictures: NDArray[Any],
        outputs: Sequence[str],
        end: float,
        *,
        binary: bool,
    ) -> _Reply:
        headers, body = pack_request({PICTURES: pictures}, outputs, binary=binary)
        return self._send("POST", f"/v2/models/{quote(model)}/infer", headers, body, end)

    def _learn(self, reply: _Reply, *, binary: bool) -> None:
        """Remember how a server wants its tensors, once it has answered."""
        if reply.status == HTTPStatus.OK:
            self._binary = binary

    def _send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, end: float
    ) -> _Reply:
        """Send one request, and read its answer until `end` of the clock."""
        headers = {"User-Agent": f"hematovision/{__version__}", **headers}
        if token := read_token(self._token_file):
            headers["Authorization"] = f"Bearer {token}"
        left = max(end - time.monotonic(), 0.001)
        try:
            answer = self._pool.urlopen(
                method,
                self._path + path,
                body,
                headers,
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(total=left),
                preload_content=False,
                decode_content=False,
            )
            try:
                content = b"".join(_pieces(answer, end))
            except BaseException:
                answer.close()
                raise
            answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            # The words of urllib3 may hold the address; its kind says enough.
            raise NoAnswerError(f"{type(error).__name__}", again=True) from error
        return _Reply(answer.status, dict(answer.headers), content)


def _end(seconds: float) -> float:
    return time.monotonic() + seconds


def _pieces(answer: urllib3.BaseHTTPResponse, end: float) -> Iterable[bytes]:
    """Read an answer as it comes, whatever it says of its length."""
    size = 0
    while piece := answer.read1(BLOCK):
        size += len(piece)
        if size > MOST_BYTES:
            raise NoAnswerError.wrong(f"the answer has more than {MOST_BYTES} bytes")
        if time.monotonic() > end:
            raise NoAnswerError("the answer comes too slowly", again=True)
        yield piece


def _insist_on_success(reply: _Reply) -> None:
    """Turn whatever is no answer into a failure."""
    status = reply.status
    if status == HTTPStatus.OK:
        return
    reason = f"it answers with status {status}"
    if status in LATER:
        seconds = seconds_until(reply.headers.get("Retry-After"))
        raise NoAnswerError(reason, again=True, seconds=seconds, is_busy=status == BUSY)
    if status in SHUT:
        raise NoAnswerError(f"{reason}: it wants another token")
    if status == UNKNOWN:
        raise NoAnswerError(f"{reason}: it does not serve this model")
    # It may have been ended within, as a replica of Ray's, and asking twice does no harm.
    raise NoAnswerError(reason, again=status == FAILED_WITHIN, is_away=False)


def seconds_until(text: str | None) -> float:
    """Read `Retry-After`, which is a number of seconds or a date; 0 where it is neither."""
    if not text:
        return 0.0
    if text.strip().isdecimal():
        return float(text) if len(text) < len("100000000") else math.inf
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    aware = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())
