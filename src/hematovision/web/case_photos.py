"""The photos of a case: how they come in, how far they are, and what became of each."""

import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeAlias

from flask import Flask, Response, jsonify, redirect, render_template, request, url_for
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response as AnyResponse

from hematovision.errors import FileTooLargeError, HematoVisionError, NoImageError
from hematovision.exchange.archives import Limits
from hematovision.people import Right
from hematovision.services import batches, cases, teaching
from hematovision.services.hands import Hand
from hematovision.services.intake import Arrival, Sending, Tray, leave_out, take_in
from hematovision.services.overviews import (
    Progress,
    progress_of,
    sheet_of,
)
from hematovision.storage.cases import Case
from hematovision.storage.database import Database
from hematovision.storage.photos import PhotoState
from hematovision.vision.containers import SIGNATURES
from hematovision.web.access import get_user, hand, needs
from hematovision.web.cases import blueprint, time_left, waited
from hematovision.web.errors import STATUS_OF, Problem, problem_of
from hematovision.web.failures import words_of
from hematovision.web.looks import look
from hematovision.web.uploads import asks_for_json, get_uploads, number_of
from hematovision.web.wiring import Wiring, get_wiring

SENDING = re.compile("[0-9a-zA-Z-]{8,32}")
"""How a page calls a sending of several requests."""

STEP = 5
"""Seconds by which an estimate changes; in smaller steps it would change at every look."""

Page: TypeAlias = AnyResponse | str | tuple[str, int]
Outcome: TypeAlias = tuple[str, Arrival | Problem]


class Move(Protocol):
    """What moves the photos of a case from one state to another."""

    def __call__(self, database: Database, case: Case, *, by: Hand) -> int:
        """Move them; give how many."""
        ...


@blueprint.get("/<int:case_id>")
@needs(Right.SEE_CASES)
def photos(case_id: int) -> str:
    """Show the photos of a case."""
    return _page(case_id)


@blueprint.post("/<int:case_id>/photos")
@needs(Right.REVIEW)
def add_photos(case_id: int) -> Page:
    """Let pictures wait to be read, those in a ZIP among them; one answer a file."""
    try:
        uploads = get_uploads()
    except NoImageError as error:
        if asks_for_json():
            raise
        return _page(case_id, failure=error), STATUS_OF[type(error)]
    arrivals = arrivals_of(get_wiring(), _sending(case_id), uploads)
    outcomes = [(one.name, problem_of(one.failure) if one.failure else one) for one in arrivals]
    if asks_for_json():
        return jsonify({"files": [_document(*outcome) for outcome in outcomes]})
    if all(isinstance(what, Arrival) and what.photo for _, what in outcomes):
        return redirect(url_for("cases.photos", case_id=case_id), 303)
    return _page(case_id, outcomes=outcomes)


@blueprint.get("/<int:case_id>/progress")
@needs(Right.SEE_CASES)
def progress(case_id: int) -> Response:
    """Say how far the photos are; 304 where nothing changed."""
    answer = jsonify(_progress_document(_progress(case_id)))
    answer.add_etag()
    answer.make_conditional(request)
    return answer


@blueprint.post("/<int:case_id>/pause")
@needs(Right.REVIEW)
def pause(case_id: int) -> AnyResponse:
    """Let nothing more be read for now."""
    return _move(case_id, batches.pause)


@blueprint.post("/<int:case_id>/resume")
@needs(Right.REVIEW)
def resume(case_id: int) -> AnyResponse:
    """Let the photos be read again."""
    return _move(case_id, batches.resume)


@blueprint.post("/<int:case_id>/cancel")
@needs(Right.REVIEW)
def cancel(case_id: int) -> AnyResponse:
    """Read nothing more."""
    return _move(case_id, batches.cancel)


@blueprint.post("/<int:case_id>/retry")
@needs(Right.REVIEW)
def retry(case_id: int) -> AnyResponse:
    """Try the photos again that could not be read."""
    return _move(case_id, batches.retry)


@blueprint.post("/<int:case_id>/photos/<int:photo_id>/leave-out")
@needs(Right.REVIEW)
def leave_photo_out(case_id: int, photo_id: int) -> AnyResponse:
    """Count a photo that could not be read no longer."""
    database = get_wiring().database
    leave_out(database, cases.get_case(database, case_id), photo_id, by=hand())
    return _back(case_id)


