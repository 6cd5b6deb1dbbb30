import io
import secrets
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from hematovision.cells import CellReader
from hematovision.config import Settings
from hematovision.storage.connections import FILE
from hematovision.storage.database import Database
from hematovision.web import create_app
from hematovision.web.security import HEADERS, host_is_trusted

from .conftest import JSON, Sender

OF_WATCHERS = {"health.live", "health.ready", "metrics.show"}
"""Who watches a machine calls it by its address."""
TRUSTED = ("127.0.0.1", "localhost", "[::1]", ".lab.example")


def urls(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Walk the map: endpoint, method and address of every rule."""
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        values = {name: 1 if name.endswith(("_id", "number")) else "x" for name in rule.arguments}
        for method in sorted(rule.methods or ()):
            yield rule.endpoint, method, adapter.build(rule.endpoint, values, method=method)


@pytest.mark.parametrize(
    ("host", "trusted"),
    [
        pytest.param("localhost", True, id="name"),
        pytest.param("LOCALHOST:5000", True, id="capitals and port"),
        pytest.param("127.0.0.1:5000", True, id="ipv4"),
        pytest.param("[::1]:5000", True, id="ipv6"),
        pytest.param("a.lab.example", True, id="subdomain"),
        pytest.param("lab.example", True, id="the domain itself"),
        pytest.param("evillab.example", False, id="ends alike"),
        pytest.param("localhost.evil.example", False, id="begins alike"),
        pytest.param("evil.example", False, id="other"),
        pytest.param("evil@localhost@evil", False, id="user part"),
        pytest.param("[::1", False, id="torn"),
        pytest.param("", False, id="none"),
    ],
)
def test_only_names_of_this_server_are_trusted(host: str, trusted: bool) -> None:
    assert host_is_trusted(host, TRUSTED) is trusted


def test_wrong_host_is_refused_at_every_url_but_those_of_watchers(app: Flask) -> None:
    client = app.test_client()
    for endpoint, method, url in [*urls(app), ("", "GET", "/no-such-page")]:
        if endpoint in OF_WATCHERS:
            continue
        answer = client.open(url, method=method, headers={"Host": "evil.example"} | JSON)
        assert answer.status_code == HTTPStatus.BAD_REQUEST, url
        if method != "HEAD":
            assert answer.json["code"] == "untrusted_host"
    assert "does not answer under the name" in client.get("/", headers={"Host": "evil"}).text


@pytest.mark.parametrize(
    "url", ["/", "/static/style.css", "/static/no-such-file", "/no-such-page", "/predict"]
)
def test_every_answer_carries_the_headers(client: FlaskClient, url: str) -> None:
    answer = client.get(url)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    stays = url.startswith("/static/")
    assert (answer.headers.get("Cache-Control") == "no-store") is not stays
    answer.close()


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_cookie_is_private_and_secure_over_https(
    visitor: FlaskClient, scheme: str, secure: bool
) -> None:
    cookie = visitor.get("/sign-in", base_url=f"{scheme}://localhost").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert ("Secure" in cookie) is secure


@pytest.mark.parametrize(("scheme", "name"), [("http", ""), ("https", "__Host-")])
def test_cookie_of_https_cannot_be_planted_by_another_host(
    visitor: FlaskClient, scheme: str, name: str
) -> None:
    cookie = visitor.get("/sign-in", base_url=f"{scheme}://localhost").headers["Set-Cookie"]
    assert cookie.startswith(f"{name}hematovision=")
    assert "Path=/" in cookie
    assert "Domain" not in cookie


def test_browser_that_came_by_https_comes_by_nothing_else(visitor: FlaskClient) -> None:
    for url in ("/sign-in", "/static/style.css", "/no-such-page"):
        answer = visitor.get(url, base_url="https://localhost")
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
        answer.close()
        plain = visitor.get(url)
        assert "Strict-Transport-Security" not in plain.headers
        plain.close()


def test_nothing_is_opened_to_scripts_of_other_origins(client: FlaskClient) -> None:
    answer = client.get("/", headers={"Origin": "https://evil.example"})
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT"])
def test_method_that_nothing_uses_is_refused(client: FlaskClient, method: str) -> None:
    for url in ("/", "/sign-in", "/static/style.css"):
        answer = client.open(url, method=method)
        assert answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED


def test_text_says_how_it_is_coded(client: FlaskClient) -> None:
    for url in ("/", "/static/style.css", "/no-such-page"):
        answer = client.get(url)
        assert answer.headers["Content-Type"].endswith("; charset=utf-8")
        answer.close()


def test_folder_is_not_listed_and_nothing_beside_it_is_served(client: FlaskClient) -> None:
    for url in ("/static/", "/static/.", "/static/%2e%2e/config.py", "/.git/config", "/.env"):
        assert client.get(url).status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("token", [None, "", "made-up"])
def test_form_without_its_token_is_refused(
    client: FlaskClient, jpeg: bytes, token: str | None
) -> None:
    client.get("/")
    form = {"image": (io.BytesIO(jpeg), "a.jpg")} | ({} if token is None else {"csrf_token": token})
    answer = client.post("/predict", data=form)
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert "The form was not sent from this page" in answer.text


def test_token_is_accepted_over_https_from_the_same_site(sender: Sender, jpeg: bytes) -> None:
    secure = {"base_url": "https://localhost"}
    cookie = sender.client.get_cookie("hematovision")
    assert cookie
    sender.client.set_cookie("__Host-hematovision", cookie.value)
    page = sender.client.get("/", **secure).text
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    form = {"image": (io.BytesIO(jpeg), "a.jpg"), "csrf_token": token}
    headers = {"Referer": "https://localhost/"}
    answer = sender.client.post("/predict", data=form, headers=headers, **secure)
    assert answer.status_code == HTTPStatus.OK


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 200, id="a program"),
        pytest.param({"Sec-Fetch-Site": "same-origin"}, 200, id="our page"),
        pytest.param({"Sec-Fetch-Site": "none"}, 200, id="typed by the user"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 403, id="another site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, 403, id="a neighbour"),
        pytest.param({"Origin": "http://localhost"}, 200, id="our origin"),
        pytest.param({"Origin": "http://localhost:8000"}, 403, id="another port"),
        pytest.param({"Origin": "http://evil.example"}, 403, id="another origin"),
        pytest.param({"Origin": "null"}, 403, id="a sandbox"),
    ],
)
def test_json_from_another_site_is_refused(
    sender: Sender, jpeg: bytes, headers: dict[str, str], status: int
) -> None:
    answer = sender.program((jpeg, "a.jpg"), **headers)
    assert answer.status_code == status
    if status != HTTPStatus.OK:
        assert answer.json["code"] == "cross_site"


def test_secret_key_is_made_once_and_private(
    settings: Settings, reader: CellReader, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    first = create_app(settings, reader, database)
    file = settings.data_folder / "secret_key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.data_folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((settings.data_folder / "uploads").stat().st_mode) == 0o700
    assert len(file.read_text()) == 64
    assert create_app(settings, reader, database).secret_key == first.secret_key == file.read_text()
    assert file.read_text() not in caplog.text + repr(settings)


def test_secret_key_of_the_settings_is_used_and_not_written(
    tmp_path: Path, reader: CellReader
) -> None:
    given = secrets.token_hex()
    app = create_app(Settings(data_folder=tmp_path, secret_key=given), reader)
    assert app.secret_key == given
    assert not (tmp_path / "secret_key").exists()


def _first_start(settings: Settings, reader: CellReader) -> object:
    return create_app(settings, reader).secret_key


def test_servers_that_start_at_once_share_one_key(
    settings: Settings, reader: CellReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Werkzeug parses every rule, and in CPython 3.11 only one thread at a time may (gh-106905).
    turn, compile_rule = threading.Lock(), Rule.compile

    def compile_alone(rule: Rule) -> None:
        with turn:
            compile_rule(rule)

    monkeypatch.setattr(Rule, "compile", compile_alone)
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: _first_start(settings, reader), range(16)))
    assert len(keys) == 1
    assert {path.name for path in settings.data_folder.iterdir()} == {
        "secret_key",
        "data_key",
        "pictures",
        "uploads",
        *(FILE + ending for ending in ("", "-shm", "-wal")),
    }
