import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from hematovision.observing.logs import (
    IdFilter,
    JsonFormatter,
    TextFormatter,
    init_logs,
    request_id,
    take_request_id,
)

log = logging.getLogger("tests.observing.logs")


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """Put the root logger back as it was."""
    root, ours = logging.getLogger(), logging.getLogger("hematovision")
    before = (list(root.handlers), root.level, ours.level)
    yield root
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


def line_of(formatter: logging.Formatter, *said: object, error: Exception | None = None) -> str:
    message, *values = said
    record = log.makeRecord(
        log.name, logging.WARNING, "", 0, message, tuple(values), error and _info(error)
    )
    IdFilter().filter(record)
    return formatter.format(record)


def _info(error: Exception) -> tuple[object, ...]:
    try:
        raise error
    except Exception:
        return sys.exc_info()


NASTY = "two\nlines\r\x1b[31mred\x00\u2028\u202eend"


def test_json_line_is_one_object_with_what_is_known() -> None:
    token = request_id.set("abc-1")
    try:
        line = json.loads(line_of(JsonFormatter(), "Photo %d is read", 7))
    finally:
        request_id.reset(token)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "WARNING",
        "logger": log.name,
        "message": "Photo 7 is read",
        "request_id": "abc-1",
    }


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_nobody_writes_a_line_of_their_own(formatter: logging.Formatter) -> None:
    line = line_of(formatter, "Said: %s", NASTY)
    assert line.isprintable()
    assert "lines" in line


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_exception_says_what_and_where_and_nothing_that_somebody_typed(
    formatter: logging.Formatter,
) -> None:
    error = KeyError("26-0837")
    error.__cause__ = ValueError("film 26-0837.jpg")
    line = line_of(formatter, "It failed", error=error)
    assert "builtins.KeyError" in line
    assert "builtins.ValueError" in line
    assert "test_logs.py" in line
    assert "in _info" in line
    assert "26-0837" not in line


def test_failure_of_the_machine_says_why() -> None:
    class OperationalError(Exception):
        orig = "connection refused\nby the server"

    assert "OperationalError: connection refused\\nby" in line_of(
        TextFormatter(), "Away", error=OperationalError("SELECT 26-0837")
    )
    line = line_of(TextFormatter(), "Full", error=OSError(28, "No space left", "26-0837.jpg"))
    assert "builtins.OSError: No space left" in line
    assert "26-0837" not in line


@pytest.mark.parametrize("sent", ["a", "A-b_c.9", "x" * 64])
def test_id_that_was_sent_is_taken(sent: str) -> None:
    assert take_request_id(sent) == sent


@pytest.mark.parametrize("sent", ["", "a b", "x" * 65, "a\n", "é", "<script>", "a/b"])
def test_id_that_can_be_none_is_replaced(sent: str) -> None:
    assert len(take_request_id(sent)) == 32
    assert take_request_id(sent) != take_request_id(sent)


def test_logs_go_to_standard_error_as_it_is_now_and_once(
    root: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    init_logs("text")
    init_logs("json")
    monkeypatch.setattr(sys, "stderr", stderr := io.StringIO())
    logging.getLogger("hematovision.somewhere").info("Here")
    logging.getLogger("elsewhere").info("Not here")
    (line,) = stderr.getvalue().splitlines()
    assert json.loads(line)["message"] == "Here"
    init_logs("text")
    logging.getLogger("elsewhere").warning("There")
    assert stderr.getvalue().splitlines()[1].endswith(" WARNING There")
