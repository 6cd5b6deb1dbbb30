"""A folder into which a scanner or a camera drops photos: what is whole there is taken, once.

Whoever takes a file renames it to `reading/CLAIM/PATH`, which one of several can, and no other file
is ever called by that claim. It stays there until it is settled, so that after a crash it is known
what was in hand, and by the claim whether it is on record. Folders on a network tell nobody what
changes in them, so this one is looked through.
"""

import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from hematovision.cells import SUFFIXES
from hematovision.errors import FileTooLargeError
from hematovision.exchange.moving import is_same, link, note_name, own_name, write_note

READING, DONE, FAILED = OWN = ("reading", "done", "failed")
"""Folders that are made here, in which nothing is found to read."""
UNFINISHED = {".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload"}
CLAIM = re.compile(r"[0-9a-f]{32}")
BEGUN = ".begun-"
ABANDONED_SECONDS = 60.0
"""So long nobody has a file in hand; who is wrong about it reads in vain, and nothing twice."""
BLOCK = 2**20
# A pipe would hold us up, and a link lead elsewhere; Windows knows neither.
OPENING = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)

Stamp = tuple[int, int]
"""Bytes, and when they were last written."""


class UnsettledError(OSError):
    """A file is still being written, or cannot be reached; it is looked at again later."""


class NoFileError(Exception):
    """What was taken is a link, or something else than a file; it is not read."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that was taken out of the folder.

    Attributes:
        claim: No other file is called so.
        path: Where it was, as seen from the folder.
    """

    claim: str
    path: PurePath

    @property
    def folder(self) -> str | None:
        """The first folder that it was in; None where it was in none."""
        return self.path.parts[0] if len(self.path.parts) > 1 else None


