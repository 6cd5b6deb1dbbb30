"""Servers over gRPC that do what servers do."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

grpc = pytest.importorskip("grpc", reason="needs the [grpc] extra (grpcio)")

from tests.inference_servers import Served, grpc_server, refuse  # noqa: E402

from hematovision.errors import InferenceAwayError, InferenceWrongError  # noqa: E402
from hematovision.vision.open_inference_grpc import fill_response, messages  # noqa: E402
from hematovision.vision.remote_grpc import GrpcServer  # noqa: E402
from hematovision.vision.remote_reader import Remote, RemoteReader, load_remote_reader  # noqa: E402

from .networks import write_whole_model  # noqa: E402
from .test_reader import BLUE, spotted  # noqa: E402

PHOTO = spotted((64, 64, BLUE))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_whole_model(tmp_path_factory.mktemp("remote") / "model")


@pytest.fixture
def served(folder: Path) -> Iterator[Served]:
    with grpc_server(folder) as served:
        yield served


def remote(url: str, folder: Path, seconds: float = 10.0) -> RemoteReader:
    return load_remote_reader(folder, remote=Remote(url, seconds))


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED"])
def test_server_that_cannot_now_is_asked_again(served: Served, folder: Path, code: str) -> None:
    served.plan.append(refuse(code))
    assert len(remote(served.url, folder).read(PHOTO)) == 1
    assert served.inferences == 3


@pytest.mark.parametrize("code", ["UNAUTHENTICATED", "PERMISSION_DENIED", "NOT_FOUND"])
def test_server_that_will_not_is_asked_once(served: Served, folder: Path, code: str) -> None:
    served.always = refuse(code)
    with pytest.raises(InferenceAwayError):
        remote(served.url, folder).read(PHOTO)
    assert served.inferences == 1


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "UNKNOWN"])
def test_refusal_is_wrong(served: Served, folder: Path, code: str) -> None:
    served.always = refuse(code)
    with pytest.raises(InferenceWrongError):
        remote(served.url, folder).read(PHOTO)
    assert served.inferences == 1


def test_server_that_fails_within_is_asked_again(served: Served, folder: Path) -> None:
    served.always = refuse("INTERNAL")
    with pytest.raises(InferenceWrongError):
        remote(served.url, folder).read(PHOTO)
    assert served.inferences == 3


def test_nobody_there_is_away(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(InferenceAwayError):
        remote(f"grpc://127.0.0.1:{port}", folder, 0.5).read(PHOTO)


def test_server_that_is_slow_is_given_up(served: Served, folder: Path) -> None:
    served.always = lambda: time.sleep(0.6)
    begin = time.monotonic()
    with pytest.raises(InferenceAwayError):
        remote(served.url, folder, 0.2).read(PHOTO)
    assert time.monotonic() - begin < 5.0


@pytest.mark.parametrize(
    "arrays",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"heat": np.zeros((1, 32, 32, 3), np.float32)}, id="half"),
        pytest.param({"heat": np.zeros((9, 9), np.float32)}, id="shape"),
        pytest.param({"heat": np.full((1, 32, 32, 3), np.nan, np.float32)}, id="no number"),
    ],
)
def test_answer_that_cannot_be_is_wrong(served: Served, folder: Path, arrays: Any) -> None:
    served.always = lambda: fill_response("m", arrays)
    with pytest.raises(InferenceWrongError):
        remote(served.url, folder).read(PHOTO)


def test_garbage_is_wrong(served: Served, folder: Path) -> None:
    answer = messages().ModelInferResponse()
    answer.outputs.add(name="heat", datatype="FP32", shape=[3])
    served.always = lambda: answer
    with pytest.raises(InferenceWrongError):
        remote(served.url, folder).read(PHOTO)


def test_connection_that_is_closed_is_opened_again(served: Served, folder: Path) -> None:
    server = GrpcServer(served.url)
    (_, locator) = served.networks
    server.close()
    for _ in range(2):
        server.insist_on(locator, seconds=10)
        assert server.outputs_of(locator, seconds=10) == ["heat", "boxes"]
        server.close()
    assert isinstance(folder, Path)


def test_server_that_does_not_prove_who_it_is_is_shown_nothing(
    folder: Path, tmp_path: Path, served: Served
) -> None:
    token = tmp_path / "token"
    token.write_text("hush")
    url = served.url.replace("grpc://", "grpcs://")
    with pytest.raises(InferenceAwayError):
        load_remote_reader(folder, remote=Remote(url, 0.5, token)).read(PHOTO)
    assert served.asked == []
