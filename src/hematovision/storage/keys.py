"""The file of the keys that seal: read again whenever it is another, changed only whole."""

import logging
import os
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hematovision.storage.private import (
    AUDIT_KEY,
    DATA_KEY,
    KEY_BYTES,
    keep_data_key,
    read_data_keys,
)
from hematovision.storage.sealing import Seal

NEEDED_KEYS = (DATA_KEY, AUDIT_KEY)
"""Without these nothing opens, and the record of who did what cannot be continued."""
KEY_FILES = (*NEEDED_KEYS, "secret_key")
"""All keys of an installation; they lie in its data folder."""

log = logging.getLogger(__name__)


def open_seal(data_folder: Path) -> Seal:
    """Open the seal of a data folder; its first key is made where there is none.

    The seal learns of a new key as soon as the file holds it.

    Raises:
        OSError: If the file is not there and cannot be written.
        ValueError: If it holds no key.
    """
    keep_data_key(data_folder)
    watch = _Watch(data_folder)
    return Seal(*watch.read(), changed=watch.read_if_changed)


def new_key() -> bytes:
    """Make a key."""
    return secrets.token_bytes(KEY_BYTES)


def read_key_files(folder: Path) -> Mapping[str, str]:
    """Read all keys of a folder, as they stand in their files, by name."""
    return {name: (folder / name).read_text() for name in KEY_FILES if (folder / name).exists()}


def place_private(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files that are readable to nobody else; the folder is made where there is none.

    Raises:
        FileExistsError: If one is there.
        OSError: If it cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in texts.items():
        handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())


def write_keys(data_folder: Path, keys: Sequence[bytes]) -> None:
    """Let the file hold these keys: all of them or, where this is killed, those before.

    Raises:
        OSError: If it cannot be written.
    """
    handle, name = tempfile.mkstemp(dir=data_folder, prefix=f".{DATA_KEY}-")
    draft = Path(name)
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write("".join(f"{key.hex()}\n" for key in keys))
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(data_folder / DATA_KEY)
        _settle(data_folder)
    finally:
        draft.unlink(missing_ok=True)


def _settle(folder: Path) -> None:
    """Let a new name in a folder outlast a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(slots=True)
class _Watch:
    """Reads a file again when it is another.

    Attributes:
        folder: Where it lies; it is replaced, never changed in place.
        seen: What the file was like when it was read.
    """

    folder: Path
    seen: tuple[int, int, int] = (0, 0, 0)

    def read(self) -> Sequence[bytes]:
        """Read the keys."""
        seen = self._look()
        keys = read_data_keys(self.folder)
        self.seen = seen
        return keys

    def read_if_changed(self) -> Sequence[bytes] | None:
        """Read the keys where the file is another; None where it is not, or cannot be read."""
        try:
            return self.read() if self._look() != self.seen else None
        except (OSError, ValueError) as error:
            log.error("The keys cannot be read again; those that were there hold: %s", error)
            return None

    def _look(self) -> tuple[int, int, int]:
        found = (self.folder / DATA_KEY).stat()
        return found.st_ino, found.st_mtime_ns, found.st_size
