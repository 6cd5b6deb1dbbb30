"""Signing a case, amending it, and every version that was signed."""

from flask import Blueprint, Flask, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hematovision.errors import HematoVisionError
from hematovision.people import Right
from hematovision.services.accounts import list_users
from hematovision.services.amending import (
    amend_case,
    answer,
    compare_versions,
    get_version,
    get_versions,
    send_back,
)
from hematovision.services.cases import CLOSED
from hematovision.services.contents import called, digest_of
from hematovision.services.galleries import photos_without_picture
from hematovision.services.naming import get_own_labels
from hematovision.services.signing import (
    MEANINGS,
    Signing,
    open_desk,
    sign_case,
    what_is_confirmed,
)
from hematovision.services.single_sign_on import is_confirmed, is_of_provider
from hematovision.services.vouching import vouches
from hematovision.web import differential_words as said
from hematovision.web import signature_words
from hematovision.web.access import get_user, hand, needs
from hematovision.web.check_words import words_of_checks
from hematovision.web.errors import STATUS_OF
from hematovision.web.looks import look
from hematovision.web.signs import sign_of
from hematovision.web.single_sign_on import confirmation_of
from hematovision.web.uploads import number_of
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("signing", __name__, url_prefix="/cases/<int:case_id>")
Page = str | Response | tuple[str, int]


@blueprint.get("/sign")
@needs(Right.SIGN)
def show(case_id: int) -> Page:
    """Show what is signed, and what is left to do before."""
    return _page(case_id)


@blueprint.post("/sign")
@needs(Right.SIGN)
def sign(case_id: int) -> Page:
    """Sign."""
    given = _given(case_id)
    try:
        signature = sign_case(get_wiring().database, get_user(), case_id, given, by=hand())
    except HematoVisionError as error:
        page = _page(case_id, failure=error, given=given)
        return (page, STATUS_OF[type(error)]) if isinstance(page, str) else page
    return redirect(url_for("signing.version", case_id=case_id, number=signature.version), 303)


@blueprint.post("/amend")
@needs(Right.SIGN)
def amend(case_id: int) -> Response:
    """Open a signed case again."""
    amend_case(get_wiring().database, case_id, request.form.get("reason", ""), by=hand())
    return redirect(url_for("gallery.show", case_id=case_id), 303)


@blueprint.post("/send-back")
@needs(Right.SIGN)
def back(case_id: int) -> Response:
    """Ask that the case be looked at again."""
    send_back(get_wiring().database, case_id, request.form.get("reason", ""), by=hand())
    return redirect(url_for("differential.show", case_id=case_id), 303)


@blueprint.post("/looked-again")
@needs(Right.REVIEW)
def looked(case_id: int) -> Response:
    """Say that somebody has looked again."""
    answer(get_wiring().database, case_id, by=hand())
    return redirect(url_for("differential.show", case_id=case_id), 303)


@blueprint.get("/versions/<int:number>")
@needs(Right.SEE_CASES)
def version(case_id: int, number: int) -> str:
    """Show a version as it was signed; `with` lays another beside it, or the case as it stands."""
    database = get_wiring().database
    signature = get_version(database, case_id, number)
    case, versions = get_versions(database, case_id)
    other = request.args.get("with")
    later = number_of(other) if other else None
    difference = compare_versions(database, case_id, number, later) if other else None
    look("version.seen", f"case {case_id}", {"version": number})
    own = get_own_labels(database).every
    return render_template(
        "version.html",
        case=case,
        closed=case.state in CLOSED,
        versions=versions,
        signature=signature,
        counts=signature.content["differential"],
        digest=digest_of(signature.content),
        is_vouched=vouches(database, signature),
        called=called,
        later=later,
        difference=difference,
        gone=photos_without_picture(database, case_id) if difference else frozenset(),
        people={user.id: user.name for user in list_users(database)},
        signatures=signature_words,
        said=said,
        own=own,
        sign_of=lambda code: sign_of(code, own),
    )


def _given(case_id: int) -> Signing:
    form = request.form
    place = number_of(form.get("meaning"))
    if place is None or place >= len(MEANINGS):
        abort(400)
    seen = form.get("seen", "")
    return Signing(
        seen=seen,
        password=form.get("password", ""),
        meaning=MEANINGS[place],
        printed_name=form.get("printed_name", ""),
        reasons={
            name.removeprefix("reason-"): text
            for name, text in form.items()
            if name.startswith("reason-")
        },
        confirmation=confirmation_of(case_id, seen),
    )


def _page(
    case_id: int, *, failure: HematoVisionError | None = None, given: Signing | None = None
) -> str | Response:
    database, user = get_wiring().database, get_user()
    desk = open_desk(database, case_id, user)
    if desk.sheet.case.state in CLOSED and failure is None:
        number = desk.sheet.signed
        return redirect(url_for("signing.version", case_id=case_id, number=number))
    look("signing.seen", f"case {case_id}")
    checks = words_of_checks(desk.sheet)
    left = [check for check in checks if check.state == "open"]
    return render_template(
        "sign.html",
        desk=desk,
        case=desk.sheet.case,
        counts=desk.sheet.differential,
        checks=checks,
        stuck=[check for check in left if not check.is_leavable],
        closed=desk.sheet.case.state in CLOSED,
        failure=failure,
        given=given,
        elsewhere=is_of_provider(database, user),
        confirmed=is_confirmed(
            database,
            user,
            confirmation_of(case_id, desk.seen),
            what_is_confirmed(case_id, desk.seen),
            now=hand().now,
        ),
        meanings=signature_words.MEANS,
        said=said,
        own=desk.sheet.own,
        sign_of=lambda code: sign_of(code, desk.sheet.own),
    )


def init_app(app: Flask) -> None:
    """Register the pages."""
    app.register_blueprint(blueprint)
