"""Ask another machine: again where that helps, and not at all while nothing comes of it."""

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from pybreaker import STATE_CLOSED, STATE_OPEN, CircuitBreaker, CircuitBreakerError

from hematovision.errors import HematoVisionError, InferenceAwayError, InferenceWrongError
from hematovision.observing.signals import Signal, happened

Answer = TypeVar("Answer")

ATTEMPTS = 3
DEADLINE = 2.0
"""All attempts together may take so many times as long as one."""
LONGEST = 240.0
"""Seconds that all questions of one photo may take; less than what a worker takes to be stuck."""
FIRST_PAUSE = 0.1
"""Seconds before the second attempt; twice as many before the third."""
MOST_FAILURES = 5
"""After so many attempts without an answer, one after the other, nobody is asked for a while."""
OPEN_SECONDS = 15.0
"""So long; then one question is let through, and all others if it is answered."""

log = logging.getLogger(__name__)


class NoAnswerError(Exception):
    """One attempt came to nothing.

    Attributes:
        again: Whether another may help: asking twice does no harm, but not always any good.
        seconds: The server wants to be asked no sooner.
        is_away: Whether nobody answers; otherwise somebody does, and wrongly.
        is_busy: Whether the server is there and has too much to do: no reason to leave it alone.
    """

    def __init__(
        self,
        reason: str,
        *,
        again: bool = False,
        seconds: float = 0.0,
        is_away: bool = True,
        is_busy: bool = False,
    ) -> None:
        """Say why, in words that hold nothing secret."""
        super().__init__(reason)
        self.again = again
        self.seconds = seconds
        self.is_away = is_away
        self.is_busy = is_busy

    @classmethod
    def wrong(cls, reason: str) -> "NoAnswerError":
        """Say that an answer came which is none."""
        return cls(reason, is_away=False)


class NotAskedError(NoAnswerError):
    """Nothing was sent, for the server did not answer a moment ago."""


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, NoAnswerError) and error.is_busy


class Breaker:
    """Lets questions through until too many came to nothing; safe to be asked by many threads.

    `CircuitBreaker.call` lets one thread through at a time, so what is asked while all is well is
    only reported to it; the one question that tries whether the server is back is asked within.
    """

    def __init__(self, *, failures: int = MOST_FAILURES, seconds: float = OPEN_SECONDS) -> None:
        """Begin closed: everything is let through."""
        self.seconds = seconds
        self._breaker = CircuitBreaker(
            failures, seconds, exclude=[_is_busy], throw_new_error_on_trip=False
        )
        self._trying = threading.Lock()

    @property
    def is_open(self) -> bool:
        """Whether nothing is let through."""
        return self._breaker.current_state == STATE_OPEN

    def call(self, question: Callable[[], Answer]) -> Answer:
        """Ask, unless that has come to nothing too often.

        Raises:
            NoAnswerError: If nothing comes of it, or it is not asked.
        """
        if self._breaker.current_state != STATE_CLOSED:
            return self._try(question)
        try:
            answer = question()
        except NoAnswerError as error:
            self._report(error)
            raise
        self._report(None)
        return answer

    def _try(self, question: Callable[[], Answer]) -> Answer:
        """Ask whether the server is back, one thread at a time."""
        if not self._trying.acquire(blocking=False):
            raise NotAskedError("it did not answer a moment ago")
        try:
            answer = self._breaker.call(question)
        except CircuitBreakerError as error:
            raise NotAskedError("it did not answer a moment ago") from error
        finally:
            self._trying.release()
        log.warning("The inference server answers again")
        happened(Signal.INFERENCE_BACK)
        return answer

    def _report(self, error: NoAnswerError | None) -> None:
        """Say what came of a question that was asked while all was well."""

        def repeat() -> None:
            if error is not None:
                raise error

        if self._breaker.current_state != STATE_CLOSED:
            return
        try:
            self._breaker.call(repeat)
        except (NoAnswerError, CircuitBreakerError):
            if self.is_open:
                log.warning("The inference server is left alone for %.0f s", self.seconds)
                happened(Signal.INFERENCE_LEFT_ALONE)


@dataclass(slots=True)
class Line:
    """The way to one server, for all threads and networks of a process.

    Attributes:
        seconds: So long one attempt may take.
        breaker: Leaves a server alone that does not answer.
        sleep: Waits for seconds.
        clock: Tells seconds.
        chance: Gives a number from 0 to 1.
    """

    seconds: float
    breaker: Breaker = field(default_factory=Breaker)
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
    _within: threading.local = field(default_factory=threading.local, init=False)

    @contextmanager
    def one_photo(self) -> Iterator[None]:
        """Let all that this thread asks within take `LONGEST` together.

        A server that answers every question, each just in time, would keep a reader for an hour.
        """
        self._within.end = self.clock() + LONGEST
        try:
            yield
        finally:
            self._within.end = math.inf

    def ask(self, question: Callable[[float], Answer]) -> Answer:
        """Ask until there is an answer, or it makes no sense any more.

        Args:
            question: Asks once, for so many seconds at most. It may be asked twice.

        Raises:
            InferenceAwayError: If nobody answers, or a photo has taken too long.
            InferenceWrongError: If what is answered is no answer.
        """
        last = getattr(self._within, "end", math.inf)
        if self.clock() >= last:
            log.warning("Inference of one photo takes more than %.0f s", LONGEST)
            raise self._failure(NoAnswerError("too slow"))
        end = min(self.clock() + DEADLINE * self.seconds, last)
        attempt = 0
        while True:
            attempt += 1
            seconds = min(self.seconds, end - self.clock())
            try:
                answer = self.breaker.call(lambda seconds=seconds: question(seconds))  # type: ignore[misc]
            except NoAnswerError as error:
                if not isinstance(error, NotAskedError):
                    happened(Signal.INFERENCE_FAILED)
                    log.warning("Inference failed: %s", error)
                pause = self._pause(error, attempt)
                if pause is None or self.clock() + pause >= end:
                    raise self._failure(error) from error
                self.sleep(pause)
            else:
                happened(Signal.INFERENCE_ANSWERED)
                return answer

    def _pause(self, error: NoAnswerError, attempt: int) -> float | None:
        """Say for how long to wait before the next attempt; None where there should be none."""
        if not error.again or attempt == ATTEMPTS:
            return None
        # With a random part, or all who were turned away come back at once.
        usual = FIRST_PAUSE * 2.0 ** (attempt - 1) * (0.5 + self.chance() / 2)
        return max(usual, error.seconds)

    @staticmethod
    def _failure(error: NoAnswerError) -> HematoVisionError:
        if error.is_away:
            return InferenceAwayError("The server that does the inference does not answer.")
        return InferenceWrongError("The server that does the inference answers wrongly.")
