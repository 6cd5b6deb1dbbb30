"""A named failure becomes a status and a page or a document."""

from dataclasses import asdict, dataclass
from http import HTTPStatus

from flask import Flask, Response, json, make_response, render_template, request
from flask_babel import LazyString, lazy_gettext
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, RequestEntityTooLarge

from hematovision.errors import (
    AccessionInvalidError,
    AccessionTakenError,
    AccountShutError,
    AnimatedImageError,
    AnotherPersonError,
    ArchiveDamagedError,
    ArchiveTooLargeError,
    BackupUnusableError,
    BlindError,
    BoxInvalidError,
    BusyError,
    CaseClosedError,
    CaseUnknownError,
    CellUnknownError,
    ChangedMeanwhileError,
    CheckInvalidError,
    ChecksOpenError,
    ConfirmationSpentError,
    CountInvalidError,
    DatabaseAwayError,
    DecoderCrashedError,
    DecodersBusyError,
    DecodingTookTooLongError,
    DeliveryWaitsError,
    DocumentMissingError,
    DocumentUnreadableError,
    EmptyFileError,
    EntryDamagedError,
    EntryEncryptedError,
    EntryIsLinkError,
    EntryNameError,
    EntryNestedError,
    EntryOverlapsError,
    EntrySquashedError,
    EntryUnsupportedError,
    EventUnknownError,
    FieldError,
    FieldsInvalidError,
    FileTooLargeError,
    FolderTakenError,
    HematoVisionError,
    IdempotencyKeyBusyError,
    IdempotencyKeyInvalidError,
    IdempotencyKeyReusedError,
    ImageTooHeavyError,
    ImageTooLargeError,
    ImageTooSmallError,
    JobUnknownError,
    KeyOutdatedError,
    KeyTakenError,
    LabelInvalidError,
    LabelUnknownError,
    LastAdministratorError,
    LinkSpentError,
    ModelDamagedError,
    ModelMissingError,
    ModelReadsError,
    ModelThereError,
    ModelUnfitError,
    ModelUnknownError,
    NameMissingError,
    NoImageError,
    NoModelBeforeError,
    NotAllowedError,
    NotAskedAgainError,
    NotConfirmedError,
    NothingConfirmedError,
    NotSignedError,
    NotSignedInError,
    OutdatedError,
    PasswordElsewhereError,
    PasswordMissingError,
    PasswordTooWeakError,
    PhotoFiledError,
    PhotoUnknownError,
    PictureNotKeptError,
    PicturesAwayError,
    ProviderRefusedError,
    ProviderUnreachableError,
    QueueFullError,
    RangeInvalidError,
    ReasonMissingError,
    RoleUnmappedError,
    RotationBusyError,
    ScopeInvalidError,
    ScopeMissingError,
    SecondFactorThereError,
    SecondReadingError,
    SignatureBrokenError,
    SignInFailedError,
    SignInUnprovenError,
    StorageFullError,
    TargetNotEmptyError,
    TokenUnknownError,
    TooManyEntriesError,
    TooManyImagesError,
    TooManyRequestsError,
    TooManySignInsError,
    UnconditionalError,
    UnreadableImageError,
    UnsupportedFormatError,
    UserNameInvalidError,
    UserNameTakenError,
    UserUnknownError,
    WebhookInvalidError,
    WebhookOffError,
    WebhookUnknownError,
    WrongCodeError,
    WrongPasswordError,
    megabytes,
)
from hematovision.observing.logs import request_id
from hematovision.storage.places import NO_ROOM
from hematovision.web.looks import refuse
from hematovision.web.uploads import asks_for_json, is_under_api
from hematovision.web.vocabulary import advice_of, message_of

