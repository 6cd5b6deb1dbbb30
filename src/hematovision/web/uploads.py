"""The request: what it asks for, and where its files wait while it lasts."""

import contextlib
import tempfile
from typing import IO, Any, cast

from flask import Flask, Request, current_app, request
from werkzeug.datastructures import FileStorage

from hematovision.config import Settings
from hematovision.errors import NoImageError, TooManyImagesError
from hematovision.storage.private import keep_uploads_folder

MAX_PLAIN_BYTES = 64 * 2**10
"""Of a body that is not multipart: no picture, so nothing large."""

MOST_DIGITS = 18
"""A number with more is no number of anything here."""

_OTHER_PARTS = 8


class UploadRequest(Request):
    """A request whose files go to disk without a name, and are gone when it ends.

    A file without a name has no path that anyone could open or guess, and the system removes it
    even when the server is killed.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin with no file."""
        super().__init__(*args, **kwargs)
        self.opened: list[IO[bytes]] = []

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        """Open a place for the next file; called by Werkzeug, once a file part.

        Raises:
            TooManyImagesError: If there are more files than are read at once.
        """
        limit = current_app.config["UPLOAD_MAX_FILES"]
        if len(self.opened) == limit:
            raise TooManyImagesError("More than %(limit)s pictures in one request.", limit=limit)
        folder = current_app.config["UPLOAD_FOLDER"]
        stream = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - `close` ends it, with the request
        self.opened.append(stream)
        return cast(IO[bytes], stream)

    def close(self) -> None:
        """Let go of every file, also of those of a form that was never read to its end.

        A full disk is said again when a file is closed that it had no room for; the answer, which
        has said so already, must not be lost by it.
        """
        for stream in self.opened:
            with contextlib.suppress(OSError):
                stream.close()
        super().close()


def number_of(text: str | None) -> int | None:
    """Read a number of an address or a form; None where it is none."""
    return int(text) if text and text.isdecimal() and len(text) <= MOST_DIGITS else None


def is_for_programs() -> bool:
    """Tell whether the address belongs to the API, where tokens count and cookies do not."""
    return request.path == "/api/v1" or request.path.startswith("/api/v1/")


def is_under_api() -> bool:
    """Tell whether the address is one of documents alone; a single page there shows theirs."""
    return request.path.startswith("/api/") and request.path != "/api/docs"


def asks_for_json() -> bool:
    """Tell whether the client prefers a document to a page; `*/*` means a page."""
    if is_under_api():
        return True
    offered = ["text/html", "application/json", "application/problem+json"]
    return request.accept_mimetypes.best_match(offered, default="text/html") != "text/html"


def asks_why() -> bool:
    """Tell whether the form or the address has `explain=1`."""
    return request.values.get("explain", "").lower() in {"1", "true", "yes", "on"}


def get_uploads() -> list[FileStorage]:
    """Give the files of the request, whatever their fields are called, in the order they came.

    Raises:
        NoImageError: If there is none.
        TooManyImagesError: If there are more than are read at once.
    """
    files = [file for _, file in request.files.items(multi=True) if file.filename or _size(file)]
    if not files:
        raise NoImageError("The request carries no picture.")
    opened = cast(UploadRequest, request).opened
    return sorted(files, key=lambda file: opened.index(file.stream))


def init_app(app: Flask, settings: Settings) -> None:
    """Set the limits of a request and make the private folder of its files."""
    app.request_class = UploadRequest
    app.config.from_mapping(
        MAX_CONTENT_LENGTH=settings.max_request_bytes,
        MAX_FORM_PARTS=settings.max_files + _OTHER_PARTS,
        UPLOAD_FOLDER=keep_uploads_folder(settings.data_folder),
        UPLOAD_MAX_FILES=settings.max_files,
    )
    app.before_request(_limit_plain_body)


def _limit_plain_body() -> None:
    """Werkzeug reads a URL-encoded form into memory whole, with no limit of its own."""
    if request.mimetype != "multipart/form-data":
        request.max_content_length = MAX_PLAIN_BYTES


def _size(file: FileStorage) -> int:
    size = file.stream.seek(0, 2)
    file.stream.seek(0)
    return size