@dataclass(slots=True)
class Inbox:
    """A folder of files to read.

    Attributes:
        root: The folder.
        interval: Seconds for which a file must not change before it is taken.
        clock: Tells seconds.
    """

    root: Path
    interval: float
    clock: Callable[[], float] = time.monotonic
    _seen: dict[PurePath, tuple[Stamp, float]] = field(default_factory=dict)
    _looked: float = 0.0
    _strange: dict[str, float] = field(default_factory=dict)
    _mine: set[str] = field(default_factory=set)

    def open(self) -> None:
        """Make the folders for what is in hand, done and failed.

        What was left in hand is given up: it is found by `in_hand` at once.

        Raises:
            OSError: If they cannot be made.
        """
        for name in OWN:
            self._folder(name)
        self._strange = dict.fromkeys(self._claims(), self.clock() - ABANDONED_SECONDS)

    def look(self) -> Sequence[PurePath]:
        """Look through the folder.

        Returns:
            The files that are whole, sorted: they did not change for the interval.

        Raises:
            OSError: If the folder cannot be read.
        """
        self._looked = now = self.clock()
        found = dict(_photos_in(self.root))
        self._seen = {
            path: seen if (seen := self._seen.get(path)) and seen[0] == stamp else (stamp, now)
            for path, stamp in found.items()
        }
        return sorted(filter(self._is_whole, found))

    @property
    def left(self) -> Sequence[PurePath]:
        """Files that were there at the last look, and were not taken since."""
        return sorted(self._seen)

    @property
    def unfinished(self) -> Sequence[PurePath]:
        """Those of them that are empty, or changed until then."""
        return [path for path in self.left if not self._is_whole(path)]

    def take(self, path: PurePath) -> Taken | None:
        """Take a file; None where it is gone, such as to another who watches, or has changed.

        Raises:
            OSError: If it is locked or may not be moved; it stays where it is.
        """
        taken = Taken(secrets.token_hex(16), path)
        place = self._place(taken)
        try:
            for way in (path.parent, PurePath(READING)):
                self._check_way(way)
            source = self.root / path
            if self._has_changed(path, _probe(source)):
                return None
            place.parent.mkdir(parents=True)
            self._mine.add(taken.claim)
            source.rename(place)
        except OSError as error:
            self._let_go(taken)
            if not isinstance(error, FileNotFoundError):
                raise
        self._seen.pop(path, None)
        return taken if self.has(taken) else None

    def has(self, taken: Taken) -> bool:
        """Tell whether a file is in hand still: nobody has settled it."""
        return os.path.lexists(self._place(taken))

    def in_hand(self) -> Sequence[Taken]:
        """List what was taken and is not settled: to be tried again here, or given up elsewhere."""
        now, claims = self.clock(), self._claims()
        strange = [claim for claim in claims if claim not in self._mine]
        self._strange = {claim: self._strange.get(claim, now) for claim in strange}
        given_up = {
            claim for claim, since in self._strange.items() if now - since >= ABANDONED_SECONDS
        }
        found = [(claim, self._find(claim)) for claim in claims if claim in self._mine | given_up]
        for claim, path in found:
            if path is None:
                self._let_go(Taken(claim, PurePath()))
        return [Taken(claim, path) for claim, path in found if path is not None]

    def begin(self, taken: Taken) -> int:
        """Note that somebody begins with a file; tell how often somebody did and never ended.

        Raises:
            FileNotFoundError: If another has settled it.
        """
        self._mine.add(taken.claim)
        folder = self.root / READING / taken.claim
        number = sum(path.name.startswith(BEGUN) for path in folder.iterdir())
        (folder / f"{BEGUN}{secrets.token_hex(4)}").touch()
        return number

    def give_back(self, taken: Taken) -> None:
        """Let a file be tried again as if nobody had begun."""
        folder = self.root / READING / taken.claim
        with suppress(OSError):
            for begun in folder.glob(f"{BEGUN}*"):
                begun.unlink()

    def read(self, taken: Taken, *, max_bytes: int) -> bytes:
        """Give the bytes of a file that was taken.

        Raises:
            FileTooLargeError: If it has more; it is not read then.
            UnsettledError: If it changes while it is read, or a link leads elsewhere.
            NoFileError: If it is a link, or something else.
            OSError: If it cannot be read, or another has settled it.
        """
        place = self._safe_place(taken)
        if not stat.S_ISREG(place.lstat().st_mode):
            raise NoFileError("It is a link, or no file.")
        with os.fdopen(os.open(place, OPENING), "rb") as file:
            before = os.fstat(file.fileno())
            if before.st_size > max_bytes:
                raise FileTooLargeError.over(max_bytes)
            data = file.read(before.st_size + 1)
            if _stamp(os.fstat(file.fileno())) != _stamp(before) or len(data) != before.st_size:
                raise UnsettledError("It is still being written.")
        return data

    def settle(self, taken: Taken, into: str, why: str = "") -> Path | None:
        """Move a file to where it stays; what is there is never overwritten.

        Args:
            taken: The file.
            into: `DONE` or `FAILED`.
            why: What was wrong; written beside it.

        Returns:
            Its new place; None where another has settled it.

        Raises:
            OSError: If it cannot be moved.
        """
        if not self.has(taken):
            self._let_go(taken)
            return None
        place = self._safe_place(taken)
        target = self._folder(into, *taken.path.parent.parts) / taken.path.name
        if not link(place, target):
            target = target.with_name(own_name(taken.path, taken.claim))
        if why:
            write_note(target.with_name(note_name(target.name)), why)
        self._move(place, target)
        self._let_go(taken)
        return target

    def _move(self, place: Path, target: Path) -> None:
        """End the move: the file is at its new place, and there alone."""
        with suppress(FileNotFoundError):
            if is_same(place, target):
                place.unlink()
            else:
                # Nobody else has a file of this name: it bears the claim.
                place.rename(target)

    def _is_whole(self, path: PurePath) -> bool:
        (size, _), since = self._seen[path]
        return size > 0 and self._looked - since >= self.interval

    def _has_changed(self, path: PurePath, stamp: Stamp) -> bool:
        """Tell whether a file changed since the last look, which may be long ago."""
        seen = self._seen.get(path)
        return seen is not None and seen[0] != stamp

    def _place(self, taken: Taken) -> Path:
        return self.root / READING / taken.claim / taken.path

    def _safe_place(self, taken: Taken) -> Path:
        """Say where a file in hand is: others may write here, and put links where folders were.

        Raises:
            UnsettledError: If a link leads elsewhere.
        """
        place = self._place(taken)
        self._check_way(place.parent.relative_to(self.root))
        return place

    def _check_way(self, folder: PurePath) -> None:
        """Insist that no link on the way to a folder leads elsewhere.

        Raises:
            UnsettledError: If one does.
        """
        if (self.root / folder).resolve() != self.root.resolve() / folder:
            raise UnsettledError("A link leads elsewhere.")

    def _folder(self, *parts: str) -> Path:
        """Make a folder of our own."""
        self._check_way(PurePath(*parts))
        folder = self.root.joinpath(*parts)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _claims(self) -> Sequence[str]:
        """List what is in anybody's hand."""
        return sorted(
            path.name for path in (self.root / READING).iterdir() if CLAIM.fullmatch(path.name)
        )

    def _find(self, claim: str) -> PurePath | None:
        """Find the file of a claim; None where there is none (any more)."""
        folder = self.root / READING / claim
        for place, _, names in os.walk(folder):
            for name in names:
                if not name.startswith(BEGUN):
                    return Path(place, name).relative_to(folder)
        return None

    def _let_go(self, taken: Taken) -> None:
        """Forget a claim, and remove its folders where they are empty."""
        self._mine.discard(taken.claim)
        self.give_back(taken)
        top = self.root / READING / taken.claim
        with suppress(OSError):
            for place, _, _ in os.walk(top, topdown=False):
                Path(place).rmdir()


def _photos_in(root: Path) -> Iterator[tuple[PurePath, Stamp]]:
    """Walk the photos of a folder and the folders in it; links are not followed."""
    # Not by recursion: folders may lie in each other deeper than Python calls itself.
    folders = [PurePath()]
    while folders:
        path = folders.pop()
        for entry in _entries(root, path):
            below = path / entry.name
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    folders.append(below)
                elif _is_photo(below) and entry.is_file(follow_symlinks=False):
                    yield below, _stamp(entry.stat(follow_symlinks=False))


def _entries(root: Path, path: PurePath) -> Sequence[os.DirEntry[str]]:
    """List what is in a folder, but for what is hidden or ours; nothing where it cannot be read."""
    is_top = path == PurePath()
    try:
        entries = list(os.scandir(root / path))
    except OSError:
        if is_top:
            raise
        return []
    # What a name tells costs nothing; a question to a server on the network does.
    return [
        entry
        for entry in entries
        if not entry.name.startswith((".", "~")) and not (is_top and entry.name.lower() in OWN)
    ]


def _is_photo(path: PurePath) -> bool:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return suffixes[-1:] != [] and suffixes[-1] in SUFFIXES and not UNFINISHED & set(suffixes)


def _probe(source: Path) -> Stamp:
    """Open a file, to see that it is not locked."""
    handle = os.open(source, OPENING)
    try:
        return _stamp(os.fstat(handle))
    finally:
        os.close(handle)


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_size, found.st_mtime_ns
