"""A place where files lie: a folder, or objects wherever fsspec reaches.

Whatever is written is there whole or not at all, and is seen by every machine at once: a store of
objects puts each in one step, and nothing that it lists is remembered here.
"""

import errno
import logging
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import fsspec

from hematovision.errors import HematoVisionError, PicturesAwayError, StorageFullError

DRAFT = ".draft"
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What the system says where a file finds no room."""
OF_OBJECTS = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "memory"}
"""Where what is put under a name is there in one step."""
UNMINDED: Mapping[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
"""What one machine lists must not be what another wrote before."""
PATIENCE: Mapping[str, Any] = {
    "connect_timeout": 2,
    "read_timeout": 5,
    "retries": {"mode": "standard", "total_max_attempts": 2},
    "max_pool_connections": 50,
}
"""Seconds, and tries: who waits for a picture waits for a page."""

LONGEST = 20.0
"""Seconds that one file may take: a server that takes what is sent and says nothing more is not
noticed by the driver, which waits to be told to go on."""
LONGEST_WALK = 600.0

log = logging.getLogger(__name__)
_systems: dict[tuple[int, str], fsspec.AbstractFileSystem] = {}
"""By process: what was opened before a fork belongs to whoever was forked."""


class PlaceUnusableError(Exception):
    """An address cannot be understood, or the package that reaches it is not installed."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place where files lie.

    Attributes:
        root: A folder, or an address that fsspec knows, such as `s3://bucket/folder`.
    """

    root: str

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all; one that is there is replaced.

        Args:
            name: Below the root, with slashes.
            content: Its bytes.

        Raises:
            PicturesAwayError: If the place does not answer.
            StorageFullError: If there is no room.
        """
        with self._reaching() as system:
            path = self._path(name)
            if _holds_objects(system):
                system.pipe_file(path, content, **_within(system))
            else:
                _write_whole(system, path, content)

    def read(self, name: str) -> bytes:
        """Give a file.

        Raises:
            FileNotFoundError: If it is not there.
            PicturesAwayError: If the place does not answer.
        """
        with self._reaching() as system:
            content: bytes = system.cat_file(self._path(name), **_within(system))
        return content

    def has(self, name: str) -> bool:
        """Tell whether a file is there.

        Raises:
            PicturesAwayError: If the place does not answer.
        """
        with self._reaching() as system:
            return bool(system.exists(self._path(name), **_within(system)))

    def delete(self, name: str) -> None:
        """Throw a file away; one that is gone stays gone.

        Raises:
            PicturesAwayError: If the place does not answer.
        """
        with self._reaching() as system, suppress(FileNotFoundError):
            system.rm_file(self._path(name), **_within(system))

    def walk(self) -> Iterator[tuple[str, datetime]]:
        """Give the names of all files, and when each was written; also what was begun.

        Raises:
            PicturesAwayError: If the place does not answer.
        """
        with self._reaching() as system:
            found = system.find(_stripped(self.root), detail=True, **_within(system, LONGEST_WALK))
        root = self._path("")
        for path, about in sorted(found.items()):
            yield path.removeprefix(root), _written(about)

    def list(self, folder: str, prefix: str = "") -> Sequence[str]:
        """List the names of files in a folder, in their order; also what was begun.

        Args:
            folder: In which they lie; what lies in a folder of it is not among them.
            prefix: With which their names in it begin.

        Raises:
            PicturesAwayError: If the place does not answer.
        """
        root, start = self._path(""), self._path(folder).rstrip("/")
        with self._reaching() as system:
            if _holds_objects(system):
                # Of a million objects those alone are listed that are meant.
                found = system.find(start, prefix=prefix, **_within(system, LONGEST_WALK))
            else:
                found = system.ls(start, detail=False) if system.isdir(start) else []
        begin = f"{start}/{prefix}"
        return sorted(
            path.removeprefix(root)
            for path in found
            if path.startswith(begin) and "/" not in path[len(start) + 1 :]
        )

    def _path(self, name: str) -> str:
        return f"{_stripped(self.root)}/{name}"

    @contextmanager
    def _reaching(self) -> Iterator[fsspec.AbstractFileSystem]:
        """Give what reaches the place, and failures on the way the names that people know."""
        try:
            system = _system_of(self.root)
            yield system
        except HematoVisionError:
            raise
        except OSError as error:
            if error.errno in NO_ROOM:
                raise StorageFullError("There is no room left for pictures.") from error
            if isinstance(error, FileNotFoundError) and not _is_of_the_bucket(error):
                raise
            self._insist_on_folder(error)
            raise
        except Exception as error:  # whatever a driver raises where nobody answers
            self._insist_on_folder(error)
            raise

    def _insist_on_folder(self, error: Exception) -> None:
        """Say of what goes wrong elsewhere than on a disk that the place does not answer."""
        if is_address(self.root):
            reason = " ".join(str(error).split())
            log.warning("Pictures are out of reach: %s: %s", type(error).__name__, reason[:300])
            raise PicturesAwayError("The place of the pictures does not answer.") from error


