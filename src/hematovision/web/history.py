"""The history: every reading, found again by what people remember of it, and filed into a case."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Flask, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from werkzeug.wrappers import Response

from hematovision.cells import Decision
from hematovision.errors import HematoVisionError, PhotoUnknownError
from hematovision.exchange.documents import reading_document
from hematovision.labels import LABELS
from hematovision.people import Right
from hematovision.services.filing import file_reading
from hematovision.services.readings import ReadPhoto
from hematovision.services.recording import find_picture, get_reading
from hematovision.services.searching import Choices, list_choices, search
from hematovision.services.second_readings import blind_cases
from hematovision.storage.cases import CaseState
from hematovision.storage.readings import KeptReading
from hematovision.storage.search import NOBODY, Mark, Wanted
from hematovision.web.access import get_user, hand, needs
from hematovision.web.cards import Filing, picture_of, picture_without_photo
from hematovision.web.days import day_of
from hematovision.web.errors import STATUS_OF
from hematovision.web.language import name_of
from hematovision.web.looks import look
from hematovision.web.uploads import asks_for_json
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("history", __name__)

FILTERS = ("case", "from", "to", "class", "person", "state", "model")
QUICK = "quick"
STATES = {
    QUICK: lazy_gettext("no case"),
    CaseState.OPEN: lazy_gettext("open"),
    CaseState.IN_REVIEW: lazy_gettext("in review"),
    CaseState.SIGNED: lazy_gettext("signed"),
    CaseState.AMENDED: lazy_gettext("amended"),
}
DOORS = {
    "page": lazy_gettext("page"),
    "api": lazy_gettext("program"),
    "terminal": lazy_gettext("terminal"),
    "folder": lazy_gettext("watched folder"),
}
LONGEST = 64
CURSOR = re.compile(r"(\d{1,14})-(\d{1,18})", re.ASCII)
EPOCH, MILLISECOND = datetime.fromtimestamp(0, UTC), timedelta(milliseconds=1)


@blueprint.get("/history")
@needs(Right.SEE_CASES)
def show() -> str:
    """List readings, as the address asks."""
    database = get_wiring().database
    choices = list_choices(database)
    offered = _offered(choices)
    asked = _asked(offered)
    before = _mark(asked["before"])
    blind = blind_cases(database, get_user().id)
    page = search(database, replace(_wanted(asked), blind=blind), before=before)
    filters = {name: asked[name] for name in FILTERS if asked[name]}
    look("history.searched", "history", {"by": [*filters]})
    return render_template(
        "history.html",
        lines=page.lines,
        blind=blind,
        asked=asked,
        filtered=bool(filters),
        newest=_address(filters),
        older=_address(filters | {"before": _cursor(page.end)}) if page.end else None,
        own=choices.own,
        labels=offered["class"].items(),
        people=offered["person"].items(),
        models=offered["model"].items(),
    )


@blueprint.get("/readings/<int:photo_id>")
@needs(Right.SEE_CASES)
def reading(photo_id: int) -> Response | str:
    """Show a reading as it was recorded; the model is not asked again."""
    if asks_for_json():
        kept = get_reading(get_wiring().database, photo_id)
        _look(kept)
        answer = jsonify(reading_document(kept.reading))
        answer.vary.add("Accept")
        return answer
    return _page_of(Filing(photo_id))


@blueprint.post("/readings/<int:photo_id>/case")
@needs(Right.REVIEW)
def file(photo_id: int) -> Response | tuple[str, int]:
    """File a reading into a case that there is, or into a new one."""
    accession, new = request.form.get("accession", ""), "new" in request.form
    try:
        case = file_reading(
            get_wiring().database, photo_id, accession, new=new, user=get_user(), by=hand()
        )
    except PhotoUnknownError:
        raise
    except HematoVisionError as error:
        return _page_of(Filing(photo_id, accession, new, error)), STATUS_OF[type(error)]
    return redirect(url_for("cases.photos", case_id=case.id), HTTPStatus.SEE_OTHER)


def _page_of(filing: Filing) -> str:
    wiring = get_wiring()
    kept = get_reading(wiring.database, filing.photo_id)
    _look(kept)
    photo = find_picture(
        wiring.files, kept, max_pixels=wiring.settings.max_pixels, decoder=wiring.decoder
    )
    if photo is None:
        picture = picture_without_photo(kept.reading, filing if filing.failure else None)
    else:
        may_file = kept.case_id is None and get_user().may(Right.REVIEW)
        shown = filing if may_file or filing.failure else None
        picture = picture_of(ReadPhoto(photo, kept.reading), filing=shown)
    return render_template("result.html", pictures=[picture], kept=kept, keeps=True)


def _look(kept: KeptReading) -> None:
    of_case = None if kept.case_id is None else {"case": kept.case_id}
    look("reading.seen", f"photo {kept.photo_id}", of_case)


def _offered(choices: Choices) -> dict[str, dict[str, str]]:
    """Say what there is to choose from: what stands in the address, and how it is called."""
    order = [str(Decision.UNIDENTIFIED), *(label.code for label in LABELS)]
    own = [code for code in choices.labels if code not in order]
    labels = [code for code in order if code in choices.labels] + own
    return {
        "class": {code: name_of(code, own=choices.own) for code in labels},
        "person": {
            **{str(user.id): user.name for user in choices.people},
            str(NOBODY): _("nobody signed in"),
        },
        "state": {str(state): str(name) for state, name in STATES.items()},
        "model": {version: version for version in choices.model_versions},
    }


def _asked(offered: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Read the address; what is not on offer, or is no date, is left out."""
    asked = {name: request.args.get(name, "").strip() for name in (*FILTERS, "before")}
    for name, choices in offered.items():
        asked[name] = asked[name] if asked[name] in choices else ""
    for name in ("from", "to"):
        asked[name] = asked[name] if day_of(asked[name]) else ""
    asked["case"] = asked["case"][:LONGEST] if asked["case"].isprintable() else ""
    asked["before"] = asked["before"] if _mark(asked["before"]) else ""
    return asked


def _wanted(asked: Mapping[str, str]) -> Wanted:
    state = asked["state"]
    return Wanted(
        accession=" ".join(asked["case"].split()),
        since=day_of(asked["from"]),
        until=day_of(asked["to"], after=1),
        person=int(asked["person"]) if asked["person"] else None,
        label=asked["class"],
        state=CaseState(state) if state and state != QUICK else None,
        quick=state == QUICK,
        model_version=asked["model"],
    )


def _address(values: dict[str, Any]) -> str:
    return url_for("history.show", **values)


def _cursor(mark: Mark) -> str:
    return f"{(mark.at - EPOCH) // MILLISECOND}-{mark.reading_id}"


def _mark(text: str) -> Mark | None:
    found = CURSOR.fullmatch(text)
    return Mark(EPOCH + int(found[1]) * MILLISECOND, int(found[2])) if found else None


def init_app(app: Flask) -> None:
    """Register the pages."""
    app.jinja_env.globals.update(states=STATES, doors=DOORS)
    app.register_blueprint(blueprint)
