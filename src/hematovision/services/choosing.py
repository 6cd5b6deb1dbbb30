"""Which model reads, as the database says, and where the files of each lie."""

from dataclasses import dataclass, replace
from pathlib import Path

from hematovision.storage.database import Database, Records

SETTING = "models"
SHIPPED = "shipped"
"""What the model is called that came with the program."""
FOLDERS = "models"
PREFIX = 16


@dataclass(frozen=True, slots=True)
class Choice:
    """Which model reads, as the database says.

    Attributes:
        promoted: Hashes of the models that were promoted, the one that reads last; `SHIPPED` is
            the one that came with the program.
        shadow: The hash of the model that reads in the shadow; None where none does.
        version: Counts the changes, so that the later of two who change at once is told.
    """

    promoted: tuple[str, ...] = ()
    shadow: str | None = None
    version: int = 0

    @property
    def reads(self) -> str:
        """The hash of the model that reads, or `SHIPPED`."""
        return self.promoted[-1] if self.promoted else SHIPPED

    @property
    def before(self) -> str | None:
        """The one that a rollback puts back; None where nothing was promoted."""
        return replace(self, promoted=self.promoted[:-1]).reads if self.promoted else None


def folder_of(data_folder: Path, sha256: str) -> Path:
    """Say where the files of an installed model lie."""
    return data_folder.absolute() / FOLDERS / sha256[:PREFIX]


def find_choice(database: Database) -> Choice:
    """Say which model reads."""
    with database.reading(once=True) as records:
        return the_choice(records)


def the_choice(records: Records) -> Choice:
    """Say which model reads, within a transaction."""
    kept = records.laboratory.get(SETTING, {"promoted": [], "shadow": None})
    return Choice(tuple(kept.content["promoted"]), kept.content["shadow"], kept.version)
