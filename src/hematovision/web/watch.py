"""Every request: its id, its line in the log, its numbers and its trace."""

import logging
import time
from typing import Any

from flask import Flask, Response, g, request

from hematovision import __version__
from hematovision.config import Settings
from hematovision.observing import logs, meters, signals
from hematovision.observing.traces import MARK, OTLP, Traces, open_traces
from hematovision.people import User
from hematovision.storage.database import Database

HEADER = "X-Request-ID"
UNTRACED = "healthz,readyz,metrics,static/.*"

access_log = logging.getLogger(logs.ACCESS)


class Application(Flask):
    """Flask's own, whose log names no address: an address can hold the token of a link."""

    def log_exception(self, exc_info: Any) -> None:
        """Log what nobody foresaw."""
        route = _route() or meters.NO_ROUTE
        self.logger.error("Exception in %s %s", _method(), route, exc_info=exc_info)


def _begin() -> None:
    logs.request_id.set(logs.take_request_id(request.headers.get(HEADER, "")))
    g.began = time.perf_counter()
    meters.requests_in_progress.inc()


def _end(response: Response) -> Response:
    if "began" not in g:
        # Something refused it before anything else was asked.
        _begin()
    response.headers[HEADER] = logs.request_id.get()
    seconds = time.perf_counter() - g.began
    meters.observe_request(_route(), _method(), response.status_code, seconds)
    return response


def _log(response: Response) -> Response:
    user: User | None = g.get("user")
    fields = {
        "route": _route(),
        "method": _method(),
        "status": response.status_code,
        "seconds": round(time.perf_counter() - g.began, 4),
        "user": user.id if user else None,
    }
    access_log.info("answered", extra={"fields": fields})
    return response


def _leave(_: BaseException | None) -> None:
    if "began" in g:
        meters.requests_in_progress.dec()
    logs.request_id.set("")


def _route() -> str | None:
    """Give the template of the address, such as `/cases/<int:case_id>`."""
    return request.url_rule.rule if request.url_rule else None


def _method() -> str:
    """Give the method, if it is one of those that there are."""
    return request.method if request.method in meters.METHODS else meters.OTHER


def _mark(span: Any, _: Any) -> None:
    span.set_attribute(MARK, logs.request_id.get())


def trace(app: Flask, traces: Traces, database: Database) -> None:
    """Make a span of every request, statement and stage."""
    from opentelemetry.instrumentation.flask import FlaskInstrumentor

    instrument: Any = FlaskInstrumentor().instrument_app
    instrument(app, request_hook=_mark, tracer_provider=traces.provider, excluded_urls=UNTRACED)
    traces.follow(database.engine)
    signals.watch(traces)


def init_app(app: Flask, settings: Settings, database: Database) -> None:
    """Watch every request, before and after everything else does something with it.

    Raises:
        TracesUnusableError: If there are to be traces, and packages are missing.
    """
    app.before_request(_begin)
    # What is added last runs first.
    if settings.log_format == logs.JSON:
        app.after_request(_log)
    app.after_request(_end)
    app.teardown_request(_leave)
    if settings.traces == OTLP:
        trace(app, open_traces(__version__), database)
