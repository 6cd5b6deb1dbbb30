"""Photos of an archive: in folders and in buckets, listed as they come and opened one by one."""

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from stat import S_ISREG
from typing import IO, Any, NamedTuple
from urllib.parse import unquote_to_bytes

import fsspec

from hematovision.cells import SUFFIXES
from hematovision.errors import ExtraMissingError, PhotoUnreachableError, PlaceUnreachableError

BUCKETS = "s3://"
NO_TEXT = "file://"
DIGEST_BYTES = 16
UNKNOWN = -1
"""The size of what cannot be looked at."""


class Photo(NamedTuple):
    """A photo that was listed.

    Attributes:
        address: An absolute path, or `s3://bucket/key`.
        size: Bytes; `UNKNOWN` where that cannot be told.
    """

    address: str
    size: int

    @property
    def name(self) -> str:
        """Its address in UTF-8; a path that is no text becomes a `file://` address."""
        try:
            self.address.encode()
        except UnicodeEncodeError:
            return Path(self.address).as_uri()
        return self.address

    @property
    def digest(self) -> bytes:
        """What tells it from all others, in `DIGEST_BYTES`."""
        return blake2b(self.name.encode(), digest_size=DIGEST_BYTES).digest()


def named(name: str, size: int) -> Photo:
    """Give the photo of a name again."""
    if name.startswith(NO_TEXT):
        return Photo(os.fsdecode(unquote_to_bytes(name.removeprefix(NO_TEXT))), size)
    return Photo(name, size)


def is_bucket(address: str) -> bool:
    """Tell an address in a store of objects from a path."""
    return address.startswith(BUCKETS)


def open_bucket(address: str) -> tuple[Any, str]:
    """Give the store of an `s3://` address, and the address without `s3://`.

    Raises:
        ExtraMissingError: If what speaks with it is not installed.
    """
    try:
        system, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        raise ExtraMissingError("Reading buckets needs %(package)s.", package="s3fs") from error
    return system, path


def settle_sources(sources: Iterable[str]) -> Sequence[str]:
    """Make addresses that mean the same wherever a command is started, each once.

    Raises:
        PlaceUnreachableError: If a file or folder is not there.
    """
    settled: dict[str, None] = {}
    for source in sources:
        if not is_bucket(source):
            path = Path(source).absolute()
            if not source or not os.path.lexists(path):
                raise PlaceUnreachableError("%(place)s: there is no such file.", place=source)
            settled[os.path.normpath(path)] = None
        else:
            settled[source] = None
    return tuple(settled)


def list_photos(sources: Sequence[str], *, recursive: bool) -> Iterator[Photo]:
    """List photos in an order that is the same every time, each once.

    Nothing but the names of one folder, or a page of a bucket, is held; of several sources that
    may overlap also the digests.

    Args:
        sources: Files, folders, and `s3://` addresses of objects or of what begins like a folder.
        recursive: Whether the folders of a folder are searched too.

    Yields:
        Photos. A folder that is closed is one whose size is `UNKNOWN`.

    Raises:
        PlaceUnreachableError: If a bucket cannot be listed.
    """
    seen: set[bytes] | None = set() if len(sources) > 1 else None
    for source in sources:
        found = _in_bucket if is_bucket(source) else _in_folder
        for photo in found(source, recursive):
            if seen is not None:
                if photo.digest in seen:
                    continue
                seen.add(photo.digest)
            yield photo


def open_photo(photo: Photo, *, most: int) -> IO[bytes]:
    """Open a photo.

    Args:
        photo: As it was listed.
        most: Of one in a bucket no more bytes than this are fetched.

    Raises:
        PhotoUnreachableError: If it cannot be opened.
    """
    try:
        if not is_bucket(photo.address):
            return _open_file(photo.address)
        system, path = open_bucket(photo.address)
        # A range of nothing is refused by stores.
        return io.BytesIO(system.cat_file(path, start=0, end=most) if photo.size else b"")
    except OSError as error:
        raise unreachable(error) from error
    except Exception as error:  # The client of buckets raises what it likes where a network fails.
        raise unreachable(error) from error


