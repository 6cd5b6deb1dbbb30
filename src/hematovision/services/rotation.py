"""Another key for what is sealed: pictures, what was made from them, and secrets in the database.

The new key stands before the old one in `data_key` until nothing is left that the old one sealed;
whoever runs meanwhile opens with both and seals with the new one. A rotation that is killed is gone
on with by the next: while there are two keys, no third is made. So it goes where the file is laid
out for many machines, too, and cannot be written here: who lays it out puts both keys there before,
and takes the old one away afterwards.
"""

import errno
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from hematovision.errors import KeyOutdatedError, RotationBusyError
from hematovision.services.hands import Hand
from hematovision.storage.database import Database, Records
from hematovision.storage.depot import Depot
from hematovision.storage.files import Files, PictureGoneError
from hematovision.storage.keys import new_key, write_keys
from hematovision.storage.private import read_data_keys
from hematovision.storage.sealed import Picture
from hematovision.storage.sealing import Seal, SealBrokenError, mark_of

SETTING = "data_key"
"""Under which the laboratory's settings keep the mark of the key that holds."""
SETTLE = timedelta(seconds=10)
"""After so long whatever was sealed before there was a new key is written."""

READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}
"""What the system says of a folder that others lay out."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Vault:
    """What is sealed with the key of a data folder.

    Attributes:
        database: Speaks of it.
        files: Keeps pictures.
        depot: Keeps models for all machines; None where they share none.
    """

    database: Database
    files: Files
    depot: Depot | None = None

    @property
    def folder(self) -> Path:
        """Give the folder where the keys lie."""
        return self.database.custody.keys

    @property
    def seal(self) -> Seal:
        """Give the seal of the pictures, which is that of all."""
        return self.files.seal


@dataclass(slots=True)
class Rotated:
    """A rotation, and what it did.

    Attributes:
        mark: Of the key that holds from now on.
        version: Counts who began or went on with a rotation; only the last comes to its end.
        was_begun: Whether it went on with one that was killed.
        renewed: How much it sealed anew.
        broken: What no key opens: it was lost before.
        is_left: Whether the file of the keys cannot be written here, and holds the old one still.
    """

    mark: str
    version: int
    was_begun: bool
    renewed: int = 0
    broken: set[str] = field(default_factory=set)
    is_left: bool = False


def rotate(
    vault: Vault,
    *,
    by: Hand,
    wait: Callable[[timedelta], None],
    clock: Callable[[], datetime],
) -> Rotated:
    """Seal everything with another key, and let the old one open nothing any more.

    Args:
        vault: What is sealed.
        by: Who wants it.
        wait: Lets time go by.
        clock: Tells the time, UTC.

    Raises:
        RotationBusyError: If somebody else does the same.
        KeyOutdatedError: If the key here is not the one that holds.
        OSError: If the file of the keys cannot be written.
        ValueError: If it holds no key.
    """
    done = _begin(vault, by)
    _renew_all(vault, done, clock)
    # Whoever sealed with the old key just before has written it by then.
    wait(SETTLE)
    while _renew_all(vault, done, clock):
        wait(timedelta(seconds=1))
    _finish(vault, done, by)
    return done


def check_key(database: Database, seal: Seal) -> None:
    """Insist that what is sealed from now on is sealed with the key that holds.

    Raises:
        KeyOutdatedError: If it would be sealed with another, as on a machine that was not given the
            new one.
    """
    with database.reading() as records:
        insist_on_key(records, seal)


def insist_on_key(records: Records, seal: Seal) -> None:
    """Insist on the key that holds, in the transaction of what was sealed.

    Raises:
        KeyOutdatedError: If it was sealed with another.
    """
    mark = records.laboratory.get(SETTING, None).content
    if mark is not None and mark not in map(mark_of, seal.keys):
        raise KeyOutdatedError("The data_key of this machine is not the one that holds.")


def _begin(vault: Vault, by: Hand) -> Rotated:
    """Put a new key before the old one, unless a rotation is under way already."""
    check_key(vault.database, vault.seal)
    with vault.database.transaction() as records:
        before = records.laboratory.get(SETTING, None)
        keys = read_data_keys(vault.folder)
        was_begun = len(keys) > 1
        newest = keys[0] if was_begun else new_key()
        done = Rotated(mark_of(newest), before.version + 1, was_begun)
        _set_mark(records, done.mark, before.version, by)
        if before.content != done.mark:
            records.audit.add(by.did("key.added", "data key", {"mark": done.mark}))
        if not was_begun:
            # While no other can: the setting is held until this transaction ends.
            write_keys(vault.folder, [newest, *keys])
    return done


def _set_mark(records: Records, mark: str, seen: int, by: Hand) -> None:
    if not records.laboratory.set(SETTING, mark, seen=seen, by=by.user_id, now=by.now):
        raise RotationBusyError("Somebody else rotates the key.")


def _renew_all(vault: Vault, done: Rotated, clock: Callable[[], datetime]) -> int:
    """Seal with the newest key what another sealed.

    Returns:
        How much there was, with what somebody has in hand just now.
    """
    with vault.database.reading() as records:
        pictures = records.sealed.pictures()
    number = sum(_renew(vault, picture, done, clock()) for picture in pictures)
    if vault.depot is not None:
        models = sum(vault.depot.renew())
        done.renewed += models
        number += models
    with vault.database.transaction() as records:
        number += sum(_renew_secrets(records, vault.seal, done))
    return number


def _renew(vault: Vault, picture: Picture, done: Rotated, now: datetime) -> int:
    """Seal one picture anew; give how much there was, or one where a worker has it in hand."""
    try:
        if not vault.files.is_outdated(picture.file):
            return 0
        # Whoever wants to read or to erase it waits so long.
        with vault.database.transaction() as records:
            if not records.sealed.hold(picture, now=now):
                return 1
            number = vault.files.renew(picture.file)
    except (PictureGoneError, SealBrokenError) as error:
        log.warning("%s", error)
        done.broken.add(picture.file)
        return 0
    done.renewed += number
    return number


def _renew_secrets(records: Records, seal: Seal, done: Rotated) -> Iterator[int]:
    for secret in records.sealed.secrets():
        try:
            renewed = seal.renew(secret.sealed, secret.purpose)
        except SealBrokenError:
            done.broken.add(secret.purpose)
            continue
        if renewed is not None:
            records.sealed.put(secret, renewed)
            done.renewed += 1
            yield 1


def _finish(vault: Vault, done: Rotated, by: Hand) -> None:
    """Let the old key open nothing any more."""
    with vault.database.transaction() as records:
        _set_mark(records, done.mark, done.version, by)
        details = {"mark": done.mark, "renewed": done.renewed, "broken": len(done.broken)}
        records.audit.add(by.did("key.retired", "data key", details))
    # Whoever is killed before this line leaves two keys, and the next rotation comes to the end.
    try:
        write_keys(vault.folder, [key for key in vault.seal.keys if mark_of(key) == done.mark])
    except OSError as error:
        if not done.was_begun or error.errno not in READ_ONLY:
            raise
        done.is_left = True
