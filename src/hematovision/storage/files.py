"""Pictures that are kept: sealed, in a private folder or wherever fsspec reaches."""

import logging
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hematovision.errors import PicturesAwayError
from hematovision.storage.places import DRAFT, Place, open_place
from hematovision.storage.sealing import Seal, SealBrokenError

NAME_BYTES = 16
NAME = re.compile(r"[0-9A-Za-z][\w.-]*", re.ASCII)
"""What a picture can be called; whatever a row says, no name leads out of the folder."""
FAN = 2
"""So much of a name names its folder."""

log = logging.getLogger(__name__)


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
        if not self._place.has(_path(name)):
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
        for each in self._all_of(name):
            self._place.delete(each)

    def discard(self, name: str) -> None:
        """Throw a picture away of which no row speaks any more; where it is kept may not answer.

        What is left then a worker throws away, where the database keeps that it must go; what no
        row ever spoke of, `hematovision retention --strays` finds.
        """
        try:
            self.delete(name)
        except PicturesAwayError:
            log.warning("Picture %s is to be thrown away later", name)

    def get_sealed(self, name: str) -> bytes:
        """Give a picture as it is kept, for a copy of everything.

        Raises:
            PictureGoneError: If it is not there, or the name can be none.
        """
        try:
            return self._place.read(_path(name))
        except FileNotFoundError as error:
            raise PictureGoneError(f"Picture {name} is not where it was kept.") from error

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
        for path, written in self._place.walk():
            folder, _, name = path.rpartition("/")
            # Beside the pictures others keep what is theirs.
            if written < before and folder == name[:FAN]:
                yield name.partition(".")[0]

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
        """Tell whether nothing is kept, of whatever kind."""
        return next(self._place.walk(), None) is None

    @property
    def _place(self) -> Place:
        return Place(self.root)

    def _all_of(self, name: str) -> Sequence[str]:
        """List the paths of a picture and of what was made from it."""
        return self._place.list(name[:FAN], name)

    def _write(self, name: str, content: bytes) -> None:
        self._put(name, self.seal.seal(content, _purpose(name)))

    def _put(self, name: str, sealed: bytes) -> None:
        self._place.write(_path(name), sealed)


def open_files(address: str, data_folder: Path, seal: Seal) -> Files:
    """Open where pictures are kept.

    Args:
        address: A folder, or an address that fsspec knows; `pictures` in the data folder when
            empty.
        data_folder: Private to the server.
        seal: Seals every picture.

    Raises:
        PlaceUnusableError: If the address cannot be understood, or its package is missing.
    """
    if address:
        return Files(open_place(address).root, seal)
    folder = data_folder.absolute() / "pictures"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Files(str(folder), seal)


def _path(name: str) -> str:
    if not NAME.fullmatch(name):
        raise PictureGoneError("There is no such picture.")
    return f"{name[:FAN]}/{name}"


def _purpose(name: str) -> str:
    return f"picture {name}"
