"""Real servers, as Prometheus and whoever reads logs see them."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.installations import Installation, field_pictures, installation

from hematovision.cli.serve import threads_for
from hematovision.config import Settings
from hematovision.storage.private import keep_data_key

TOKEN = "0123456789abcdef0123"  # noqa: S105
ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Installation]:
    file = tmp_path / "metrics_token"
    file.write_text(TOKEN)
    given = {"metrics_token_file": str(file), "log_format": "json", "port": str(free_port())}
    with installation(tmp_path, **given) as made:
        yield made


def get(home: Installation, path: str, **headers: str) -> str | None:
    """Ask a server; None where it does not answer well."""
    address = f"http://127.0.0.1:{home.settings.port}{path}"
    request = urllib.request.Request(address, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.read().decode()
    except (urllib.error.URLError, OSError):
        return None


def counted(home: Installation, name: str, labels: Mapping[str, str]) -> float:
    text = get(home, "/metrics", Authorization=f"Bearer {TOKEN}") or ""
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def lines(home: Installation) -> list[dict[str, object]]:
    return [json.loads(line) for line in home.log.splitlines()]


def test_server_shows_what_its_workers_do_and_all_of_them_log_objects(home: Installation) -> None:
    home.start("serve")
    home.until(lambda: get(home, "/readyz"))
    home.send(field_pictures(2))
    stage = ("hematovision_stage_duration_seconds_count", {"stage": "photo"})
    home.until(lambda: counted(home, *stage) == 2)
    get(home, "/healthz", **{"X-Request-ID": "from-outside"})
    (mine,) = home.until(
        lambda: [line for line in lines(home) if line.get("request_id") == "from-outside"]
    )
    assert (mine["route"], mine["status"], mine["user"]) == ("/healthz", 200, None)
    assert {"hematovision.access", "hematovision.jobs"} <= {line["logger"] for line in lines(home)}


def test_each_process_of_gunicorn_answers_for_all(home: Installation) -> None:
    bind = f"127.0.0.1:{home.settings.port}"
    config = str(ROOT / "deploy/gunicorn.conf.py")
    program = "import sys; from gunicorn.app.wsgiapp import run; sys.exit(run())"
    arguments = ("--config", config, "--chdir", str(ROOT), "--bind", bind, "--workers", "2")
    home.start(*arguments, "app:app", program=program)
    home.until(lambda: get(home, "/healthz"))
    for _ in range(40):
        assert get(home, "/healthz")
    live = ("hematovision_http_requests_total", {"route": "/healthz", "status": "200"})
    assert counted(home, *live) == 41
    # It counts the one that asks, and nothing that was left behind.
    assert counted(home, "hematovision_http_requests_in_progress", {}) == 1


def test_there_are_threads_for_all_who_read_all_who_wait_and_pages() -> None:
    assert threads_for(Settings(reading_slots=3, reading_queue=5)) > 3 + 5


WITHOUT_TRACES = """
import sys
sys.modules["opentelemetry.sdk.trace"] = None
from hematovision.cli import main
main()
"""


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_missing_package_for_traces_is_named(home: Installation, command: str) -> None:
    keep_data_key(home.settings.data_folder)
    home.environment = {**home.environment, "HEMATOVISION_TRACES": "otlp"}
    assert home.start(command, program=WITHOUT_TRACES).wait(120) == 1
    assert "HEMATOVISION_TRACES needs opentelemetry" in home.log
    assert "Traceback" not in home.log


def test_metrics_token_that_cannot_be_used_ends_the_server(home: Installation) -> None:
    home.settings.metrics_token_file.write_text("short")
    assert home.start("serve", "--workers", "0").wait(120) == 1
    assert "HEMATOVISION_METRICS_TOKEN_FILE must begin with" in home.log
