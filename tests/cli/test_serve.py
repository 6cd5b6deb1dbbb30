import os
import pty
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from waitress import wasyncore

from hematovision.cells import NOTICE, ModelIdentity
from hematovision.cli.on_record import server_on_record
from hematovision.cli.serve import open_server
from hematovision.cli.starting import prepare
from hematovision.cli.tools import Tools
from hematovision.config import Settings
from hematovision.services.choosing import folder_of
from hematovision.storage.database import open_database

from .conftest import Run


class StubServer:
    """Has a port and stops as soon as it runs."""

    effective_host, effective_port = "127.0.0.1", 5050
    ran = False

    def run(self) -> None:
        self.ran = True


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.mark.parametrize(
    ("arguments", "host", "port"),
    [
        pytest.param([], "127.0.0.1", 5000, id="settings"),
        pytest.param(["--port", "0"], "127.0.0.1", 0, id="port"),
        pytest.param(["--host", "127.0.0.2"], "127.0.0.2", 5000, id="host"),
    ],
)
def test_serve_says_where_it_is_and_runs(
    run: Run, tools: Tools, arguments: list[str], host: str, port: int
) -> None:
    opened: list[Settings] = []
    server = StubServer()
    tools = replace(tools, open_server=lambda settings: opened.append(settings) or server)
    result = run("serve", *arguments, tools=tools)
    assert result.exit_code == 0
    assert "http://127.0.0.1:5050" in result.stdout
    assert NOTICE in result.stdout
    assert server.ran
    assert [(settings.host, settings.port) for settings in opened] == [(host, port)]
    assert result.stderr == ""


def test_address_of_version_6_can_be_opened(run: Run, tools: Tools) -> None:
    server = StubServer()
    server.effective_host = "::1"
    tools = replace(tools, open_server=lambda settings: server)
    assert "http://[::1]:5050\n" in run("serve", tools=tools).stdout


@pytest.mark.parametrize(
    "reachable",
    [
        pytest.param({"host": "0.0.0.0"}, id="listens to others"),  # noqa: S104
        pytest.param({"trusted_hosts": ("localhost", "lab.example")}, id="behind another server"),
    ],
)
def test_others_are_kept_away_until_an_administrator_has_a_password(
    run: Run, tools: Tools, tmp_path: Path, reachable: dict[str, str]
) -> None:
    server = StubServer()
    settings = replace(tools.settings, **reachable)
    tools = replace(tools, settings=settings, open_server=lambda settings: server)
    result = run("serve", tools=tools)
    assert result.exit_code == 1
    assert "No administrator has a password" in result.stderr
    assert not server.ran
    file = tmp_path / "password"
    file.write_text("plum orbit walnut canyon\n")
    settings = replace(settings, admin_password_file=file)
    result = run("serve", tools=replace(tools, settings=settings))
    assert result.exit_code == 0
    assert server.ran
    assert run("users", "list").stdout == "administrator\tadministrator\tpassword\n"
    warned = "HEMATOVISION_TRUSTED_HOSTS" in result.stderr
    assert warned == ("host" in reachable)


@pytest.mark.parametrize(("content", "said"), [("weak", "guessed"), (None, "cannot be read")])
def test_first_password_that_cannot_be_used_is_told(
    run: Run, tools: Tools, tmp_path: Path, content: str | None, said: str
) -> None:
    file = tmp_path / "password"
    if content:
        file.write_text(content)
    settings = replace(tools.settings, admin_password_file=file)
    result = run("serve", tools=replace(tools, settings=settings))
    assert result.exit_code == 1
    assert said in result.stderr


def test_link_goes_to_a_terminal_alone(tmp_path: Path) -> None:
    environment = os.environ | {
        "HEMATOVISION_DATA_FOLDER": str(tmp_path / "private"),
        "HEMATOVISION_MODEL_FOLDER": str(tmp_path / "none"),
    }
    program = "from hematovision.cli import main; main()"
    outer, inner = pty.openpty()
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", program, "serve", "--port", "0"],
        env=environment,
        stdout=inner,
        stderr=subprocess.DEVNULL,
    ) as server:
        os.close(inner)
        try:
            shown = ""
            while "/link/" not in shown or not shown.endswith("\n"):
                shown += os.read(outer, 1024).decode()
            link = re.search(r"http://\S+/link/\S+", shown)[0]
            with urllib.request.urlopen(link, timeout=10) as answer:  # noqa: S310
                assert b"Welcome, administrator" in answer.read()
        finally:
            server.terminate()
            os.close(outer)


def test_taken_port_is_a_clear_error(run: Run, taken: int) -> None:
    result = run("serve", "--port", str(taken))
    assert result.exit_code == 1
    assert f"Cannot listen on 127.0.0.1 port {taken}: Address already in use" in result.stderr
    assert "choose another with --port" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("host", ["no host", "a" * 70 + ".example", "192.0.2.1"])
def test_host_that_is_none_is_a_clear_error(
    run: Run, tools: Tools, tmp_path: Path, host: str
) -> None:
    file = tmp_path / "password"
    file.write_text("plum orbit walnut canyon")
    settings = replace(tools.settings, admin_password_file=file)
    result = run("serve", "--host", host, tools=replace(tools, settings=settings))
    assert result.exit_code == 1
    assert f"Cannot listen on {host}" in result.stderr
    assert "Check --host" in result.stderr
    assert "--port" not in result.stderr


