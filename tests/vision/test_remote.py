"""Servers over HTTP that do what servers do."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.inference_servers import Served, http_server, listening, reply
from werkzeug.wrappers import Response

from hematovision.errors import InferenceAwayError, InferenceWrongError
from hematovision.vision.attempts import ATTEMPTS
from hematovision.vision.open_inference import Wanted, pack_response
from hematovision.vision.remote import MOST_BYTES, seconds_until
from hematovision.vision.remote_reader import Remote, RemoteReader, load_remote_reader

from .networks import CLASSES, write_tiny_model, write_whole_model
from .test_reader import BLUE, spotted

PHOTO = spotted((64, 64, BLUE))
CELLS = np.zeros((2, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_whole_model(tmp_path_factory.mktemp("remote") / "model")


@pytest.fixture
def served(folder: Path) -> Iterator[Served]:
    with http_server(folder) as served:
        yield served


def remote(url: str, folder: Path, seconds: float = 10.0) -> RemoteReader:
    return load_remote_reader(folder, remote=Remote(url, seconds))


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_server_that_cannot_now_is_asked_again(served: Served, folder: Path, status: int) -> None:
    served.plan.append(reply(status))
    assert len(remote(served.url, folder).read(PHOTO)) == 1
    assert served.inferences == 3


def test_server_is_asked_no_sooner_than_it_wants(served: Served, folder: Path) -> None:
    served.plan.append(reply(503, **{"Retry-After": "1"}))
    begin = time.monotonic()
    remote(served.url, folder).read(PHOTO)
    assert time.monotonic() - begin >= 1.0


def test_server_that_is_gone_for_long_is_not_waited_for(served: Served, folder: Path) -> None:
    served.plan.append(reply(503, **{"Retry-After": "3600"}))
    begin = time.monotonic()
    with pytest.raises(InferenceAwayError):
        remote(served.url, folder).read(PHOTO)
    assert time.monotonic() - begin < 10.0


@pytest.mark.parametrize("status", [401, 403, 404])
def test_server_that_will_not_is_asked_once(served: Served, folder: Path, status: int) -> None:
    served.always = reply(status)
    with pytest.raises(InferenceAwayError):
        remote(served.url, folder).read(PHOTO)
    assert served.inferences == 1


def test_redirect_is_followed_nowhere(served: Served, folder: Path) -> None:
    with http_server(folder) as elsewhere:
        target = f"{elsewhere.url}/v2/models/x/infer"
        served.always = reply(307, Location=target)
        with pytest.raises(InferenceWrongError):
            remote(served.url, folder).read(PHOTO)
        assert elsewhere.asked == []


def test_nobody_there_is_away(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(InferenceAwayError) as caught:
        remote(f"http://127.0.0.1:{port}", folder).read(PHOTO)
    assert caught.value.seconds > 0


def test_proxy_of_the_environment_is_not_asked(
    served: Served, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert len(remote(served.url, folder).read(PHOTO)) == 1


def test_server_that_comes_back_is_asked_on(folder: Path) -> None:
    with http_server(folder) as first:
        reader = remote(first.url, folder)
        reader.read(PHOTO)
    port = int(first.url.rpartition(":")[2])
    with pytest.raises(InferenceAwayError):
        reader.read(PHOTO)
    with listening(first, port=port):
        assert len(reader.read(PHOTO)) == 1


def test_breaker_opens_and_closes(served: Served, folder: Path) -> None:
    reader = remote(served.url, folder)
    reader.classifier.line.breaker = reader.locator.line.breaker = type(
        reader.classifier.line.breaker
    )(seconds=0.3)
    served.always = reply(503)
    for _ in range(2):
        with pytest.raises(InferenceAwayError):
            reader.read(PHOTO)
    asked = served.inferences
    with pytest.raises(InferenceAwayError):
        reader.read(PHOTO)
    assert served.inferences == asked
    served.always = None
    time.sleep(0.35)
    assert len(reader.read(PHOTO)) == 1


@contextmanager
def raw_server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Take connections, and do with them what is said."""
    ended = threading.Event()
    threads: list[threading.Thread] = []

    def talk(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(2**16)
                answer(connection)
                ended.wait(5)
            except OSError:
                pass

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=talk, args=(connection,)))
            threads[-1].start()

    listener = socket.create_server(("127.0.0.1", 0))
    accepting = threading.Thread(target=serve, args=(listener,))
    accepting.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in (accepting, *threads):
            thread.join()


