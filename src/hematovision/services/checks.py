"""What is to be looked at before a differential holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hematovision.differential import Differential
from hematovision.services.policies import Policy
from hematovision.storage.photos import PhotoState


class CheckState(StrEnum):
    """How a check stands."""

    OPEN = "open"
    """Something is to be done."""
    LOOK = "look"
    """Something is to be looked at, and may stay as it is."""
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Second:
    """How far second readings of a case are.

    Attributes:
        asked: Whether one was asked for.
        finished: How many are finished.
        apart: Cells that two readers call otherwise, of which nobody has decided.
    """

    asked: bool = False
    finished: int = 0
    apart: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        code: `waiting`, `unidentified`, `unconfirmed`, `target`, `second`, `apart`,
            `failed`, `empty` or `models`.
        state: How it stands.
        number: What is left, or what there is where nothing is left.
        photos: The numbers of the photos that it speaks of.
        models: The models that it speaks of.
        is_leavable: Whether somebody may sign though it is open, if they write why.
    """

    code: str
    state: CheckState
    number: int = 0
    photos: tuple[int, ...] = ()
    models: tuple[str, ...] = ()
    is_leavable: bool = False


def checks_of(
    differential: Differential,
    target: int,
    photos: Mapping[PhotoState, int],
    *,
    empty: Sequence[int],
    models: Sequence[str],
    policy: Policy,
    second: Second,
) -> tuple[Check, ...]:
    """Check a differential, in the order in which people work.

    Args:
        differential: What was counted.
        target: How many white cells are to be counted.
        photos: How many there are, by state.
        empty: The numbers of those in which no cell was found, and nobody boxed one.
        models: Those that read the photos.
        policy: What the laboratory asks for.
        second: How far second readings are.
    """
    waiting = sum(
        photos.get(state, 0)
        for state in (PhotoState.WAITING, PhotoState.READING, PhotoState.PAUSED)
    )
    failed = photos.get(PhotoState.FAILED, 0)
    counted = differential.counted
    left = max(target - counted, 0)
    unidentified = differential.unidentified.number
    unconfirmed = differential.suggestions.waiting
    asked = _open if policy.every_cell else _look
    return (
        Check("waiting", _open(waiting), waiting),
        Check("unidentified", _open(unidentified), unidentified, is_leavable=True),
        Check("unconfirmed", asked(unconfirmed), unconfirmed, is_leavable=True),
        # Who counted nothing has nothing to sign.
        Check("target", _open(left), left or counted, is_leavable=counted > 0),
        *_by_two(policy, second),
        Check("failed", _look(failed), failed),
        Check("empty", _look(len(empty)), len(empty), photos=tuple(empty)),
        Check("models", _look(len(models) > 1), len(models), models=tuple(models)),
    )


def _by_two(policy: Policy, second: Second) -> Sequence[Check]:
    """Check second readings, where there are any or should be."""
    if not (second.asked or policy.second_reader):
        return ()
    if not second.finished:
        return (Check("second", CheckState.OPEN, is_leavable=True),)
    done = Check("second", CheckState.DONE, second.finished)
    return done, Check("apart", _open(second.apart), second.apart, is_leavable=True)


def _open(left: int) -> CheckState:
    return CheckState.OPEN if left else CheckState.DONE


def _look(there: int) -> CheckState:
    return CheckState.LOOK if there else CheckState.DONE
