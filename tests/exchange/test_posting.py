import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.receivers import LOOPBACK, receiver

from hematovision.exchange.posting import Answer, NotReachedError, Poster

NAME = "lis.example.org"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for a name, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    plain = serialization.NoEncryption()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file.write_bytes(key.private_bytes(pem, form, plain) + made.public_bytes(pem))
    return file


@pytest.fixture
def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def tell(poster: Poster, url: str) -> Answer:
    return poster.post(url, b"{}", {"webhook-id": "msg_1"})


def test_what_is_posted_arrives_as_it_was_given() -> None:
    with receiver() as there:
        there.answers.append((202, {"Retry-After": "7"}))
        assert tell(Poster(LOOPBACK), there.url) == Answer(202, "7")
    (heard,) = there.heard
    assert (heard.target, heard.body) == ("/told?by=hv", b"{}")
    assert heard.headers["webhook-id"] == "msg_1"
    assert heard.headers["Host"] == there.url.split("/")[2]
    assert "Authorization" not in heard.headers


def test_redirect_is_an_answer_and_is_not_followed() -> None:
    with receiver() as there:
        there.answers.append((307, {"Location": there.url}))
        assert tell(Poster(LOOPBACK), there.url).status == 307
    assert len(there.heard) == 1


def test_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setitem(os.environ, name, "http://127.0.0.1:1")
    with receiver() as there:
        assert tell(Poster(LOOPBACK), there.url).status == 200


def test_connection_is_made_to_the_address_that_was_checked_and_the_name_is_asked_once() -> None:
    asked: list[str] = []

    def rebind(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    with receiver() as there:
        url = there.url.replace("127.0.0.1", NAME)
        assert tell(Poster(LOOPBACK, rebind), url).status == 200
    assert asked == [NAME]
    assert there.heard[0].headers["Host"].startswith(f"{NAME}:")


def test_name_is_resolved_by_the_machine() -> None:
    networks = (*LOOPBACK, ip_network("::1/128"))
    with receiver() as there:
        url = there.url.replace("127.0.0.1", "localhost")
        assert tell(Poster(networks), url).status == 200


def test_second_address_is_tried_where_nobody_listens_at_the_first() -> None:
    with receiver() as there:
        url = there.url.replace("127.0.0.1", NAME)
        poster = Poster(LOOPBACK, lambda host, port: ["127.0.0.2", "127.0.0.1"])
        assert tell(poster, url).status == 200


def test_certificate_is_checked_for_the_name(
    certificate: Path, server_context: ssl.SSLContext
) -> None:
    knows = ssl.create_default_context(cafile=str(certificate))
    with receiver(server_context) as there:
        named = there.url.replace("127.0.0.1", NAME)
        other = there.url.replace("127.0.0.1", "other.example.org")
        assert tell(Poster(LOOPBACK, loopback, knows), named).status == 200
        for poster, url in (
            (Poster(LOOPBACK, loopback), named),
            (Poster(LOOPBACK, loopback, knows), other),
            (Poster(LOOPBACK, loopback, knows), there.url),
            (Poster(LOOPBACK, loopback, knows), named.replace("https", "http")),
        ):
            with pytest.raises(NotReachedError):
                tell(poster, url)
    assert len(there.heard) == 1


@contextmanager
def speaker(speak: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """Listen, and say to the first who comes what no server should."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)

        def serve() -> None:
            line, _ = server.accept()
            with line:
                speak(line, stop)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        finally:
            stop.set()
            thread.join(30)


def drip(line: socket.socket, stop: threading.Event) -> None:
    """Go on for ever with a header, a byte at a time."""
    try:
        line.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while not stop.wait(0.02):
            line.sendall(b"x")
    except OSError:
        return


def test_answer_that_never_ends_is_cut_off() -> None:
    with speaker(drip) as url, pytest.raises(NotReachedError):
        tell(Poster(LOOPBACK, seconds=0.3), url)


def silence(line: socket.socket, stop: threading.Event) -> None:
    """Say nothing for as long as somebody listens."""
    stop.wait(30)


def test_silence_is_cut_off() -> None:
    with speaker(silence) as url, pytest.raises(NotReachedError):
        tell(Poster(LOOPBACK, seconds=0.3), url)


def test_long_body_is_not_read_to_its_end() -> None:
    def flood(line: socket.socket, stop: threading.Event) -> None:
        try:
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            while not stop.is_set():
                line.sendall(bytes(2**16))
        except OSError:
            return

    with speaker(flood) as url:
        assert tell(Poster(LOOPBACK), url).status == 200


@pytest.mark.parametrize("size", [b"-1", b"-5"])
def test_chunk_of_less_than_nothing_is_neither_read_to_its_end_nor_a_fault(size: bytes) -> None:
    sent = 0

    def flood(line: socket.socket, stop: threading.Event) -> None:
        nonlocal sent
        line.recv(2**16)
        try:
            line.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\n")
            while not stop.is_set() and sent < 2**26:
                sent += line.send(bytes(2**16))
        except OSError:
            return

    with speaker(flood) as url:
        assert tell(Poster(LOOPBACK), url).status == 200
    assert sent < 2**26


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="another service"),
        pytest.param(b"HTTP/1.1 9999 ?\r\n\r\n", id="no status"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500, id="too many headers"),
        pytest.param(b"HTTP/1.1 " + b"2" * 10**5, id="too long"),
    ],
)
def test_what_is_no_http_is_not_reached(said: bytes) -> None:
    def speak(line: socket.socket, stop: threading.Event) -> None:
        line.recv(2**16)
        line.sendall(said)

    with speaker(speak) as url, pytest.raises(NotReachedError):
        tell(Poster(LOOPBACK), url)


def test_nobody_there_and_what_must_not_be_reached_look_the_same() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = f"http://127.0.0.1:{server.getsockname()[1]}/"
    said = set()
    for poster, url in (
        (Poster(LOOPBACK), closed),
        (Poster(), closed),
        (Poster(LOOPBACK, lambda host, port: []), closed.replace("127.0.0.1", NAME)),
        (Poster(LOOPBACK, seconds=0), closed),
    ):
        with pytest.raises(NotReachedError) as failed:
            tell(poster, url)
        said.add(type(failed.value))
    assert said == {NotReachedError}
