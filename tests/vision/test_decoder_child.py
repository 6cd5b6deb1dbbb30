import mmap
import os
import re
import socket
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from hematovision.cells import RgbImage
from hematovision.errors import UnsupportedFormatError
from hematovision.vision.decoder_messages import (
    ANSWER,
    BROKEN,
    CHECK,
    DECODE,
    FINE,
    PIXELS,
    REFUSED,
    REQUEST,
    unpack_refusal,
)
from hematovision.vision.decoders import HERE

if sys.platform != "linux":
    pytest.skip("decodes in the process itself", allow_module_level=True)

from hematovision.vision.decoder_child import answer


class Desk:
    """Asks what a decoder's process is asked, within this one."""

    def __init__(self) -> None:
        self.file = os.memfd_create("picture")
        self.shown = mmap.mmap(-1, 2**20)
        self.ours, self.theirs = socket.socketpair()

    def ask(self, what: bytes, data: bytes, size: int | None = None) -> tuple[bytes, int, int]:
        os.pwrite(self.file, data, 0)
        self.ours.sendall(REQUEST.pack(what, len(data) if size is None else size, 10**6))
        assert answer(self.theirs, self.file, self.shown, seconds=60)
        return ANSWER.unpack(self.ours.recv(ANSWER.size))

    def close(self) -> None:
        os.close(self.file)
        self.ours.close()
        self.theirs.close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.close()


def test_pixels_lie_in_the_memory_that_is_shared(desk: Desk, jpeg: bytes, photo: RgbImage) -> None:
    assert desk.ask(DECODE, jpeg) == (PIXELS, *photo.shape[:2])
    shown = np.frombuffer(desk.shown, np.uint8, photo.size).reshape(photo.shape).copy()
    np.testing.assert_array_equal(shown, HERE.decode(jpeg))


def test_header_alone_leaves_no_pixels(desk: Desk, jpeg: bytes) -> None:
    assert desk.ask(CHECK, jpeg) == (FINE, 0, 0)
    assert not any(desk.shown[:1000])


def test_refusal_is_written_in_words(desk: Desk) -> None:
    kind, length, _ = desk.ask(CHECK, b"no picture")
    assert kind == REFUSED
    assert isinstance(unpack_refusal(desk.ours.recv(length)), UnsupportedFormatError)


def test_bug_is_told_and_does_not_end_it(desk: Desk, jpeg: bytes) -> None:
    desk.shown = mmap.mmap(-1, 4096)
    kind, length, _ = desk.ask(DECODE, jpeg)
    assert kind == BROKEN
    words = desk.ours.recv(length).decode()
    assert re.match(r"ValueError at decoder_child\.py:\d+ _work", words)


def test_it_ends_when_nobody_asks_any_more(desk: Desk) -> None:
    desk.ours.close()
    assert not answer(desk.theirs, desk.file, desk.shown, seconds=60)
