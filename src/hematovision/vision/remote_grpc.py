"""Ask an inference server over gRPC, by the Open Inference Protocol V2.

grpcio and protobuf come with the extra `scale`; they are loaded when such a server is made.
"""

import os
import ssl
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from numpy.typing import NDArray

from hematovision.vision.attempts import NoAnswerError
from hematovision.vision.open_inference import PICTURES, MessageError
from hematovision.vision.open_inference_grpc import SERVICE, fill_request, messages, read_response
from hematovision.vision.remote import MOST_BYTES, Arrays, read_token

LATER = {"UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "ABORTED"}
"""The server could not answer now."""
BUSY = "RESOURCE_EXHAUSTED"
SHUT = {"UNAUTHENTICATED", "PERMISSION_DENIED"}
UNKNOWN = {"NOT_FOUND", "UNIMPLEMENTED"}
FAILED_WITHIN = "INTERNAL"
"""It may have been ended within, as a replica of Ray's; asking twice does no harm."""

SECURE = "grpcs"


class GrpcServer:
    """A server over gRPC; many threads may ask it at once."""

    def __init__(self, url: str, token_file: Path | None = None) -> None:
        """Say where it is; nothing is sent yet.

        Args:
            url: Such as `grpc://host:8001`, or `grpcs://` with TLS.
            token_file: Holds the token that it is shown.

        Raises:
            ImportError: If grpcio or protobuf is not installed.
        """
        import grpc

        messages()
        parts = urlsplit(url)
        self._grpc = grpc
        self._is_secure = parts.scheme == SECURE
        self._address = parts.netloc
        self._token_file = token_file
        self._channel: Any = None
        self._process = 0
        self._lock = threading.Lock()

    def infer(
        self, model: str, pictures: NDArray[Any], outputs: Sequence[str], *, seconds: float
    ) -> Arrays:
        """Run a network."""
        request = fill_request(model, {PICTURES: pictures}, outputs)
        try:
            return read_response(self._send("ModelInfer", request, seconds))
        except MessageError as error:
            raise NoAnswerError.wrong(str(error)) from error

    def outputs_of(self, model: str, *, seconds: float) -> Sequence[str]:
        """Name the outputs of a network."""
        request = messages().ModelMetadataRequest(name=model)
        return [output.name for output in self._send("ModelMetadata", request, seconds).outputs]

    def insist_on(self, model: str, *, seconds: float) -> None:
        """Insist that the server and a network are ready."""
        known = messages()
        for method, request in (
            ("ServerReady", known.ServerReadyRequest()),
            ("ModelReady", known.ModelReadyRequest(name=model)),
        ):
            if not self._send(method, request, seconds).ready:
                raise NoAnswerError("it is not ready", again=True)

    def close(self) -> None:
        """Let go of the connection; the next question opens another."""
        with self._lock:
            if self._channel is not None:
                self._channel.close()
            self._channel = None

    def _send(self, method: str, request: Any, seconds: float) -> Any:
        token = read_token(self._token_file)
        call = self._open().unary_unary(
            f"/{SERVICE}/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=getattr(messages(), f"{method}Response").FromString,
        )
        metadata = [("authorization", f"Bearer {token}")] if token else None
        try:
            return call(request, timeout=seconds, metadata=metadata)
        except self._grpc.RpcError as error:
            raise _no_answer(error.code().name) from error

    def _open(self) -> Any:
        """Give the channel of this process: one that was opened before a fork leads nowhere."""
        with self._lock:
            if self._channel is None or self._process != os.getpid():
                self._channel, self._process = self._connect(), os.getpid()
            return self._channel

    def _connect(self) -> Any:
        options = [
            ("grpc.max_receive_message_length", MOST_BYTES),
            ("grpc.max_send_message_length", MOST_BYTES),
            ("grpc.enable_http_proxy", 0),
            ("grpc.enable_retries", 0),
            ("grpc.max_reconnect_backoff_ms", 5000),
        ]
        if not self._is_secure:
            return self._grpc.insecure_channel(self._address, options)
        authorities = ssl.get_default_verify_paths().cafile
        roots = Path(authorities).read_bytes() if authorities else None
        return self._grpc.secure_channel(
            self._address, self._grpc.ssl_channel_credentials(roots), options
        )


def _no_answer(code: str) -> NoAnswerError:
    """Turn a status of gRPC into a failure; its words may hold anything, so they are not kept."""
    reason = f"it answers with {code}"
    if code in LATER:
        return NoAnswerError(reason, again=True, is_busy=code == BUSY)
    if code in SHUT:
        return NoAnswerError(f"{reason}: it wants another token")
    if code in UNKNOWN:
        return NoAnswerError(f"{reason}: it does not serve this model")
    return NoAnswerError(reason, again=code == FAILED_WITHIN, is_away=False)
