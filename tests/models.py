"""An installation with models of a few numbers: one that was shipped, others to install."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hematovision.cells import CellType
from hematovision.services.hands import Hand
from hematovision.services.installing import Store, install_model
from hematovision.services.shelf import Shelf
from hematovision.storage.database import Database
from hematovision.vision.bundle import read_bundle
from hematovision.vision.reader import load_reader

from .vision.networks import write_tiny_model

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
BY = Hand(None, "terminal", NOW)


@dataclass(frozen=True, slots=True)
class Rack:
    """Models on a disk.

    Attributes:
        folder: Of the shipped model, the data folder, and models to install.
        database: Says which are installed.
    """

    folder: Path
    database: Database

    @property
    def shipped(self) -> Path:
        folder = self.folder / "shipped"
        return folder if folder.exists() else write_tiny_model(folder)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def store(self) -> Store:
        return Store(self.database, self.data, read_bundle(self.shipped), load_reader)

    def shelf(self, clock: Callable[[], float] = lambda: 0.0) -> Shelf:
        return Shelf(self.database, self.data, self.shipped, load_reader, clock=clock)

    def write(
        self, version: str = "2.0.0", blue: CellType = CellType.LYMPHOCYTE, **more: object
    ) -> Path:
        """Write a model to install; it names blue cells another way than the shipped one."""
        return write_tiny_model(self.folder / f"model-{version}", version, blue, **more)

    def install(self, version: str = "2.0.0", **more: object) -> str:
        """Install a model; give its hash."""
        return install_model(self.store, self.write(version, **more), by=BY).sha256

    def events(self) -> list[tuple[str, str]]:
        """List what was done with models, and to which, the newest first."""
        with self.database.reading() as records:
            done = [(event.action, event.subject) for event in records.audit.list()]
        return [one for one in done if one[0].startswith("model.")]
