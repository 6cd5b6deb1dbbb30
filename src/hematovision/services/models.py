"""Models: which are installed, which one reads, and which one reads in its shadow."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hematovision.cells import ModelIdentity
from hematovision.errors import (
    ChangedMeanwhileError,
    ModelReadsError,
    ModelUnknownError,
    NoModelBeforeError,
)
from hematovision.services.choosing import PREFIX, SETTING, SHIPPED, Choice, the_choice
from hematovision.services.hands import Hand
from hematovision.services.shelf import Shelf
from hematovision.storage.database import Database, Records
from hematovision.storage.models import Model

SHORTEST = 6
"""So much of a hash tells models apart."""


@dataclass(frozen=True, slots=True)
class Register:
    """Every model that is installed, and which one reads.

    Attributes:
        models: The newest first; the shipped one is not among them.
        choice: Which reads.
    """

    models: Sequence[Model]
    choice: Choice


def list_models(database: Database) -> Register:
    """List the models that are installed."""
    with database.reading() as records:
        return Register(records.models.list(), the_choice(records))


def find_model(database: Database, called: str, shipped: ModelIdentity | None) -> str:
    """Find a model by what somebody calls it; give its hash, or `SHIPPED`.

    Args:
        database: Says which are installed.
        called: A version, the beginning of a hash, or `shipped`.
        shipped: The one that came with the program; None where it cannot be read.

    Raises:
        ModelUnknownError: If none is called so, or several are.
    """
    with database.reading() as records:
        models = [model.identity for model in records.models.list()]
    if called == SHIPPED or (shipped and _is_called(shipped, called)):
        return SHIPPED
    found = [model.sha256 for model in models if _is_called(model, called)]
    if len(found) != 1:
        raise ModelUnknownError("No model is called %(name)s here.", name=called)
    return found[0]


def promote(shelf: Shelf, model: str, *, by: Hand, seen: int | None = None) -> Choice:
    """Let a model read from now on; what was read before keeps its model.

    Args:
        shelf: Has the models; one that cannot be loaded is not promoted.
        model: Its hash, or `SHIPPED`.
        by: Who says so.
        seen: The version of the choice that they saw; None where they looked at none.

    Raises:
        ModelUnknownError: If it is not installed.
        ModelMissingError: If its files are not on this machine.
        ModelDamagedError: If a file is not the one that was installed.
        ModelReadsError: If it reads already.
        ChangedMeanwhileError: If somebody else changed which one reads since.
    """
    _insist(shelf, model)
    with shelf.database.transaction() as records:
        choice = _seen_choice(records, seen)
        if choice.reads == model:
            raise ModelReadsError("This model reads already.")
        # In the shadow of itself there is nothing to compare.
        shadow = None if choice.shadow == model else choice.shadow
        changed = replace(choice, promoted=(*choice.promoted, model), shadow=shadow)
        return _keep(records, changed, "promoted", model, by, {"before": choice.reads})


def roll_back(shelf: Shelf, *, by: Hand, seen: int | None = None) -> Choice:
    """Let the model read again that read before the last promotion.

    Args:
        shelf: Has the models.
        by: Who says so.
        seen: The version of the choice that they saw; None where they looked at none.

    Raises:
        NoModelBeforeError: If none was promoted.
        ChangedMeanwhileError: If somebody else changed which one reads since.
    """
    with shelf.database.transaction() as records:
        choice = _seen_choice(records, seen)
        if choice.before is None:
            raise NoModelBeforeError("No model was promoted.")
        shadow = None if choice.shadow == choice.before else choice.shadow
        changed = replace(choice, promoted=choice.promoted[:-1], shadow=shadow)
        return _keep(records, changed, "rolled_back", choice.reads, by, {"now": choice.before})


def cast_shadow(shelf: Shelf, model: str | None, *, by: Hand, seen: int | None = None) -> Choice:
    """Let a model read every photo after the one that reads; its answers are kept, not shown.

    Args:
        shelf: Has the models; one that cannot be loaded casts no shadow.
        model: Its hash, or `SHIPPED`; None for none.
        by: Who says so.
        seen: The version of the choice that they saw; None where they looked at none.

    Raises:
        ModelUnknownError: If it is not installed.
        ModelMissingError: If its files are not on this machine.
        ModelDamagedError: If a file is not the one that was installed.
        ModelReadsError: If it is the one that reads.
        ChangedMeanwhileError: If somebody else changed which one reads since.
    """
    if model is not None:
        _insist(shelf, model)
    with shelf.database.transaction() as records:
        choice = _seen_choice(records, seen)
        if choice.reads == model:
            raise ModelReadsError("This model reads already, and not in the shadow.")
        if choice.shadow == model:
            return choice
        action = "shadow_ended" if model is None else "shadowed"
        changed = replace(choice, shadow=model)
        return _keep(records, changed, action, model or choice.shadow or SHIPPED, by, {})


def _is_called(model: ModelIdentity, called: str) -> bool:
    return model.version == called or (
        len(called) >= SHORTEST and model.sha256.startswith(called.lower())
    )


def _insist(shelf: Shelf, model: str) -> None:
    """Insist on a model that is installed and can be loaded on this machine."""
    with shelf.database.reading() as records:
        if model != SHIPPED and records.models.find(model) is None:
            raise ModelUnknownError("This model is not installed.")
    shelf.get(model)


def _seen_choice(records: Records, seen: int | None) -> Choice:
    choice = the_choice(records)
    if seen is not None and seen != choice.version:
        raise ChangedMeanwhileError("Somebody else changed which model reads meanwhile.")
    return choice


def _keep(
    records: Records, choice: Choice, action: str, model: str, by: Hand, details: dict[str, Any]
) -> Choice:
    content = {"promoted": list(choice.promoted), "shadow": choice.shadow}
    if not records.laboratory.set(SETTING, content, seen=choice.version, by=by.user_id, now=by.now):
        raise ChangedMeanwhileError("Somebody else changed which model reads meanwhile.")
    records.audit.add(by.did(f"model.{action}", f"model {model[:PREFIX]}", details))
    return replace(choice, version=choice.version + 1)
