"""Beside the house: makes the model folder. TensorFlow lives here and nowhere else."""

from collections.abc import Callable, Iterable
from typing import Any

Track = Callable[[Iterable[Any], str], Iterable[Any]]
"""Wraps a list to show how far it is; the second argument says of what."""


def untracked(items: Iterable[Any], what: str) -> Iterable[Any]:
    """Show nothing of how far a list is."""
    return items


class LearningError(Exception):
    """Something that keeps a model from being made or measured; the message says what to do."""
