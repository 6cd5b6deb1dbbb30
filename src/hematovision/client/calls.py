"""What the parts of the client have in common."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

from hematovision.client.connection import Connection, Files

Picture: TypeAlias = str | Path | bytes
"""A file, by its path or as its bytes."""
POLL_SECONDS = 1.0

Thing = TypeVar("Thing")


class Calls:
    """Asks a server over its connection."""

    _connection: Connection

    def _until(
        self,
        ask: Callable[[], Thing],
        is_done: Callable[[Thing], bool],
        timeout: float | None,
        late: Callable[[Thing], str],
    ) -> Thing:
        """Ask again and again until something is done."""
        end = None if timeout is None else time.monotonic() + timeout
        while not is_done(now := ask()):
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(late(now))
            self._connection.sleep(POLL_SECONDS)
        return now


def bytes_of(picture: Picture) -> bytes:
    """Give a file."""
    return picture if isinstance(picture, bytes) else Path(picture).read_bytes()


def name_of(picture: Picture) -> str:
    """Give the name of a file."""
    return "photo" if isinstance(picture, bytes) else Path(picture).name


def form(pictures: Sequence[bytes]) -> Files:
    """Lay files out as a form; their names, which may be those of patients, stay here."""
    return [("image", (f"photo-{number}", one)) for number, one in enumerate(pictures, 1)]