HEAD = b"HTTP/1.1 200 OK\r\n"


def drip(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Content-Length: 9999\r\n\r\n")
    for _ in range(30):
        connection.sendall(b"x")
        time.sleep(0.05)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda connection: None, id="silent"),
        pytest.param(drip, id="drop by drop"),
        pytest.param(lambda connection: connection.sendall(HEAD), id="half a head"),
        pytest.param(lambda c: c.sendall(HEAD + b"Content-Length: 9\r\n\r\nx"), id="half a body"),
    ],
)
def test_server_that_is_slow_is_given_up(answer: Any, folder: Path) -> None:
    begin = time.monotonic()
    with raw_server(answer) as url, pytest.raises(InferenceAwayError):
        remote(url, folder, 0.3).read(PHOTO)
    assert time.monotonic() - begin < 5.0


def cut_off(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Content-Length: 9\r\n\r\nx")
    connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(cut_off, id="cut off"),
        pytest.param(lambda c: c.sendall(b"\x00\xff\r\n" * 9), id="no HTTP"),
        pytest.param(lambda c: c.shutdown(socket.SHUT_RDWR), id="hung up"),
    ],
)
def test_server_that_breaks_off_is_away(answer: Any, folder: Path) -> None:
    with raw_server(answer) as url, pytest.raises(InferenceAwayError):
        remote(url, folder).read(PHOTO)


def flood(connection: socket.socket) -> None:
    connection.sendall(HEAD + f"Content-Length: {MOST_BYTES * 9}\r\n\r\n".encode())
    for _ in range(MOST_BYTES // 2**20 + 2):
        connection.sendall(bytes(2**20))


def test_answer_without_end_is_not_read_to_its_end(folder: Path) -> None:
    with raw_server(flood) as url, pytest.raises(InferenceWrongError):
        remote(url, folder, 30.0).read(PHOTO)


def logits(value: float = 0.0, shape: tuple[int, ...] = (2, len(CLASSES))) -> Any:
    return np.full(shape, value, np.float32)


@pytest.mark.parametrize(
    "arrays",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"features": logits()}, id="another"),
        pytest.param({"logits": np.zeros((2, len(CLASSES)), np.uint8)}, id="bytes"),
        pytest.param({"logits": logits(shape=(1, len(CLASSES)))}, id="too few cells"),
        pytest.param({"logits": logits(shape=(2, 5))}, id="too few types"),
        pytest.param({"logits": logits(shape=(12,))}, id="flat"),
        pytest.param({"logits": logits(float("nan"))}, id="no number"),
        pytest.param({"logits": logits(float("inf"))}, id="infinite"),
        pytest.param({"logits": logits(-1e30)}, id="vast"),
    ],
)
def test_answer_that_cannot_be_is_wrong(served: Served, folder: Path, arrays: Any) -> None:
    headers, body = pack_response("m", arrays, Wanted(otherwise=True))
    served.always = lambda: Response(body, headers=headers)
    with pytest.raises(InferenceWrongError):
        remote(served.url, folder).classifier(CELLS, outputs=(0,))


def test_box_without_end_is_wrong(served: Served, folder: Path) -> None:
    arrays = {"heat": np.ones((1, 32, 32, 3), np.float32), "boxes": logits(90, (1, 32, 32, 4))}
    headers, body = pack_response("m", arrays, Wanted(otherwise=True))
    served.always = lambda: Response(body, headers=headers)
    with pytest.raises(InferenceWrongError):
        remote(served.url, folder).read(PHOTO)