STATUS_OF: dict[type[HematoVisionError], HTTPStatus] = {
    NoImageError: HTTPStatus.BAD_REQUEST,
    TooManyImagesError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    FileTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    EmptyFileError: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnsupportedFormatError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    UnreadableImageError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ImageTooHeavyError: HTTPStatus.UNPROCESSABLE_ENTITY,
    DecodingTookTooLongError: HTTPStatus.UNPROCESSABLE_ENTITY,
    DecoderCrashedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    DecodersBusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    AnimatedImageError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ImageTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ImageTooSmallError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ArchiveDamagedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ArchiveTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    EntryDamagedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    EntryEncryptedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    EntryIsLinkError: HTTPStatus.UNPROCESSABLE_ENTITY,
    EntryNameError: HTTPStatus.UNPROCESSABLE_ENTITY,
    EntryNestedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    EntryOverlapsError: HTTPStatus.UNPROCESSABLE_ENTITY,
    EntrySquashedError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    EntryUnsupportedError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    TooManyEntriesError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ModelMissingError: HTTPStatus.SERVICE_UNAVAILABLE,
    ModelDamagedError: HTTPStatus.SERVICE_UNAVAILABLE,
    NotSignedInError: HTTPStatus.UNAUTHORIZED,
    TokenUnknownError: HTTPStatus.UNAUTHORIZED,
    NotAllowedError: HTTPStatus.FORBIDDEN,
    ScopeMissingError: HTTPStatus.FORBIDDEN,
    ScopeInvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    SignInFailedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooManySignInsError: HTTPStatus.TOO_MANY_REQUESTS,
    LinkSpentError: HTTPStatus.GONE,
    PasswordTooWeakError: HTTPStatus.UNPROCESSABLE_ENTITY,
    WrongPasswordError: HTTPStatus.UNPROCESSABLE_ENTITY,
    WrongCodeError: HTTPStatus.UNPROCESSABLE_ENTITY,
    SecondFactorThereError: HTTPStatus.CONFLICT,
    UserNameTakenError: HTTPStatus.CONFLICT,
    UserNameInvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    UserUnknownError: HTTPStatus.NOT_FOUND,
    LastAdministratorError: HTTPStatus.CONFLICT,
    ProviderUnreachableError: HTTPStatus.SERVICE_UNAVAILABLE,
    ProviderRefusedError: HTTPStatus.FORBIDDEN,
    SignInUnprovenError: HTTPStatus.BAD_REQUEST,
    RoleUnmappedError: HTTPStatus.FORBIDDEN,
    AccountShutError: HTTPStatus.FORBIDDEN,
    PasswordElsewhereError: HTTPStatus.CONFLICT,
    AnotherPersonError: HTTPStatus.FORBIDDEN,
    NotAskedAgainError: HTTPStatus.FORBIDDEN,
    ConfirmationSpentError: HTTPStatus.CONFLICT,
    CaseUnknownError: HTTPStatus.NOT_FOUND,
    AccessionInvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    AccessionTakenError: HTTPStatus.CONFLICT,
    CaseClosedError: HTTPStatus.CONFLICT,
    BackupUnusableError: HTTPStatus.UNPROCESSABLE_ENTITY,
    TargetNotEmptyError: HTTPStatus.CONFLICT,
    KeyOutdatedError: HTTPStatus.SERVICE_UNAVAILABLE,
    RotationBusyError: HTTPStatus.CONFLICT,
    NotConfirmedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ChangedMeanwhileError: HTTPStatus.CONFLICT,
    PhotoUnknownError: HTTPStatus.NOT_FOUND,
    JobUnknownError: HTTPStatus.NOT_FOUND,
    PictureNotKeptError: HTTPStatus.GONE,
    PhotoFiledError: HTTPStatus.CONFLICT,
    CellUnknownError: HTTPStatus.NOT_FOUND,
    EventUnknownError: HTTPStatus.NOT_FOUND,
    LabelUnknownError: HTTPStatus.UNPROCESSABLE_ENTITY,
    BoxInvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    RangeInvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    CountInvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    CheckInvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    LabelInvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    KeyTakenError: HTTPStatus.CONFLICT,
    NameMissingError: HTTPStatus.UNPROCESSABLE_ENTITY,
    PasswordMissingError: HTTPStatus.CONFLICT,
    ReasonMissingError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ChecksOpenError: HTTPStatus.CONFLICT,
    NotSignedError: HTTPStatus.NOT_FOUND,
    SignatureBrokenError: HTTPStatus.CONFLICT,
    SecondReadingError: HTTPStatus.CONFLICT,
    BlindError: HTTPStatus.CONFLICT,
    ModelUnknownError: HTTPStatus.NOT_FOUND,
    ModelThereError: HTTPStatus.CONFLICT,
    ModelUnfitError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ModelReadsError: HTTPStatus.CONFLICT,
    NoModelBeforeError: HTTPStatus.CONFLICT,
    NothingConfirmedError: HTTPStatus.CONFLICT,
    FolderTakenError: HTTPStatus.CONFLICT,
    BusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    QueueFullError: HTTPStatus.SERVICE_UNAVAILABLE,
    DatabaseAwayError: HTTPStatus.SERVICE_UNAVAILABLE,
    PicturesAwayError: HTTPStatus.SERVICE_UNAVAILABLE,
    StorageFullError: HTTPStatus.INSUFFICIENT_STORAGE,
    WebhookInvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    WebhookUnknownError: HTTPStatus.NOT_FOUND,
    WebhookOffError: HTTPStatus.CONFLICT,
    DeliveryWaitsError: HTTPStatus.CONFLICT,
    FieldsInvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    DocumentUnreadableError: HTTPStatus.BAD_REQUEST,
    DocumentMissingError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    OutdatedError: HTTPStatus.PRECONDITION_FAILED,
    UnconditionalError: HTTPStatus.PRECONDITION_REQUIRED,
    TooManyRequestsError: HTTPStatus.TOO_MANY_REQUESTS,
    IdempotencyKeyInvalidError: HTTPStatus.BAD_REQUEST,
    IdempotencyKeyReusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    IdempotencyKeyBusyError: HTTPStatus.CONFLICT,
}

