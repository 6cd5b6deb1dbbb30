"""The models of one process: the one that reads, and others where they are asked for.

The database says which model reads. Whoever reads a photo asks the shelf before each, so that a
promotion is taken up between two photos, and no photo is read by two models.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hematovision.cells import CellReader, LoadReader, ModelIdentity
from hematovision.errors import HematoVisionError, ModelMissingError
from hematovision.services.carrying import bring_model
from hematovision.services.choosing import SHIPPED, Choice, find_choice, folder_of
from hematovision.storage.database import Database
from hematovision.storage.depot import Depot

MOST_LOADED = 3
"""So many stay loaded beside the shipped one: that which reads, its shadow, one that explains."""
AGAIN_SECONDS = 10.0
"""So long a model that could not be loaded is not tried again."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Shelf:
    """Gives readers; safe to be asked by many threads.

    Attributes:
        database: Says which model reads.
        data_folder: Has the files of those that are installed.
        shipped_folder: Has the files of the one that came with the program.
        load: Turns a folder into a reader.
        threads: That one inference may use; 0 takes every core.
        clock: Tells seconds.
        depot: Has the files of those that were installed on other machines; None where there are
            none.
    """

    database: Database
    data_folder: Path
    shipped_folder: Path
    load: LoadReader
    threads: int = 0
    clock: Callable[[], float] = time.monotonic
    depot: Depot | None = None
    _loaded: dict[str, CellReader] = field(default_factory=dict)
    _failed: dict[str, tuple[float, HematoVisionError]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, reader: CellReader) -> None:
        """Take a reader in the place of the shipped one."""
        self._loaded[SHIPPED] = reader

    def reader(self, choice: Choice | None = None) -> CellReader:
        """Give the reader of the model that reads now.

        Raises:
            ModelMissingError: If its folder is not there, or not whole.
            ModelDamagedError: If a file of it is not the one that was shipped.
        """
        return self.get((choice or find_choice(self.database)).reads)

    def find_shadow(self, choice: Choice | None = None) -> CellReader | None:
        """Give the reader of the model that reads in the shadow; None where it cannot be loaded."""
        wanted = (choice or find_choice(self.database)).shadow
        if wanted is None:
            return None
        try:
            return self.get(wanted)
        except HematoVisionError as error:
            log.warning("Nothing is read in the shadow. %s %s", error.message, error.advice)
            return None

    def reader_of(self, sha256: str | None, version: str = "") -> CellReader:
        """Give the reader of the model that said something; of the one that reads for None.

        Raises:
            ModelMissingError: If it is not to be had any more.
            ModelDamagedError: If a file of it is not the one that was shipped.
        """
        if sha256 is None:
            return self.reader()
        with self.database.reading() as records:
            is_installed = records.models.find(sha256) is not None
        if is_installed:
            return self.get(sha256)
        shipped = self.identity(SHIPPED)
        if shipped is None or shipped.sha256 != sha256:
            raise ModelMissingError(
                "Model %(version)s, which read this cell, is not loaded.", version=version
            )
        return self.get(SHIPPED)

    def get(self, model: str) -> CellReader:
        """Give the reader of a model by its hash, or `SHIPPED`.

        Raises:
            ModelMissingError: If its folder is not there, or not whole.
            ModelDamagedError: If a file of it is not the one that was shipped.
        """
        with self._lock:
            if model not in self._loaded:
                self._load(model)
            # The last that was asked for is the last to go.
            reader = self._loaded[model] = self._loaded.pop(model)
            others = [other for other in self._loaded if other != SHIPPED]
            for other in others[:-MOST_LOADED]:
                del self._loaded[other]
        return reader

    def folder(self, model: str) -> Path:
        """Say where the files of a model lie; they are fetched where another machine has them.

        Raises:
            ModelMissingError: If they cannot be fetched now.
        """
        if model == SHIPPED:
            return self.shipped_folder
        if self.depot is not None:
            return bring_model(self.depot, self.data_folder, model)
        return folder_of(self.data_folder, model)

    def identity(self, model: str) -> ModelIdentity | None:
        """Say which model it is; None where it is not installed, or cannot be loaded."""
        if model == SHIPPED:
            try:
                return self.get(SHIPPED).model
            except HematoVisionError:
                return None
        with self.database.reading() as records:
            found = records.models.find(model)
        return found.identity if found else None

    def _load(self, model: str) -> None:
        at, failure = self._failed.get(model, (0.0, None))
        if failure is not None and self.clock() - at < AGAIN_SECONDS:
            raise type(failure)(failure.template, **failure.values) from failure
        try:
            folder = self.folder(model)
            reader = self.load(folder, threads=self.threads)
            if model not in {SHIPPED, reader.model.sha256}:
                raise ModelMissingError("%(folder)s holds another model.", folder=folder)
        except HematoVisionError as error:
            self._failed[model] = (self.clock(), error)
            log.error("A model cannot be loaded. %s %s", error.message, error.advice)
            raise
        self._failed.pop(model, None)
        self._loaded[model] = reader
