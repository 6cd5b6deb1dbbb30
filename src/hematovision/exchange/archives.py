"""ZIP files that people send: read entry by entry, never unpacked to disk.

Nothing that an archive says of itself is believed: sizes and ratios are measured while its entries
are read, and their names are never used but to tell pictures from other files.
"""

import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from hematovision.cells import SUFFIXES
from hematovision.errors import (
    ArchiveDamagedError,
    ArchiveTooLargeError,
    EntryDamagedError,
    EntryEncryptedError,
    EntryIsLinkError,
    EntryNameError,
    EntryNestedError,
    EntryOverlapsError,
    EntrySquashedError,
    EntryUnsupportedError,
    FileTooLargeError,
    HematoVisionError,
    TooManyEntriesError,
    megabytes,
)

MOST_TIMES = 200
"""A picture does not become so many times larger; what does is made to fill the memory."""

UNMEASURED = 2**20
"""Bytes that an entry may always have: little is nothing to fear, however well it was squashed."""

DIRECTORY_BYTES = 512
"""For one entry of the directory: its fixed part, its name and what else is written there."""

SIGNATURES = (b"PK\3\4", b"PK\5\6")
ARCHIVES = {".zip", ".7z", ".rar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".tar", ".jar"}
BLOCK = 2**16
HEADER_BYTES = 30
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
ENCRYPTED = 0x1 | 0x40 | 0x2000
HOSTILE = re.compile(r"^[/\\]|^[A-Za-z]:|[\\\x00-\x1f\x7f]|(?:^|/)\.\.(?:/|$)")
TORN = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of an archive is read.

    Attributes:
        entries: Most entries, pictures or not.
        entry_bytes: Most bytes of one entry, unpacked.
        bytes: Most bytes of all entries together, unpacked.
    """

    entries: int
    entry_bytes: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of an archive.

    Attributes:
        name: As the archive calls it; never used as a path, and never kept.
        content: Its bytes; None where it was refused or left out.
        failure: Why it was refused; None where it was not, or is no picture and was left out.
    """

    name: str
    content: bytes | None = None
    failure: HematoVisionError | None = None


def is_archive(stream: IO[bytes]) -> bool:
    """Tell whether a file begins as a ZIP does; its place is left at the start."""
    stream.seek(0)
    start = stream.read(4)
    stream.seek(0)
    return start in SIGNATURES


def read_archive(stream: IO[bytes], limits: Limits) -> Iterator[Entry]:
    """Read the pictures of a ZIP, one after another.

    Args:
        stream: The archive; it can be sought.
        limits: How much of it is read.

    Yields:
        An entry for every file, in the order of the directory; folders are passed over. A bad one
        carries its failure, and stops no other. The content of one is held at a time.

    Raises:
        ArchiveDamagedError: If its directory cannot be read.
        TooManyEntriesError: If it has more entries than `limits` allow.
    """
    archive = _open(stream, limits)
    overlapping = _find_overlapping(archive)
    meter = _Meter(limits, limits.bytes)
    for info in archive.infolist():
        if not info.orig_filename.endswith("/"):
            yield _read(archive, info, meter, overlaps=info.header_offset in overlapping)


def _open(stream: IO[bytes], limits: Limits) -> zipfile.ZipFile:
    """Read the directory."""
    most = limits.entries * DIRECTORY_BYTES + 2**17
    too_many = TooManyEntriesError(
        "The ZIP holds more than %(number)s files.", number=limits.entries
    )
    bounded = _Bounded(stream, most, too_many)
    try:
        archive = zipfile.ZipFile(bounded)
    except (*TORN, OSError, OverflowError) as error:
        raise ArchiveDamagedError("The list of files in this ZIP is damaged.") from error
    if len(archive.infolist()) > limits.entries:
        raise too_many
    return archive


class _Bounded:
    """A file that never gives much at once, for a directory is read whole."""

    def __init__(self, stream: IO[bytes], most: int, refusal: HematoVisionError) -> None:
        self._stream, self._most, self._refusal = stream, most, refusal
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, number: int = -1) -> bytes:
        """Read at most as much as there may be of a directory."""
        if number > self._most:
            raise self._refusal
        block = self._stream.read(self._most + 1 if number < 0 else number)
        if len(block) > self._most:
            raise self._refusal
        return block

    def seekable(self) -> bool:
        """Say that any place can be read."""
        return True


