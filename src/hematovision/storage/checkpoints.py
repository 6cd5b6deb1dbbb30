"""How far the record had come, kept outside of the database: a file that is only appended to.

Whoever has the database alone cannot cut the record's tail or write another one unseen, for a line
of this file says which digest stood at which number. Where several machines write the record,
`checkpoint_objects` keeps them where all reach them.
"""

import fcntl
import json
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from hematovision.errors import HematoVisionError
from hematovision.storage.chain import NOTHING, Chain, encode
from hematovision.storage.keys import place_private

FILE = "audit_checkpoints"
EVENTS = 100
"""After so many events of one process there is a checkpoint..."""
EVERY = timedelta(minutes=1)
"""...and with the first event after so long."""
LONGEST_LINE = 4096
ALONE = "alone"
"""What is signed in the place of the line before where there is none and many write at once."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Head:
    """The newest event, as far as a checkpoint tells.

    Attributes:
        id: Its number.
        digest: Its digest, in hex.
        at: When it happened, UTC.
    """

    id: int
    digest: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A line of the file.

    Attributes:
        head: The newest event then.
        signature: The HMAC of it and of the line before, in hex.
    """

    head: Head
    signature: str

    @property
    def line(self) -> str:
        """Give it as JSON."""
        return encode(_words(self.head) | {"signature": self.signature})

    def fits(self, chain: Chain, previous: str) -> bool:
        """Tell whether it was written with the key, behind a line with this signature or alone."""
        return self.signature in (
            sign_checkpoint(chain, before, self.head) for before in (previous, ALONE)
        )


@dataclass(slots=True)
class Checkpoints:
    """Appends to the file when it is time to.

    Attributes:
        file: Made where there is none, readable to nobody else.
    """

    file: Path
    _since: int = 0
    _last: datetime | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, chain: Chain, head: Head, *, events: int) -> None:
        """Take notice of events that are kept now; append a line where it is time.

        What cannot be appended is said in the log: the events stand, and the next try tells of them
        too.
        """
        with self._lock:
            self._since += events
            if self._last and self._since < EVENTS and head.at - self._last < EVERY:
                return
            self._since, self._last = 0, head.at
        try:
            self.append(chain, head)
        except (OSError, HematoVisionError) as error:
            log.error("The audit record has no checkpoint at event %d: %s", head.id, error)

    def append(self, chain: Chain, head: Head) -> Checkpoint:
        """Append a line, unless the file has come as far already; give the last one.

        Raises:
            OSError: If the file cannot be written.
        """
        handle = os.open(self.file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "r+b") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            last = _last(stream)
            if last and last.head.id >= head.id:
                return last
            signature = sign_checkpoint(chain, last.signature if last else NOTHING, head)
            checkpoint = Checkpoint(head, signature)
            # What a crash has left of a line gets a line of its own.
            stream.write(_break_before(stream) + checkpoint.line.encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        return checkpoint

    def read(self) -> Sequence[Checkpoint | None]:
        """Read the lines; None for one that is no checkpoint. Nothing where there is no file.

        Raises:
            OSError: If it cannot be read.
        """
        return read_checkpoints(self.file) if self.file.exists() else []

    def lines(self) -> bytes:
        """Give all of it as lines, for a backup; without one that is just being written.

        Raises:
            OSError: If it cannot be read.
        """
        content = self.file.read_bytes() if self.file.exists() else b""
        return content[: content.rfind(b"\n") + 1]

    def is_empty(self) -> bool:
        """Tell whether there is none, of this record or of another."""
        return not self.file.exists()

    def bring(self, lines: bytes) -> None:
        """Take the lines of a backup, where there is none.

        Raises:
            FileExistsError: If there is one.
            OSError: If it cannot be written.
        """
        place_private(self.file.parent, {self.file.name: lines.decode()})


def read_checkpoints(file: Path) -> Sequence[Checkpoint | None]:
    """Read checkpoints, a line each; None for a line that is none.

    Raises:
        OSError: If the file cannot be read.
    """
    return split_checkpoints(file.read_bytes())


def split_checkpoints(content: bytes) -> Sequence[Checkpoint | None]:
    """Read checkpoints out of lines; None for a line that is none."""
    return list(_parsed(content.splitlines()))


def _parsed(lines: Sequence[bytes]) -> Iterator[Checkpoint | None]:
    for line in lines:
        try:
            said = json.loads(line)
            at = datetime.fromisoformat(said["at"])
            yield Checkpoint(Head(int(said["event"]), str(said["digest"]), at), said["signature"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            yield None


def _last(stream: BinaryIO) -> Checkpoint | None:
    """Find the last line that is a checkpoint."""
    stream.seek(max(0, stream.seek(0, os.SEEK_END) - LONGEST_LINE))
    found = [one for one in _parsed(stream.read().splitlines()) if one]
    return found[-1] if found else None


def _break_before(stream: BinaryIO) -> bytes:
    if not stream.seek(0, os.SEEK_END):
        return b""
    stream.seek(-1, os.SEEK_END)
    return b"" if stream.read() == b"\n" else b"\n"


def _words(head: Head) -> dict[str, object]:
    return {
        "event": head.id,
        "digest": head.digest,
        "at": head.at.isoformat(timespec="microseconds"),
    }


def sign_checkpoint(chain: Chain, previous: str, head: Head) -> str:
    """Sign how far the record has come, behind a line with this signature."""
    return chain.sign(f"checkpoint {previous}{encode(_words(head))}")
