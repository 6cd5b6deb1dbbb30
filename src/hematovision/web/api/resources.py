"""What flask-smorest does for us, done our way: a view's decorators are its document."""

import json
from collections.abc import Callable
from copy import deepcopy
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar

import flask_smorest
import marshmallow as ma
from flask import Flask, Request
from flask_smorest.utils import deepupdate
from webargs.flaskparser import FlaskParser, is_json_request

from hematovision import __version__
from hematovision.errors import (
    DatabaseAwayError,
    DocumentMissingError,
    DocumentUnreadableError,
    FieldError,
    FieldsInvalidError,
    HematoVisionError,
    IdempotencyKeyBusyError,
    IdempotencyKeyInvalidError,
    IdempotencyKeyReusedError,
    NotAllowedError,
    NotSignedInError,
    ScopeMissingError,
    StorageFullError,
    TokenUnknownError,
    TooManyRequestsError,
)
from hematovision.people import Right
from hematovision.web.api.schemas import Problem
from hematovision.web.errors import STATUS_OF
from hematovision.web.security import KeyConverter

View = TypeVar("View", bound=Callable[..., Any])

PREFIX = "/api/v1"
PROBLEM = "application/problem+json"
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Makes it safe to send the request again: within a day its work is done once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
REFUSALS = [
    NotSignedInError,
    TokenUnknownError,
    NotAllowedError,
    ScopeMissingError,
    TooManyRequestsError,
]
TROUBLES = [DatabaseAwayError, StorageFullError]
"""What may befall every request."""
IDEMPOTENCY_FAILURES = [
    IdempotencyKeyInvalidError,
    IdempotencyKeyBusyError,
    IdempotencyKeyReusedError,
]
NUMBER = {"type": "integer", "minimum": 1}
DESCRIPTION = """\
Finds white blood cells in photos of smears, names them with calibrated probabilities, and keeps \
what was said on record.

**For research use only.** Nothing that it says is a diagnosis, and nothing of it is cleared or \
approved as a medical device.

A program shows a token: `Authorization: Bearer TOKEN`. Tokens are made on the account page, carry \
scopes, and may do what their owner may do and their scopes allow. Cookies count for nothing here.

Every failure is a problem (RFC 9457) whose `code` is for programs, whose `detail` says what is \
wrong, and whose `advice` says what to do."""


