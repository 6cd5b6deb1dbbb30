"""What guards the record of who did what: keys and checkpoints, all outside of the database."""

from dataclasses import dataclass, field
from pathlib import Path

from hematovision.storage.chain import Chain
from hematovision.storage.checkpoints import FILE, Checkpoints
from hematovision.storage.keys import open_seal
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
        checkpoints: How far the record had come.
    """

    folder: Path
    checkpoints: Checkpoints = field(init=False)
    _chain: Chain | None = field(init=False, default=None)
    _seal: Seal | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Say where the checkpoints are."""
        self.checkpoints = Checkpoints(self.folder / FILE)

    @property
    def chain(self) -> Chain:
        """Give what makes the digests."""
        if self._chain is None:
            self._chain = Chain(keep_audit_key(self.folder))
        return self._chain

    @property
    def seal(self) -> Seal:
        """Give what seals the keys of cases."""
        if self._seal is None:
            self._seal = open_seal(self.folder)
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
                f"{self.folder / AUDIT_KEY} is not the key that the audit record was begun with. "
                f"{PUT_BACK}"
            )

    def insist(self) -> None:
        """Insist that there is a key: one that is made now fits no record.

        Raises:
            AuditKeyError: If there is none.
        """
        if not (self.folder / AUDIT_KEY).exists():
            raise AuditKeyError(
                f"There is no {self.folder / AUDIT_KEY}, by which the audit record is chained. "
                f"{PUT_BACK}"
            )
