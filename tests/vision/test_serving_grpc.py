from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hematovision.vision.open_inference_grpc import (
    METHODS,
    SERVICE,
    fill_request,
    messages,
    read_response,
)
from hematovision.vision.serving_grpc import Response, add_inference_servicer, answer_call

from .fronts import Counter

TOKEN = "secret"  # noqa: S105 - of a test
PICTURES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    counter = Counter(tmp_path_factory.mktemp("front") / "model")
    yield counter
    counter.pool.shutdown()


def call(counter: Counter, method: str, request: Any = b"", **metadata: str) -> Response:
    message = request if isinstance(request, bytes) else request.SerializeToString()
    return counter.run(answer_call(counter.front, method, message, metadata))


def test_answers_are_those_of_the_network(counter: Counter) -> None:
    request = fill_request(counter.classifier.name, {"pictures": PICTURES}, ("heat", "logits"))
    request.id = "7"
    response = call(counter, "ModelInfer", request)
    assert response.code == ""
    found = read_response(response.message)
    assert list(found) == ["heat", "logits"]
    logits, _, heat, __ = counter.classifier.network(PICTURES)
    np.testing.assert_allclose(found["logits"], logits, atol=1e-5)
    np.testing.assert_allclose(found["heat"], heat, atol=1e-5)
    assert response.message.id == "7"


def test_server_and_networks_say_what_they_are(counter: Counter) -> None:
    kinds = messages()
    name = counter.classifier.name
    assert call(counter, "ServerLive").message.live
    assert call(counter, "ServerReady").message.ready
    assert call(counter, "ServerMetadata").message.name == "hematovision"
    assert call(counter, "ModelReady", kinds.ModelReadyRequest(name=name)).message.ready
    told = call(counter, "ModelMetadata", kinds.ModelMetadataRequest(name=name, version="1"))
    assert [output.name for output in told.message.outputs] == [
        *("logits", "features", "heat", "morphology")
    ]
    assert list(told.message.inputs[0].shape) == [-1, 32, 32, 3]


@pytest.mark.parametrize(
    ("method", "request_of", "code"),
    [
        pytest.param("ModelInfer", lambda _: b"\xff", "INVALID_ARGUMENT", id="no message"),
        pytest.param("ModelReady", lambda _: _model("x"), "NOT_FOUND", id="unknown"),
        pytest.param(
            "ModelInfer",
            lambda counter: fill_request(counter.classifier.name, {"pictures": PICTURES[:, :16]}),
            "INVALID_ARGUMENT",
            id="other size",
        ),
        pytest.param(
            "ModelInfer",
            lambda counter: fill_request(counter.classifier.name, {"pictures": PICTURES}, ("x",)),
            "INVALID_ARGUMENT",
            id="other output",
        ),
        pytest.param("ModelInfer", lambda _: b"\0" * 40_001, "INVALID_ARGUMENT", id="bytes"),
    ],
)
def test_what_is_wrong_is_told_with_its_code(
    counter: Counter, method: str, request_of: Any, code: str
) -> None:
    response = call(counter, method, request_of(counter))
    assert response.code == code
    assert response.details
    assert response.message.SerializeToString() == b""


def test_whoever_shows_no_token_is_told_nothing(tmp_path: Path) -> None:
    counter = Counter(tmp_path / "model", token=TOKEN)
    for method in METHODS:
        is_open = method in ("ServerLive", "ServerReady")
        assert call(counter, method).code == ("" if is_open else "UNAUTHENTICATED")
    assert call(counter, "ServerMetadata", authorization="Bearer secret").code == ""
    counter.pool.shutdown()


def test_every_method_is_known_to_a_server() -> None:
    grpc = pytest.importorskip("grpc")
    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        add_inference_servicer(None, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            for method in METHODS:
                assert channel.unary_unary(f"/{SERVICE}/{method}")(b"x", timeout=10) == b""
        server.stop(None).wait()


def _model(name: str) -> Any:
    return messages().ModelReadyRequest(name=name)
