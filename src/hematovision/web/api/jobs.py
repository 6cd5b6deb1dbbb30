"""`/jobs`: photos that are read later, and how far they are."""

from typing import Any

from flask import url_for

from hematovision.errors import JobUnknownError
from hematovision.exchange.documents import reading_document
from hematovision.people import Right
from hematovision.services.batches import GONE
from hematovision.services.jobs import Job, JobPart, get_job
from hematovision.web.access import get_user, needs
from hematovision.web.api.etags import tagged
from hematovision.web.api.reading_schemas import JobDocument
from hematovision.web.api.resources import Resource, fails
from hematovision.web.errors import STATUS_OF, Problem
from hematovision.web.failures import words_of
from hematovision.web.looks import look
from hematovision.web.wiring import get_wiring

resource = Resource("jobs", "Jobs", "Photos that are read later, and how far they are.")

RETRY_SECONDS = 1
PATIENCE = {
    "Retry-After": {
        "description": "Until it is done: after how many seconds to ask again.",
        "schema": {"type": "integer"},
    }
}


@resource.get("/jobs/<int:job_id>")
@needs(Right.READ_PHOTOS)
@tagged
@resource.response(200, JobDocument, headers=PATIENCE)
@fails(JobUnknownError)
def show(job_id: int) -> tuple[dict[str, Any], dict[str, str]]:
    """Ask how far a job is.

    What is read already is in it. The jobs of others are there only for those who may see cases.
    """
    job = get_job(get_wiring().database, job_id, user=get_user())
    look("job.seen", f"job {job_id}", polled=True)
    return job_document(job)


def job_document(job: Job) -> tuple[dict[str, Any], dict[str, str]]:
    """Lay out a job, and the headers that say when to ask again."""
    is_done = job.done == len(job.parts)
    document = {
        "id": job.id,
        "state": "done" if is_done else "reading" if job.is_begun else "waiting",
        "created_at": job.sent_at,
        "total": len(job.parts),
        "done": job.done,
        "readings": [_entry(part) for part in job.parts],
    }
    return document, {} if is_done else {"Retry-After": str(RETRY_SECONDS)}


def _entry(part: JobPart) -> dict[str, Any]:
    if part.failure is not None:
        return {"error": _problem(part.failure).as_document()}
    if part.reading is None:
        return {"id": part.photo_id, "state": "waiting"}
    url = url_for("api_readings.show", photo_id=part.photo_id)
    return {"id": part.photo_id, "url": url, **reading_document(part.reading)}


def _problem(code: str) -> Problem:
    """Say why a photo has no reading: the database keeps the code alone."""
    words = words_of(code)
    return Problem(_STATUS.get(code, 500), code, str(words.what), str(words.advice))


_STATUS = {kind.code(): int(status) for kind, status in STATUS_OF.items()} | {GONE: 410}
