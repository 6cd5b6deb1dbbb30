"""Traces by OpenTelemetry, where they are wanted; nothing of it is imported otherwise.

What leaves is what stands in `ALLOWED` and nothing else: instrumentation adds addresses with their
queries, names of machines and the messages of exceptions, in every version others.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hematovision.observing.logs import request_id
from hematovision.observing.signals import Signal, Stage

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

OFF, OTLP = "off", "otlp"
KINDS = (OFF, OTLP)
MARK = "hematovision.request_id"
ROUTE = "http.route"
ALLOWED = frozenset(
    {
        MARK,
        ROUTE,
        "http.method",
        "http.request.method",
        "http.status_code",
        "http.response.status_code",
        "db.system",
        "db.system.name",
        "db.operation",
        "db.operation.name",
        # With placeholders in the place of every value.
        "db.statement",
        "db.query.text",
        "error.type",
    }
)
"""What a span may say; an event of one may say `exception.type`."""
ALLOWED_OF_EVENTS = frozenset({"exception.type"})


class TracesUnusableError(Exception):
    """Traces are wanted and the packages that send them are missing."""


@dataclass(frozen=True, slots=True)
class Traces:
    """Makes spans of what happens.

    Attributes:
        provider: Sends them.
    """

    provider: "TracerProvider"

    def stage(self, stage: Stage) -> AbstractContextManager[object]:
        """Make a span of it."""
        tracer = self.provider.get_tracer("hematovision")
        mark = request_id.get()
        return tracer.start_as_current_span(stage, attributes={MARK: mark} if mark else None)

    def signal(self, signal: Signal) -> None:
        """Leave signals to the numbers."""

    def follow(self, engine: Any) -> None:
        """Make a span of every statement of a database's engine."""
        from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

        # It knows no SQLAlchemy from 2.1 on, it says; the events that it listens to are the same.
        SQLAlchemyInstrumentor().instrument(
            engine=engine, tracer_provider=self.provider, skip_dep_check=True
        )

    def close(self) -> None:
        """Send what waits to be sent."""
        self.provider.shutdown()


def open_traces(version: str, exporter: "SpanExporter | None" = None) -> Traces:
    """Make ready to send traces to where the `OTEL_EXPORTER_OTLP_` variables say.

    Args:
        version: Of this program.
        exporter: Sends them elsewhere, as a test wants.

    Raises:
        TracesUnusableError: If packages are missing.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation import flask, sqlalchemy  # noqa: F401 - is it there?
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
    except ImportError as error:
        raise TracesUnusableError(
            f"HEMATOVISION_TRACES needs {error.name}: pip install 'hematovision[server]'"
        ) from error
    ours = Resource.create({"service.name": "hematovision", "service.version": version})
    # `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` win.
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()))
    if exporter is not None:
        provider.add_span_processor(SimpleSpanProcessor(_careful(exporter)))
    else:
        provider.add_span_processor(BatchSpanProcessor(_careful(OTLPSpanExporter())))
    return Traces(provider)


def _careful(exporter: "SpanExporter") -> "SpanExporter":
    """Let an exporter see only what may leave."""
    send: Callable[[Sequence[ReadableSpan]], Any] = exporter.export
    exporter.export = lambda spans: send([clean(span) for span in spans])  # type: ignore[method-assign]
    return exporter


def clean(span: "ReadableSpan") -> "ReadableSpan":
    """Give a span anew, with what may leave."""
    from opentelemetry.sdk.trace import Event as SpanEvent
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanKind, Status

    said = {name: value for name, value in (span.attributes or {}).items() if name in ALLOWED}
    is_lost = span.kind is SpanKind.SERVER and ROUTE not in said
    return ReadableSpan(
        # Without a route the name of a request is its address.
        name=span.name.partition(" ")[0] if is_lost else span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=said,
        events=[
            SpanEvent(
                event.name,
                {k: v for k, v in (event.attributes or {}).items() if k in ALLOWED_OF_EVENTS},
                event.timestamp,
            )
            for event in span.events
        ],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
