"""Whether the keys of a machine are those of its installation: looked at before it serves.

The first machine that starts says which they are. What is kept of a key is a mark that tells
nothing of it.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice

from hematovision.errors import KeyOutdatedError, PicturesAwayError
from hematovision.services.hands import Hand
from hematovision.services.rotation import SETTING, insist_on_key
from hematovision.storage.database import Database, Records
from hematovision.storage.files import Files, PictureGoneError
from hematovision.storage.sealing import SealBrokenError, mark_of

SECRET = "secret_key"  # noqa: S105 - the name of a setting
SAMPLE = 3
"""So much that is sealed is opened, to see that a key is the right one."""

log = logging.getLogger(__name__)


def insist_on_keys(database: Database, files: Files, secret: str, *, by: Hand) -> None:
    """Insist that what this machine seals opens everywhere, and who signs in is in everywhere.

    Args:
        database: Says which keys hold; where it does not yet, these do from now on.
        files: Keeps pictures.
        secret: Signs the cookies of sessions.
        by: Who starts.

    Raises:
        KeyOutdatedError: If a key is another.
    """
    _settle_data_key(database, files, by)
    # A database in a file is this machine's alone: nobody else can have another.
    if database.is_shared:
        _settle_secret(database, secret, by)


def take_secret(database: Database, secret: str, *, by: Hand) -> None:
    """Let another key sign the cookies of sessions from now on."""
    with database.transaction() as records:
        before = records.laboratory.get(SECRET, None)
        mark = _mark_of_secret(database, secret)
        records.laboratory.set(SECRET, mark, seen=before.version, by=by.user_id, now=by.now)
        records.audit.add(by.did("key.added", "secret key", {"mark": mark}))


def forget_secret(records: Records, *, by: Hand) -> None:
    """Let the next machine that starts say which key signs the cookies of sessions."""
    before = records.laboratory.get(SECRET, None)
    if before.content is not None:
        records.laboratory.set(SECRET, None, seen=before.version, by=by.user_id, now=by.now)


def _settle_data_key(database: Database, files: Files, by: Hand) -> None:
    with database.reading() as records:
        insist_on_key(records, files.seal)
        if records.laboratory.get(SETTING, None).content is not None:
            return
        opened = [_opens(try_it) for try_it in _samples(records, files)]
    if not opened or any(opened):
        _hold(database, SETTING, mark_of(files.seal.keys[0]), by)
    elif not all(one is None for one in opened):
        raise KeyOutdatedError("The data_key of this machine opens nothing that was sealed.")
    with database.reading() as records:
        insist_on_key(records, files.seal)


def _settle_secret(database: Database, secret: str, by: Hand) -> None:
    mark = _mark_of_secret(database, secret)
    if _hold(database, SECRET, mark, by) != mark:
        raise KeyOutdatedError("The secret_key of this machine is not the one of the others.")


def _hold(database: Database, name: str, mark: str, by: Hand) -> str:
    """Keep a mark where there is none; give the one that holds."""
    with database.transaction() as records:
        before = records.laboratory.get(name, None)
        if before.content is None:
            records.laboratory.set(name, mark, seen=before.version, by=by.user_id, now=by.now)
    with database.reading() as records:
        return str(records.laboratory.get(name, None).content)


def _mark_of_secret(database: Database, secret: str) -> str:
    """Give a mark that nobody can try guesses on who has the database alone."""
    return database.custody.chain.sign(f"secret_key {secret}")[:16]


def _samples(records: Records, files: Files) -> Iterator[Callable[[], object]]:
    """Give some ways to open what is sealed."""
    for secret in islice(records.sealed.secrets(), SAMPLE):
        yield lambda secret=secret: files.seal.open(secret.sealed, secret.purpose)  # type: ignore[misc]
    for picture in records.sealed.pictures()[-SAMPLE:]:
        yield lambda picture=picture: files.get(picture.file)  # type: ignore[misc]


def _opens(try_it: Callable[[], object]) -> bool | None:
    """Tell whether something opens; None where it is not there to be tried."""
    with suppress(PictureGoneError, PicturesAwayError):
        try:
            try_it()
        except SealBrokenError:
            return False
        return True
    return None
