"""Watched folders, as a program that is killed at one step after the other.

Started as a program: `python watches.py FOLDER MODEL`, it works in a folder a step and a kind.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any

from sqlalchemy import event
from tests.conftest import StubReader

from hematovision.cells import CellReader
from hematovision.exchange.archives import Limits
from hematovision.exchange.inbox import Inbox, Taken
from hematovision.services.batches import NoQueue
from hematovision.services.hands import Hand
from hematovision.services.intake import Tray
from hematovision.services.recording import Record
from hematovision.services.watching import Settled, Watch, work_up
from hematovision.storage.database import Database, connect, open_database
from hematovision.storage.files import Files
from hematovision.storage.sealing import Seal

BY = Hand(None, "folder", datetime(2026, 11, 26, 10, 0, tzinfo=UTC))
STEPS = {
    "photo": (
        "taken",
        "begun",
        "read",
        "picture kept",
        "about to be recorded",
        "recorded",
        "named twice",
        "moved",
    ),
    "photo of a case": ("picture kept", "about to be recorded", "recorded"),
    "no photo": ("taken", "named twice", "moved"),
}
DEATHS = [(kind, step) for kind, steps in STEPS.items() for step in steps]
KINDS = {"photo": "a.jpg", "photo of a case": "26-0837/a.jpg", "no photo": "a.jpg"}


def make_watch(
    database: Database,
    folder: Path,
    reader: CellReader,
    *,
    inbox: Inbox | None = None,
    by_case: bool = False,
) -> Watch:
    """Watch `inbox` in a folder that has the pictures too."""
    (folder / "inbox").mkdir(exist_ok=True)
    inbox = inbox or Inbox(folder / "inbox", 0)
    inbox.open()
    files = Files(str(folder / "pictures"), Seal(bytes(32)))
    tray = Tray(database, files, NoQueue(), Limits(9, 100_000, 100_000), 20_000)
    return Watch(inbox, Record(database, files, True), tray, lambda: reader, by_case)


def work_up_all(watch: Watch) -> Sequence[Settled]:
    """Do what a command does once: what is in hand, then what is there."""
    return [work_up(watch, taken, by=BY) for taken in _all(watch.inbox)]


def _all(inbox: Inbox) -> Iterator[Taken]:
    yield from inbox.in_hand()
    yield from filter(None, map(inbox.take, inbox.look()))


def drop(folder: Path, kind: str, jpeg: bytes) -> None:
    """Drop a file of a kind."""
    place = folder / "inbox" / KINDS[kind]
    place.parent.mkdir(parents=True)
    place.write_bytes(b"no photo" if kind == "no photo" else jpeg)


class Deadly(Inbox):
    """Kills its process at a step."""

    def __init__(self, root: Path, step: str) -> None:
        super().__init__(root, 0)
        self.step = step

    def kill_at(self, step: str) -> None:
        if step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)

    def take(self, path: PurePath) -> Taken | None:
        taken = super().take(path)
        self.kill_at("taken")
        return taken

    def begin(self, taken: Taken) -> int:
        number = super().begin(taken)
        self.kill_at("begun")
        # That it was begun before is tried elsewhere.
        self.give_back(taken)
        return number

    def read(self, taken: Taken, *, max_bytes: int) -> bytes:
        data = super().read(taken, max_bytes=max_bytes)
        self.kill_at("read")
        return data

    def settle(self, taken: Taken, into: str, why: str = "") -> Path | None:
        self.kill_at("recorded")
        return super().settle(taken, into, why)

    def _move(self, place: Path, target: Path) -> None:
        self.kill_at("named twice")
        super()._move(place, target)
        self.kill_at("moved")


class DeadlyFiles(Files):
    """Kills its process once a picture is kept."""

    def put(self, picture: bytes) -> str:
        super().put(picture)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def _work_deadly(folder: Path, step: str, kind: str) -> None:
    database = connect("", folder / "database")
    inbox = Deadly(folder / "inbox", step)
    watch = make_watch(
        database, folder, StubReader(), inbox=inbox, by_case=kind == "photo of a case"
    )
    if step == "picture kept":
        files = DeadlyFiles(watch.record.files.root, watch.record.files.seal)
        object.__setattr__(watch.record, "files", files)
        object.__setattr__(watch.tray, "files", files)
    if step == "about to be recorded":
        arm: Callable[[Any], None] = lambda _: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
        event.listen(database.engine, "commit", arm)
    work_up_all(watch)


def _main(base: Path) -> None:
    """Let a child work in each folder until it is killed; say how each ended."""
    # Once here is faster than in every child.
    open_database("", base / "unused").close()
    for kind, step in DEATHS:
        child = os.fork()
        if not child:
            try:
                _work_deadly(base / kind / step, step, kind)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        print(kind, step, os.WIFSIGNALED(status), sep="\t")  # noqa: T201


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
