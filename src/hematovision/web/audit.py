"""The audit record: who did what, when and from where, to be searched; nothing here changes it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Flask, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from hematovision.errors import BlindError
from hematovision.people import Right, User
from hematovision.services.auditing import list_choices, open_event, search_record
from hematovision.services.second_readings import blind_cases
from hematovision.storage.audit_search import Sought
from hematovision.storage.search import NOBODY
from hematovision.web.access import get_user, needs
from hematovision.web.days import day_of
from hematovision.web.looks import look
from hematovision.web.uploads import number_of
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("audit", __name__, url_prefix="/audit")

FILTERS = ("from", "to", "person", "action", "subject", "digest")
DOORS = {
    "page": lazy_gettext("page"),
    "api": lazy_gettext("program"),
    "terminal": lazy_gettext("terminal"),
    "worker": lazy_gettext("worker"),
}
LONGEST = 128
DIGEST = re.compile(r"[0-9a-f]{1,64}", re.ASCII)


@blueprint.get("")
@needs(Right.SEE_AUDIT)
def show() -> str:
    """List events, as the address asks."""
    database = get_wiring().database
    people, actions = list_choices(database)
    asked = _asked(people)
    filters = {name: asked[name] for name in FILTERS if asked[name]}
    look("audit.searched", "audit", {"by": [*filters]})
    page = search_record(database, _sought(asked), before=number_of(asked["before"]))
    return render_template(
        "audit.html",
        page=page,
        asked=asked,
        filtered=bool(filters),
        newest=_address(filters),
        older=_address(filters | {"before": page.end}) if page.end else None,
        people=_names(people).items(),
        actions=actions,
        doors=DOORS,
    )


@blueprint.get("/<int:event_id>")
@needs(Right.SEE_AUDIT)
def event(event_id: int) -> str:
    """Show an event, with what was there before and after where that is kept.

    The code on a signed report leads here with the digest that the report says.
    """
    opened = open_event(get_wiring().database, event_id)
    if opened.values and opened.event.case_id in blind_cases(get_wiring().database, get_user().id):
        raise BlindError("You read this case a second time.")
    look("audit.seen", f"event {event_id}", case_id=opened.event.case_id)
    return render_template(
        "audit_event.html",
        opened=opened,
        event=opened.event,
        doors=DOORS,
        paper=request.args.get("digest", "")[:LONGEST],
    )


def _asked(people: Sequence[User]) -> dict[str, str]:
    """Read the address; what is not on offer, no date or no digest is left out."""
    asked = {name: request.args.get(name, "").strip() for name in (*FILTERS, "before")}
    asked["person"] = asked["person"] if asked["person"] in _names(people) else ""
    for name in ("from", "to"):
        asked[name] = asked[name] if day_of(asked[name]) else ""
    for name in ("action", "subject"):
        text = " ".join(asked[name].split())
        asked[name] = text[:LONGEST] if text.isprintable() else ""
    digest = "".join(asked["digest"].lower().split())
    asked["digest"] = digest if DIGEST.fullmatch(digest) else ""
    asked["before"] = asked["before"] if number_of(asked["before"]) else ""
    return asked


def _sought(asked: Mapping[str, str]) -> Sought:
    return Sought(
        since=day_of(asked["from"]),
        until=day_of(asked["to"], after=1),
        person=int(asked["person"]) if asked["person"] else None,
        action=asked["action"],
        subject=asked["subject"],
        digest=asked["digest"],
    )


def _names(people: Sequence[User]) -> dict[str, str]:
    named = {str(user.id): user.name for user in people}
    return named | {str(NOBODY): _("nobody signed in")}


def _address(values: Mapping[str, Any]) -> str:
    return url_for("audit.show", **values)


def init_app(app: Flask) -> None:
    """Register the pages."""
    app.register_blueprint(blueprint)
