"""A value that is made anew when it is old, by one at a time, and never waited for long."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Value = TypeVar("Value")

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Kept(Generic[Value]):
    """Answers many who ask with what one of them found.

    What cannot be made, or takes too long, is None: who asks has waited `patience` at most, and
    who asks later not at all. A database that hangs holds one thread, however many ask.

    Attributes:
        make: Makes the value; runs in a thread of its own.
        fresh: So many seconds it is not made again.
        patience: So many seconds are waited for it.
        clock: Tells seconds.
    """

    make: Callable[[], Value]
    fresh: float
    patience: float
    clock: Callable[[], float] = time.monotonic
    _value: Value | None = None
    _made_at: float | None = None
    _done: threading.Event | None = None
    _began_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self) -> Value | None:
        """Give the value; None where it could not be made in time."""
        with self._lock:
            if self._made_at is not None and self.clock() - self._made_at < self.fresh:
                return self._value
            done = self._done or self._begin()
            left = self._began_at + self.patience - self.clock()
        if not done.wait(max(left, 0.0)):
            return None
        return self._value

    def _begin(self) -> threading.Event:
        done = self._done = threading.Event()
        self._began_at = self.clock()
        threading.Thread(target=self._make, args=(done,), name="observing", daemon=True).start()
        return done

    def _make(self, done: threading.Event) -> None:
        value = None
        try:
            value = self.make()
        except Exception as error:  # whatever it is: whoever watches must be told that
            log.warning("Something that is watched cannot be found: %s", type(error).__name__)
        with self._lock:
            self._value, self._made_at, self._done = value, self.clock(), None
        done.set()
