"""How many photos are read at once: a bounded number, with a bounded number who wait for it.

More at once would read none of them sooner, and each takes memory; whoever is refused is told when
to come again, and nobody waits without an end. Light pages pass by: `cli/serve.py` has threads for
all who read, all who wait, and some more.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import Flask, current_app

from hematovision.config import Settings
from hematovision.errors import BusyError
from hematovision.observing import meters
from hematovision.observing.signals import Signal, happened

PATIENCE_SECONDS = 30.0
"""So long a request waits at most; browsers and proxies wait twice as long."""
KEY = "hematovision_gate"

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


class Gate:
    """Lets so many through at once, who came first first; so many more may wait.

    Of several server processes each has its own.
    """

    def __init__(self, slots: int, queue: int, patience: float = PATIENCE_SECONDS) -> None:
        """Open it.

        Args:
            slots: So many at once.
            queue: So many may wait.
            patience: Seconds that one waits at most.
        """
        self._free = slots
        self._queue = queue
        self._patience = patience
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Take a place meanwhile.

        Raises:
            BusyError: If as many wait already as may, or it was waited for too long.
        """
        try:
            self._enter()
        except BusyError:
            happened(Signal.BUSY)
            raise
        meters.readings_in_progress.inc()
        try:
            yield
        finally:
            meters.readings_in_progress.dec()
            with self._changed:
                self._free += 1
                self._changed.notify_all()

    def _enter(self) -> None:
        with self._changed:
            if self._free and not self._waiting:
                self._free -= 1
                return
            if len(self._waiting) >= self._queue:
                raise BusyError("Too many photos are being read right now.")
            meters.readings_waiting.inc()
            ticket = object()
            self._waiting.append(ticket)
            try:
                self._wait(ticket)
            finally:
                self._waiting.remove(ticket)
                meters.readings_waiting.dec()
                # Whoever is first now may find a place free already.
                self._changed.notify_all()

    def _wait(self, ticket: object) -> None:
        end = time.monotonic() + self._patience
        while not (self._free and self._waiting[0] is ticket):
            left = end - time.monotonic()
            if left <= 0 or not self._changed.wait(left):
                raise BusyError("Too many photos are being read right now.")
        self._free -= 1


def reading_slot() -> AbstractContextManager[None]:
    """Take a place among those who read, meanwhile.

    Raises:
        BusyError: If there is none, and none to wait for one.
    """
    gate: Gate = current_app.extensions[KEY]
    return gate.slot()


def reads_photos(view: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
    """Let a view run only with a place among those who read."""

    @wraps(view)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        with reading_slot():
            return view(*args, **kwargs)

    return guarded


def init_app(app: Flask, settings: Settings) -> None:
    """Open the gate of this process."""
    app.extensions[KEY] = Gate(settings.readings_at_once, settings.reading_queue)
