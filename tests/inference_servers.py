"""Little servers of the Open Inference Protocol V2 with the real engine behind, for tests.

with http_server(folder) as server:
    reader = load_remote_reader(folder, remote=Remote(server.url))
    server.plan.append(reply(503, **{"Retry-After": "1"}))   # instead of the next answer
"""

import json
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from hematovision.vision.bundle import CLASSIFIER_FILE, LOCATOR_FILE, read_bundle
from hematovision.vision.open_inference import (
    CLASSIFIER_OUTPUTS,
    LOCATOR_OUTPUTS,
    PICTURES,
    MessageError,
    Wanted,
    pack_response,
    served_as,
    unpack_request,
)
from hematovision.vision.runtime import Network


@dataclass(slots=True)
class Served:
    """Networks behind a server, and what it is to do instead of answering.

    Attributes:
        url: Where it is; empty until it listens.
        networks: Each network and the names of its outputs, by its own name.
        plan: What is done instead of the next answers to inference, the first first.
        always: What is done instead of every answer to inference once the plan is empty.
        asked: What was asked for, in turn.
        shown: The `Authorization` of each request, in turn.
        binary: Whether tensors may come as bytes.
        is_ready: Whether it says that it is.
    """

    networks: dict[str, tuple[Network, Sequence[str]]]
    url: str = ""
    plan: deque[Callable[[], Any]] = field(default_factory=deque)
    always: Callable[[], Any] | None = None
    asked: list[str] = field(default_factory=list)
    shown: list[str | None] = field(default_factory=list)
    binary: bool = True
    is_ready: bool = True

    @property
    def inferences(self) -> int:
        """Count how often it was asked to run a network."""
        return sum(path.endswith("infer") for path in self.asked)

    def instead(self) -> Callable[[], Any] | None:
        """Give what is to be done instead of an answer."""
        return self.plan.popleft() if self.plan else self.always

    def run(self, model: str, arrays: Mapping[str, NDArray[Any]], wanted: Wanted) -> dict[str, Any]:
        """Run a network; give its outputs by name."""
        network, names = self.networks[model]
        names = names[: network.outputs]
        asked = wanted.names or names
        places = [names.index(name) for name in asked]
        return dict(zip(asked, network(arrays[PICTURES], outputs=places), strict=True))


def serve_folders(*folders: Path, threads: int = 1) -> Served:
    """Load the networks of model folders."""
    networks: dict[str, tuple[Network, Sequence[str]]] = {}
    for folder in folders:
        names = served_as(read_bundle(folder).identity.sha256)
        classifier = Network(folder / CLASSIFIER_FILE, threads=threads)
        locator = Network(folder / LOCATOR_FILE, threads=threads)
        networks[names.classifier] = (classifier, CLASSIFIER_OUTPUTS)
        networks[names.locator] = (locator, LOCATOR_OUTPUTS)
    return Served(networks)


def reply(status: int, body: bytes = b"", **headers: str) -> Callable[[], Response]:
    """Plan an answer over HTTP."""
    return lambda: Response(body, status, headers)


class _KeepsAlive(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        pass


@contextmanager
def http_server(*folders: Path, port: int = 0, threads: int = 1) -> Iterator[Served]:
    """Serve model folders over HTTP."""
    served = serve_folders(*folders, threads=threads)
    with listening(served, port=port):
        yield served


@contextmanager
def listening(served: Served, *, port: int = 0) -> Iterator[None]:
    """Answer over HTTP for as long as it is needed; on the same port again where it is named."""
    server = make_server(
        "127.0.0.1", port, _application(served), threaded=True, request_handler=_KeepsAlive
    )
    server.daemon_threads = True
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _application(served: Served) -> Any:
    @Request.application
    def answer(request: Request) -> Response:
        served.asked.append(request.path)
        served.shown.append(request.headers.get("Authorization"))
        parts = request.path.strip("/").split("/")
        data = request.get_data()
        if parts == ["v2", "health", "ready"]:
            return Response(status=200 if served.is_ready else 503)
        model = parts[2] if parts[:2] == ["v2", "models"] else ""
        if model not in served.networks:
            return Response('{"error": "no such model"}', 404)
        if parts[3:] == ["infer"]:
            return _infer(served, model, request, data)
        names = served.networks[model][1][: served.networks[model][0].outputs]
        outputs = [{"name": name, "datatype": "FP32", "shape": [-1]} for name in names]
        return Response(json.dumps({"name": model, "outputs": outputs}))

    return answer


def _infer(served: Served, model: str, request: Request, data: bytes) -> Response:
    instead = served.instead()
    if instead is not None:
        return instead()  # type: ignore[no-any-return]
    headers = dict(request.headers)
    if not served.binary and request.mimetype != "application/json":
        return Response('{"error": "this is no JSON"}', 400)
    try:
        arrays, wanted = unpack_request(headers, data)
    except MessageError as error:
        return Response(json.dumps({"error": str(error)}), 400)
    headers, body = pack_response(model, served.run(model, arrays, wanted), wanted)
    return Response(body, headers=headers)


@contextmanager
def grpc_server(*folders: Path, port: int = 0) -> Iterator[Served]:
    """Serve model folders over gRPC."""
    import grpc

    from hematovision.vision.open_inference_grpc import METHODS, SERVICE, messages

    served = serve_folders(*folders)
    known = messages()
    handlers = {
        method: grpc.unary_unary_rpc_method_handler(
            _handler(served, method),
            request_deserializer=getattr(known, f"{method}Request").FromString,
            response_serializer=getattr(known, f"{method}Response").SerializeToString,
        )
        for method in METHODS
    }
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    served.url = f"grpc://127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
    server.start()
    try:
        yield served
    finally:
        server.stop(0).wait()


def refuse(code: str) -> Callable[[], Any]:
    """Plan a status over gRPC, such as `UNAVAILABLE`."""
    return lambda: code


def _handler(served: Served, method: str) -> Callable[[Any, Any], Any]:
    import grpc

    from hematovision.vision.open_inference_grpc import messages

    def handle(request: Any, context: Any) -> Any:
        served.asked.append("infer" if method == "ModelInfer" else method)
        served.shown.append(dict(context.invocation_metadata()).get("authorization"))
        model = getattr(request, "model_name", getattr(request, "name", ""))
        if model and model not in served.networks:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such model")
        if method == "ModelInfer":
            return _infer_by_messages(served, request, context)
        if method == "ModelMetadata":
            return _describe_by_messages(served, request.name)
        answer = getattr(messages(), f"{method}Response")()
        for name in ("live", "ready"):
            if name in answer.DESCRIPTOR.fields_by_name:
                setattr(answer, name, served.is_ready)
        return answer

    return handle


def _infer_by_messages(served: Served, request: Any, context: Any) -> Any:
    import grpc

    from hematovision.vision.open_inference_grpc import fill_response, read_request

    instead = served.instead()
    planned = None if instead is None else instead()
    if isinstance(planned, str):
        context.abort(grpc.StatusCode[planned], "as planned")
    if planned is not None:
        return planned
    outputs = served.run(request.model_name, *read_request(request))
    return fill_response(request.model_name, outputs)


def _describe_by_messages(served: Served, model: str) -> Any:
    from hematovision.vision.open_inference_grpc import messages

    answer = messages().ModelMetadataResponse(name=model)
    network, names = served.networks[model]
    for name in names[: network.outputs]:
        answer.outputs.add(name=name, datatype="FP32", shape=[-1])
    return answer


logging.getLogger("werkzeug").setLevel(logging.ERROR)
