import json

import pytest

from hematovision.errors import (
    EmptyFileError,
    HematoVisionError,
    ImageTooLargeError,
    ImageTooSmallError,
    rounded,
)
from hematovision.vision.decoder_messages import MessageError, pack_refusal, unpack_refusal


@pytest.mark.parametrize(
    "error",
    [
        EmptyFileError("The file is empty."),
        ImageTooSmallError("Too small: %(width)s x %(height)s", width=3, height=4),
        ImageTooLargeError("The limit is %(limit)s of %(kind)s.", limit=rounded(0.25), kind="PNG"),
    ],
)
def test_refusal_comes_back_as_it_was(error: HematoVisionError) -> None:
    again = unpack_refusal(pack_refusal(error))
    assert type(again) is type(error)
    assert (again.message, again.template, again.values) == (
        error.message,
        error.template,
        error.values,
    )


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b"[[[[", id="no JSON"),
        pytest.param(b"7", id="no list"),
        pytest.param(b'["EmptyFileError", "Empty."]', id="too short"),
        pytest.param(b'["SystemExit", "Empty.", {}]', id="not ours"),
        pytest.param(b'["HematoVisionError", "Empty.", {}]', id="none of its names"),
        pytest.param(b'["NotSignedInError", "Empty.", {}]', id="of somebody else"),
        pytest.param(b'[7, "Empty.", {}]', id="name of digits"),
        pytest.param(b'["EmptyFileError", 7, {}]', id="template of digits"),
        pytest.param(b'["EmptyFileError", "%(a)999999999d", {"a": ["int", "1"]}]', id="wide"),
        pytest.param(b'["EmptyFileError", "%(a).9999999f", {"a": ["int", "1"]}]', id="precise"),
        pytest.param(b'["EmptyFileError", "%s", {"a": ["int", "1"]}]', id="without a name"),
        pytest.param(b'["EmptyFileError", "%(b)s", {"a": ["int", "1"]}]', id="another name"),
        pytest.param(b'["EmptyFileError", "%(a)s", {"a": ["eval", "1"]}]', id="another type"),
        pytest.param(b'["EmptyFileError", "%(a)s", {"a": ["int", "x"]}]', id="no number"),
        pytest.param(
            b'["EmptyFileError", "%(a)s", {"a": ["Decimal", "1e99999999"]}]', id="exponent"
        ),
        pytest.param(b'["EmptyFileError", "%(a)s", {"a": [["int"], "1"]}]', id="type is a list"),
        pytest.param(b'["EmptyFileError", "two\\nlines", {}]', id="two lines"),
        pytest.param(
            json.dumps(["EmptyFileError", "%(a)s", {"a": ["str", "x" * 61]}]).encode(), id="long"
        ),
        pytest.param(json.dumps(["EmptyFileError", "x" * 301, {}]).encode(), id="long template"),
        pytest.param(b"[" * 1500, id="deep"),
    ],
)
def test_nothing_else_is_believed(words: bytes) -> None:
    with pytest.raises(MessageError):
        unpack_refusal(words)
