"""Checkpoints that many machines write, each a file of its own that outlasts every machine.

Nobody appends and nobody waits for a lock: a checkpoint stands alone, so that two machines that
tell of the same event write the same file. Its name is all of it, and names digest and signature:
of two records that claim the same number both stay, and a list of the names is read without opening
any.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hematovision.storage.chain import Chain
from hematovision.storage.checkpoints import (
    ALONE,
    Checkpoint,
    Checkpoints,
    Head,
    sign_checkpoint,
    split_checkpoints,
)
from hematovision.storage.places import Place

MOMENT = "%Y%m%dT%H%M%S%f"
BROUGHT = ".lines"
"""How files end that hold lines of another installation, as a backup brings them."""


@dataclass(slots=True)
class SharedCheckpoints(Checkpoints):
    """Writes files where all machines do.

    Attributes:
        file: Of this machine, from before there was such a place; read, and written no more.
        place: Where all machines write.
    """

    place: Place = field(kw_only=True)
    _newest: int = 0

    def append(self, chain: Chain, head: Head) -> Checkpoint:
        """Write a checkpoint, unless this process has come as far already.

        Raises:
            PicturesAwayError: If the place does not answer.
            StorageFullError: If there is no room.
            OSError: If a file cannot be written.
        """
        written = Checkpoint(head, sign_checkpoint(chain, ALONE, head))
        if head.id != self._newest:
            self.place.write(_name(written), written.line.encode() + b"\n")
            self._newest = head.id
        return written

    def read(self) -> Sequence[Checkpoint | None]:
        """Read what all machines wrote, behind what this one wrote into its file.

        Raises:
            PicturesAwayError: If the place does not answer.
            OSError: If a file cannot be read.
        """
        # The base by its name: a class with slots is made anew, which `super` does not see.
        return [*Checkpoints.read(self), *self._shared()]

    def lines(self) -> bytes:
        """Give all of it as lines."""
        own = Checkpoints.lines(self)
        # What is no checkpoint stays to be found where the lines come to.
        shared = [one.line if one else "no checkpoint" for one in self._shared()]
        return own + "".join(f"{line}\n" for line in shared).encode()

    def is_empty(self) -> bool:
        """Tell whether there is none."""
        return Checkpoints.is_empty(self) and not self.place.list("")

    def bring(self, lines: bytes) -> None:
        """Take the lines of a backup."""
        self.place.write(f"{hashlib.sha256(lines).hexdigest()}{BROUGHT}", lines)

    def _shared(self) -> Iterator[Checkpoint | None]:
        names = self.place.list("")
        for name in [name for name in names if name.endswith(BROUGHT)]:
            yield from split_checkpoints(self.place.read(name))
        for name in names:
            if not name.endswith(BROUGHT):
                yield _parsed(name)


def _name(one: Checkpoint) -> str:
    at = one.head.at.astimezone(UTC).strftime(MOMENT)
    return f"{one.head.id:012d}_{at}_{one.head.digest}_{one.signature}"


def _parsed(name: str) -> Checkpoint | None:
    try:
        number, at, digest, signature = name.split("_")
        when = datetime.strptime(at, MOMENT).replace(tzinfo=UTC)
        return Checkpoint(Head(int(number), digest, when), signature)
    except ValueError:
        return None
