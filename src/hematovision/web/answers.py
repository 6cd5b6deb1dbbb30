"""What becomes of one picture that is to be read at once: read, put on record, said."""

import time
from dataclasses import dataclass, replace
from typing import Any

from flask import request
from werkzeug.datastructures import FileStorage

from hematovision.cells import CellReader
from hematovision.errors import PASSING, HematoVisionError
from hematovision.exchange.documents import reading_document
from hematovision.services.readings import ReadPhoto, read_image, take_bytes
from hematovision.services.recording import get_reading, is_recorded, record_reading
from hematovision.services.repeats import find_done
from hematovision.storage.inserts import AlreadyThereError
from hematovision.web.access import get_user, hand
from hematovision.web.cards import Filing, Picture, picture_of
from hematovision.web.errors import Problem, problem_of
from hematovision.web.uploads import number_of
from hematovision.web.wiring import get_wiring


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


def read_upload(
    file: FileStorage,
    reader: CellReader,
    *,
    alone: bool,
    explain: bool,
    claim: str | None = None,
) -> Answer:
    """Read a picture of the request and put on record what is said.

    Args:
        file: The picture.
        reader: Finds and names its cells.
        alone: Whether it is the only one: its failure is then that of the request.
        explain: Whether to say as well where each answer comes from.
        claim: Under which it is put on record once; None where it may be again.

    Raises:
        HematoVisionError: Whatever is wrong with a picture that came alone, or is away for now.
    """
    start, wiring = time.perf_counter(), get_wiring()
    settings = wiring.settings
    try:
        data = take_bytes(file.stream, max_bytes=settings.max_file_bytes)
        read = read_image(
            data,
            reader=reader,
            max_pixels=settings.max_pixels,
            explain=explain,
            decoder=wiring.decoder,
        )
    except PASSING:
        raise
    except HematoVisionError as error:
        if alone:
            raise
        # Never the error itself: its traceback holds the upload and what was decoded of it.
        return Answer(problem_of(error), time.perf_counter() - start)
    read, photo_id = _put_on_record(read, data, alone=alone, claim=claim)
    return Answer(read, time.perf_counter() - start, photo_id)


def _put_on_record(
    read: ReadPhoto, data: bytes, *, alone: bool, claim: str | None
) -> tuple[ReadPhoto, int]:
    """Put on record what was read, unless it is; give what is on record, and its photo's id."""
    database = get_wiring().database
    photo_id = _recorded(read) if alone else None
    if photo_id is not None:
        return read, photo_id
    photo_id = find_done(database, claim)
    if photo_id is None:
        try:
            return read, record_reading(get_wiring().record, read, data, by=hand(), claim=claim)
        except AlreadyThereError:
            # Whoever worked on the request before was slow, not gone.
            photo_id = find_done(database, claim) or 0
    kept = get_reading(database, photo_id).reading
    ours = read.reading
    is_ours = (kept.model, kept.engine) == (ours.model, ours.engine)
    return (read if is_ours else replace(read, reading=kept)), photo_id


def _recorded(read: ReadPhoto) -> int | None:
    """Find the photo that our page had read a moment ago and sends again, to look at it."""
    photo_id = number_of(request.form.get("recorded"))
    if photo_id is None:
        return None
    database, sender = get_wiring().database, get_user().id
    is_there = is_recorded(database, photo_id, read.reading, sent_by=sender)
    return photo_id if is_there else None
