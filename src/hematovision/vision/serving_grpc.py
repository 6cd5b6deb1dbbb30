"""The Open Inference Protocol V2 over gRPC: messages in bytes come in, messages go out."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from hematovision.vision.open_inference import MessageError
from hematovision.vision.open_inference_grpc import (
    METHODS,
    SERVICE,
    fill_response,
    messages,
    read_request,
)
from hematovision.vision.serving_limits import RefusedError
from hematovision.vision.serving_v2 import Front, model_metadata, server_metadata

CODES = {
    HTTPStatus.BAD_REQUEST: "INVALID_ARGUMENT",
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.NOT_FOUND: "NOT_FOUND",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "INVALID_ARGUMENT",
    HTTPStatus.SERVICE_UNAVAILABLE: "UNAVAILABLE",
}
"""The names of gRPC's status codes. Too large is never right later, and must not be tried again."""


class Response(NamedTuple):
    """An answer over gRPC.

    Attributes:
        message: Of the method's kind; empty where something is wrong.
        code: The name of a status code; empty where all is well.
        details: What is wrong.
    """

    message: Any
    code: str = ""
    details: str = ""


async def answer_call(
    front: Front, method: str, message: bytes, metadata: Mapping[str, str]
) -> Response:
    """Answer one call.

    Args:
        front: Answers.
        method: One of `METHODS`.
        message: The request, as it came.
        metadata: Of the call, by name.
    """
    kinds = messages()
    try:
        if method not in _WITHOUT_TOKEN:
            front.check_token(metadata.get("authorization", ""))
        front.check_size(len(message))
        request = _parsed(getattr(kinds, f"{method}Request"), message)
        return Response(await _CALLS[method](front, request))
    except MessageError as error:
        code, details = "INVALID_ARGUMENT", str(error)
    except RefusedError as error:
        code, details = CODES[error.status], str(error)
    return Response(getattr(kinds, f"{method}Response")(), code, details)


def add_inference_servicer(_: object, server: Any) -> None:
    """Tell a gRPC server which methods there are; messages pass as bytes.

    What generated code calls `add_GRPCInferenceServiceServicer_to_server`. Ray Serve's proxy calls
    it by its name, and puts handlers of its own behind the methods.
    """
    import grpc

    handlers = {method: grpc.unary_unary_rpc_method_handler(_nothing) for method in METHODS}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


def _nothing(*_: object) -> bytes:
    """Stand where a proxy puts its own handler."""
    return b""


def _parsed(kind: Any, message: bytes) -> Any:
    from google.protobuf.message import DecodeError

    try:
        return kind.FromString(message)
    except DecodeError as error:
        raise MessageError("The request is no message of this protocol.") from error


async def _live(_: Front, __: Any) -> Any:
    return messages().ServerLiveResponse(live=True)


async def _ready(_: Front, __: Any) -> Any:
    return messages().ServerReadyResponse(ready=True)


async def _server(_: Front, __: Any) -> Any:
    return messages().ServerMetadataResponse(**server_metadata())


async def _model_ready(front: Front, request: Any) -> Any:
    front.engine(request.name, request.version)
    return messages().ModelReadyResponse(ready=True)


async def _model(front: Front, request: Any) -> Any:
    engine = front.engine(request.name, request.version)
    return messages().ModelMetadataResponse(**model_metadata(engine))


async def _infer(front: Front, request: Any) -> Any:
    engine = front.engine(request.model_name, request.model_version)
    arrays, wanted = read_request(request)
    response = fill_response(engine.network.name, await front.infer(engine, arrays, wanted))
    response.id = request.id
    return response


_CALLS: Mapping[str, Callable[[Front, Any], Awaitable[Any]]] = {
    "ServerLive": _live,
    "ServerReady": _ready,
    "ServerMetadata": _server,
    "ModelReady": _model_ready,
    "ModelMetadata": _model,
    "ModelInfer": _infer,
}
_WITHOUT_TOKEN = {"ServerLive", "ServerReady"}
