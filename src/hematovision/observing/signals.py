"""What happens in a process, told to whoever watches; without a watcher it costs nothing.

What reads photos knows neither Prometheus nor OpenTelemetry: it says that a stage begins and ends.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from enum import StrEnum
from typing import Protocol


class Stage(StrEnum):
    """What is done of a photo."""

    DECODE = "decode"
    LOCATE = "locate"
    CLASSIFY = "classify"
    RECORD = "record"
    PHOTO = "photo"
    """All that a worker does of one photo."""


class Signal(StrEnum):
    """What is counted when it happens."""

    BUSY = "busy"
    """A reading was refused, for too many are under way."""
    FULL = "full"
    """A photo was refused, for too many wait."""
    TOO_OFTEN = "too_often"
    """A request was refused, for its sender asks too often."""
    DECODER_RESTARTED = "decoder_restarted"
    INFERENCE_ANSWERED = "inference_answered"
    """An inference server answered one attempt."""
    INFERENCE_FAILED = "inference_failed"
    """Nothing came of one attempt."""
    INFERENCE_LEFT_ALONE = "inference_left_alone"
    """Too many came to nothing: nobody is asked for a while."""
    INFERENCE_BACK = "inference_back"
    """It answers again."""
    INFERENCE_FALLBACK = "inference_fallback"
    """A photo was read in this process in its place."""


class Watcher(Protocol):
    """Whoever wants to know."""

    def stage(self, stage: Stage) -> AbstractContextManager[object]:
        """Be there while something is done."""
        ...

    def signal(self, signal: Signal) -> None:
        """Hear that something happened."""
        ...


_watchers: list[Watcher] = []


def watch(watcher: Watcher) -> None:
    """Tell somebody from now on; once, however often it is asked for."""
    if watcher not in _watchers:
        _watchers.append(watcher)


def look_away(watcher: Watcher) -> None:
    """Tell somebody no longer."""
    if watcher in _watchers:
        _watchers.remove(watcher)


@contextmanager
def stage(which: Stage) -> Iterator[None]:
    """Say that something is being done meanwhile."""
    with ExitStack() as stack:
        for watcher in tuple(_watchers):
            stack.enter_context(watcher.stage(which))
        yield


def happened(signal: Signal) -> None:
    """Say that something happened."""
    for watcher in tuple(_watchers):
        watcher.signal(signal)
