"""`/metrics`: what is watched, for a Prometheus that shows its token."""

import hmac
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flask import Blueprint, Flask, Response, current_app, request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from hematovision import __version__
from hematovision.observing import meters, signals
from hematovision.observing.kept import Kept
from hematovision.services.overlooks import Overlook, overlook
from hematovision.storage.checkpoints import Head
from hematovision.web.access import public
from hematovision.web.security import at_any_host

FRESH_SECONDS = 15.0
PATIENCE_SECONDS = 5.0
SHORTEST_TOKEN = 16
KEY = "hematovision_metrics"

blueprint = Blueprint("metrics", __name__)

log = logging.getLogger(__name__)


class MetricsTokenError(Exception):
    """The token that Prometheus is to show cannot be read, or would be guessed."""


@dataclass(frozen=True, slots=True)
class Exposition:
    """What is shown, and to whom.

    Attributes:
        token: Whoever shows it may look.
        collector: What the database says.
    """

    token: bytes
    collector: Collector


class RecordsCollector(Collector):
    """What the database says, with one number that says whether it does."""

    def __init__(self, kept: Kept[Overlook]) -> None:
        """Take what asks it."""
        self._kept = kept

    def collect(self) -> Iterator[Metric]:
        """Give what was found; a database that is away is no failure of whoever asks."""
        found = self._kept.get()
        yield _gauge("database_up", "Whether the database answers.", found is not None)
        build = InfoMetricFamily("hematovision_build", "Which program this is.")
        build.add_metric([], {"version": __version__})
        yield build
        if found is not None:
            yield from _families(found)


def _families(found: Overlook) -> Iterator[Metric]:
    photos = _family("photos", "Photos, by how far they are.", ["state"])
    for state, number in found.photos.items():
        photos.add_metric([state], number)
    yield photos
    yield _gauge(
        "photos_oldest_waiting_seconds",
        "For how long the oldest photo that waits has waited.",
        found.waits,
    )
    yield _gauge("webhooks_waiting", "What webhooks wait to be told.", found.untold)
    decisions = _family(
        "cells_last_day",
        "Cells that were found in the last 24 hours, by what the model named them.",
        ["decision"],
    )
    for decision, number in found.decisions.items():
        decisions.add_metric([decision], number)
    yield decisions
    yield from _drift(found)
    yield from _record(found.head)
    if found.model:
        model = InfoMetricFamily("hematovision_model", "Which model reads.")
        identity = found.model
        model.add_metric(
            [],
            {"name": identity.name, "version": identity.version, "sha256": identity.sha256},
        )
        yield model


def _drift(found: Overlook) -> Iterator[Metric]:
    measured = _family("photos_measured_last_day", "Photos that have a measure.", ["measure"])
    outside = _family(
        "photos_outside_last_day",
        "Of these, unlike all sets that the model was made from.",
        ["measure"],
    )
    for measure, part in found.outside.items():
        measured.add_metric([measure], part.number)
        outside.add_metric([measure], part.hits)
    yield measured
    yield outside


def _record(head: Head | None) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "hematovision_audit_events", "Events of the audit record.", head.id if head else 0
    )
    yield _gauge(
        "audit_head_timestamp_seconds",
        "When the newest event of the audit record happened.",
        head.at.timestamp() if head else math.nan,
    )


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"hematovision_{name}", words, value)


def _family(name: str, words: str, labels: list[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"hematovision_{name}", words, labels=labels)


@blueprint.get("/metrics")
@public
@at_any_host
def show() -> Response:
    """Show everything to whoever has the token; the database is not asked who that is."""
    shown: Exposition = current_app.extensions[KEY]
    if not _is_theirs(request.headers.get("Authorization", ""), shown.token):
        refused = Response("The token of HEMATOVISION_METRICS_TOKEN_FILE is needed.\n", 401)
        refused.headers["WWW-Authenticate"] = 'Bearer realm="metrics"'
        refused.mimetype = "text/plain"
        return refused
    gathered = meters.gather()
    gathered.register(shown.collector)
    ProcessCollector(registry=gathered)
    return Response(generate_latest(gathered), content_type=CONTENT_TYPE_LATEST)


def _is_theirs(header: str, token: bytes) -> bool:
    kind, _, sent = header.partition(" ")
    return kind.lower() == "bearer" and hmac.compare_digest(sent.strip().encode(), token)


def read_token(file: Path) -> bytes:
    """Read the token that Prometheus is to show: the first line of a file.

    Raises:
        MetricsTokenError: If it cannot be read, or is too short to be a secret.
    """
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise MetricsTokenError(
            f"HEMATOVISION_METRICS_TOKEN_FILE cannot be read: {reason}."
        ) from error
    token = lines[0].strip() if lines else ""
    if len(token) < SHORTEST_TOKEN:
        raise MetricsTokenError(
            f"HEMATOVISION_METRICS_TOKEN_FILE must begin with a line of {SHORTEST_TOKEN} "
            "characters or more, such as “openssl rand -hex 32” makes."
        )
    return token.encode()


def init_app(app: Flask) -> None:
    """Keep numbers, and show them where there is a token to ask for.

    Raises:
        MetricsTokenError: If there is to be one and it cannot be used.
    """
    signals.watch(meters.METERS)
    wiring = app.extensions["hematovision"]
    if wiring.settings.metrics_token_file is None:
        return
    token = read_token(wiring.settings.metrics_token_file)
    shelf = wiring.shelf
    kept = Kept(lambda: overlook(shelf, now=datetime.now(UTC)), FRESH_SECONDS, PATIENCE_SECONDS)
    app.extensions[KEY] = Exposition(token, RecordsCollector(kept))
    app.register_blueprint(blueprint)