def _find_overlapping(archive: zipfile.ZipFile) -> set[int]:
    """Say where entries begin that share bytes with the next, or with the directory."""
    infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    starts = [*(info.header_offset for info in infos), archive.start_dir][1:]
    return {
        info.header_offset
        for info, following in zip(infos, starts, strict=True)
        if info.header_offset + HEADER_BYTES + info.compress_size > following
    }


@dataclass(slots=True)
class _Meter:
    """Measures what is unpacked, also of what is refused in the end.

    Attributes:
        limits: How much may be.
        left: Bytes that all further entries may have together.
    """

    limits: Limits
    left: int

    def pass_on(self, block: bytes, size: int, most: int) -> None:
        """Count a block, with which its entry has so many bytes of at most so many."""
        self.left -= len(block)
        if size > most:
            raise EntrySquashedError(
                "It becomes more than %(times)s times larger when unpacked.", times=MOST_TIMES
            )
        if size > self.limits.entry_bytes:
            raise FileTooLargeError.over(self.limits.entry_bytes)
        if self.left < 0:
            raise ArchiveTooLargeError(
                "The files of this ZIP have more than %(limit)s MB together.",
                limit=megabytes(self.limits.bytes),
            )


def _read(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, meter: _Meter, *, overlaps: bool
) -> Entry:
    """Read one entry, or say why not."""
    name = info.orig_filename
    try:
        _refuse_by_directory(info, overlaps=overlaps)
        if not _looks_like_picture(name):
            return Entry(name)
        content = _unpack(archive, info, meter)
        if content.startswith(SIGNATURES):
            raise EntryNestedError("This is an archive within the archive.")
    except HematoVisionError as error:
        # Not the error itself: its traceback holds what was unpacked.
        return Entry(name, failure=type(error)(error.message))
    return Entry(name, content)


def _refuse_by_directory(info: zipfile.ZipInfo, *, overlaps: bool) -> None:
    """Refuse what the directory alone rules out."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    suffix = PurePosixPath(info.orig_filename).suffix.lower()
    refusals = (
        (HOSTILE.search(info.orig_filename), EntryNameError("Its name leads out of the archive.")),
        (kind not in {0, stat.S_IFREG}, EntryIsLinkError("This is a link, not a file.")),
        (info.flag_bits & ENCRYPTED, EntryEncryptedError("It is encrypted.")),
        (overlaps, EntryOverlapsError("It shares its bytes with another file of the archive.")),
        (suffix in ARCHIVES, EntryNestedError("This is an archive within the archive.")),
        (
            info.compress_type not in METHODS,
            EntryUnsupportedError("It is packed in a way that is not read."),
        ),
    )
    for is_so, refusal in refusals:
        if is_so:
            raise refusal


def _looks_like_picture(name: str) -> bool:
    """Tell a picture by its suffix; macOS puts a file of its own beside each, with the same one."""
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith("._")


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, meter: _Meter) -> bytes:
    """Unpack an entry block by block, and measure it meanwhile."""
    most = max(UNMEASURED, MOST_TIMES * info.compress_size)
    blocks, size = [], 0
    try:
        with archive.open(info) as stream:
            while block := stream.read(BLOCK):
                size += len(block)
                meter.pass_on(block, size, most)
                blocks.append(block)
    except (*TORN, OSError) as error:
        raise EntryDamagedError("Its bytes are not those that were packed.") from error
    if size != info.file_size:
        raise EntryDamagedError("It has not as many bytes as the archive says.")
    return b"".join(blocks)