def open_place(root: str) -> Place:
    """Open a place; whether it answers shows when it is used.

    Raises:
        PlaceUnusableError: If its address cannot be understood, or its package is missing.
    """
    try:
        fsspec.get_filesystem_class(_protocol_of(root))
    except ImportError as error:
        raise PlaceUnusableError(
            f"An address {_protocol_of(root)}:// needs a package: {error}. For s3:// it comes with "
            "pip install 'hematovision[server]'."
        ) from error
    except ValueError as error:
        raise PlaceUnusableError(
            f"HEMATOVISION_PICTURES_URL or HEMATOVISION_CHECKPOINTS_URL cannot be used: {error}. "
            "It is a folder, or an address such as s3://bucket/folder."
        ) from error
    return Place(root.rstrip("/"))


def is_address(root: str) -> bool:
    """Tell whether a root is no folder of a disk."""
    return _protocol_of(root) not in {"file", "local"}


def _protocol_of(root: str) -> str:
    return root.partition("://")[0] if "://" in root else "file"


def _stripped(root: str) -> str:
    """Give a root as paths begin there, without a slash at the end."""
    system = fsspec.get_filesystem_class(_protocol_of(root))
    return str(system._strip_protocol(root)).rstrip("/")


def _system_of(root: str) -> fsspec.AbstractFileSystem:
    """Give what reaches a root: one for all threads of this process."""
    key = os.getpid(), root
    if key not in _systems:
        options = dict(UNMINDED) if is_address(root) else {}
        if _protocol_of(root) in {"s3", "s3a"}:
            options["config_kwargs"] = dict(PATIENCE)
        system, _ = fsspec.core.url_to_fs(root, **options)
        # It is tried again below; s3fs would do so with each of these tries.
        system.retries = 1
        _systems[key] = system
    return _systems[key]


def _within(system: fsspec.AbstractFileSystem, seconds: float = LONGEST) -> dict[str, float]:
    """Give what lets a driver give up, where it knows how."""
    return {"timeout": seconds} if system.async_impl else {}


def _holds_objects(system: fsspec.AbstractFileSystem) -> bool:
    spoken = system.protocol
    return not OF_OBJECTS.isdisjoint({spoken} if isinstance(spoken, str) else spoken)


def _write_whole(system: fsspec.AbstractFileSystem, path: str, content: bytes) -> None:
    """Write under another name first: who is killed here leaves no half file."""
    system.makedirs(path.rpartition("/")[0], exist_ok=True)
    draft = f"{path}.{secrets.token_hex(4)}{DRAFT}"
    try:
        system.pipe_file(draft, content)
    except OSError:
        # What was begun takes room as well.
        with suppress(FileNotFoundError):
            system.rm_file(draft)
        raise
    system.mv(draft, path)


def _is_of_the_bucket(error: FileNotFoundError) -> bool:
    """Tell whether it is not the file that is missing but all of its place."""
    answer = getattr(error.__cause__, "response", None) or {}
    return bool(answer.get("Error", {}).get("Code") == "NoSuchBucket")


def _written(found: Mapping[str, Any]) -> datetime:
    """Say when a file was written, as a folder or a store of objects tells it; else just now."""
    when = found.get("mtime") or found.get("LastModified") or found.get("created")
    if isinstance(when, int | float):
        return datetime.fromtimestamp(when, UTC)
    return when if isinstance(when, datetime) else datetime.now(UTC)