@pytest.mark.parametrize("path", ["file", "file/deeper"])
def test_data_folder_that_cannot_be_written_is_a_clear_error(
    run: Run, tools: Tools, tmp_path: Path, path: str
) -> None:
    (tmp_path / "file").write_bytes(b"")
    unwritable = replace(tools.settings, data_folder=tmp_path / path, port=0)
    result = run("serve", tools=replace(tools, settings=unwritable))
    assert result.exit_code == 1
    assert f"The data folder {tmp_path / path} cannot be written: " in result.stderr
    assert "; set HEMATOVISION_DATA_FOLDER." in result.stderr
    assert result.stdout == ""


def test_data_key_that_is_none_is_a_clear_error(run: Run, settings: Settings) -> None:
    settings.data_folder.mkdir()
    (settings.data_folder / "data_key").write_text("no key")
    result = run("serve", "--port", "0")
    assert result.exit_code == 1
    assert "data_key holds no key of 32 bytes. Put back the one of the backup." in result.stderr


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_bad_port_is_bad_usage(run: Run, port: str) -> None:
    assert run("serve", "--port", port).exit_code == 2


def test_what_is_being_sent_waits_in_a_private_folder(settings: Settings) -> None:
    server = open_server(replace(settings, port=0))
    server.task_dispatcher.shutdown()
    server.close()
    folder = Path(tempfile.gettempdir())
    assert folder == settings.data_folder / "uploads"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert server.adj.max_request_body_size > settings.max_request_bytes
    assert server.adj.ident is None


@pytest.mark.skipif(sys.platform != "linux", reason="decodes in the process itself")
def test_process_that_decodes_is_there_before_the_first_picture(settings: Settings) -> None:
    server = open_server(replace(settings, port=0))
    decoders = [one for one in psutil.Process().children() if "decoder" in str(one.cmdline())]
    server.task_dispatcher.shutdown()
    server.close()
    assert decoders


def test_served_page_answers(tmp_path: Path) -> None:
    environment = os.environ | {
        "HEMATOVISION_DATA_FOLDER": str(tmp_path / "private"),
        "HEMATOVISION_MODEL_FOLDER": str(tmp_path / "none"),
    }
    program = "from hematovision.cli import main; main()"
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", program, "serve", "--port", "0"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            address = re.search(r"http://\S+", server.stdout.readline())[0]
            with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310
                page = answer.read()
                assert b"Sign in" in page
                assert b"/link/" not in page
                assert "Server" not in answer.headers
            request = urllib.request.Request(address, headers={"Host": "evil.example"})  # noqa: S310
            with pytest.raises(urllib.error.HTTPError, match="400") as refused:
                urllib.request.urlopen(request, timeout=10)  # noqa: S310
            refused.value.close()
        finally:
            server.terminate()
        assert str(tmp_path / "none") in server.stderr.read()


@pytest.mark.parametrize(
    ("proxy", "believed"),
    [
        pytest.param("", False, id="none"),
        pytest.param("192.0.2.7", False, id="another"),
        pytest.param("127.0.0.1", True, id="this one"),
    ],
)
def test_only_the_trusted_proxy_says_how_somebody_comes(
    settings: Settings, proxy: str, believed: bool
) -> None:
    server = open_server(replace(settings, port=0, trusted_proxy=proxy))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.9"}
        address = f"http://127.0.0.1:{server.effective_port}/sign-in"
        request = urllib.request.Request(address, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            assert ("Strict-Transport-Security" in answer.headers) is believed
            assert answer.headers["Set-Cookie"].startswith("__Host-") is believed
    finally:
        server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map))
        thread.join(30)
        server.task_dispatcher.shutdown()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({"oidc_issuer": "http://id.lab.example"}, "OIDC_ISSUER", id="no TLS"),
        pytest.param(
            {"oidc_client_secret_file": Path("/no/such/file")}, "CLIENT_SECRET_FILE", id="no secret"
        ),
    ],
)
def test_single_sign_on_that_is_half_set_up_is_a_clear_error(
    run: Run, tools: Tools, given: dict[str, object], words: str
) -> None:
    half = replace(tools.settings, port=0, **given)
    result = run("serve", tools=replace(tools, settings=half))
    assert result.exit_code == 1
    assert words in result.stderr


def test_keys_that_are_missing_where_nobody_can_make_them_are_told(
    run: Run, tools: Tools, tmp_path: Path
) -> None:
    with server_on_record(tools.settings):
        pass
    keys = tmp_path / "keys"
    keys.mkdir()
    shutil.copy(tools.settings.data_folder / "audit_key", keys)
    # A folder in its place: nobody can write a key there.
    (keys / "secret_key").mkdir()
    half = replace(tools.settings, port=0, keys_folder=keys)
    result = run("serve", tools=replace(tools, settings=half))
    assert result.exit_code == 1
    assert "Put the keys of the installation there" in result.stderr


def test_what_is_shared_by_nothing_that_is_known_is_told(run: Run, tools: Tools) -> None:
    nowhere = replace(tools.settings, port=0, pictures_url="nowhere://bucket")
    for words in (["serve"], ["worker"], ["audit", "verify"]):
        result = run(*words, tools=replace(tools, settings=nowhere))
        assert result.exit_code == 1
        assert "such as s3://bucket/folder" in result.output


def test_store_of_pictures_that_is_away_keeps_no_server_from_starting(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    database = open_database("", settings.data_folder)
    with database.transaction() as records:
        records.models.add(ModelIdentity("m", "1", "ab" * 32), by=None, now=datetime.now(UTC))
    folder_of(settings.data_folder, "ab" * 32).mkdir(parents=True)
    database.close()
    prepare(replace(settings, pictures_url="s3://away-at-start/pictures"))
    assert "does not answer" in caplog.text
