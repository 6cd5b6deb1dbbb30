"""A few kept processes that decode for one that has keys and a database.

Each decodes one picture at a time. One that dies, or takes too long and is killed, takes no other
picture with it, and the next picture gets a new one.
"""

import logging
import os
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from hematovision.cells import RgbImage
from hematovision.errors import (
    DecoderCrashedError,
    DecodersBusyError,
    DecodingTookTooLongError,
    HematoVisionError,
)
from hematovision.observing.signals import Signal, happened
from hematovision.vision.decoder_messages import CHECK, DECODE
from hematovision.vision.decoder_process import (
    COMMAND,
    DecoderBrokenError,
    DecoderDiedError,
    DecoderNotReadyError,
    DecoderProcess,
)
from hematovision.vision.decoding import MAX_PIXELS, PILLOW_LIMIT

SECONDS = 20.0
"""So long one picture may take; forty million pixels take about two."""
WAIT_SECONDS = 60.0
"""So long a picture waits for a process that is free."""
MOST_WAITING = 64
ATTEMPTS = 2
"""A process may be ended for what its picture did not do, as when memory runs out elsewhere."""
BASE_MEMORY = 512 * 2**20
MEMORY_A_PIXEL = 32
"""Bytes: a transparent picture is held as four bytes a pixel several times over."""

log = logging.getLogger(__name__)


class DecoderPool:
    """Hands pictures to processes that are kept.

    It may be used by any number of threads. A process that is forked from this one starts its own.

    Attributes:
        number: So many processes run at most.
        restarts: Processes that died or were killed since the start.
    """

    def __init__(
        self,
        number: int,
        *,
        max_pixels: int = MAX_PIXELS,
        seconds: float = SECONDS,
        wait_seconds: float = WAIT_SECONDS,
        most_waiting: int = MOST_WAITING,
        memory: int | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        """Start none yet.

        Args:
            number: How many processes at most.
            max_pixels: Larger pictures are refused.
            seconds: A picture may take so long.
            wait_seconds: It may wait so long for a process.
            most_waiting: So many wait at once; further ones are refused.
            memory: Bytes that a process may have; left out, what `max_pixels` need.
            command: The program of a process.
        """
        self.number, self.restarts = number, 0
        # Pillow opens nothing larger, whatever is set.
        self._max_pixels = min(max_pixels, PILLOW_LIMIT)
        self._memory = memory or BASE_MEMORY + MEMORY_A_PIXEL * self._max_pixels
        self._seconds, self._wait_seconds, self._most_waiting = seconds, wait_seconds, most_waiting
        self._command = command
        self._started: set[DecoderProcess] = set()
        self._begin()
        self._end = weakref.finalize(self, _end_all, self._started)
        _pools.add(self)

    def decode(self, data: bytes, *, max_pixels: int = MAX_PIXELS) -> RgbImage:
        """Decode a picture.

        Args:
            data: The file.
            max_pixels: Larger pictures are refused.

        Raises:
            HematoVisionError: Whatever `decode_image` refuses, under its own name.
            DecodingTookTooLongError: If it takes too long.
            DecoderCrashedError: If the process dies of it.
            DecodersBusyError: If no process gets free.
            DecoderBrokenError: If a decoder has a bug, or none comes up.
        """
        photo = self._ask(data, max_pixels, DECODE)
        assert photo is not None  # noqa: S101 - for the types; what was asked is pixels
        return photo

    def check(self, data: bytes, *, max_pixels: int = MAX_PIXELS) -> None:
        """Refuse what the first bytes of a picture rule out; raises as `decode` does."""
        self._ask(data, max_pixels, CHECK)

    def processes(self) -> Sequence[int]:
        """Give the numbers of the processes that run."""
        return [process.pid for process in list(self._started)]

    def warm(self) -> None:
        """Start one process, without waiting for it, unless there is one."""
        if not self._idle:
            self._give(self._take())

    def close(self) -> None:
        """End all processes; a pool that nobody has any more does so itself."""
        self._end()

    def _begin(self) -> None:
        self._free = threading.Condition()
        self._idle: list[DecoderProcess] = []
        self._busy = self._waiting = 0

    def _ask(self, data: bytes, max_pixels: int, what: bytes) -> RgbImage | None:
        died: DecoderDiedError | None = None
        for _ in range(ATTEMPTS):
            try:
                with self._borrow() as process:
                    return process.decode(data, max_pixels, what)
            except DecoderDiedError as error:
                died = error
            except TimeoutError as error:
                raise DecodingTookTooLongError(
                    "Decoding it takes longer than %(seconds)s seconds.", seconds=int(self._seconds)
                ) from error
        if isinstance(died, DecoderNotReadyError):
            # It is not for the picture that no process comes up.
            raise DecoderBrokenError("A decoder does not start.") from died
        raise DecoderCrashedError("The decoder crashed at this picture.") from died

    @contextmanager
    def _borrow(self) -> Iterator[DecoderProcess]:
        """Lend a process; it comes back unless something went wrong with it."""
        process = self._take()
        try:
            yield process
        except HematoVisionError:
            self._give(process)
            raise
        except BaseException as error:
            # Whatever it was: what the process says next would be about this picture.
            self._bury(process, error)
            self._give(None)
            raise
        self._give(process)

    def _take(self) -> DecoderProcess:
        """Take a process that is free, or start one."""
        with self._free:
            self._wait()
            self._busy += 1
            idle = [self._idle.pop()] if self._idle else []
        try:
            for process in idle:
                if process.lives():
                    return process
                self._bury(process, None)
            process = DecoderProcess(
                max_pixels=self._max_pixels,
                memory=self._memory,
                seconds=self._seconds,
                command=self._command,
            )
        except BaseException:
            self._give(None)
            raise
        self._started.add(process)
        return process

    def _wait(self) -> None:
        """Wait until one may be taken."""
        may_wait = self._waiting < self._most_waiting
        self._waiting += 1
        try:
            wait_seconds = self._wait_seconds if may_wait else 0
            if not self._free.wait_for(lambda: self._busy < self.number, wait_seconds):
                raise DecodersBusyError("Too many pictures wait to be decoded.")
        finally:
            self._waiting -= 1

    def _give(self, process: DecoderProcess | None) -> None:
        """Give back what was taken; none where it is gone."""
        with self._free:
            self._busy -= 1
            if process is not None:
                self._idle.append(process)
            self._free.notify()

    def _bury(self, process: DecoderProcess, reason: BaseException | None) -> None:
        """Put an end to a process."""
        # Never the picture: what is known of it may tell of a patient.
        log.warning("A decoder is ended: %s", reason or "it had died")
        with self._free:
            self.restarts += 1
            self._started.discard(process)
        happened(Signal.DECODER_RESTARTED)
        process.end()

    def _forget(self) -> None:
        """Begin anew in a process that was forked: the processes are its parent's."""
        for process in self._started:
            process.forget()
        self._started.clear()
        self._begin()


def _end_all(processes: Iterable[DecoderProcess]) -> None:
    for process in list(processes):
        process.end()


_pools: "weakref.WeakSet[DecoderPool]" = weakref.WeakSet()


def _forget_all() -> None:
    for pool in list(_pools):
        pool._forget()


os.register_at_fork(after_in_child=_forget_all)
