"""What many threads want done at the same time is done together, by one of them.

While one lot is under way others gather behind it, and the next takes all of them: a commit costs
the same for one reading as for ten, and the chain of the audit record lets one transaction in at a
time; a graphics card multiplies thirty cells as fast as one. Nobody waits for company: where
nothing is under way an entry goes at once. Who does it is one of those who wait, so that there is
no thread that could be gone.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Generic, TypeVar

MOST = 32
"""So much is done together at most, unless one alone is more: whoever comes later waits so long."""

Entry = TypeVar("Entry")
Done = TypeVar("Done")


@dataclass(slots=True)
class _Slot(Generic[Entry, Done]):
    """What one thread wants done, and what became of it."""

    entry: Entry
    done: Done | None = None
    failure: BaseException | None = None
    is_done: bool = False


@dataclass(slots=True)
class Gathering(Generic[Entry, Done]):
    """Does together what comes at the same time.

    Attributes:
        do_all: Does entries, all or none, and says what became of each.
        of_all: What it raises that is true of all entries; after anything else each is tried
            alone, so that one that cannot be done takes no other with it.
        size_of: How much of `MOST` an entry is.
    """

    do_all: Callable[[Sequence[Entry]], Sequence[Done]]
    of_all: tuple[type[BaseException], ...] = ()
    size_of: Callable[[Entry], int] = lambda entry: 1
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _waiting: list[_Slot[Entry, Done]] = field(default_factory=list)

    def do(self, entry: Entry) -> Done:
        """Do an entry, with whatever else waits to be done.

        Raises:
            BaseException: Whatever `do_all` raises of it.
        """
        slot: _Slot[Entry, Done] = _Slot(entry)
        self._waiting.append(slot)
        with self._turn:
            # Unless somebody did it while this thread waited for its turn.
            while not slot.is_done:
                self._do(self._take())
        if slot.failure is not None:
            raise slot.failure
        return slot.done  # type: ignore[return-value]

    def _take(self) -> Sequence[_Slot[Entry, Done]]:
        """Take those that wait longest; others may come meanwhile."""
        waiting = list(self._waiting)
        ends = accumulate(self.size_of(slot.entry) for slot in waiting)
        some = waiting[: max(1, sum(end <= MOST for end in ends))]
        del self._waiting[: len(some)]
        return some

    def _do(self, slots: Sequence[_Slot[Entry, Done]]) -> None:
        try:
            done = self.do_all([slot.entry for slot in slots])
        except BaseException as error:
            if len(slots) > 1 and not isinstance(error, self.of_all):
                for slot in slots:
                    self._do([slot])
                return
            for slot in slots:
                slot.failure, slot.is_done = error, True
            return
        for slot, one in zip(slots, done, strict=True):
            slot.done, slot.is_done = one, True
