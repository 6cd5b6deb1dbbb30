"""`/readings`: photos that are read at once, or later, and what was said of them."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Response, jsonify, request, url_for

from hematovision.errors import (
    BusyError,
    DecodersBusyError,
    FieldError,
    FieldsInvalidError,
    FileTooLargeError,
    ImageTooLargeError,
    InferenceAwayError,
    InferenceWrongError,
    KeyOutdatedError,
    ModelDamagedError,
    ModelMissingError,
    NoImageError,
    PhotoUnknownError,
    QueueFullError,
    TooManyImagesError,
    UnreadableImageError,
    UnsupportedFormatError,
)
from hematovision.exchange.documents import reading_document
from hematovision.people import Right
from hematovision.services.jobs import JobTray, get_job, send_job
from hematovision.services.recording import get_reading
from hematovision.services.searching import search
from hematovision.services.second_readings import blind_cases
from hematovision.storage.cases import CaseState
from hematovision.storage.search import Line, Mark, Wanted
from hematovision.web.access import get_user, hand, needs
from hematovision.web.answers import Answer, read_upload
from hematovision.web.api import values
from hematovision.web.api.etags import tagged
from hematovision.web.api.jobs import PATIENCE, job_document
from hematovision.web.api.paging import cursor_of, page_of, page_schema
from hematovision.web.api.reading_schemas import (
    Asked,
    JobDocument,
    LineDocument,
    ReadingDocument,
    ReadingsDocument,
    ReadingsWanted,
)
from hematovision.web.api.resources import Resource, asks, fails
from hematovision.web.idempotency import claim_of
from hematovision.web.looks import look
from hematovision.web.pressure import reading_slot
from hematovision.web.uploads import get_uploads
from hematovision.web.wiring import get_wiring

resource = Resource(
    "readings", "Readings", "Photos of no case: have them read, and find every reading again."
)

EPOCH, MILLISECOND = datetime.fromtimestamp(0, UTC), timedelta(milliseconds=1)
LATEST = 10**14
"""Milliseconds since 1970 that are a moment still; nothing was read after it."""
LATER = re.compile(r"\s*respond-async\s*", re.IGNORECASE)
PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": "`respond-async`: answer at once with a job; the photos are read later.",
    "schema": {"type": "string"},
}
HEADERS = values.location("Where the job is.") | PATIENCE
EXPLAIN = {
    "explain": {
        "type": "boolean",
        "default": False,
        "description": "Whether to say as well where each answer comes from; not for a job.",
    }
}


@resource.post("/readings")
@needs(Right.READ_PHOTOS)
@resource.takes_files("The photos, whatever their fields are called.", fields=EXPLAIN)
@resource.arguments(Asked, location="form", content_type="multipart/form-data")
@resource.response(200, ReadingsDocument)
@resource.alt_response(202, schema=JobDocument, headers=HEADERS, success=True)
@asks(PREFER)
@fails(NoImageError, TooManyImagesError, FileTooLargeError, ImageTooLargeError)
@fails(UnsupportedFormatError, UnreadableImageError)
@fails(ModelMissingError, ModelDamagedError, KeyOutdatedError)
@fails(BusyError, QueueFullError, DecodersBusyError, InferenceAwayError, InferenceWrongError)
def read(asked: dict[str, Any]) -> Any:
    """Have photos read.

    One photo or many, as the parts of a multipart form. The answer has one entry a file, in the
    order they were sent: the reading, or why there is none. One photo alone that cannot be read is
    answered by its problem. No answer is given that is not on record.

    With `Prefer: respond-async` the answer is a job, at once; files that cannot be pictures are
    refused in it already.
    """
    reader = get_wiring().get_reader()
    files = get_uploads()
    wishes = ",".join(request.headers.getlist("Prefer")).split(",")
    if any(map(LATER.fullmatch, wishes)):
        return _send(asked)
    alone, explain = len(files) == 1, asked["explain"]
    with reading_slot():
        answers = [
            read_upload(file, reader, alone=alone, explain=explain, claim=claim_of(place))
            for place, file in enumerate(files)
        ]
    return {"readings": [_entry(answer, explained=explain) for answer in answers]}


@resource.get("/readings")
@needs(Right.SEE_CASES)
@resource.arguments(ReadingsWanted, location="query")
@resource.response(200, page_schema(LineDocument))
def index(asked: dict[str, Any]) -> Any:
    """List readings, the newest first.

    Readings of cases and of no case, found by what one remembers of them.
    """
    database = get_wiring().database
    blind = blind_cases(database, get_user().id)
    wanted = replace(_wanted(asked), blind=blind)
    page = search(database, wanted, before=_mark(asked["cursor"]), limit=asked["limit"])
    filters = sorted(set(request.args) - {"cursor", "limit"})
    look("history.searched", "history", {"by": filters})
    cursor = None
    if page.end:
        cursor = cursor_of((page.end.at - EPOCH) // MILLISECOND, page.end.reading_id)
    return page_of([_line(line, is_blind=line.case_id in blind) for line in page.lines], cursor)


@resource.get("/readings/<int:photo_id>")
@needs(Right.SEE_CASES)
@tagged
@resource.response(200, ReadingDocument)
@fails(PhotoUnknownError)
def show(photo_id: int) -> dict[str, Any]:
    """Get a reading as it was recorded.

    The model is not asked again, and what people said of the cells since is not in it.
    """
    kept = get_reading(get_wiring().database, photo_id)
    of_case = None if kept.case_id is None else {"case": kept.case_id}
    look("reading.seen", f"photo {photo_id}", of_case)
    return _identity(photo_id) | reading_document(kept.reading)


def _send(asked: Mapping[str, Any]) -> Response:
    """Let the photos wait, and say where to ask for them."""
    if asked["explain"]:
        reason = "What is read later is kept, and where it comes from is not."
        errors = [FieldError("explain", reason)]
        raise FieldsInvalidError("The request has fields that are wrong.", errors)
    wiring = get_wiring()
    settings = wiring.settings
    tray = JobTray(
        wiring.database,
        wiring.files,
        wiring.queue,
        settings.max_file_bytes,
        settings.max_pixels,
        wiring.decoder,
        settings.max_waiting_photos,
    )
    pictures = (file.stream for file in get_uploads())
    job_id = send_job(tray, pictures, by=hand(), claim=claim_of(0))
    document, headers = job_document(get_job(wiring.database, job_id, user=get_user()))
    location = url_for("api_jobs.show", job_id=job_id)
    answer = jsonify(JobDocument().dump(document))
    answer.headers.update({**headers, "Location": location, "Preference-Applied": "respond-async"})
    answer.status_code = 202
    return answer


def _entry(answer: Answer, *, explained: bool) -> dict[str, Any]:
    document = answer.as_document(explained=explained)
    return document if answer.photo_id is None else _identity(answer.photo_id) | document


def _identity(photo_id: int) -> dict[str, Any]:
    return {"id": photo_id, "url": url_for("api_readings.show", photo_id=photo_id)}


def _line(line: Line, *, is_blind: bool) -> dict[str, Any]:
    return _identity(line.photo_id) | {
        "read_at": line.read_at,
        "case": line.case_id,
        "accession": line.accession,
        "state": line.state,
        "sender": line.sender,
        "door": line.door,
        "model_version": line.model_version,
        "total": None if is_blind else line.cells,
        "counts": None if is_blind else line.counts,
    }


def _wanted(asked: Mapping[str, Any]) -> Wanted:
    return Wanted(
        accession=" ".join(asked["accession"].split()),
        since=asked["since"],
        until=asked["until"],
        person=asked["person"],
        label=asked["label"],
        state=CaseState(asked["state"]) if asked["state"] else None,
        quick=asked["quick"],
        model_version=asked["model_version"],
    )


def _mark(cursor: tuple[int, ...] | None) -> Mark | None:
    if cursor is None:
        return None
    return Mark(EPOCH + min(cursor[0], LATEST) * MILLISECOND, cursor[1])