SOON_OVER = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.INSUFFICIENT_STORAGE,
}
"""What may be over when somebody asks for the same page again."""
CHALLENGE = 'Bearer realm="HematoVision"'


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
        errors: What is wrong with which field, where single fields are.
    """

    status: int
    code: str
    detail: str
    advice: str
    errors: tuple[FieldError, ...] = ()

    def as_document(self) -> dict[str, object]:
        """Give the members of `application/problem+json`; `errors` only where there are any."""
        title = HTTPStatus(self.status).phrase
        document = {"type": "about:blank", "title": title, **asdict(self)}
        errors = document.pop("errors")
        return document | ({"errors": errors} if errors else {})


def problem_of(error: HematoVisionError) -> Problem:
    """Put a named failure into words and a status."""
    errors = error.errors if isinstance(error, FieldsInvalidError) else ()
    status, code = STATUS_OF[type(error)], error.code()
    return Problem(status, code, message_of(error), advice_of(error), errors)


_START_AGAIN = lazy_gettext("Go back to the first page and try again.")
_OF_REQUESTS: dict[type[HTTPException], tuple[str, LazyString, LazyString]] = {
    UntrustedHostError: (
        "untrusted_host",
        lazy_gettext("This server does not answer under the name in the address."),
        lazy_gettext(
            "Open it under the name it was given, or add the name to HEMATOVISION_TRUSTED_HOSTS."
        ),
    ),
    CrossSiteError: (
        "cross_site",
        lazy_gettext("Another site sent this request."),
        lazy_gettext("Send pictures from the page of this server, or from a program."),
    ),
    CSRFError: (
        "csrf",
        lazy_gettext(
            "The form was not sent from this page, or the page is older than the session."
        ),
        lazy_gettext(
            "Load the page again and send the picture once more; cookies must be allowed. A "
            "program asks for JSON: “Accept: application/json”."
        ),
    ),
}
_OF_STATUS: dict[int, tuple[str, LazyString, LazyString]] = {
    403: ("forbidden", lazy_gettext("This page is closed."), _START_AGAIN),
    404: ("not_found", lazy_gettext("There is no such page."), _START_AGAIN),
    405: (
        "method_not_allowed",
        lazy_gettext("This address does not take such a request."),
        _START_AGAIN,
    ),
    500: (
        "internal",
        lazy_gettext("Something in the program went wrong."),
        lazy_gettext(
            "Try again. If it happens again, tell your administrator the time it happened."
        ),
    ),
}
_SEE_DOCS = lazy_gettext("“/api/docs” says what there is, and how it is asked for.")
_UNDER_API: dict[int, tuple[str, LazyString, LazyString]] = {
    404: ("not_found", lazy_gettext("There is nothing at this address."), _SEE_DOCS),
    405: (
        "method_not_allowed",
        lazy_gettext("This address does not take such a request."),
        _SEE_DOCS,
    ),
}
"""Where no page is, nobody is sent to the first one."""


def init_app(app: Flask) -> None:
    """Answer every failure, named or not, in one form."""
    app.register_error_handler(HematoVisionError, answer_named)
    app.register_error_handler(RequestEntityTooLarge, lambda _: _answer(_too_large()))
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(OSError, _answer_full)


def answer_named(error: HematoVisionError) -> Response:
    """Answer a named failure as a page or a document."""
    if isinstance(error, NotAllowedError):
        refuse(error.code())
    answer = _answer(problem_of(error))
    if challenge := _challenge_of(error):
        answer.headers["WWW-Authenticate"] = challenge
    if error.seconds:
        answer.headers["Retry-After"] = str(error.seconds)
    return answer


def _answer_full(error: OSError) -> Response:
    """Answer an upload that finds no room; whatever else the system says is a bug, or its own."""
    if error.errno not in NO_ROOM:
        raise error
    return answer_named(StorageFullError("There is no room left on the server's disk."))


def _challenge_of(error: HematoVisionError) -> str | None:
    """Tell a program what to send, as RFC 9110 and RFC 6750 ask; browsers do nothing with it."""
    if isinstance(error, TokenUnknownError):
        return f'{CHALLENGE}, error="invalid_token"'
    if isinstance(error, NotSignedInError):
        return CHALLENGE
    if isinstance(error, ScopeMissingError):
        return f'{CHALLENGE}, error="insufficient_scope", scope="{error.scope}"'
    if isinstance(error, NotAllowedError) and "Authorization" in request.headers:
        return f'{CHALLENGE}, error="insufficient_scope"'
    return None


def _too_large() -> Problem:
    limit = request.max_content_length or 0
    if (request.content_length or 0) > limit:
        return problem_of(
            FileTooLargeError(
                "The request is larger than is read: %(size)s MB.", size=megabytes(limit)
            )
        )
    return problem_of(FileTooLargeError("The form has more parts, or longer ones, than are read."))


def _answer_http(error: HTTPException) -> Response:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    ours = _OF_STATUS | (_UNDER_API if is_under_api() else {})
    known = _OF_REQUESTS.get(type(error)) or ours.get(status)
    code, detail, advice = known or ("bad_request", error.description or error.name, _START_AGAIN)
    answer = _answer(Problem(status, code, str(detail), str(advice)))
    for name, value in error.get_headers():
        if name == "Allow":
            answer.headers[name] = value
    return answer


def document_of(problem: Problem) -> dict[str, object]:
    """Give what a whole request is answered that failed.

    Whoever asks for help names the line of the log by the id of the request.
    """
    return problem.as_document() | {"request_id": request_id.get()}


def _answer(problem: Problem) -> Response:
    if asks_for_json():
        answer = make_response(json.dumps(document_of(problem), sort_keys=False))
        answer.mimetype = "application/problem+json"
    else:
        answer = make_response(
            render_template(
                "error.html",
                problem=problem,
                request_id=request_id.get(),
                again=request.method == "GET" and problem.status in SOON_OVER,
            )
        )
    answer.status_code = problem.status
    answer.vary.add("Accept")
    return answer
