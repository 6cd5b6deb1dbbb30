from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hematovision.observing import signals
from hematovision.observing.signals import Signal, Stage


class Listener:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        self.heard.append(f"{stage} begins")
        try:
            yield
        finally:
            self.heard.append(f"{stage} ends")

    def signal(self, signal: Signal) -> None:
        self.heard.append(signal)


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    signals.watch(listener)
    yield listener
    signals.look_away(listener)


def test_watcher_hears_of_stages_and_events(listener: Listener) -> None:
    with signals.stage(Stage.DECODE):
        signals.happened(Signal.BUSY)
    assert listener.heard == ["decode begins", "busy", "decode ends"]


def test_watcher_who_is_added_twice_hears_once(listener: Listener) -> None:
    signals.watch(listener)
    signals.happened(Signal.FULL)
    assert listener.heard == ["full"]


def test_failure_passes_through_a_stage_that_ends(listener: Listener) -> None:
    with pytest.raises(ValueError, match="it is wrong"), signals.stage(Stage.RECORD):
        raise ValueError("it is wrong")
    assert listener.heard[-1] == "record ends"


def test_who_looks_away_hears_nothing(listener: Listener) -> None:
    signals.look_away(listener)
    signals.look_away(listener)
    signals.happened(Signal.BUSY)
    assert listener.heard == []
