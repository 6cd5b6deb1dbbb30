"""What is logged: lines for people, or JSON for programs; nothing of a patient in either.

The message of an exception that nobody foresaw can hold what somebody typed, as that of a database
that names a key which is there already. So a line says which exception it was and where, and its
message only of kinds that speak of the machine.
"""

import json
import logging
import re
import sys
import traceback
import uuid
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

TEXT, JSON = "text", "json"
FORMATS = (TEXT, JSON)
ACCESS = "hematovision.access"
"""The logger of requests; `extra={"fields": {...}}` becomes members of its lines."""

SPEAK_OF_MACHINES = ("OperationalError", "TimeoutError", "StuckError", "DatabaseUnusableError")

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that is being answered; empty where there is none."""

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def take_request_id(sent: str) -> str:
    """Give the id of a request: the one that was sent, if it can be one, or another."""
    return sent if REQUEST_ID.fullmatch(sent) else uuid.uuid4().hex


class IdFilter(logging.Filter):
    """Gives every record the id of the request that it belongs to."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add it; nothing is left out."""
        record.request_id = request_id.get()
        return True


class _Careful(logging.Formatter):
    def formatException(self, ei: ExcInfo) -> str:  # noqa: N802 - logging calls it so
        """Say which exception it was and where, and what it says only where it may."""
        return "\n".join(_told(ei[1])) if ei[1] is not None else ""


class TextFormatter(_Careful):
    """A line for people: when, how grave, and what, on one line but for where it happened."""

    def __init__(self) -> None:
        """Choose the form."""
        super().__init__("%(asctime)s %(levelname)s %(message)s%(request)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging calls it so
        """Write the message without anything that moves a cursor or begins another line."""
        record.message = _on_one_line(record.message)
        mark = getattr(record, "request_id", "")
        record.request = f" [{mark}]" if mark else ""
        return super().formatMessage(record)


class JsonFormatter(_Careful):
    """A line for programs: one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Write everything that is known of a record."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if mark := getattr(record, "request_id", ""):
            line["request_id"] = mark
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = self.formatException(record.exc_info)
        # ASCII alone: no control character, no line separator of Unicode, no half character.
        return json.dumps(line, default=str)


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what standard error is now, not to what it was when the handler was made."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """Give standard error."""
        return sys.stderr


def init_logs(form: str) -> None:
    """Log to standard error from now on; what was set up here before is replaced.

    Args:
        form: `text` or `json`.
    """
    handler = _Stderr()
    handler.setFormatter(JsonFormatter() if form == JSON else TextFormatter())
    handler.addFilter(IdFilter())
    root = logging.getLogger()
    for before in [each for each in root.handlers if isinstance(each, _Stderr)]:
        root.removeHandler(before)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("hematovision").setLevel(logging.INFO)


def _told(error: BaseException) -> list[str]:
    """Tell an exception, what it came from first."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    frames = [
        f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}'
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    heading = "Traceback (most recent call last):"
    return [*(_told(before) if before else ()), heading, *frames, _name_of(error)]


def _name_of(error: BaseException) -> str:
    """Say which exception it is, and what it says where that is of the machine alone."""
    kind = type(error)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(error, OSError) and error.strerror:
        return f"{name}: {_on_one_line(error.strerror)}"
    if any(base.__name__ in SPEAK_OF_MACHINES for base in kind.__mro__):
        return f"{name}: {_on_one_line(str(getattr(error, 'orig', error)))}"
    return name


def _on_one_line(text: str) -> str:
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
