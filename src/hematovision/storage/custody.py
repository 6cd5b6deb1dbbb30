"""What guards the record of who did what: keys and checkpoints, all outside of the database."""

from dataclasses import dataclass, field
from pathlib import Path

from hematovision.storage.chain import Chain
from hematovision.storage.checkpoint_objects import SharedCheckpoints
from hematovision.storage.checkpoints import FILE, Checkpoints
from hematovision.storage.keys import open_seal
from hematovision.storage.places import open_place
from hematovision.storage.private import AUDIT_KEY, keep_audit_key
from hematovision.storage.sealing import Seal

PUT_BACK = "Put back the one of the backup, or copy the one of the server."


class AuditKeyError(Exception):
    """The audit_key is missing, or not the one that the record was begun with."""


@dataclass(slots=True)
class Custody:
    """Guards the record; keys are read when they are needed, and made where there are none.

    Attributes:
        folder: The data folder.
        keys_folder: Where the keys lie; in the data folder where it is left out.
        checkpoints_url: Where all machines keep checkpoints; empty where one does, in a file of the
            data folder.
        checkpoints: How far the record had come.
        is_proved: Whether the key was seen to be that of the record.
    """

    folder: Path
    keys_folder: Path | None = None
    checkpoints_url: str = ""
    checkpoints: Checkpoints = field(init=False)
    is_proved: bool = field(init=False, default=False)
    _chain: Chain | None = field(init=False, default=None)
    _seal: Seal | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Say where the checkpoints are."""
        file = self.folder / FILE
        self.checkpoints = (
            SharedCheckpoints(file, place=open_place(self.checkpoints_url))
            if self.checkpoints_url
            else Checkpoints(file)
        )

    @property
    def keys(self) -> Path:
        """Give the folder of the keys."""
        return self.keys_folder or self.folder

    @property
    def chain(self) -> Chain:
        """Give what makes the digests."""
        if self._chain is None:
            self._chain = Chain(keep_audit_key(self.keys))
        return self._chain

    @property
    def seal(self) -> Seal:
        """Give what seals the keys of cases."""
        if self._seal is None:
            self._seal = open_seal(self.keys)
        return self._seal

    def check(self, name: str) -> None:
        """Insist that the key has the name that the record says.

        Raises:
            AuditKeyError: If there is none, which is not made then, or it is another.
            OSError: If it cannot be read.
            ValueError: If it is no key.
        """
        self.insist()
        if self.chain.name != name:
            raise AuditKeyError(
                f"{self.keys / AUDIT_KEY} is not the key that the audit record was begun with. "
                f"{PUT_BACK}"
            )
        self.is_proved = True

    def insist(self) -> None:
        """Insist that there is a key: one that is made now fits no record.

        Raises:
            AuditKeyError: If there is none.
        """
        if not (self.keys / AUDIT_KEY).exists():
            raise AuditKeyError(
                f"There is no {self.keys / AUDIT_KEY}, by which the audit record is chained. "
                f"{PUT_BACK}"
            )
