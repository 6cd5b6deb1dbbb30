"""The quality page: what people change, how readers agree, what has drifted, what is missed."""

import logging
from datetime import date, datetime
from typing import Any

from flask import Blueprint, Flask, Response, abort, make_response, render_template, request

from hematovision.people import Right
from hematovision.services.locator_checks import SAMPLE, Counted, counted
from hematovision.services.quality import Survey, is_unlike, looks_of, record_export, survey
from hematovision.services.shares import Part
from hematovision.web import quality_charts as charts
from hematovision.web import quality_words as said
from hematovision.web.access import hand, needs
from hematovision.web.days import USUAL_WEEKS, Days, asked_days, weeks_up_to
from hematovision.web.looks import look
from hematovision.web.quality_tables import TABLES, as_csv, by_day
from hematovision.web.wiring import get_wiring

log = logging.getLogger(__name__)
blueprint = Blueprint("quality", __name__, url_prefix="/quality")
CHOICES = (4, USUAL_WEEKS, 52)
"""Weeks that are one press away."""


@blueprint.get("")
@needs(Right.SEE_QUALITY)
def show() -> str:
    """Show how well laboratory and model do."""
    days, looks = _days(), looks_of(get_wiring().shelf)
    found = survey(get_wiring().database, days.period, looks)
    look("quality.seen", "quality")
    return render_template(
        "quality.html",
        survey=found,
        looks=looks,
        days=days,
        asked=_address(days),
        choices={weeks: _address(weeks_up_to(_today(), weeks)) for weeks in CHOICES},
        columns=said.columns_of(found),
        days_checked=_checked(found),
        checked=counted(found.checks),
        is_unlike=is_unlike,
        sample=SAMPLE,
        charts=charts,
        said=said,
        Part=Part,
    )


@blueprint.get("/tables/<name>.csv")
@needs(Right.SEE_QUALITY)
def table(name: str) -> Response:
    """Give the numbers behind a chart; that somebody took them is recorded."""
    if name not in TABLES:
        abort(404)
    days, database = _days(), get_wiring().database
    found = survey(database, days.period, looks_of(get_wiring().shelf))
    answer = make_response(as_csv(TABLES[name](found)))
    answer.mimetype = "text/csv"
    answer.headers["Content-Disposition"] = f"attachment; filename=quality-{name}.csv"
    record_export(database, name, by=hand())
    return answer


def _checked(found: Survey) -> dict[date, Counted]:
    return {day: counted(checks) for day, checks in by_day(found).items()}


def _days() -> Days:
    return asked_days(request.args, _today())


def _today() -> date:
    return datetime.now().astimezone().date()


def _address(days: Days) -> dict[str, Any]:
    """Give what stands in an address for some days; nothing for those that are usual."""
    if days == weeks_up_to(_today(), USUAL_WEEKS):
        return {}
    return {
        "from": days.first.isoformat() if days.first else "",
        "to": days.last.isoformat() if days.last else "",
    }


def init_app(app: Flask) -> None:
    """Register the page."""
    app.register_blueprint(blueprint)
