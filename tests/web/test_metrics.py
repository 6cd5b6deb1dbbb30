import re
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from hematovision.cells import CellReader
from hematovision.config import Settings
from hematovision.observing import meters
from hematovision.observing.signals import Signal, happened
from hematovision.people import Role
from hematovision.storage.database import Database
from hematovision.web import create_app
from hematovision.web.metrics import KEY, MetricsTokenError, read_token

from .conftest import sender_of, signed_in
from .test_health import break_database

TOKEN = "0123456789abcdef0123"  # noqa: S105
SHOWN = {"Authorization": f"Bearer {TOKEN}"}
Samples = Mapping[str, list[tuple[Mapping[str, str], float]]]


@pytest.fixture
def watched(settings: Settings, reader: CellReader, database: Database, tmp_path: Path) -> Flask:
    """Give an application that shows its numbers, always those of now."""
    file = tmp_path / "metrics_token"
    file.write_text(f"{TOKEN}\n")
    app = create_app(replace(settings, metrics_token_file=file), reader, database)
    app.extensions[KEY].collector._kept.fresh = 0.0
    return app


def samples_of(app: Flask) -> Samples:
    """Ask as Prometheus does, and read the answer as it does."""
    answer = app.test_client().get("/metrics", headers=SHOWN)
    assert answer.status_code == HTTPStatus.OK
    assert answer.mimetype == "text/plain"
    found: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def value_of(samples: Samples, name: str, **labels: str) -> float:
    values = [value for given, value in samples.get(name, []) if labels.items() <= given.items()]
    return sum(values)


def test_without_a_token_there_is_no_such_page(visitor: FlaskClient) -> None:
    assert visitor.get("/metrics").status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize(
    "header",
    ["", TOKEN, "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"],
)
def test_numbers_are_shown_to_the_token_alone(watched: Flask, header: str) -> None:
    answer = watched.test_client().get("/metrics", headers={"Authorization": header})
    assert answer.status_code == HTTPStatus.UNAUTHORIZED
    assert "hematovision_" not in answer.text
    assert "Bearer" in answer.headers["WWW-Authenticate"]


def test_token_of_an_account_shows_no_numbers(watched: Flask, database: Database) -> None:
    client = signed_in(watched, database, Role.ADMINISTRATOR)
    assert client.get("/metrics").status_code == HTTPStatus.UNAUTHORIZED


def test_requests_are_counted_by_the_template_of_their_address(
    watched: Flask, database: Database
) -> None:
    client = signed_in(watched, database, Role.TECHNOLOGIST)
    labels = {"route": "/cases/<int:case_id>", "method": "GET", "status": "404"}
    before = value_of(samples_of(watched), "hematovision_http_requests_total", **labels)
    for case_id in range(1, 4):
        client.get(f"/cases/{case_id}?q=secret")
    samples = samples_of(watched)
    assert value_of(samples, "hematovision_http_requests_total", **labels) == before + 3
    labels.pop("status")
    assert value_of(samples, "hematovision_http_request_duration_seconds_count", **labels) >= 3


def test_numbers_of_labels_are_bounded_whatever_is_asked_for(watched: Flask) -> None:
    client = watched.test_client()
    samples_of(watched)
    before = {name: len(some) for name, some in samples_of(watched).items()}
    for number in range(30):
        client.open(f"/nowhere/{number}?q={number}", method=f"METHOD{number}")
        client.get(f"/cases/{number}", headers={"X-Request-ID": f"id-{number}"})
    after = {name: len(some) for name, some in samples_of(watched).items()}
    new = {name: number - before.get(name, 0) for name, number in after.items()}
    assert max(new.values()) <= 2 * (len(meters.FAST) + 1)
    assert "nowhere" not in str(samples_of(watched))


def test_reading_shows_in_stages_queue_and_decisions(
    watched: Flask, database: Database, jpeg: bytes
) -> None:
    name = "hematovision_stage_duration_seconds_count"
    before = samples_of(watched)
    assert sender_of(watched, database).program((jpeg, "a.jpg")).status_code == HTTPStatus.OK
    samples = samples_of(watched)
    for stage in ("decode", "record"):
        grown = value_of(samples, name, stage=stage) - value_of(before, name, stage=stage)
        assert grown == 1
    assert value_of(samples, "hematovision_photos", state="read") == 1
    assert value_of(samples, "hematovision_photos", state="waiting") == 0
    assert value_of(samples, "hematovision_cells_last_day", decision="neutrophil") == 1
    assert value_of(samples, "hematovision_cells_last_day", decision="unidentified") == 1
    assert value_of(samples, "hematovision_database_up") == 1
    assert value_of(samples, "hematovision_audit_events_total") > 0
    assert value_of(samples, "hematovision_build_info") == 1
    ((model, _),) = samples["hematovision_model_info"]
    assert (model["name"], model["version"]) == ("stub", "0.0.0")
    assert value_of(samples, "hematovision_readings_in_progress") == 0
    assert "process_resident_memory_bytes" in samples


def test_refusals_and_restarts_are_counted(watched: Flask) -> None:
    before = samples_of(watched)
    for signal in Signal:
        happened(signal)
    after = samples_of(watched)
    for reason in ("busy", "full", "too_often"):
        labels = {"reason": reason}
        name = "hematovision_refusals_total"
        assert value_of(after, name, **labels) - value_of(before, name, **labels) == 1
    name = "hematovision_decoder_restarts_total"
    assert value_of(after, name) - value_of(before, name) == 1


def test_what_becomes_of_remote_inference_is_counted(watched: Flask) -> None:
    name, before = "hematovision_inference_attempts_total", samples_of(watched)
    for signal in Signal:
        happened(signal)
    happened(Signal.INFERENCE_LEFT_ALONE)
    after = samples_of(watched)
    for outcome in ("answered", "failed"):
        now, then = (value_of(samples, name, outcome=outcome) for samples in (after, before))
        assert now - then == 1
    name = "hematovision_inference_fallbacks_total"
    assert value_of(after, name) - value_of(before, name) == 1
    assert value_of(after, "hematovision_inference_left_alone") == 1
    happened(Signal.INFERENCE_BACK)
    assert value_of(samples_of(watched), "hematovision_inference_left_alone") == 0


def test_numbers_are_shown_while_the_database_is_away(watched: Flask, database: Database) -> None:
    break_database(database)
    samples = samples_of(watched)
    assert value_of(samples, "hematovision_database_up") == 0
    assert "hematovision_photos" not in samples
    assert "hematovision_http_requests_in_progress" in samples


def test_names_follow_the_conventions_of_prometheus(watched: Flask) -> None:
    text = watched.test_client().get("/metrics", headers=SHOWN).text
    for family in text_string_to_metric_families(text):
        assert re.fullmatch("(hematovision|process)_[a-z_]+", family.name)
        assert family.documentation
        if family.type == "counter" and family.name.startswith("hematovision"):
            assert all(sample.name.endswith("_total") for sample in family.samples)
        if family.type == "histogram":
            assert family.name.endswith("_seconds")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "cannot be read: No such file", id="missing"),
        pytest.param(b"", "16 characters", id="empty"),
        pytest.param(b"short\n" + b"x" * 40, "16 characters", id="short"),
        pytest.param(b"\xff" * 40, "it is no text", id="no text"),
    ],
)
def test_token_that_cannot_be_used_is_told(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(MetricsTokenError, match=said):
        read_token(file)