def _open_file(path: str) -> IO[bytes]:
    """Open a plain file; of a folder of strangers nothing is waited for, such as a pipe."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError("It is no plain file")
    return os.fdopen(handle, "rb")


def unreachable(error: Exception) -> PhotoUnreachableError:
    """Say why a photo cannot be fetched."""
    return PhotoUnreachableError("The photo cannot be fetched: %(why)s.", why=reason_of(error))


def reason_of(error: Exception) -> str:
    """Say in a few words what a system or a store of objects complains about."""
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(words).rstrip(".")


def _in_folder(source: str, recursive: bool) -> Iterator[Photo]:
    """List a folder, or a file that is named, whatever its name."""
    if not Path(source).is_dir():
        yield Photo(source, _size_of(source))
        return
    closed: list[OSError] = []
    for place, folders, names in os.walk(source, onerror=closed.append):
        folders[:] = sorted(name for name in folders if recursive and not name.startswith("."))
        yield from (Photo(str(error.filename or place), UNKNOWN) for error in closed)
        closed.clear()
        for name in sorted(filter(_is_photo, names)):
            path = os.path.join(place, name)  # noqa: PTH118 - millions of them
            yield Photo(path, _size_of(path))
    yield from (Photo(str(error.filename or source), UNKNOWN) for error in closed)


def _size_of(path: str) -> int:
    """Give the size of a file; `UNKNOWN` of what is none or cannot be looked at."""
    try:
        found = os.stat(path)  # noqa: PTH116 - millions of them
    except OSError:
        return UNKNOWN
    return found.st_size if S_ISREG(found.st_mode) else UNKNOWN


def _in_bucket(source: str, recursive: bool) -> Iterator[Photo]:
    """List what begins like a folder in a bucket, or one object."""
    system, path = open_bucket(source)
    bucket, _, key = path.partition("/")
    if key and (size := _object_size(system, path)) is not None:
        yield Photo(source, size)
        return
    prefix = f"{key.rstrip('/')}/" if key else ""
    for found in pages(system, bucket, prefix, recursive=recursive):
        rest = found["Key"].removeprefix(prefix)
        hidden = any(part.startswith(".") for part in rest.split("/"))
        if not hidden and _is_photo(rest.rpartition("/")[2]):
            yield Photo(f"{BUCKETS}{bucket}/{found['Key']}", int(found["Size"]))


def pages(system: Any, bucket: str, prefix: str, *, recursive: bool) -> Iterator[dict[str, Any]]:
    """List objects of a bucket, a thousand at a time.

    Args:
        system: What `open_bucket` gave.
        bucket: Its name.
        prefix: How their keys begin.
        recursive: Whether keys may have a further slash.

    Raises:
        PlaceUnreachableError: If it cannot be listed.
    """
    asked = {"Bucket": bucket, "Prefix": prefix} | ({} if recursive else {"Delimiter": "/"})
    while True:
        try:
            page = system.call_s3("list_objects_v2", **asked)
        except Exception as error:  # As above.
            raise PlaceUnreachableError(
                "%(place)s cannot be listed: %(why)s.",
                place=f"{BUCKETS}{bucket}/{prefix}",
                why=reason_of(error),
            ) from error
        yield from page.get("Contents", ())
        if not page.get("IsTruncated"):
            return
        asked["ContinuationToken"] = page["NextContinuationToken"]


def _object_size(system: Any, path: str) -> int | None:
    """Give the size of an object; None where there is none of that very name."""
    try:
        found = system.info(path)
    except Exception:  # Listing it will tell what is wrong.
        return None
    return int(found["size"]) if found["type"] == "file" else None


def _is_photo(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith(".")  # noqa: PTH122
