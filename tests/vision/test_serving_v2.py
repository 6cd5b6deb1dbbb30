import asyncio
import threading
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hematovision.vision.open_inference import pack_request, unpack_response
from hematovision.vision.serving_v2 import read_token

from .fronts import Counter, document_of, parts_of

TOKEN = "secret"  # noqa: S105 - of a test
PICTURES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    counter = Counter(tmp_path_factory.mktemp("front") / "model")
    yield counter
    counter.pool.shutdown()


def infer(counter: Counter, arrays: dict[str, NDArray[Any]], *outputs: str, name: str = "") -> Any:
    headers, body = pack_request(arrays, outputs)
    name = name or counter.classifier.name
    return counter.post(f"/v2/models/{name}/infer", body, headers)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("version", ["", "/versions/1"])
def test_answers_are_those_of_the_network(counter: Counter, binary: bool, version: str) -> None:
    wanted = ("morphology", "logits")
    headers, body = pack_request({"pictures": PICTURES}, wanted, binary=binary)
    reply = counter.post(f"/v2/models/{counter.classifier.name}{version}/infer", body, headers)
    assert reply.status == HTTPStatus.OK
    found = unpack_response(reply.headers, reply.body)
    assert tuple(found) == wanted
    logits, _, __, morphology = counter.classifier.network(PICTURES)
    np.testing.assert_allclose(found["logits"], logits, atol=1e-5)
    np.testing.assert_allclose(found["morphology"], morphology, atol=1e-5)


def test_all_outputs_are_given_where_none_is_named(counter: Counter) -> None:
    reply = infer(counter, {"pictures": PICTURES})
    assert list(unpack_response(reply.headers, reply.body)) == [
        *("logits", "features", "heat", "morphology")
    ]


def test_views_of_any_size_are_taken(counter: Counter) -> None:
    view = np.random.default_rng(1).integers(0, 256, (1, 32, 64, 3), np.uint8)
    reply = infer(counter, {"pictures": view}, name=counter.locator.name)
    found = unpack_response(reply.headers, reply.body)
    for answer, wanted in zip(found.values(), counter.locator.network(view), strict=True):
        np.testing.assert_allclose(answer, wanted, atol=1e-5)


@pytest.mark.parametrize("what", ["live", "ready"])
def test_server_says_that_it_is_well(counter: Counter, what: str) -> None:
    reply = counter.get(f"/v2/health/{what}")
    assert reply.status == HTTPStatus.OK
    assert document_of(reply) == {what: True}


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_server_says_what_it_is(counter: Counter, path: str) -> None:
    document = document_of(counter.get(path))
    assert document["name"] == "hematovision"
    assert "binary_tensor_data" in document["extensions"]


def test_network_says_what_it_takes_and_gives(counter: Counter) -> None:
    document = document_of(counter.get(f"/v2/models/{counter.locator.name}"))
    assert document == {
        "name": counter.locator.name,
        "versions": ["1"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "pictures", "datatype": "UINT8", "shape": [-1, -1, -1, 3]}],
        "outputs": [
            {"name": "heat", "datatype": "FP32", "shape": [-1, -1, -1, 3]},
            {"name": "boxes", "datatype": "FP32", "shape": [-1, -1, -1, 4]},
        ],
    }
    ready = counter.get(f"/v2/models/{counter.locator.name}/ready")
    assert document_of(ready) == {"name": counter.locator.name, "ready": True}


def test_network_says_how_often_it_was_run(tmp_path: Path) -> None:
    counter = Counter(tmp_path / "model")
    for number in (1, 2, 2):
        infer(counter, {"pictures": PICTURES[:number]}, "logits")
    reply = counter.get(f"/v2/models/{counter.classifier.name}/versions/1/stats")
    (told,) = document_of(reply)["model_stats"]
    assert (told["inference_count"], told["execution_count"]) == (5, 3)
    assert told["compute_seconds"] > 0
    assert told["batch_stats"] == [
        {"batch_size": 1, "compute_infer": {"count": 1}},
        {"batch_size": 2, "compute_infer": {"count": 2}},
    ]
    counter.pool.shutdown()


@pytest.mark.parametrize(
    "path",
    ["/", "/v3", "/v2/health", "/v2/models", "/v2/models/NAME/unload", "/v2/models/NAME/versions"],
)
def test_unknown_path_is_not_found(counter: Counter, path: str) -> None:
    reply = counter.get(path.replace("NAME", counter.classifier.name))
    assert reply.status == HTTPStatus.NOT_FOUND
    assert path.replace("NAME", counter.classifier.name) in document_of(reply)["error"]


@pytest.mark.parametrize("rest", ["", "/ready", "/stats"])
@pytest.mark.parametrize("name", ["blood_cell-000000000000", "NAME/versions/2"])
def test_unknown_network_is_not_found(counter: Counter, name: str, rest: str) -> None:
    name = name.replace("NAME", counter.classifier.name)
    reply = counter.get(f"/v2/models/{name}{rest}")
    assert reply.status == HTTPStatus.NOT_FOUND
    assert counter.locator.name in document_of(reply)["error"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/models/NAME/infer"),
        ("POST", "/v2/models/NAME"),
        ("POST", "/v2"),
        ("DELETE", "/v2/health/live"),
    ],
)
def test_other_method_is_refused(counter: Counter, method: str, path: str) -> None:
    path = path.replace("NAME", counter.classifier.name)
    reply = counter.run(counter.front.answer(method, path, {}, parts_of(b"")))
    assert reply.status == HTTPStatus.METHOD_NOT_ALLOWED


