"""What cells may be called here, and by which keys: the table, the laboratory's own, one's own."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hematovision.errors import (
    ChangedMeanwhileError,
    KeyTakenError,
    LabelInvalidError,
    LabelUnknownError,
)
from hematovision.labels import ACTION_KEYS, LABELS, Count, Label
from hematovision.people import User
from hematovision.services.hands import Hand
from hematovision.storage.database import Database, Records

SETTING = "labels"
PREFERENCE = "keys"
NAME = re.compile(r"\w(?:[\w -]{0,38}\w)")
KEY = re.compile(r"[A-Z0-9]?")


@dataclass(frozen=True, slots=True)
class OwnLabels:
    """The laboratory's own labels.

    Attributes:
        active: Those that people give.
        retired: Those that they gave once; what was said stays readable.
        version: Counts the changes.
    """

    active: tuple[Label, ...] = ()
    retired: tuple[Label, ...] = ()
    version: int = 0

    @property
    def every(self) -> tuple[Label, ...]:
        """All of them."""
        return self.active + self.retired

    @property
    def usable(self) -> tuple[Label, ...]:
        """What people may call a cell: the table and those that are active."""
        return LABELS + self.active


@dataclass(frozen=True, slots=True)
class Keys:
    """Which letter gives which label to one person.

    Attributes:
        letters: By the code of the label; empty where it has none.
        on: Whether single letters do anything.
    """

    letters: Mapping[str, str] = field(default_factory=dict)
    on: bool = True


def own_labels(records: Records) -> OwnLabels:
    """Give the laboratory's own labels, within a transaction."""
    setting = records.laboratory.get(SETTING, [])
    kept = [(_label(one), bool(one.get("retired"))) for one in setting.content]
    return OwnLabels(
        tuple(label for label, is_retired in kept if not is_retired),
        tuple(label for label, is_retired in kept if is_retired),
        setting.version,
    )


def get_own_labels(database: Database) -> OwnLabels:
    """Give the laboratory's own labels."""
    with database.reading() as records:
        return own_labels(records)


def add_label(database: Database, name: str, key: str, count: Count, *, by: Hand) -> Label:
    """Let cells be called something more.

    Raises:
        LabelInvalidError: If the name cannot be told apart, shown or typed.
        KeyTakenError: If the key does something else, or is no letter or digit.
        ChangedMeanwhileError: If somebody else changed the labels at this moment.
    """
    name, key = " ".join(name.split()), key.strip().upper()
    if not NAME.fullmatch(name):
        raise LabelInvalidError("This cannot be a name for cells.")
    with database.transaction() as records:
        own = own_labels(records)
        code = "own_" + re.sub(r"\W+", "_", name.casefold())
        if any(code in {label.code, f"own_{label.code}"} for label in LABELS + own.every):
            raise LabelInvalidError("There is a name %(name)s already.", name=name)
        label = Label(code, key, count, name)
        _check_keys((*own.usable, label))
        _keep(records, replace(own, active=(*own.active, label)), "added", code, by)
    return label


def retire_label(database: Database, code: str, *, by: Hand) -> None:
    """Let no more cells be called so; those that are stay so.

    Raises:
        LabelUnknownError: If there is no such label of the laboratory's own in use.
        ChangedMeanwhileError: If somebody else changed the labels at this moment.
    """
    with database.transaction() as records:
        own = own_labels(records)
        label = _find(own.active, code)
        left = tuple(one for one in own.active if one != label)
        changed = replace(own, active=left, retired=(*own.retired, label))
        _keep(records, changed, "retired", code, by)


def revive_label(database: Database, code: str, *, by: Hand) -> None:
    """Let cells be called so again; its key is left out where something else has it by now.

    Raises:
        LabelUnknownError: If there is no such retired label.
        ChangedMeanwhileError: If somebody else changed the labels at this moment.
    """
    with database.transaction() as records:
        own = own_labels(records)
        label = _find(own.retired, code)
        left = tuple(one for one in own.retired if one != label)
        if label.key in {one.key for one in own.usable}:
            label = replace(label, key="")
        changed = replace(own, active=(*own.active, label), retired=left)
        _keep(records, changed, "revived", code, by)


def keys_of(records: Records, user_id: int, labels: Iterable[Label]) -> Keys:
    """Give the keys of one person, within a transaction.

    What they chose themselves goes before what a label has of its own.
    """
    kept = records.laboratory.preference(user_id, PREFERENCE, {})
    chosen: dict[str, str] = kept.get("letters", {})
    taken = set(chosen.values())
    letters = {
        label.code: chosen.get(label.code, "" if label.key in taken else label.key)
        for label in labels
    }
    return Keys(letters, bool(kept.get("on", True)))


def choose_keys(
    database: Database, user: User, letters: Mapping[str, str], *, on: bool, by: Hand
) -> None:
    """Set one's own keys; what is left as it was is not kept.

    Args:
        database: Keeps them.
        user: Whose keys.
        letters: By the code of the label; empty for none. Labels that are left out keep theirs.
        on: Whether single letters do anything.
        by: Who sets them.

    Raises:
        KeyTakenError: If two labels would have one key, or a key does something else.
    """
    with database.transaction() as records:
        labels = own_labels(records).usable
        wanted = {
            label.code: letters.get(label.code, label.key).strip().upper() for label in labels
        }
        _check_keys([replace(label, key=wanted[label.code]) for label in labels])
        other = {
            label.code: wanted[label.code] for label in labels if wanted[label.code] != label.key
        }
        kept = {"letters": other, "on": on} if other or not on else None
        records.laboratory.prefer(user.id, PREFERENCE, kept)
        records.audit.add(by.event("user.keys_chosen", user))


def _check_keys(labels: Sequence[Label]) -> None:
    seen: set[str] = set()
    for label in labels:
        if not KEY.fullmatch(label.key):
            raise KeyTakenError("A key is one letter or digit.")
        if label.key in ACTION_KEYS:
            raise KeyTakenError("%(key)s does something else in the gallery.", key=label.key)
        if label.key in seen:
            raise KeyTakenError("%(key)s would give two names.", key=label.key)
        seen |= {label.key} - {""}


def _find(labels: Sequence[Label], code: str) -> Label:
    found = next((label for label in labels if label.code == code), None)
    if found is None:
        raise LabelUnknownError("There is no such name.")
    return found


def _keep(records: Records, own: OwnLabels, action: str, code: str, by: Hand) -> None:
    content = [_document(label, retired=False) for label in own.active]
    content += [_document(label, retired=True) for label in own.retired]
    before, after = {"labels": records.laboratory.get(SETTING, None).content}, {"labels": content}
    if not records.laboratory.set(SETTING, content, seen=own.version, by=by.user_id, now=by.now):
        raise ChangedMeanwhileError("Somebody else changed the names at this moment.")
    event = by.did(f"label.{action}", f"label {code}", before=before, after=after)
    records.audit.add(event)


def _document(label: Label, *, retired: bool) -> dict[str, Any]:
    return {
        "code": label.code,
        "name": label.name,
        "key": label.key,
        "count": str(label.count),
        "retired": retired,
    }


def _label(kept: Mapping[str, Any]) -> Label:
    return Label(kept["code"], kept["key"], Count(kept["count"]), kept["name"])
