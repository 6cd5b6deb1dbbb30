"""The start page: what waits, what is being read, and every case."""

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from hematovision.errors import AccessionTakenError, HematoVisionError
from hematovision.people import Right
from hematovision.services.cases import find_case, open_case
from hematovision.services.overviews import count_cells, look_over
from hematovision.storage.overviews import Pile, Search, Summary
from hematovision.storage.tables import NAME_LENGTH
from hematovision.web.access import get_user, hand, needs
from hematovision.web.errors import STATUS_OF
from hematovision.web.looks import look
from hematovision.web.mixes import mix_of
from hematovision.web.uploads import number_of
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("cases", __name__, url_prefix="/cases")

Page = Response | str | tuple[str, int]


@blueprint.get("")
@needs(Right.SEE_CASES)
def show() -> str:
    """Show what waits."""
    look("cases.seen", "cases")
    return _page()


@blueprint.post("")
@needs(Right.REVIEW)
def add() -> Page:
    """Make a case, and go where its photos come in."""
    database, accession = get_wiring().database, request.form.get("accession", "")
    try:
        case = open_case(database, accession, request.form.get("note", ""), by=hand())
    except HematoVisionError as error:
        there = find_case(database, accession) if isinstance(error, AccessionTakenError) else None
        return _page(failure=error, accession=accession, there=there), STATUS_OF[type(error)]
    return redirect(url_for("cases.photos", case_id=case.id), 303)


def _page(**more: Any) -> str:
    wanted = wanted_cases()
    start = look_over(get_wiring().database, wanted, user_id=get_user().id)
    return render_template(
        "cases.html",
        start=start,
        wanted=wanted,
        greeting=_greeting(datetime.now().astimezone().hour),
        now=datetime.now(UTC),
        address=_address,
        turn="after" if wanted.oldest_first else "before",
        mix_of=mix_of,
        cells_of=_cells_of,
        **({"failure": None, "accession": "", "there": None} | more),
    )


def wanted_cases() -> Search:
    """Read from the address which cases are looked for."""
    state = request.args.get("state")
    text = sought(request.args.get("q", ""))
    # Who looks for a number looks among all, unless they say otherwise.
    usual = Pile.ALL if text else Pile.REVIEW
    pile = Pile(state) if state in set(Pile) else usual
    turn = "before" if pile in {Pile.ALL, Pile.SIGNED} else "after"
    return Search(
        pile=pile,
        text=text,
        mine=get_user().id if request.args.get("mine") == "1" else None,
        cursor=number_of(request.args.get(turn)),
    )


def sought(text: str) -> str:
    """Give what is looked for, as far as an accession number could hold it."""
    return "".join(filter(str.isprintable, text[:NAME_LENGTH])).strip()


def _address(wanted: Search, endpoint: str = "cases.show", **changes: Any) -> str:
    """Give the address of the same search with something else in it, or of what is made of it."""
    present = {
        "q": wanted.text or None,
        "state": str(wanted.pile),
        "mine": "1" if wanted.mine is not None else None,
    }
    return url_for(endpoint, **(present | changes))


def _cells_of(summary: Summary) -> tuple[int, int]:
    return count_cells(summary.tallies)


def _greeting(hour: int) -> str:
    """Greet by the server's clock, which hangs in the same laboratory."""
    if 5 <= hour < 12:
        return str(_("Good morning"))
    return str(_("Good afternoon") if 12 <= hour < 18 else _("Good evening"))


def waited(span: timedelta) -> str:
    """Say how long something waits: `12 min`, `3 h 05`, `2 d 4 h`."""
    minutes = max(0, int(span.total_seconds() // 60))
    if not minutes:
        return str(_("less than a minute"))
    hours, minutes = divmod(minutes, 60)
    if hours >= 24:
        return str(_("%(days)d d %(hours)d h", days=hours // 24, hours=hours % 24))
    if hours:
        return str(_("%(hours)d h %(minutes)02d", hours=hours, minutes=minutes))
    return str(_("%(minutes)d min", minutes=minutes))


def time_left(seconds: int | None) -> str:
    """Say about how long something still takes; nothing where nobody can tell."""
    if seconds is None:
        return ""
    if seconds < 60:
        return str(_("less than a minute left"))
    if seconds < 90 * 60:
        return str(_("about %(minutes)d min left", minutes=round(seconds / 60)))
    return str(_("about %(hours)d h left", hours=round(seconds / 3600)))
