"""The numbers that a process keeps of what it does, as Prometheus asks for them.

Where `PROMETHEUS_MULTIPROC_DIR` is set before this is imported, several processes (gunicorn's, and
workers beside a server) keep theirs in its files, and each answers for all.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.multiprocess import MultiProcessCollector

from hematovision.observing.sharing import FOLDER
from hematovision.observing.signals import Signal, Stage

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
NO_ROUTE = "none"
"""Of a request for an address that leads nowhere."""

FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
STAGES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

# Half as many lines; nobody asks when a number was first kept.
disable_created_metrics()  # type: ignore[no-untyped-call]

registry = CollectorRegistry()

requests = Counter(
    "hematovision_http_requests",
    "Requests that were answered.",
    ["route", "method", "status"],
    registry=registry,
)
request_seconds = Histogram(
    "hematovision_http_request_duration_seconds",
    "How long answering a request took.",
    ["route", "method"],
    buckets=FAST,
    registry=registry,
)
requests_in_progress = Gauge(
    "hematovision_http_requests_in_progress",
    "Requests that are being answered.",
    multiprocess_mode="livesum",
    registry=registry,
)
readings_in_progress = Gauge(
    "hematovision_readings_in_progress",
    "Requests that read photos right now.",
    multiprocess_mode="livesum",
    registry=registry,
)
readings_waiting = Gauge(
    "hematovision_readings_waiting",
    "Requests that wait until they may read photos.",
    multiprocess_mode="livesum",
    registry=registry,
)
stage_seconds = Histogram(
    "hematovision_stage_duration_seconds",
    "How long a stage of reading a photo took.",
    ["stage"],
    buckets=STAGES,
    registry=registry,
)
refusals = Counter(
    "hematovision_refusals",
    "What was refused, for there is too much of it.",
    ["reason"],
    registry=registry,
)
decoder_restarts = Counter(
    "hematovision_decoder_restarts",
    "Processes for decoding that died and were started anew.",
    registry=registry,
)
inference_attempts = Counter(
    "hematovision_inference_attempts",
    "What was asked of an inference server, each attempt.",
    ["outcome"],
    registry=registry,
)
inference_left_alone = Gauge(
    "hematovision_inference_left_alone",
    "Processes that ask no inference server for a while, for it did not answer.",
    multiprocess_mode="livesum",
    registry=registry,
)
inference_fallbacks = Counter(
    "hematovision_inference_fallbacks",
    "Photos that were read in the process, for the inference server did not answer.",
    registry=registry,
)


class _Meters:
    """Keeps the numbers of stages and signals."""

    def stage(self, stage: Stage) -> AbstractContextManager[object]:
        """Take the time of it."""
        return stage_seconds.labels(stage).time()

    def signal(self, signal: Signal) -> None:
        """Count it."""
        COUNTED[signal]()


METERS = _Meters()

# Nought is a number: an alert on what was never counted would never fire.
COUNTED: Mapping[Signal, Callable[[], None]] = {
    Signal.DECODER_RESTARTED: decoder_restarts.inc,
    Signal.INFERENCE_ANSWERED: inference_attempts.labels("answered").inc,
    Signal.INFERENCE_FAILED: inference_attempts.labels("failed").inc,
    Signal.INFERENCE_LEFT_ALONE: partial(inference_left_alone.set, 1),
    Signal.INFERENCE_BACK: partial(inference_left_alone.set, 0),
    Signal.INFERENCE_FALLBACK: inference_fallbacks.inc,
    **{
        reason: refusals.labels(reason).inc
        for reason in (Signal.BUSY, Signal.FULL, Signal.TOO_OFTEN)
    },
}
"""What each signal adds to."""


def observe_request(route: str | None, method: str, status: int, seconds: float) -> None:
    """Keep that a request was answered.

    Args:
        route: The template of its address, such as `/cases/<int:case_id>`; None where there is
            none. Never the address itself, of which there are as many as cases.
        method: One of `METHODS`, or `OTHER`: anybody can make another up.
        status: Of the answer.
        seconds: How long it took.
    """
    route = route or NO_ROUTE
    requests.labels(route, method, str(status)).inc()
    request_seconds.labels(route, method).observe(seconds)


def gather() -> CollectorRegistry:
    """Give the numbers of this process, or of all that share a folder; more may be added."""
    gathered = CollectorRegistry()
    if os.environ.get(FOLDER):
        MultiProcessCollector(gathered)  # type: ignore[no-untyped-call]
    else:
        gathered.register(registry)
    return gathered
