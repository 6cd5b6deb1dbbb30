"""The data folder: what is private to the server, its keys and what is being sent."""

import os
import secrets
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from string import hexdigits

DATA_KEY = "data_key"
KEY_BYTES = 32
AUDIT_KEY = "audit_key"


def keep_uploads_folder(data_folder: Path) -> Path:
    """Make the folder of what is being sent, readable to nobody else.

    Args:
        data_folder: Made as well, and private then; one that was there keeps its mode.

    Raises:
        OSError: If the folder cannot be written.
    """
    data_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = data_folder / "uploads"
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    return folder


def keep_secret_key(data_folder: Path) -> str:
    """Read the key of this installation; make it at the first start, or where it is empty.

    Args:
        data_folder: Made as well, and private then; one that was there keeps its mode.

    Raises:
        OSError: If the key is not there and cannot be written.
    """
    return _keep_key(data_folder, "secret_key")


def keep_data_key(data_folder: Path) -> bytes:
    """Read the key that seals what the database must not tell; make it at the first start.

    Without it what was sealed cannot be opened again: it belongs in the backup, apart from the
    database.

    Args:
        data_folder: Made as well, and private then; one that was there keeps its mode.

    Returns:
        32 bytes; of several keys, as while they are rotated, the newest.

    Raises:
        OSError: If the key is not there and cannot be written.
        ValueError: If the file holds no key.
    """
    _keep_key(data_folder, DATA_KEY)
    return read_data_keys(data_folder)[0]


def read_data_keys(data_folder: Path) -> Sequence[bytes]:
    """Read the keys that seal, the newest first.

    Raises:
        OSError: If they cannot be read.
        ValueError: If a line of the file holds no key.
    """
    file = data_folder / DATA_KEY
    lines = file.read_text().split()
    if not lines:
        raise ValueError(f"{file} holds no key of {KEY_BYTES} bytes.")
    return [_key_of(line, file) for line in lines]


def keep_audit_key(data_folder: Path) -> bytes:
    """Read the key that chains the record of who did what; make it at the first start.

    Whoever has it and the database can write another record; it belongs in the backup, apart from
    the database.

    Args, result and failures are those of `keep_data_key`.
    """
    return _keep_bytes(data_folder, AUDIT_KEY)


def keep_file(file: Path) -> None:
    """Make a file readable to nobody else; one that is there is left as it is.

    Args:
        file: Its folder is made as well, and private then; one that was there keeps its mode.

    Raises:
        OSError: If it is not there and cannot be written.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # One that is there is not opened: closing it would take away the locks that SQLite holds on it
    # in this process, and the next program that leaves would delete the log from under us.
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL, 0o600))


def _keep_bytes(data_folder: Path, name: str) -> bytes:
    """Read a key of 32 bytes, or make it."""
    return _key_of(_keep_key(data_folder, name), data_folder / name)


def _key_of(text: str, file: Path) -> bytes:
    if len(text) != 2 * KEY_BYTES or set(text) - set(hexdigits):
        raise ValueError(f"{file} holds no key of {KEY_BYTES} bytes.")
    return bytes.fromhex(text)


def _keep_key(data_folder: Path, name: str) -> str:
    """Read a key, or make it."""
    data_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = data_folder / name
    return _find_key(file) or _make_key(file)


def _find_key(file: Path) -> str:
    with suppress(FileNotFoundError):
        return file.read_text().strip()
    return ""


def _make_key(file: Path) -> str:
    """Write a key whole under another name, then give it its own.

    Of two servers that start at once one makes the key, and the other never reads half of it.
    """
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    draft = Path(name)
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(secrets.token_hex(KEY_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        _publish(draft, file)
    finally:
        draft.unlink(missing_ok=True)
    return _find_key(file)


def _publish(draft: Path, file: Path) -> None:
    """Link the draft unless a server was faster; some file systems know no links."""
    try:
        os.link(draft, file)
    except OSError:
        if not _find_key(file):
            draft.replace(file)
