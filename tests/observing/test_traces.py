import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from flask import Flask
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.web.conftest import sender_of, signed_in

from hematovision.cells import CellReader
from hematovision.config import Settings
from hematovision.observing import signals
from hematovision.observing.traces import ALLOWED, MARK, open_traces
from hematovision.people import Role
from hematovision.storage.database import Database
from hematovision.web import create_app
from hematovision.web.access import public
from hematovision.web.watch import trace

Spans = InMemorySpanExporter


@pytest.fixture
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("traced")
    return Settings(model_folder=folder / "no-model", data_folder=folder / "data")


@pytest.fixture
def spans() -> Spans:
    return InMemorySpanExporter()


@pytest.fixture
def app(
    settings: Settings, reader: CellReader, database: Database, spans: Spans
) -> Iterator[Flask]:
    """Give an application whose spans stay here."""

    def break_it(token: str) -> str:
        raise KeyError(token)

    app = create_app(settings, reader, database)
    app.add_url_rule("/broken/<token>", view_func=public(break_it), endpoint="broken")
    traces = open_traces("0", spans)
    trace(app, traces, database)
    yield app
    signals.look_away(traces)
    FlaskInstrumentor.uninstrument_app(app)
    SQLAlchemyInstrumentor().uninstrument()
    traces.close()


def named(spans: Spans) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans.get_finished_spans()}


def test_reading_is_a_trace_of_its_stages(
    app: Flask, database: Database, jpeg: bytes, spans: Spans
) -> None:
    sender = sender_of(app, database)
    spans.clear()
    answer = sender.program((jpeg, "film 26-0837.jpg"), **{"X-Request-ID": "abc"})
    assert answer.status_code == 200
    found = named(spans)
    request = found["POST /predict"]
    for stage in ("decode", "record"):
        assert found[stage].context.trace_id == request.context.trace_id
        assert found[stage].attributes == {MARK: "abc"}
        assert found[stage].resource.attributes["service.name"] == "hematovision"
    assert request.attributes[MARK] == "abc"
    assert request.attributes["http.route"] == "/predict"
    assert any(span.attributes.get("db.statement") for span in spans.get_finished_spans())


def test_spans_say_nothing_of_what_was_sent(app: Flask, database: Database, spans: Spans) -> None:
    client = signed_in(app, database, Role.TECHNOLOGIST)
    page = client.get("/cases?q=26-0837").text
    token = page.split('name="csrf_token" value="')[1].partition('"')[0]
    form = {"accession": "26-0837", "note": "hush-hush", "csrf_token": token}
    client.post("/cases?x=26-0837", data=form, headers={"User-Agent": "hush-hush"})
    client.get("/nowhere/26-0837")
    client.get("/broken/26-0837")
    kept = spans.get_finished_spans()
    assert {"GET /cases", "POST /cases", "GET", "GET /broken/<token>"} <= named(spans).keys()
    everything = " ".join(span.to_json() for span in kept)
    assert "26-0837" not in everything
    assert "hush-hush" not in everything
    assert {name for span in kept for name in span.attributes} <= ALLOWED


def test_who_watches_makes_no_trace(app: Flask, spans: Spans) -> None:
    for address in ("/healthz", "/readyz", "/metrics"):
        app.test_client().get(address)
    assert not [name for name in named(spans) if name.startswith("GET")]


COLLECTED = """
import os, sys
from hematovision import __version__
from hematovision.observing import signals
from hematovision.observing.traces import open_traces
traces = open_traces(__version__)
signals.watch(traces)
with signals.stage(signals.Stage.DECODE):
    pass
traces.close()
"""


def test_traces_arrive_where_the_variables_of_opentelemetry_say() -> None:
    got: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_port}"
            subprocess.run(  # noqa: S603 - our own program
                [sys.executable, "-c", COLLECTED],
                env={
                    "OTEL_EXPORTER_OTLP_ENDPOINT": address,
                    "OTEL_SERVICE_NAME": "night-shift",
                    "PYTHONPATH": ":".join(sys.path),
                },
                check=True,
                timeout=120,
            )
        finally:
            server.shutdown()
            thread.join()
    ((path, body),) = got
    assert path == "/v1/traces"
    assert b"night-shift" in body
    assert b"decode" in body