class Parser(FlaskParser):
    """Reads what a request says of itself; what it does not know, it refuses."""

    def load_json(self, req: Request, _schema: ma.Schema) -> Any:
        """Read the document of a request.

        Raises:
            DocumentMissingError: If there is none.
            DocumentUnreadableError: If it is no JSON, or more deeply nested or with longer numbers
                than is read.
        """
        if not is_json_request(req):
            raise DocumentMissingError("The request carries no JSON document.")
        try:
            return json.loads(req.get_data())
        except (ValueError, RecursionError) as error:
            raise DocumentUnreadableError("What was sent is not JSON.") from error

    def handle_error(self, error: ma.ValidationError, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Name the fields and what is wrong with each."""
        errors = tuple(
            FieldError(".".join(path), reason)
            for by_field in error.messages_dict.values()
            for path, reason in _flat(by_field)
        )
        raise FieldsInvalidError("The request has fields that are wrong.", errors) from error


class Resource(flask_smorest.Blueprint):
    """Views under `/api/v1` that are one chapter of the document."""

    ARGUMENTS_PARSER = Parser(unknown=ma.RAISE)

    def __init__(self, name: str, title: str, about: str) -> None:
        """Name the chapter; endpoints are called `api_` and its name."""
        super().__init__(f"api_{name}", __name__, url_prefix=PREFIX, description=about)
        self.title = title
        self._prepare_doc_cbks.append(_document_access)

    def takes_files(self, about: str, *, fields: dict[str, Any] | None = None) -> Any:
        """Say that a view takes the files of a multipart form, whatever their fields are called.

        Args:
            about: What the files are.
            fields: What else the form may have, by name, as JSON schemas.
        """
        files = {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1}
        schema = {
            "type": "object",
            "required": ["image"],
            "properties": {"image": files | {"description": about}, **(fields or {})},
            "additionalProperties": False,
        }
        body = {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
        return self.doc(requestBody=body)

    def _store_endpoint_docs(
        self, endpoint: str, obj: Any, parameters: Any, tags: Any, **options: Any
    ) -> None:
        super()._store_endpoint_docs(endpoint, obj, parameters, tags or [self.title], **options)
        for method in set(self._docs[endpoint]) - {"parameters"}:
            self._docs[endpoint][method] |= {
                "right": getattr(obj, "right", None),
                "sight": getattr(obj, "sight", False),
                "is_public": getattr(obj, "is_public", False),
                "fails": getattr(obj, "fails", ()),
                "asks": getattr(obj, "asks", ()),
                "answers": getattr(obj, "answers", ()),
                "operation_id": f"{self.name.removeprefix('api_')}_{endpoint}",
            }


class Api(flask_smorest.Api):
    """Gathers the document; pages and failures are ours."""

    ERROR_SCHEMA = Problem

    def __init__(self, app: Flask) -> None:
        """Begin a document without a path."""
        self._chapters: list[Resource] = []
        super().__init__(
            app,
            spec_kwargs={
                "title": "HematoVision",
                "version": __version__,
                "openapi_version": "3.1.0",
                "info": {
                    "description": DESCRIPTION,
                    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
                },
                "servers": [{"url": "/", "description": "This server."}],
            },
        )
        self.register_converter(KeyConverter, lambda _converter: NUMBER)
        scheme = {"type": "http", "scheme": "bearer", "description": "A token of an account."}
        self.spec.components.security_scheme("token", scheme)

    def register_blueprint(self, blp: Resource, **_options: Any) -> None:
        """Register a resource, whose chapter is written when the document is asked for."""
        self._app.extensions["flask-smorest"]["blp_name_to_api"][blp.name] = self
        self._app.register_blueprint(blp)
        self._chapters.append(blp)

    def write(self) -> dict[str, Any]:
        """Write the document of all resources, once: it takes as long as all else at a start."""
        for blp in self._chapters:
            blp.register_views_in_doc(self, self._app, self.spec, name=blp.name, parameters=None)
            self.spec.tag({"name": blp.title, "description": blp.description})
        written: dict[str, Any] = self.spec.to_dict()
        return written

    def _register_doc_blueprint(self) -> None:
        """Leave out pages that fetch scripts from elsewhere."""

    def _register_error_handlers(self) -> None:
        """Leave failures to `web/errors.py`."""

    def _register_etag_headers(self) -> None:
        """Leave them to `etags.py`."""

    def _register_pagination_header(self) -> None:
        """Leave pages of lists to `paging.py`."""

    def _register_responses(self) -> None:
        content = {PROBLEM: {"schema": Problem}}
        any_failure = {"description": "Any other failure.", "content": content}
        self.spec.components.response("DEFAULT_ERROR", any_failure, lazy=True)
        for status in HTTPStatus:
            failure: dict[str, Any] = {"description": status.phrase}
            if status >= HTTPStatus.BAD_REQUEST:
                failure["content"] = content
            self.spec.components.response(status.name, failure, lazy=True)


def fails(*kinds: type[HematoVisionError]) -> Callable[[View], View]:
    """Say which named failures a view answers with; their status is the one of every door."""
    return _marked("fails", kinds)


def asks(*headers: dict[str, Any]) -> Callable[[View], View]:
    """Say which headers a view looks at, as parameters of the document."""
    return _marked("asks", headers)


def answers(*responses: tuple[int, dict[str, Any]]) -> Callable[[View], View]:
    """Say what the document has to add to the answers of a status."""
    return _marked("answers", responses)


def _marked(name: str, more: tuple[Any, ...]) -> Callable[[View], View]:
    def mark(view: View) -> View:
        setattr(view, name, (*getattr(view, name, ()), *more))
        return view

    return mark


def _document_access(
    doc: dict[str, Any], doc_info: dict[str, Any], *, method: str, **_kwargs: Any
) -> dict[str, Any]:
    """Say in an operation which scope it needs, what it looks at and how it fails."""
    doc["operationId"] = doc_info["operation_id"]
    scopes = [str(doc_info["right"]), *([str(Right.SEE_CASES)] if doc_info["sight"] else [])]
    doc["security"] = [] if doc_info["is_public"] else [{"token": scopes}]
    if not doc_info["is_public"]:
        doc["x-scope"] = " ".join(scopes)
    wanted = [*doc_info["asks"], *([IDEMPOTENCY_KEY] if method.upper() == "POST" else [])]
    if wanted:
        doc["parameters"] = [*doc.get("parameters", ()), *wanted]
    responses = doc["responses"]
    failures = _failures(doc, doc_info, method)
    for status in sorted({STATUS_OF[kind] for kind in failures}):
        codes = {kind.code(): _first_line(kind) for kind in failures if STATUS_OF[kind] == status}
        responses[status.value] = _failure(codes)
    for status, more in doc_info["answers"]:
        deepupdate(responses.setdefault(status, {}), deepcopy(more))
    return doc


def _failures(
    doc: dict[str, Any], doc_info: dict[str, Any], method: str
) -> list[type[HematoVisionError]]:
    failures = [*doc_info["fails"], *TROUBLES]
    if not doc_info["is_public"]:
        failures += REFUSALS
    if method.upper() == "POST":
        failures += IDEMPOTENCY_FAILURES
    if "arguments" in doc_info:
        failures.append(FieldsInvalidError)
    if "application/json" in doc.get("requestBody", {}).get("content", {}):
        failures += [DocumentUnreadableError, DocumentMissingError]
    return failures


def _failure(codes: dict[str, str]) -> dict[str, Any]:
    said = [f"`{code}`: {about}" for code, about in sorted(codes.items())]
    content = {PROBLEM: {"schema": Problem}}
    return {"description": "\n\n".join(said), "content": content, "x-codes": codes}


def _first_line(kind: type[HematoVisionError]) -> str:
    return (kind.__doc__ or "").split("\n\n")[0].strip()


def _flat(messages: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], str]]:
    """Walk nested messages; give where and what."""
    if isinstance(messages, dict):
        inner = [_flat(value, (*path, str(name))) for name, value in messages.items()]
        return [one for part in inner for one in part]
    return [(path, str(one)) for one in messages]