def test_heat_of_no_places_is_wrong(served: Served, folder: Path) -> None:
    heat = np.zeros((2, 0, 4, len(CLASSES)), np.float32)
    headers, body = pack_response("m", {"heat": heat}, Wanted(otherwise=True))
    served.always = lambda: Response(body, headers=headers)
    with pytest.raises(InferenceWrongError):
        remote(served.url, folder).classifier(CELLS, outputs=(2,))


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"outputs": [1]}', b"[" * 9999])
def test_garbage_is_wrong(served: Served, folder: Path, body: bytes) -> None:
    served.always = reply(200, body)
    with pytest.raises(InferenceWrongError):
        remote(served.url, folder).read(PHOTO)


@pytest.mark.parametrize("status", [400, 413, 422, 500])
def test_refusal_is_wrong(served: Served, folder: Path, status: int) -> None:
    served.always = reply(status)
    with pytest.raises(InferenceWrongError):
        remote(served.url, folder).read(PHOTO)


def test_server_that_knows_no_bytes_is_sent_numbers(served: Served, folder: Path) -> None:
    served.binary = False
    reader = remote(served.url, folder)
    assert len(reader.read(PHOTO)) == 1
    first = served.inferences
    assert first == 3
    reader.read(PHOTO)
    assert served.inferences == first + 2


def test_server_that_failed_once_within_is_not_sent_numbers_for_good(
    served: Served, folder: Path
) -> None:
    served.plan.append(reply(500))
    reader = remote(served.url, folder)
    reader.read(PHOTO)
    served.binary = False
    with pytest.raises(InferenceWrongError):
        reader.read(PHOTO)


def test_server_that_knows_bytes_is_never_sent_numbers(served: Served, folder: Path) -> None:
    reader = remote(served.url, folder)
    reader.read(PHOTO)
    before = served.inferences
    served.always = reply(400)
    with pytest.raises(InferenceWrongError):
        reader.read(PHOTO)
    assert served.inferences == before + 1


def test_server_that_fails_within_is_asked_again_and_is_wrong_if_it_always_does(
    served: Served, folder: Path
) -> None:
    reader = remote(served.url, folder)
    reader.read(PHOTO)
    before = served.inferences
    served.always = reply(500)
    with pytest.raises(InferenceWrongError):
        reader.read(PHOTO)
    assert served.inferences == before + ATTEMPTS


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"outputs": 5}', b'{"outputs": [{"name": "unknown"}]}']
)
def test_network_that_does_not_say_what_it_gives_is_wrong(tmp_path: Path, body: bytes) -> None:
    folder = write_tiny_model(tmp_path / "model")

    def tell(connection: socket.socket) -> None:
        connection.sendall(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    with raw_server(tell) as url, pytest.raises(InferenceWrongError):
        remote(url, folder).classifier(CELLS)


def test_secret_is_never_logged(
    served: Served, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token = tmp_path / "token"
    token.write_text("hush-hush")
    reader = load_remote_reader(folder, remote=Remote(served.url, 10.0, token))
    with caplog.at_level("DEBUG"):
        for plan in (reply(503), reply(401), reply(500), reply(200, b"hush-hush")):
            served.plan.append(plan)
            served.always = plan
            with pytest.raises((InferenceAwayError, InferenceWrongError)) as caught:
                reader.read(PHOTO)
            assert "hush" not in f"{caught.value} {caught.value.__cause__}"
    assert "hush" not in caplog.text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("12", 12),
        ("soon", 0),
        ("-5", 0),
        ("9" * 400, float("inf")),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
    ],
)
def test_retry_after_is_read(text: str | None, seconds: float) -> None:
    assert seconds_until(text) == seconds


def test_retry_after_is_read_as_a_date() -> None:
    later = datetime.now(UTC) + timedelta(seconds=60)
    assert 55 < seconds_until(format_datetime(later, usegmt=True)) <= 60
    assert 55 < seconds_until(format_datetime(later.replace(tzinfo=None))) <= 60


def test_path_before_the_protocol_is_kept(folder: Path, served: Served) -> None:
    with pytest.raises(InferenceAwayError):
        remote(f"{served.url}/inference/", folder).read(PHOTO)
    assert served.asked[0].startswith("/inference/v2/models/locator-")
