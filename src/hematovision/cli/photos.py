"""Which photos a command reads: from the paths that were given to their bytes."""

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hematovision.cells import SUFFIXES

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class Unread:
    """A path that gave no reading.

    Attributes:
        path: As it was given.
        reason: What is wrong, and what to do.
    """

    path: str
    reason: str


def find_photos(paths: Iterable[str], *, recursive: bool) -> Iterator[str | Unread]:
    """Name every photo to read, in the order given; those of a folder are sorted.

    Args:
        paths: Files, folders, or `-` for standard input.
        recursive: Whether the folders of a folder are searched too.

    Yields:
        The path of a photo, beginning as it was given, or what cannot be searched.
    """
    for path in paths:
        if not path:
            # To the system this would be the folder where the command was started.
            yield Unread("''", "The path is empty. Name a photo or a folder.")
        elif path != STANDARD_INPUT and _is_folder(path):
            yield from _photos_in(path, recursive=recursive)
        else:
            yield path


def _is_folder(path: str) -> bool:
    """Tell a folder; what is too long for a path is reported when it is opened."""
    try:
        return Path(path).is_dir()
    except OSError:
        return False


def _photos_in(folder: str, *, recursive: bool) -> Iterator[str | Unread]:
    """Name the photos of a folder, and what in it is closed; hidden ones are left alone."""
    closed: list[OSError] = []
    photos: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=closed.append):
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        photos += [path for name in names if _is_photo(path := Path(place, name))]
    for error in closed:
        yield Unread(str(error.filename or folder), f"The folder cannot be read: {error.strerror}.")
    if not photos and not closed:
        more = "" if recursive else " With --recursive its folders are searched too."
        yield Unread(folder, "There is no photo in this folder." + more)
    yield from map(str, sorted(photos))


def _is_photo(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def read_bytes(path: str, *, max_bytes: int) -> bytes:
    """Take the bytes of one photo.

    Args:
        path: A file, or `-` for standard input.
        max_bytes: Of a larger file no more than this is read.

    Raises:
        FileTooLargeError: If there are more than `max_bytes`.
        OSError: If the file is not there or may not be read.
    """
    from hematovision.services.readings import take_bytes

    if path != STANDARD_INPUT:
        with Path(path).open("rb") as file:
            return take_bytes(file, max_bytes=max_bytes)
    if sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    return take_bytes(sys.stdin.buffer, max_bytes=max_bytes)
