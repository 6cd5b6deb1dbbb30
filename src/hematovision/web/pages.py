"""The quick way: a place to put photos, and what was read in them."""

import time
from dataclasses import dataclass
from typing import Any

from flask import (
    Blueprint,
    Flask,
    Response,
    jsonify,
    make_response,
    render_template,
    request,
    url_for,
)
from flask_babel import gettext as _
from werkzeug.datastructures import FileStorage

from hematovision.cells import CellReader
from hematovision.errors import FileTooLargeError, HematoVisionError
from hematovision.exchange.documents import reading_document
from hematovision.people import Right
from hematovision.services.readings import ReadPhoto, read_image, take_bytes
from hematovision.services.recording import is_recorded, record_reading
from hematovision.vision.containers import SIGNATURES
from hematovision.web.access import get_user, hand, needs
from hematovision.web.cards import Filing, Picture, picture_of
from hematovision.web.errors import Problem, problem_of
from hematovision.web.pressure import reads_photos
from hematovision.web.uploads import asks_for_json, asks_why, get_uploads, number_of
from hematovision.web.wiring import Wiring, get_wiring

blueprint = Blueprint("pages", __name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one picture.

    Attributes:
        outcome: The photo and its reading, or why it was refused.
        seconds: How long it took.
        photo_id: Under which it is on record; None where it was refused.
    """

    outcome: ReadPhoto | Problem
    seconds: float
    photo_id: int | None = None

    def as_document(self, *, explained: bool) -> dict[str, Any]:
        """Give the reading, or the problem under `error`."""
        if isinstance(self.outcome, Problem):
            return {"error": self.outcome.as_document()}
        return reading_document(self.outcome.reading, explained=explained)

    def as_picture(self) -> Picture | Problem:
        """Give what the page shows."""
        if isinstance(self.outcome, Problem):
            return self.outcome
        filing = None if self.photo_id is None else Filing(self.photo_id)
        return picture_of(self.outcome, self.seconds, filing)


@blueprint.get("/")
@needs(Right.SEE_MODEL)
def home() -> str:
    """Offer a place to put photos."""
    wiring = get_wiring()
    *formats, last = SIGNATURES
    return render_template(
        "home.html",
        formats=_("%(names)s or %(last)s", names=", ".join(formats), last=last),
        settings=wiring.settings,
        failure=wiring.failure,
        too_large=FileTooLargeError.over(wiring.settings.max_file_bytes),
    )


@blueprint.post("/predict")
@needs(Right.READ_PHOTOS)
@reads_photos
def predict() -> Response:
    """Read the pictures of a request, record what is said, and answer as a page or a document.

    Pictures are the file parts of a multipart form, whatever their fields are called; ours calls
    them `image`. One picture is answered by its reading or its failure; of several each has an
    entry, in the order they came, and one bad file stops no other. The page shows where each answer
    comes from; a document says so when asked for by `explain=1`. No answer is given that is not on
    record: where it cannot be written, the request fails.
    """
    wiring = get_wiring()
    reader = wiring.get_reader()
    start = time.perf_counter()
    files = get_uploads()
    alone, document = len(files) == 1, asks_for_json()
    explain = asks_why() or not document
    shown, photo_ids = [], []
    for file in files:
        answer = _read(file, wiring, reader, alone=alone, explain=explain)
        photo_ids.append(answer.photo_id)
        shown.append(answer.as_document(explained=explain) if document else answer.as_picture())
    if document:
        response = jsonify(shown[0] if alone else shown)
    else:
        response = make_response(
            render_template(
                "result.html", pictures=shown, kept=None, keeps=wiring.settings.keep_pictures
            )
        )
    if alone:
        response.content_location = url_for("history.reading", photo_id=photo_ids[0])
    response.headers["Server-Timing"] = f"read;dur={1000 * (time.perf_counter() - start):.1f}"
    response.vary.add("Accept")
    return response


def _read(
    file: FileStorage, wiring: Wiring, reader: CellReader, *, alone: bool, explain: bool
) -> Answer:
    start, settings = time.perf_counter(), wiring.settings
    try:
        data = take_bytes(file.stream, max_bytes=settings.max_file_bytes)
        read = read_image(data, reader=reader, max_pixels=settings.max_pixels, explain=explain)
    except HematoVisionError as error:
        if alone:
            raise
        # Never the error itself: its traceback holds the upload and what was decoded of it.
        return Answer(problem_of(error), time.perf_counter() - start)
    photo_id = _recorded(read) if alone else None
    if photo_id is None:
        photo_id = record_reading(wiring.record, read, data, by=hand())
    return Answer(read, time.perf_counter() - start, photo_id)


def _recorded(read: ReadPhoto) -> int | None:
    """Find the photo that our page had read a moment ago and sends again, to look at it."""
    photo_id = number_of(request.form.get("recorded"))
    if photo_id is None:
        return None
    database, sender = get_wiring().database, get_user().id
    is_there = is_recorded(database, photo_id, read.reading, sent_by=sender)
    return photo_id if is_there else None


def init_app(app: Flask) -> None:
    """Register the pages."""
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.register_blueprint(blueprint)
