"""The data folder: what is private to the server, its secret key and what is being sent."""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path


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
    data_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = data_folder / "secret_key"
    return _find_key(file) or _make_key(file)


def _find_key(file: Path) -> str:
    with suppress(FileNotFoundError):
        return file.read_text().strip()
    return ""


def _make_key(file: Path) -> str:
    """Write a key whole under another name, then give it its own.

    Of two servers that start at once one makes the key, and the other never reads half of it.
    """
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".secret_key-")
    draft = Path(name)
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(secrets.token_hex(32))
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