@pytest.mark.parametrize(
    "body", [b"", b"no JSON", b"[]", b"{}", b'{"inputs":[{"name":"pictures"}]}', b"\xff" * 99]
)
def test_request_that_cannot_be_understood_is_refused(counter: Counter, body: bytes) -> None:
    reply = counter.post(f"/v2/models/{counter.classifier.name}/infer", body, {})
    assert reply.status == HTTPStatus.BAD_REQUEST
    assert document_of(reply)["error"]


@pytest.mark.parametrize(
    ("arrays", "outputs", "reason"),
    [
        pytest.param({"photos": PICTURES}, (), "UINT8", id="other name"),
        pytest.param({"pictures": PICTURES, "more": PICTURES[:1]}, (), "UINT8", id="two inputs"),
        pytest.param({"pictures": PICTURES.astype(np.float32)[:1]}, (), "UINT8", id="floats"),
        pytest.param({"pictures": PICTURES[0]}, (), "shape", id="no batch"),
        pytest.param({"pictures": PICTURES[:0]}, (), "shape", id="no picture"),
        pytest.param({"pictures": PICTURES[:, :16]}, (), "shape", id="other size"),
        pytest.param({"pictures": PICTURES[..., :1]}, (), "shape", id="grey"),
        pytest.param({"pictures": PICTURES}, ("boxes",), "'boxes'", id="other output"),
    ],
)
def test_what_the_network_has_not_is_refused(
    counter: Counter, arrays: dict[str, NDArray[Any]], outputs: tuple[str, ...], reason: str
) -> None:
    reply = infer(counter, arrays, *outputs)
    assert reply.status == HTTPStatus.BAD_REQUEST
    assert reason in document_of(reply)["error"]


def test_view_of_odd_size_is_refused(counter: Counter) -> None:
    view = np.zeros((1, 32, 40, 3), np.uint8)
    assert infer(counter, {"pictures": view}, name=counter.locator.name).status == 400


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        pytest.param((1, 32, 96, 3), "64 pixels", id="view"),
        pytest.param((3, 64, 32, 3), "4096 pixels", id="views"),
        pytest.param((4, 64, 64, 3), "40000 bytes", id="bytes"),
    ],
)
def test_what_is_too_large_is_refused(
    counter: Counter, shape: tuple[int, ...], reason: str
) -> None:
    reply = infer(counter, {"pictures": np.zeros(shape, np.uint8)}, name=counter.locator.name)
    assert reply.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert reason in document_of(reply)["error"]


def test_what_says_that_it_is_too_large_is_not_read(counter: Counter) -> None:
    async def untouched() -> Any:
        raise AssertionError("the body was read")
        yield b""

    reply = counter.run(
        counter.front.answer(
            "POST",
            f"/v2/models/{counter.classifier.name}/infer",
            {"Content-Length": "40001"},
            untouched(),
        )
    )
    assert reply.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_one_too_many_is_told_to_come_again(counter: Counter) -> None:
    started, go = threading.Event(), threading.Event()

    def slow(pictures: NDArray[np.uint8], *, outputs: Any) -> Any:
        started.set()
        assert go.wait(10)
        return counter.classifier.network(pictures, outputs=outputs)

    held = counter.engine(counter.classifier._replace(network=slow))  # type: ignore[arg-type]
    front = type(counter.front)([held], counter.front.limits)
    headers, body = pack_request({"pictures": PICTURES}, ("logits",))
    path = f"/v2/models/{counter.classifier.name}/infer"

    async def ask() -> list[HTTPStatus]:
        inside = [
            asyncio.create_task(front.answer("POST", path, headers, parts_of(body)))
            for _ in range(2)
        ]
        await asyncio.to_thread(started.wait, 10)
        refused = await front.answer("POST", path, headers, parts_of(body))
        assert refused.headers["Retry-After"] == "1"
        assert "later" in document_of(refused)["error"]
        go.set()
        done = [reply.status for reply in await asyncio.gather(*inside)]
        after = await front.answer("POST", path, headers, parts_of(body))
        return [*done, refused.status, after.status]

    assert counter.run(ask()) == [200, 200, 503, 200]


@pytest.mark.parametrize("shown", ["", "Bearer other", "Basic secret", "secret"])
def test_whoever_shows_no_token_is_told_nothing(tmp_path: Path, shown: str) -> None:
    counter = Counter(tmp_path / "model", token=TOKEN)
    for path in ("/v2", "/v2/models/x", f"/v2/models/{counter.classifier.name}", "/elsewhere"):
        reply = counter.get(path, Authorization=shown)
        assert reply.status == HTTPStatus.UNAUTHORIZED
        assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert counter.get("/v2/health/ready").status == HTTPStatus.OK
    assert counter.get("/v2", Authorization="bearer secret").status == HTTPStatus.OK
    counter.pool.shutdown()


def test_server_whose_token_is_missing_does_not_open_to_everybody(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("\n")
    with pytest.raises(ValueError, match="holds no token"):
        read_token(file)
    file.write_text(f"{TOKEN}\n")
    assert read_token(file) == TOKEN
    assert read_token(None) == ""
