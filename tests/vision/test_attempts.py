import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress

import pytest

from hematovision.errors import InferenceAwayError, InferenceWrongError
from hematovision.jobs import LONGEST_SECONDS
from hematovision.observing import signals
from hematovision.observing.signals import Signal, Stage
from hematovision.vision.attempts import (
    ATTEMPTS,
    LONGEST,
    MOST_FAILURES,
    Breaker,
    Line,
    NoAnswerError,
)

AWAY = NoAnswerError("away", again=True)
BUSY = NoAnswerError("busy", again=True, is_busy=True)
WRONG = NoAnswerError.wrong("wrong")


class Clock:
    """Time that goes by only where somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class Script:
    """Answers in turn: a failure is raised, anything else is given."""

    def __init__(self, *turns: object, clock: Clock | None = None, takes: float = 0.0) -> None:
        self.turns = list(turns)
        self.clock, self.takes = clock, takes
        self.given: list[float] = []

    def __call__(self, seconds: float = 0.0) -> object:
        self.given.append(seconds)
        if self.clock:
            self.clock.now += min(self.takes, seconds)
        turn = self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]
        if isinstance(turn, Exception):
            raise turn
        return turn


@pytest.fixture
def clock() -> Clock:
    return Clock()


def line(clock: Clock, **more: object) -> Line:
    return Line(10.0, sleep=clock.sleep, clock=clock, chance=lambda: 1.0, **more)  # type: ignore[arg-type]


def test_answer_is_given(clock: Clock) -> None:
    assert line(clock).ask(Script("answer")) == "answer"
    assert clock.pauses == []


def test_what_helps_is_tried_again_with_growing_pauses(clock: Clock) -> None:
    script = Script(AWAY, AWAY, "answer")
    assert line(clock).ask(script) == "answer"
    assert clock.pauses == [0.1, 0.2]


def test_nobody_is_asked_for_ever(clock: Clock) -> None:
    script = Script(AWAY)
    with pytest.raises(InferenceAwayError) as caught:
        line(clock).ask(script)
    assert len(script.given) == ATTEMPTS
    assert caught.value.seconds > 0
    assert caught.value.__cause__ is AWAY


def test_photo_of_many_slow_answers_comes_to_an_end(clock: Clock) -> None:
    script, way = Script("answer", clock=clock, takes=9.0), line(clock)

    def read() -> None:
        with way.one_photo():
            while True:
                way.ask(script)

    with pytest.raises(InferenceAwayError):
        read()
    assert LONGEST <= clock.now < LONGEST_SECONDS
    assert script.given[-1] == LONGEST % 9.0
    assert way.ask(script) == "answer"


def test_what_does_not_help_is_not_tried_again(clock: Clock) -> None:
    script = Script(NoAnswerError("shut"))
    with pytest.raises(InferenceAwayError):
        line(clock).ask(script)
    assert len(script.given) == 1


def test_wrong_answer_is_an_error_of_its_own_and_not_asked_for_again(clock: Clock) -> None:
    script = Script(WRONG)
    with pytest.raises(InferenceWrongError):
        line(clock).ask(script)
    assert len(script.given) == 1


def test_server_that_names_a_time_is_left_alone_until_then(clock: Clock) -> None:
    script = Script(NoAnswerError("busy", again=True, seconds=3.0), "answer")
    assert line(clock).ask(script) == "answer"
    assert clock.pauses == [3.0]


@pytest.mark.parametrize("seconds", [25.0, float("inf")])
def test_time_beyond_the_deadline_is_not_waited_for(clock: Clock, seconds: float) -> None:
    with pytest.raises(InferenceAwayError):
        line(clock).ask(Script(NoAnswerError("busy", again=True, seconds=seconds)))
    assert clock.pauses == []


def test_all_attempts_share_a_deadline(clock: Clock) -> None:
    script = Script(AWAY, clock=clock, takes=9.0)
    with pytest.raises(InferenceAwayError):
        line(clock).ask(script)
    assert script.given == [10.0, pytest.approx(10.0), pytest.approx(1.7)]
    assert clock.now <= 20.0


def fail(breaker: Breaker, error: NoAnswerError = AWAY, times: int = MOST_FAILURES) -> None:
    for _ in range(times):
        with pytest.raises(NoAnswerError):
            breaker.call(Script(error))


def test_breaker_opens_after_failures_one_after_the_other() -> None:
    breaker, script = Breaker(), Script("answer")
    fail(breaker, times=MOST_FAILURES - 1)
    assert breaker.call(script) == "answer"
    fail(breaker, times=MOST_FAILURES - 1)
    assert not breaker.is_open
    fail(breaker, times=1)
    assert breaker.is_open
    with pytest.raises(NoAnswerError, match="a moment ago"):
        breaker.call(script)
    assert len(script.given) == 1


def test_breaker_opens_at_wrong_answers_too() -> None:
    breaker = Breaker()
    fail(breaker, WRONG)
    assert breaker.is_open


def test_server_with_too_much_to_do_is_no_reason_to_open() -> None:
    breaker = Breaker()
    fail(breaker, BUSY, 20)
    assert not breaker.is_open


def test_breaker_closes_when_the_one_question_is_answered() -> None:
    breaker = Breaker(seconds=0.0)
    fail(breaker)
    assert breaker.is_open
    assert breaker.call(Script("answer")) == "answer"
    assert not breaker.is_open
    fail(breaker, times=MOST_FAILURES - 1)
    assert not breaker.is_open


def test_breaker_stays_open_when_the_one_question_fails() -> None:
    breaker = Breaker(seconds=0.0)
    fail(breaker)
    fail(breaker, times=1)
    assert breaker.is_open


def test_one_thread_alone_tries_whether_the_server_is_back() -> None:
    breaker = Breaker(seconds=0.0)
    fail(breaker)
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        assert go_on.wait(5)
        return "answer"

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(breaker.call, slow)
        assert begun.wait(5)
        with pytest.raises(NoAnswerError, match="a moment ago"):
            breaker.call(Script("another"))
        go_on.set()
        assert first.result() == "answer"
    assert not breaker.is_open


def together(breaker: Breaker, number: int, end: Callable[[], object]) -> list[object]:
    """Ask from as many threads at once; each waits until all have begun."""
    all_there = threading.Barrier(number)

    def ask() -> object:
        all_there.wait(5)
        return end()

    def safely(_: int) -> object:
        try:
            return breaker.call(ask)
        except NoAnswerError as error:
            return error

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(safely, range(number)))


def test_threads_do_not_wait_for_one_another() -> None:
    assert together(Breaker(), 8, lambda: "answer") == ["answer"] * 8


def test_failures_of_many_threads_open_it_once() -> None:
    breaker = Breaker()
    assert together(breaker, 8, Script(AWAY)) == [AWAY] * 8
    assert breaker.is_open


def test_line_stops_asking_when_the_breaker_opens(clock: Clock) -> None:
    breaker, script = Breaker(failures=2), Script(AWAY)
    with pytest.raises(InferenceAwayError):
        line(clock, breaker=breaker).ask(script)
    assert len(script.given) == 2


class Heard:
    """Counts what happened."""

    def __init__(self) -> None:
        self.signals: list[Signal] = []

    def stage(self, stage: Stage) -> AbstractContextManager[None]:
        return nullcontext()

    def signal(self, signal: Signal) -> None:
        self.signals.append(signal)


def test_what_becomes_of_each_attempt_is_told(clock: Clock) -> None:
    heard = Heard()
    way = line(clock, breaker=Breaker(failures=2, seconds=0.0))
    signals.watch(heard)
    try:
        for script in (Script(NoAnswerError("shut")), Script(WRONG), Script("answer")):
            with suppress(InferenceAwayError, InferenceWrongError):
                way.ask(script)
    finally:
        signals.look_away(heard)
    assert heard.signals == [
        Signal.INFERENCE_FAILED,
        Signal.INFERENCE_LEFT_ALONE,
        Signal.INFERENCE_FAILED,
        Signal.INFERENCE_BACK,
        Signal.INFERENCE_ANSWERED,
    ]


def test_what_is_not_asked_is_no_failure(clock: Clock) -> None:
    heard, breaker = Heard(), Breaker()
    fail(breaker)
    signals.watch(heard)
    try:
        with pytest.raises(InferenceAwayError):
            line(clock, breaker=breaker).ask(Script("answer"))
    finally:
        signals.look_away(heard)
    assert heard.signals == []
