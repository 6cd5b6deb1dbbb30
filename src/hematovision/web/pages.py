"""The quick way: a place to put photos, and what was read in them."""

import time

from flask import (
    Blueprint,
    Flask,
    Response,
    jsonify,
    make_response,
    render_template,
    url_for,
)
from flask_babel import gettext as _

from hematovision.errors import FileTooLargeError
from hematovision.people import Right
from hematovision.vision.containers import SIGNATURES
from hematovision.web.access import needs
from hematovision.web.answers import read_upload
from hematovision.web.pressure import reading_slot
from hematovision.web.uploads import asks_for_json, asks_why, get_uploads
from hematovision.web.wiring import get_wiring

blueprint = Blueprint("pages", __name__)


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
    # Before a place is taken: whoever sends slowly would keep it from everybody.
    files = get_uploads()
    alone, document = len(files) == 1, asks_for_json()
    explain = asks_why() or not document
    shown, photo_ids = [], []
    with reading_slot():
        start = time.perf_counter()
        for file in files:
            answer = read_upload(file, reader, alone=alone, explain=explain)
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


def init_app(app: Flask) -> None:
    """Register the pages."""
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.register_blueprint(blueprint)
