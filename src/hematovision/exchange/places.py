"""Where a dataset is written: a folder, or what begins like one in a bucket; files stand whole."""

import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from hematovision.errors import PlaceUnreachableError
from hematovision.exchange.sources import is_bucket, open_bucket, pages, reason_of

DRAFT = ".draft"
DRAFT_SECONDS = 3600
"""A draft that is older was left by somebody who was killed."""


class Place:
    """A folder, or what begins like one in a bucket."""

    def __init__(self, address: str) -> None:
        """Take it as it is; nothing is made before something is put.

        Raises:
            ExtraMissingError: If what speaks with buckets is not installed.
        """
        self._folder: Path | None = None
        if is_bucket(address):
            self.address = address.rstrip("/")
            self._system, self._path = open_bucket(self.address)
        else:
            self.address = str(Path(address).absolute())
            self._folder = Path(self.address)

    def put(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all; one that is there is replaced.

        Raises:
            PlaceUnreachableError: If it cannot be written.
        """
        try:
            if self._folder is None:
                # One PUT: a store of objects shows the whole object or none.
                self._system.pipe_file(f"{self._path}/{name}", content)
            else:
                _replace(self._folder / name, content)
        except Exception as error:  # The client of buckets raises what it likes.
            raise PlaceUnreachableError(
                "%(place)s cannot be written: %(why)s.", place=self.address, why=reason_of(error)
            ) from error

    def get(self, name: str) -> bytes | None:
        """Read a file; None where there is none.

        Raises:
            PlaceUnreachableError: If it cannot be read.
        """
        try:
            if self._folder is None:
                content: bytes = self._system.cat_file(f"{self._path}/{name}")
                return content
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except Exception as error:  # As above.
            raise PlaceUnreachableError(
                "%(place)s cannot be read: %(why)s.", place=self.address, why=reason_of(error)
            ) from error

    def names(self, folder: str) -> Iterator[str]:
        """Name the files of a folder in it, in no order; none where there is no such folder.

        Raises:
            PlaceUnreachableError: If it cannot be listed.
        """
        if self._folder is None:
            bucket, _, key = self._path.partition("/")
            prefix = f"{key}/{folder}/".lstrip("/")
            for found in pages(self._system, bucket, prefix, recursive=False):
                yield found["Key"].removeprefix(prefix)
            return
        try:
            with os.scandir(self._folder / folder) as entries:
                yield from (entry.name for entry in entries)
        except FileNotFoundError:
            return
        except OSError as error:
            raise PlaceUnreachableError(
                "%(place)s cannot be listed: %(why)s.", place=self.address, why=reason_of(error)
            ) from error

    def sweep(self, folder: str) -> None:
        """Throw drafts away that somebody left who was killed."""
        if self._folder is None:
            return
        for name in list(self.names(folder)):
            path = self._folder / folder / name
            if name.endswith(DRAFT) and time.time() - path.stat().st_mtime > DRAFT_SECONDS:
                path.unlink(missing_ok=True)


def _replace(path: Path, content: bytes) -> None:
    """Write under another name first, so that who is killed here leaves no half file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.parent / f".{path.name}.{secrets.token_hex(4)}{DRAFT}"
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
