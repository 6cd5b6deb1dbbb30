"""Pictures that are kept: sealed, in a private folder or wherever fsspec reaches."""

import errno
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec

from hematovision.errors import StorageFullError
from hematovision.storage.sealing import Seal, SealBrokenError

NAME_BYTES = 16
NAME = re.compile(r"[0-9A-Za-z][\w.-]*", re.ASCII)
"""What a picture can be called; whatever a row says, no name leads out of the folder."""
DRAFT = ".draft"
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What the system says where a file finds no room."""


class PictureGoneError(Exception):
    """A picture is not where it was kept."""


@dataclass(frozen=True, slots=True)
class Files:
    """Keeps pictures under names that say nothing of them.

    Attributes:
        root: A folder, or an address that fsspec knows, such as `s3://bucket/folder`.
        seal: Seals every picture, for its name alone.
    """

    root: str
    seal: Seal

    def put(self, picture: bytes) -> str:
        """Keep a picture; give its name."""
        name = secrets.token_hex(NAME_BYTES)
        self._write(name, picture)
        return name

    def put_again(self, name: str, picture: bytes) -> None:
        """Keep another file of a picture in the place of the one that is there."""
        self._write(name, picture)

    def put_beside(self, name: str, what: str, made: bytes) -> None:
        """Keep what was made from a picture; it goes with the picture.

        Args:
            name: Of the picture.
            what: What was made, such as `cells-256`; what was there before is replaced.
            made: Its bytes.
        """
        self._write(f"{name}.{what}", made)
        system, path = self._place(name)
        if not system.exists(path):
            # It was thrown away while this was made.
            self.delete(name)

    def find_beside(self, name: str, what: str) -> bytes | None:
        """Find what was made from a picture; None where nothing was, or it cannot be opened."""
        try:
            return self.get(f"{name}.{what}")
        except (PictureGoneError, SealBrokenError):
            return None

    def get(self, name: str) -> bytes:
        """Give a picture.

        Raises:
            PictureGoneError: If it is not there.
            SealBrokenError: If it was changed, put in another's place, or sealed with another key.
        """
        return self.seal.open(self.get_sealed(name), _purpose(name))

    def delete(self, name: str) -> None:
        """Throw a picture away, and what was made from it; one that is gone stays gone."""
        if not NAME.fullmatch(name):
            return
        system, _ = self._place(name)
        for each in self._all_of(name):
            system.rm_file(each)

    def get_sealed(self, name: str) -> bytes:
        """Give a picture as it is kept, for a copy of everything.

        Raises:
            PictureGoneError: If it is not there, or the name can be none.
        """
        system, path = self._place(name)
        try:
            sealed: bytes = system.cat_file(path)
        except FileNotFoundError as error:
            raise PictureGoneError(f"Picture {name} is not where it was kept.") from error
        return sealed

    def put_sealed(self, name: str, sealed: bytes) -> None:
        """Put a picture back as it was kept."""
        self._put(name, sealed)

    def renew(self, name: str) -> int:
        """Seal a picture, and what was made from it, with the newest key.

        Returns:
            How many files there were that an older key had sealed.

        Raises:
            PictureGoneError: If it is not there.
            SealBrokenError: If no key opens it.
        """
        picture = self.seal.renew(self.get_sealed(name), _purpose(name))
        # The picture last: while it is outdated, what was made from it may be.
        number = sum(map(self._renew_beside, self._all_of(name)))
        if picture is not None:
            self._put(name, picture)
        return number + (picture is not None)

    def is_outdated(self, name: str) -> bool:
        """Tell whether an older key sealed a picture.

        Raises:
            PictureGoneError: If it is not there.
            SealBrokenError: If no key opens it.
        """
        return self.seal.renew(self.get_sealed(name), _purpose(name)) is not None

    def _renew_beside(self, path: str) -> bool:
        """Seal what was made from a picture with the newest key; what does not open is no loss."""
        name = path.rpartition("/")[2]
        if "." not in name or name.endswith(DRAFT):
            return False
        try:
            renewed = self.seal.renew(self.get_sealed(name), _purpose(name))
        except (PictureGoneError, SealBrokenError):
            return False
        if renewed is not None:
            self._put(name, renewed)
        return renewed is not None

    def names(self, *, before: datetime) -> Iterator[str]:
        """Walk the names of all pictures that were written before a moment."""
        system, root = fsspec.core.url_to_fs(self.root)
        for path, found in system.find(root, detail=True).items():
            if _written(found) < before:
                yield path.rpartition("/")[2].partition(".")[0]

    def check(self) -> None:
        """Insist that pictures can be kept, found and thrown away.

        Raises:
            Exception: Whatever the place of pictures raises; if none can.
        """
        name = self.put(b"")
        try:
            self.get(name)
        finally:
            self.delete(name)

    def is_empty(self) -> bool:
        """Tell whether no picture is kept."""
        system, root = fsspec.core.url_to_fs(self.root)
        return not system.exists(root) or not system.find(root)

    def _all_of(self, name: str) -> Sequence[str]:
        """List the paths of a picture and of what was made from it."""
        system, path = self._place(name)
        folder = path.rpartition("/")[0]
        found = system.ls(folder, detail=False) if system.isdir(folder) else ()
        return [each for each in found if each.rpartition("/")[2].startswith(name)]

    def _write(self, name: str, content: bytes) -> None:
        self._put(name, self.seal.seal(content, _purpose(name)))

    def _put(self, name: str, sealed: bytes) -> None:
        system, path = self._place(name)
        system.makedirs(path.rpartition("/")[0], exist_ok=True)
        # Whole under another name first: who is killed here leaves no half picture.
        draft = f"{path}.{secrets.token_hex(4)}{DRAFT}"
        try:
            system.pipe_file(draft, sealed)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            # What was begun takes room as well.
            system.rm_file(draft)
            raise StorageFullError("There is no room left for pictures.") from error
        system.mv(draft, path)

    def _place(self, name: str) -> tuple[fsspec.AbstractFileSystem, str]:
        if not NAME.fullmatch(name):
            raise PictureGoneError("There is no such picture.")
        system, root = fsspec.core.url_to_fs(self.root)
        return system, f"{root}/{name[:2]}/{name}"


def open_files(address: str, data_folder: Path, seal: Seal) -> Files:
    """Open where pictures are kept.

    Args:
        address: A folder, or an address that fsspec knows; `pictures` in the data folder when
            empty.
        data_folder: Private to the server.
        seal: Seals every picture.
    """
    if address:
        return Files(address.rstrip("/"), seal)
    folder = data_folder.absolute() / "pictures"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Files(str(folder), seal)


def _written(found: Mapping[str, Any]) -> datetime:
    """Say when a file was written, as a folder or a store of objects tells it; else just now."""
    when = found.get("mtime") or found.get("LastModified") or found.get("created")
    if isinstance(when, int | float):
        return datetime.fromtimestamp(when, UTC)
    return when if isinstance(when, datetime) else datetime.now(UTC)


def _purpose(name: str) -> str:
    return f"picture {name}"
