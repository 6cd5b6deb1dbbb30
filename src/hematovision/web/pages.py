"""The two pages: a place to put photos, and what was read in them."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, make_response, render_template
from werkzeug.datastructures import FileStorage

from hematovision.cells import CellReader
from hematovision.config import Settings
from hematovision.errors import FileTooLargeError, HematoVisionError
from hematovision.exchange.documents import reading_document
from hematovision.services.readings import ReadPhoto, read_image
from hematovision.vision.containers import SIGNATURES
from hematovision.web.cards import Picture, picture_of
from hematovision.web.errors import Problem, problem_of
from hematovision.web.security import public
from hematovision.web.uploads import asks_for_json, asks_why, get_uploads, read_upload
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("pages", __name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one picture.

    Attributes:
        outcome: The photo and its reading, or why it was refused.
        seconds: How long it took.
    """

    outcome: ReadPhoto | Problem
    seconds: float

    def as_document(self, *, explained: bool) -> dict[str, Any]:
        """Give the reading, or the problem under `error`."""
        if isinstance(self.outcome, Problem):
            return {"error": self.outcome.as_document()}
        return reading_document(self.outcome.reading, explained=explained)

    def as_picture(self) -> Picture | Problem:
        """Give what the page shows."""
        if isinstance(self.outcome, Problem):
            return self.outcome
        return picture_of(self.outcome, self.seconds)


@blueprint.get("/")
@public
def home() -> str:
    """Offer a place to put photos."""
    wiring = get_wiring()
    *formats, last = SIGNATURES
    return render_template(
        "home.html",
        formats=f"{', '.join(formats)} or {last}",
        settings=wiring.settings,
        failure=wiring.failure,
        too_large=FileTooLargeError.over(wiring.settings.max_file_bytes),
    )


@blueprint.post("/predict")
@public
def predict() -> Response:
    """Read the pictures of a request, keep nothing, and answer as a page or a document.

    Pictures are the file parts of a multipart form, whatever their fields are called; ours calls
    them `image`. One picture is answered by its reading or its failure; of several each has an
    entry, in the order they came, and one bad file stops no other. The page shows where each answer
    comes from; a document says so when asked for by `explain=1`.
    """
    wiring = get_wiring()
    reader = wiring.get_reader()
    start = time.perf_counter()
    files = get_uploads()
    alone, document = len(files) == 1, asks_for_json()
    explain = asks_why() or not document
    answers = (_read(file, reader, wiring.settings, alone=alone, explain=explain) for file in files)
    response = _document(answers, explained=explain) if document else _page(answers)
    response.headers["Server-Timing"] = f"read;dur={1000 * (time.perf_counter() - start):.1f}"
    response.vary.add("Accept")
    return response


def _read(
    file: FileStorage, reader: CellReader, settings: Settings, *, alone: bool, explain: bool
) -> Answer:
    start = time.perf_counter()
    outcome: ReadPhoto | Problem
    try:
        data = read_upload(file, max_bytes=settings.max_file_bytes)
        outcome = read_image(data, reader=reader, max_pixels=settings.max_pixels, explain=explain)
    except HematoVisionError as error:
        if alone:
            raise
        # Never the error itself: its traceback holds the upload and what was decoded of it.
        outcome = problem_of(error)
    return Answer(outcome, time.perf_counter() - start)


def _document(answers: Iterable[Answer], *, explained: bool) -> Response:
    documents = [answer.as_document(explained=explained) for answer in answers]
    return jsonify(documents[0] if len(documents) == 1 else documents)


def _page(answers: Iterable[Answer]) -> Response:
    pictures = [answer.as_picture() for answer in answers]
    return make_response(render_template("result.html", pictures=pictures))


def init_app(app: Flask) -> None:
    """Register the pages."""
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.register_blueprint(blueprint)
