"""One process that decodes, as seen by the one that asks it.

Files and pixels go through memory that both share and that has no name: nothing is left of it when
both are gone, however they go. The pixels are copied out, because a process that was taken over may
write to that memory at any time; it cannot make it shorter.
"""

import fcntl
import mmap
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TypeAlias

import numpy as np

from hematovision.cells import RgbImage
from hematovision.errors import HematoVisionError
from hematovision.vision.decoder_messages import (
    ANSWER,
    BROKEN,
    CHECK,
    DECODE,
    FINE,
    LONGEST,
    PIXELS,
    READY,
    REFUSED,
    REQUEST,
    MessageError,
    unpack_refusal,
)

COMMAND = (sys.executable, "-P", "-m", "hematovision.vision.decoder_child")
START_SECONDS = 60.0
"""On a busy machine Python itself takes its time."""
GRACE_SECONDS = 5
"""So much later the process ends itself, where the one that asked is gone."""
KEPT_BYTES = 8 * 2**20
"""Of the shared memory so much stays in use between two pictures."""
_KEPT_VARIABLES = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Each thread of a library would take memory and multiply nothing."""
_KEPT_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(8 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(32 * 2**20),
}
"""Memory of common pictures is kept for the next, where glibc would ask for it anew."""
_NONSENSE = "A decoder answers what none would."

Process: TypeAlias = "subprocess.Popen[bytes]"


class DecoderDiedError(Exception):
    """The process ended, or answered what no decoder would."""


class DecoderNotReadyError(DecoderDiedError):
    """The process ended before it saw its first picture."""


class DecoderBrokenError(Exception):
    """The decoder met what nobody foresaw, or cannot be started: a bug, or a machine in trouble."""


class DecoderProcess:
    """A process that decodes one picture at a time; whoever has it has it alone."""

    def __init__(
        self, *, max_pixels: int, memory: int, seconds: float, command: Sequence[str] = COMMAND
    ) -> None:
        """Start it, without waiting until it is ready.

        Args:
            max_pixels: It is never asked for more.
            memory: Bytes of its own that it may have.
            seconds: A picture may take so long.
            command: The program.
        """
        self._max_pixels, self._seconds = max_pixels, seconds
        self._ready = False
        # Where files run short, what was opened until then must not stay open.
        with ExitStack() as opened:
            self._file = os.memfd_create("picture")
            opened.callback(os.close, self._file)
            self._process = self._start(opened, memory, command)
            self._opened = opened.pop_all()

    def _start(self, opened: ExitStack, memory: int, command: Sequence[str]) -> Process:
        with ExitStack() as theirs:
            pixels = _share_pixels(3 * self._max_pixels)
            theirs.callback(os.close, pixels)
            self._shown = opened.enter_context(mmap.mmap(pixels, 0))
            self._channel, end = socket.socketpair()
            opened.enter_context(self._channel)
            theirs.enter_context(end)
            limits = (str(memory), str(int(self._seconds) + GRACE_SECONDS))
            # In a session of its own: Ctrl+C reaches the one that asks.
            return subprocess.Popen(  # noqa: S603 - our own program
                [*command, str(self._file), str(pixels), *limits],
                stdin=end.fileno(),
                stdout=subprocess.DEVNULL,
                pass_fds=(self._file, pixels),
                env=scrubbed(os.environ),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its number."""
        return int(self._process.pid)

    def lives(self) -> bool:
        """Tell whether it is there."""
        return self._process.poll() is None

    def decode(self, data: bytes, max_pixels: int, what: bytes) -> RgbImage | None:
        """Let it decode a picture, or check its header.

        Args:
            data: The file.
            max_pixels: Larger pictures are refused.
            what: `DECODE` or `CHECK`.

        Returns:
            The picture as `decode_image` gives it; None where only the header is checked.

        Raises:
            HematoVisionError: Whatever `decode_image` refuses, under its own name.
            TimeoutError: If it takes too long.
            DecoderDiedError: If it ends before it answers.
            DecoderNotReadyError: If it does not even start.
            DecoderBrokenError: If it meets what nobody foresaw.
        """
        self._await()
        kind, first, second, words = self._ask(data, min(max_pixels, self._max_pixels), what)
        if kind == PIXELS and what == DECODE:
            return self._take(first, second, max_pixels)
        if kind == FINE and what == CHECK:
            return None
        if kind == REFUSED:
            raise _refusal(words)
        if kind == BROKEN:
            raise DecoderBrokenError(ascii(words.decode(errors="replace")))
        raise DecoderDiedError(_NONSENSE)

    def end(self) -> None:
        """End it: it has nothing to lose."""
        self._process.kill()
        self._process.wait()
        self._opened.close()

    def forget(self) -> None:
        """Let go of what belongs to the process that this one was forked from."""
        self._process.returncode = 0
        self._opened.close()

    def _await(self) -> None:
        """Wait until it is ready for the first picture."""
        if self._ready:
            return
        try:
            kind, _, _ = ANSWER.unpack(self._receive(ANSWER.size, time.monotonic() + START_SECONDS))
        except OSError as error:
            raise DecoderNotReadyError("A decoder does not start.") from error
        self._ready = kind == READY

    def _ask(self, data: bytes, max_pixels: int, what: bytes) -> tuple[bytes, int, int, bytes]:
        """Ask, and give the answer as it comes."""
        end, words = time.monotonic() + self._seconds, b""
        try:
            self._hand_over(data)
            self._channel.sendall(REQUEST.pack(what, len(data), max_pixels))
            kind, first, second = ANSWER.unpack(self._receive(ANSWER.size, end))
            if kind in {REFUSED, BROKEN}:
                words = self._receive(min(first, LONGEST), end)
        except ConnectionError as error:
            raise DecoderDiedError("A decoder ended while it was at work.") from error
        finally:
            os.ftruncate(self._file, 0)
        return kind, first, second, words

    def _hand_over(self, data: bytes) -> None:
        view, place = memoryview(data), 0
        while place < len(data):
            place += os.pwrite(self._file, view[place:], place)

    def _receive(self, number: int, end: float) -> bytes:
        """Receive so many bytes before a time that `time.monotonic` tells."""
        received = b""
        while len(received) < number:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError("A decoder does not answer in time.")
            self._channel.settimeout(left)
            block = self._channel.recv(number - len(received))
            if not block:
                raise ConnectionError("A decoder is gone.")
            received += block
        return received

    def _take(self, height: int, width: int, max_pixels: int) -> RgbImage:
        """Copy the pixels, and give the memory back that a large picture took."""
        if not 0 < height * width <= min(max_pixels, self._max_pixels):
            raise DecoderDiedError(_NONSENSE)
        size = 3 * height * width
        photo = np.frombuffer(self._shown, np.uint8, size).reshape(height, width, 3).copy()
        if size > KEPT_BYTES:
            self._shown.madvise(mmap.MADV_REMOVE, KEPT_BYTES, len(self._shown) - KEPT_BYTES)
        return photo


def _share_pixels(size: int) -> int:
    """Make memory that whoever shares it can make neither shorter nor longer."""
    pixels = os.memfd_create("pixels", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(pixels, size)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(pixels, fcntl.F_ADD_SEALS, seals)
    except OSError:
        os.close(pixels)
        raise
    return pixels


def _refusal(words: bytes) -> HematoVisionError:
    try:
        return unpack_refusal(words)
    except MessageError as error:
        raise DecoderDiedError(_NONSENSE) from error


def scrubbed(environment: Mapping[str, str]) -> dict[str, str]:
    """Give what a decoder may know of an environment: where Python is, and no secret."""
    kept = {name: environment[name] for name in _KEPT_VARIABLES if name in environment}
    return kept | _ONE_THREAD | _KEPT_MEMORY
