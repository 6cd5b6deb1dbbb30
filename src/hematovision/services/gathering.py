"""Readings that many requests want on record at the same time are written in one transaction.

While one transaction is under way others gather behind it, and the next writes all of them: a
commit costs the same for one reading as for ten, and the chain of the audit record lets one
transaction in at a time. Nobody waits for company: where nothing is under way a reading is written
at once. Who writes is one of those who wait, so that there is no thread that could be gone.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

MOST = 32
"""So many are written together at most: a transaction holds up whoever else writes."""

Entry = TypeVar("Entry")
Written = TypeVar("Written")


@dataclass(slots=True)
class _Slot(Generic[Entry, Written]):
    """What one thread wants written, and what became of it."""

    entry: Entry
    written: Written | None = None
    failure: BaseException | None = None
    is_done: bool = False


@dataclass(slots=True)
class Gathering(Generic[Entry, Written]):
    """Writes entries together that come at the same time.

    Attributes:
        write_all: Writes entries, all or none, and says what became of each.
        of_all: What it raises that is true of all entries; after anything else each is tried
            alone, so that one that cannot be written takes no other with it.
    """

    write_all: Callable[[Sequence[Entry]], Sequence[Written]]
    of_all: tuple[type[BaseException], ...] = ()
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _waiting: list[_Slot[Entry, Written]] = field(default_factory=list)

    def write(self, entry: Entry) -> Written:
        """Write an entry, with whatever else waits to be written.

        Raises:
            BaseException: Whatever `write_all` raises of it.
        """
        slot: _Slot[Entry, Written] = _Slot(entry)
        self._waiting.append(slot)
        with self._turn:
            # Unless somebody wrote it while this thread waited for its turn.
            while not slot.is_done:
                some = self._waiting[:MOST]
                del self._waiting[: len(some)]
                self._write(some)
        if slot.failure is not None:
            raise slot.failure
        return slot.written  # type: ignore[return-value]

    def _write(self, slots: Sequence[_Slot[Entry, Written]]) -> None:
        try:
            written = self.write_all([slot.entry for slot in slots])
        except BaseException as error:
            if len(slots) > 1 and not isinstance(error, self.of_all):
                for slot in slots:
                    self._write([slot])
                return
            for slot in slots:
                slot.failure, slot.is_done = error, True
            return
        for slot, one in zip(slots, written, strict=True):
            slot.written, slot.is_done = one, True
