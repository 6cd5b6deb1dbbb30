"""`Idempotency-Key`: of a request to the API that comes again the work is done once."""

import hashlib
import json
import logging
import re
from datetime import UTC, datetime
from http import HTTPStatus

from flask import Flask, Response, current_app, g, request

from hematovision.errors import IdempotencyKeyInvalidError
from hematovision.services.repeats import Answer, Asked, Claim, claim, finish, release
from hematovision.web.access import find_user
from hematovision.web.uploads import is_for_programs
from hematovision.web.wiring import get_wiring

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEY = re.compile(r"[ -~]{1,255}")
CLAIM = "idempotency"
"""Where the claim of a request lies while it lasts."""
KEPT_HEADERS = ("Content-Type", "Location", "ETag", "Link", "Retry-After")
A_CASE = re.compile(r"/api/v1/cases/(\d{1,18})")

log = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    """Look at every request once it is known who asks, and at every answer."""
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(_let_go)


def claim_of(place: int) -> str | None:
    """Name the claim of a part of the work of this request; None where it may be done again."""
    held: Claim | None = g.get(CLAIM)
    return held.of(place) if held else None


def _begin() -> Response | None:
    """Claim the request, or answer it as before.

    Raises:
        IdempotencyKeyInvalidError: If its key is none.
        IdempotencyKeyReusedError: If something else was asked under it.
        IdempotencyKeyBusyError: If it is being answered just now.
    """
    key = request.headers.get(HEADER)
    if key is None or request.method != "POST" or not is_for_programs():
        return None
    user = find_user()
    if user is None:
        return None
    if not KEY.fullmatch(key):
        raise IdempotencyKeyInvalidError("The Idempotency-Key is empty, long, or no plain ASCII.")
    wiring, asked = get_wiring(), Asked(user.id, key, _fingerprint())
    found = claim(wiring.database, asked, seal=wiring.seal, now=datetime.now(UTC))
    if isinstance(found, Answer):
        return _replay(found)
    setattr(g, CLAIM, found)
    return None


def _end(response: Response) -> Response:
    """Keep the answer; not one that says that the work was not done for now."""
    held: Claim | None = g.get(CLAIM)
    if held is None or _may_work_later(response.status_code):
        return response
    g.pop(CLAIM)
    wiring, headers = get_wiring(), response.headers
    kept = {name: headers[name] for name in KEPT_HEADERS if name in headers}
    try:
        answer = Answer(response.status_code, kept, response.get_data())
        finish(wiring.database, held, answer, seal=wiring.seal, case_id=_case_of(response))
    except Exception:  # the work is done, and whoever asked for it is to hear so
        log.exception("An answer could not be kept for when its request comes again")
    return response


def _let_go(_: BaseException | None) -> None:
    """Let go of a request that was not answered for good."""
    held: Claim | None = g.pop(CLAIM, None)
    if held is None:
        return
    try:
        release(get_wiring().database, held)
    except Exception:  # as where the database is away; after some minutes it is free by itself
        log.exception("A request could not be let go of")


def _may_work_later(status: int) -> bool:
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS


def _replay(answer: Answer) -> Response:
    response = current_app.response_class(answer.body, answer.status, dict(answer.headers))
    response.headers[REPLAYED] = "true"
    return response


def _case_of(response: Response) -> int | None:
    """Say of which case an answer tells: the one of the address, or one that was made."""
    made = A_CASE.search(response.headers.get("Location", ""))
    found = (request.view_args or {}).get("case_id") or (made and made[1])
    return int(found) if found else None


def _fingerprint() -> bytes:
    """Give the SHA-256 of what is asked; of a form what it says, not how its parts are divided."""
    asked = [
        request.method,
        request.path,
        request.query_string.decode("latin-1"),
        request.mimetype,
        request.headers.get("Prefer", ""),
        *(_form() if request.mimetype.endswith(("form-data", "form-urlencoded")) else _body()),
    ]
    return hashlib.sha256(json.dumps(asked).encode()).digest()


def _body() -> list[str]:
    return [hashlib.sha256(request.get_data()).hexdigest()]


def _form() -> list[list[str]]:
    fields = [[name, value] for name, value in request.form.items(multi=True)]
    for name, file in request.files.items(multi=True):
        file.stream.seek(0)
        content = hashlib.file_digest(file.stream, "sha256").hexdigest()  # type: ignore[arg-type]
        file.stream.seek(0)
        fields.append([name, file.filename or "", content])
    return fields
