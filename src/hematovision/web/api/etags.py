"""Whether what a program knows is still so: ETags, and what is asked of them."""

import hashlib
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from flask import Response, jsonify, make_response, request

from hematovision.errors import OutdatedError, UnconditionalError
from hematovision.web.api.resources import View, answers, asks, fails

IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag of what the program has; 304 where nothing changed since.",
    "schema": {"type": "string"},
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The ETag of what is changed; 412 where it changed meanwhile.",
    "schema": {"type": "string"},
}
ETAG = {"description": "Names this very content.", "schema": {"type": "string"}}


def tagged(view: Callable[..., Any]) -> Callable[..., Response]:
    """Name the content of what a GET answers, and leave it out where the program has it."""

    @asks(IF_NONE_MATCH)
    @answers(
        (HTTPStatus.OK.value, {"headers": {"ETag": ETAG}}),
        (HTTPStatus.NOT_MODIFIED.value, {"description": "Nothing changed."}),
    )
    @wraps(view)
    def answer(*args: Any, **kwargs: Any) -> Response:
        response = make_response(view(*args, **kwargs))
        if response.status_code != HTTPStatus.OK:
            return response
        tag = etag_of(response)
        response.set_etag(tag)
        if request.if_none_match.contains_weak(tag):
            response.status_code = HTTPStatus.NOT_MODIFIED
        return response

    return answer


def checked(view: View) -> View:
    """Say that a change asks for `If-Match`; the view calls `insist_on_match`."""
    return asks(IF_MATCH)(fails(OutdatedError, UnconditionalError)(view))


def insist_on_match(document: Any) -> None:
    """Refuse a change of what the program has not seen as it stands.

    Args:
        document: What a GET answers now, as its schema lays it out.

    Raises:
        UnconditionalError: If the request says of no state that it changes it.
        OutdatedError: If it changes another.
    """
    if not request.if_match:
        raise UnconditionalError("The change does not say which state it changes.")
    if etag_of(jsonify(document)) not in request.if_match:
        raise OutdatedError("It has changed since the program saw it.")


def etag_of(response: Response) -> str:
    """Name the content of an answer."""
    return hashlib.sha256(response.get_data()).hexdigest()[:32]
