"""The server's side of the Open Inference Protocol V2, whatever carries it.

https://github.com/kserve/open-inference-protocol, with Triton's extensions for binary tensors and
for statistics. It knows neither Ray nor sockets: methods, paths, headers and bytes come in.
"""

import hmac
import json
import re
from collections.abc import AsyncIterable, Mapping, Sequence
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from hematovision.vision.open_inference import (
    VERSION,
    MessageError,
    Wanted,
    pack_response,
    unpack_request,
)
from hematovision.vision.served import FREE, Tensor
from hematovision.vision.serving_limits import (
    Limits,
    RefusedError,
    check_outputs,
    checked_pictures,
)
from hematovision.vision.together import Answer, Job, Together

NAME = "hematovision"
EXTENSIONS = ("binary_tensor_data", "statistics")
PLATFORM = "onnxruntime_onnx"

_HEALTH = re.compile(r"/v2/health/(?:live|ready)")
_MODEL = re.compile(
    r"/v2/models/(?P<name>[^/]+)(?:/versions/(?P<version>[^/]+))?(?:/(?P<verb>ready|stats|infer))?"
)


class Reply(NamedTuple):
    """An answer over HTTP."""

    status: HTTPStatus
    headers: Mapping[str, str]
    body: bytes


class Front:
    """Answers requests to the networks of a model folder."""

    def __init__(self, engines: Sequence[Together], limits: Limits, *, token: str = "") -> None:
        """Take the engines.

        Args:
            engines: One a network.
            limits: Of requests.
            token: What clients must show; empty where everybody may ask.
        """
        self.limits = limits
        self._engines = {engine.network.name: engine for engine in engines}
        self._token = token.encode()
        self._inside = 0

    async def answer(
        self, method: str, path: str, headers: Mapping[str, str], body: AsyncIterable[bytes]
    ) -> Reply:
        """Answer a request over HTTP; whatever is wrong is answered in the protocol's form."""
        named = {name.lower(): value for name, value in headers.items()}
        try:
            return await self._answer(method, path, named, body)
        except MessageError as error:
            return _refusal(HTTPStatus.BAD_REQUEST, str(error))
        except RefusedError as error:
            return _refusal(error.status, str(error))

    def check_token(self, authorization: str) -> None:
        """Insist on the token.

        Args:
            authorization: As a client sent it: `Bearer` and a token.

        Raises:
            RefusedError: If a token is asked for, and this is another.
        """
        scheme, _, shown = authorization.partition(" ")
        is_right = hmac.compare_digest(shown.strip().encode(), self._token)
        if self._token and not (scheme.lower() == "bearer" and is_right):
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "Show the token of this server.")

    def check_size(self, size: int) -> None:
        """Insist on the limit of bytes."""
        if size > self.limits.bytes:
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"A request has at most {self.limits.bytes} bytes.",
            )

    def engine(self, name: str, version: str | None = None) -> Together:
        """Give the engine of a network.

        Raises:
            RefusedError: If there is no such network, or none of this version.
        """
        if name not in self._engines or version not in (None, "", VERSION):
            served = ", ".join(self._engines)
            raise RefusedError(
                HTTPStatus.NOT_FOUND,
                f"There is no {name!r} of version {version or VERSION!r} here, but {served}.",
            )
        return self._engines[name]

    async def infer(
        self, engine: Together, arrays: Mapping[str, NDArray[Any]], wanted: Wanted
    ) -> Answer:
        """Run a network.

        Args:
            engine: Of the network.
            arrays: The inputs by name.
            wanted: The outputs; all where none is named.

        Raises:
            RefusedError: If these are not inputs or outputs of this network, too many, or too many
                requests are here.
        """
        outputs = wanted.names or tuple(output.name for output in engine.network.outputs)
        check_outputs(engine.network, outputs)
        pictures = checked_pictures(engine.network.pictures, arrays, self.limits)
        if self._inside >= self.limits.waiting:
            raise RefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "So many requests wait that another must come later.",
            )
        self._inside += 1
        try:
            return await engine(Job(pictures, outputs))
        finally:
            self._inside -= 1

    async def _answer(
        self, method: str, path: str, headers: Mapping[str, str], body: AsyncIterable[bytes]
    ) -> Reply:
        """Find what a path stands for. Whether a server is well may be asked without a token."""
        if _HEALTH.fullmatch(path):
            _insist(method, "GET")
            return _document({path.rpartition("/")[2]: True})
        self.check_token(headers.get("authorization", ""))
        if path.rstrip("/") == "/v2":
            _insist(method, "GET")
            return _document(server_metadata())
        found = _MODEL.fullmatch(path)
        if found is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"There is no {path} here.")
        verb = found["verb"]
        _insist(method, "POST" if verb == "infer" else "GET")
        engine = self.engine(found["name"], found["version"])
        if verb == "infer":
            return await self._infer(engine, headers, body)
        return _document(_TOLD[verb](engine))

    async def _infer(
        self, engine: Together, headers: Mapping[str, str], body: AsyncIterable[bytes]
    ) -> Reply:
        length = headers.get("content-length", "")
        self.check_size(int(length) if length.isdecimal() else 0)
        content = bytearray()
        async for part in body:
            content += part
            self.check_size(len(content))
        arrays, wanted = unpack_request(headers, bytes(content))
        answer = await self.infer(engine, arrays, wanted)
        written, packed = pack_response(engine.network.name, answer, wanted)
        return Reply(HTTPStatus.OK, written, packed)


def read_token(file: Path | None) -> str:
    """Read the token that clients must show; empty where no file is named.

    Raises:
        ValueError: If the file holds none: a secret that is missing must not open the server.
    """
    token = file.read_text().strip() if file else ""
    if file and not token:
        raise ValueError(f"{file} holds no token.")
    return token


def server_metadata() -> dict[str, Any]:
    """Say what this server is."""
    return {"name": NAME, "version": version(NAME), "extensions": list(EXTENSIONS)}


def model_metadata(engine: Together) -> dict[str, Any]:
    """Say what a network takes and gives."""
    network = engine.network
    return {
        "name": network.name,
        "versions": [VERSION],
        "platform": PLATFORM,
        "inputs": [_metadata(network.pictures)],
        "outputs": [_metadata(output) for output in network.outputs],
    }


def _ready(engine: Together) -> dict[str, Any]:
    return {"name": engine.network.name, "ready": True}


def _statistics(engine: Together) -> dict[str, Any]:
    """Say how many pictures this replica has run together, how often."""
    runs = sorted(engine.runs.items())
    document = {
        "name": engine.network.name,
        "version": VERSION,
        "inference_count": sum(size * count for size, count in runs),
        "execution_count": sum(count for _, count in runs),
        "compute_seconds": engine.seconds,
        "batch_stats": [
            {"batch_size": size, "compute_infer": {"count": count}} for size, count in runs
        ],
    }
    return {"model_stats": [document]}


_TOLD = {None: model_metadata, "ready": _ready, "stats": _statistics}


def _metadata(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": [FREE, *tensor.shape]}


def _insist(method: str, wanted: str) -> None:
    if method != wanted:
        raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, f"This is asked with {wanted}.")


def _document(document: Mapping[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Reply:
    return Reply(status, {"Content-Type": "application/json"}, json.dumps(document).encode())


def _refusal(status: HTTPStatus, reason: str) -> Reply:
    reply = _document({"error": reason}, status)
    more = {
        HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
        HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "1"},
    }
    return reply._replace(headers={**reply.headers, **more.get(status, {})})
