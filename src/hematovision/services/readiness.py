"""Whether an installation can do its work: each thing that it needs, asked for by its name."""

import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hematovision.services.rotation import check_key
from hematovision.services.shelf import Shelf
from hematovision.storage.database import Database
from hematovision.storage.files import Files
from hematovision.storage.private import read_data_keys

LEAST_FREE = 2**29
"""Bytes of the disk that must be free: a few uploads at their limit, and what is made of them."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Needs:
    """What an installation needs.

    Attributes:
        database: Keeps all but pictures.
        files: Keeps pictures.
        shelf: Has the model that reads.
        data_folder: Has uploads.
        keys_folder: Has the keys.
        least_free: So many bytes of its disk must be free.
    """

    database: Database
    files: Files
    shelf: Shelf
    data_folder: Path
    keys_folder: Path
    least_free: int = LEAST_FREE

    def check(self) -> Mapping[str, bool]:
        """Say of each whether it is well; why not stands in the log alone."""
        checks: Mapping[str, Callable[[], object]] = {
            "database": self._check_database,
            "pictures": self.files.check,
            "data_key": self._check_key,
            "model": self.shelf.reader,
            "disk": self._check_disk,
        }
        return {name: _is_well(name, check) for name, check in checks.items()}

    def _check_database(self) -> None:
        if not self.database.has_fitting_tables():
            raise RuntimeError("The tables are not those of this program.")

    def _check_key(self) -> None:
        """Insist that the key is there, and is the one that holds."""
        read_data_keys(self.keys_folder)
        check_key(self.database, self.files.seal)

    def _check_disk(self) -> None:
        if shutil.disk_usage(self.data_folder).free < self.least_free:
            raise RuntimeError("The disk is almost full.")


def _is_well(name: str, check: Callable[[], object]) -> bool:
    try:
        check()
    except Exception as error:  # whatever it is: this is how it shows
        log.warning("Not ready: %s (%s)", name, type(error).__name__)
        return False
    return True