@blueprint.post("/<int:case_id>/note")
@needs(Right.REVIEW)
def change_note(case_id: int) -> Page:
    """Write something else beside the case."""
    database, note = get_wiring().database, request.form.get("note", "")
    case = cases.get_case(database, case_id)
    seen = replace(case, version=number_of(request.form.get("version")) or case.version)
    try:
        cases.change_note(database, seen, note, by=hand())
    except HematoVisionError as error:
        return _page(case_id, failure=error, note=note), STATUS_OF[type(error)]
    return _back(case_id)


@blueprint.post("/<int:case_id>/teaching")
@needs(Right.REVIEW)
def allow_teaching(case_id: int) -> AnyResponse:
    """Say whether the confirmed cells of the case may be used to improve the model."""
    may_improve = request.form.get("may_improve") == "yes"
    teaching.allow_teaching(get_wiring().database, case_id, may_improve=may_improve, by=hand())
    return _back(case_id)


def _sending(case_id: int) -> Sending:
    """Read what the request says of itself; one that says nothing is a sending of its own."""
    name = request.form.get("sending", "")
    if not SENDING.fullmatch(name):
        name = secrets.token_hex(16)
    return Sending(case_id, name, number_of(request.form.get("replaces")))


def arrivals_of(
    wiring: Wiring, sending: Sending, uploads: Sequence[FileStorage]
) -> Iterator[Arrival]:
    """Take files in, those in a ZIP among them; give what became of each."""
    settings = wiring.settings
    limits = Limits(
        entries=settings.max_archive_files,
        entry_bytes=settings.max_file_bytes,
        bytes=settings.max_archive_bytes,
    )
    tray = Tray(
        wiring.database,
        wiring.files,
        wiring.queue,
        limits,
        settings.max_pixels,
        wiring.decoder,
        settings.max_waiting_photos,
    )
    incoming = ((upload.filename or "", upload.stream) for upload in uploads)
    return take_in(tray, sending, incoming, by=hand())


def _document(name: str, what: Arrival | Problem) -> dict[str, Any]:
    """Say as a document what became of a file."""
    if isinstance(what, Problem):
        return {"name": name, "error": what.as_document()}
    if what.photo is None:
        return {"name": name, "state": "left_out"}
    return {
        "name": name,
        "state": "here" if what.was_here else str(what.photo.state),
        "photo": what.photo.id,
        "number": what.photo.number,
        "same_as": what.same_as,
    }


def _progress(case_id: int) -> Progress:
    return progress_of(get_wiring().database, case_id, user_id=get_user().id)


def _progress_document(progress: Progress) -> dict[str, Any]:
    left = progress.seconds_left
    return {
        "case": progress.case.id,
        "state": str(progress.case.state),
        "running": progress.is_running,
        "photos": progress.total,
        "done": progress.done,
        "counts": {str(state): progress.number(state) for state in PhotoState},
        "cells": progress.cells,
        "unidentified": progress.unidentified,
        "seconds_left": None if left is None else -(-left // STEP) * STEP,
    }


def _move(case_id: int, move: Move) -> AnyResponse:
    """Pause, resume, cancel or retry, and go back."""
    wiring = get_wiring()
    move(wiring.database, cases.get_case(wiring.database, case_id), by=hand())
    wiring.queue.wake()
    return _back(case_id)


def _back(case_id: int) -> AnyResponse:
    """Go to where the button was: the list, or the photos."""
    to_list = request.form.get("back") == "list"
    where = url_for("cases.show") if to_list else url_for("cases.photos", case_id=case_id)
    return redirect(where, 303)


def _page(
    case_id: int,
    *,
    failure: HematoVisionError | None = None,
    outcomes: Sequence[Outcome] = (),
    note: str | None = None,
) -> str:
    wiring = get_wiring()
    after = number_of(request.args.get("after")) or 0
    sheet = sheet_of(wiring.database, case_id, after=after, user_id=get_user().id)
    look("case.seen", f"case {case_id}")
    return render_template(
        "case_photos.html",
        sheet=sheet,
        case=sheet.progress.case,
        is_closed=sheet.progress.case.state in cases.CLOSED,
        failure=failure,
        refused=[(name, what) for name, what in outcomes if isinstance(what, Problem)],
        left_out=sum(isinstance(what, Arrival) and not what.photo for _, what in outcomes),
        note=note,
        words_of=words_of,
        formats=", ".join(SIGNATURES),
        settings=wiring.settings,
        model_failure=wiring.failure,
        too_large=FileTooLargeError.over(wiring.settings.max_file_bytes),
    )


def init_app(app: Flask) -> None:
    """Register the pages of cases, which are complete here, and their words."""
    app.jinja_env.filters.update(waited=waited, time_left=time_left)
    app.register_blueprint(blueprint)
