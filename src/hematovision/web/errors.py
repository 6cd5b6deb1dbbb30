"""A named failure becomes a status and a page or a document."""

from dataclasses import asdict, dataclass
from http import HTTPStatus

from flask import Flask, Response, json, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, RequestEntityTooLarge

from hematovision.errors import (
    AnimatedImageError,
    EmptyFileError,
    FileTooLargeError,
    HematoVisionError,
    ImageTooLargeError,
    ImageTooSmallError,
    ModelDamagedError,
    ModelMissingError,
    NoImageError,
    TooManyImagesError,
    UnreadableImageError,
    UnsupportedFormatError,
)
from hematovision.web.uploads import asks_for_json

STATUS_OF: dict[type[HematoVisionError], HTTPStatus] = {
    NoImageError: HTTPStatus.BAD_REQUEST,
    TooManyImagesError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    FileTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    EmptyFileError: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnsupportedFormatError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    UnreadableImageError: HTTPStatus.UNPROCESSABLE_ENTITY,
    AnimatedImageError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ImageTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ImageTooSmallError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ModelMissingError: HTTPStatus.SERVICE_UNAVAILABLE,
    ModelDamagedError: HTTPStatus.SERVICE_UNAVAILABLE,
}


class UntrustedHostError(BadRequest):
    """The request was sent to a name that is not one of this server's."""


class CrossSiteError(Forbidden):
    """A page of another site sent the request."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, in the members of RFC 9457 and two of ours.

    Attributes:
        status: Of the answer, or of this one picture.
        code: The failure's name for programs.
        detail: What is wrong.
        advice: What to do.
    """

    status: int
    code: str
    detail: str
    advice: str

    def as_document(self) -> dict[str, object]:
        """Give the members of `application/problem+json`."""
        title = HTTPStatus(self.status).phrase
        return {"type": "about:blank", "title": title, **asdict(self)}


def problem_of(error: HematoVisionError) -> Problem:
    """Put a named failure into words and a status."""
    return Problem(STATUS_OF[type(error)], error.code(), error.message, error.advice)


_START_AGAIN = "Go back to the first page and try again."
_OF_REQUESTS: dict[type[HTTPException], tuple[str, str, str]] = {
    UntrustedHostError: (
        "untrusted_host",
        "This server does not answer under the name in the address.",
        "Open it under the name it was given, or add the name to HEMATOVISION_TRUSTED_HOSTS.",
    ),
    CrossSiteError: (
        "cross_site",
        "Another site sent this request.",
        "Send pictures from the page of this server, or from a program.",
    ),
    CSRFError: (
        "csrf",
        "The form was not sent from this page, or the page is older than the session.",
        "Load the page again and send the picture once more; cookies must be allowed. A program "
        "asks for JSON: “Accept: application/json”.",
    ),
}
_OF_STATUS: dict[int, tuple[str, str, str]] = {
    403: ("forbidden", "This page is closed.", _START_AGAIN),
    404: ("not_found", "There is no such page.", _START_AGAIN),
    405: ("method_not_allowed", "This address does not take such a request.", _START_AGAIN),
    500: (
        "internal",
        "Something in the program went wrong. Nothing was read.",
        "Try again. If it happens again, tell your administrator the time it happened.",
    ),
}


def init_app(app: Flask) -> None:
    """Answer every failure, named or not, in one form."""
    app.register_error_handler(HematoVisionError, lambda error: _answer(problem_of(error)))
    app.register_error_handler(RequestEntityTooLarge, lambda _: _answer(_too_large()))
    app.register_error_handler(HTTPException, _answer_http)


def _too_large() -> Problem:
    limit = request.max_content_length or 0
    if (request.content_length or 0) > limit:
        words = f"The request is larger than is read: {limit / 2**20:.4g} MB."
    else:
        words = "The form has more parts, or longer ones, than are read."
    return problem_of(FileTooLargeError(words))


def _answer_http(error: HTTPException) -> Response:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    known = _OF_REQUESTS.get(type(error)) or _OF_STATUS.get(status)
    code, detail, advice = known or ("bad_request", error.description or error.name, _START_AGAIN)
    answer = _answer(Problem(status, code, detail, advice))
    for name, value in error.get_headers():
        if name == "Allow":
            answer.headers[name] = value
    return answer


def _answer(problem: Problem) -> Response:
    if asks_for_json():
        answer = make_response(json.dumps(problem.as_document(), sort_keys=False))
        answer.mimetype = "application/problem+json"
    else:
        answer = make_response(render_template("error.html", problem=problem))
    answer.status_code = problem.status
    answer.vary.add("Accept")
    return answer
