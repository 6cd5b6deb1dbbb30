"""Somebody who hears what happens in this process."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from hematovision.observing import signals
from hematovision.observing.signals import Signal, Stage


class _Listener:
    """Keeps the signals that it hears."""

    def __init__(self) -> None:
        self.heard: list[Signal] = []

    def stage(self, stage: Stage) -> AbstractContextManager[object]:
        return nullcontext(stage)

    def signal(self, signal: Signal) -> None:
        self.heard.append(signal)


@contextmanager
def listening() -> Iterator[list[Signal]]:
    """Listen meanwhile; give what was heard so far."""
    listener = _Listener()
    signals.watch(listener)
    try:
        yield listener.heard
    finally:
        signals.look_away(listener)
