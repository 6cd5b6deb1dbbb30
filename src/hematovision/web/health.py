"""Whether the server answers, and whether it can do its work, for whatever watches it."""

from collections.abc import Mapping
from typing import cast

from flask import Blueprint, Flask, current_app

from hematovision.observing.kept import Kept
from hematovision.services.accounts import has_administrator
from hematovision.services.readiness import Needs
from hematovision.web.access import public
from hematovision.web.security import at_any_host
from hematovision.web.wiring import get_wiring

FRESH_SECONDS = 2.0
"""However often it is asked for, nothing is tried more often."""
PATIENCE_SECONDS = 5.0

KEY = "hematovision_readiness"
DRAINING = "hematovision_draining"
"""Tells whether this server is about to end; `deploy/gunicorn.conf.py` puts another there."""
WELL, FAILED = "ok", "failed"

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
@public
def show() -> dict[str, str]:
    """Say that the server and its database answer; nothing of what is in them."""
    has_administrator(get_wiring().database)
    return {"status": WELL}


@blueprint.get("/healthz")
@public
@at_any_host
def live() -> dict[str, str]:
    """Say that this process answers; whoever runs it need not start it anew."""
    return {"status": WELL}


@blueprint.get("/readyz")
@public
@at_any_host
def ready() -> tuple[dict[str, object], int]:
    """Say by name what this process needs and whether it is well; 503 where something is not."""
    if current_app.extensions[DRAINING]():
        return {"status": FAILED, "checks": {"draining": FAILED}}, 503
    kept = cast("Kept[Mapping[str, bool]]", current_app.extensions[KEY])
    found = kept.get()
    # Without an answer nobody knows which of them it is.
    checks = {"in_time": False} if found is None else found
    is_ready = all(checks.values())
    document: dict[str, object] = {
        "status": WELL if is_ready else FAILED,
        "checks": {name: WELL if well else FAILED for name, well in checks.items()},
    }
    return document, 200 if is_ready else 503


def init_app(app: Flask) -> None:
    """Register the addresses."""
    wiring = app.extensions["hematovision"]
    settings = wiring.settings
    needs = Needs(wiring.database, wiring.files, wiring.shelf, settings.data_folder, settings.keys)
    app.extensions[KEY] = Kept(needs.check, FRESH_SECONDS, PATIENCE_SECONDS)
    app.extensions[DRAINING] = lambda: False
    app.register_blueprint(blueprint)
