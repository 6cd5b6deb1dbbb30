"""What the web floor is given: the settings, and a reader or the reason why there is none."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from flask import Flask, current_app

from hematovision.cells import CellReader, ModelIdentity, Queue
from hematovision.config import Settings
from hematovision.errors import HematoVisionError, ModelDamagedError, ModelMissingError
from hematovision.services.batches import NoQueue
from hematovision.services.recording import Record
from hematovision.services.shelf import Shelf
from hematovision.services.sign_ins import Stay
from hematovision.storage.database import Database
from hematovision.storage.depot import open_depot
from hematovision.storage.files import Files, open_files
from hematovision.storage.keys import open_seal
from hematovision.storage.sealing import Seal
from hematovision.vision.decoders import HERE, Decoder
from hematovision.vision.reader import load_reader

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wiring:
    """What every view may use.

    Attributes:
        settings: How this installation behaves.
        shelf: The models: the one that reads, and others where they are asked for.
        database: Where accounts, cases and readings are kept.
        files: Where pictures are kept.
        queue: Wakes those who read photos in the background.
        seal: Seals what the database must not tell.
        decoder: Turns the bytes of pictures into pixels.
    """

    settings: Settings
    shelf: Shelf
    database: Database
    files: Files
    queue: Queue
    seal: Seal
    decoder: Decoder = HERE

    @property
    def stay(self) -> Stay:
        """Say how long somebody stays signed in."""
        return Stay(
            idle=timedelta(minutes=self.settings.idle_minutes),
            longest=timedelta(hours=self.settings.session_hours),
        )

    @property
    def record(self) -> Record:
        """Say where readings are kept that belong to no case."""
        return Record(self.database, self.files, self.settings.keep_pictures, self.decoder)

    def get_reader(self) -> CellReader:
        """Give the reader of the model that reads now; for one request it is asked for once.

        Raises:
            ModelMissingError: If there is no model folder.
            ModelDamagedError: If the model folder is not whole.
        """
        return self.shelf.reader()

    @property
    def failure(self) -> HematoVisionError | None:
        """Say why nothing can be read; None where a model reads."""
        try:
            self.get_reader()
        except (ModelMissingError, ModelDamagedError) as error:
            return error
        return None

    def find_model(self) -> ModelIdentity | None:
        """Say which model reads, if any."""
        try:
            return self.get_reader().model
        except (ModelMissingError, ModelDamagedError):
            return None


def get_wiring() -> Wiring:
    """Give what the current application was made with."""
    return cast(Wiring, current_app.extensions["hematovision"])


def init_app(
    app: Flask,
    settings: Settings,
    reader: CellReader | None,
    database: Database,
    queue: Queue | None,
    decoder: Decoder,
) -> None:
    """Load the model unless a reader is given in the place of the shipped one."""
    seal = open_seal(settings.keys)
    shelf = Shelf(
        database,
        settings.data_folder,
        settings.model_folder,
        load_reader,
        threads=settings.threads,
        depot=open_depot(settings.shared, seal),
    )
    if reader is not None:
        shelf.put(reader)
    files = open_files(settings.pictures_url, settings.data_folder, seal)
    wiring = Wiring(settings, shelf, database, files, queue or NoQueue(), seal, decoder)
    app.extensions["hematovision"] = wiring
    # Now, and not when the first photo waits; what is wrong stands in the log.
    wiring.find_model()
    app.context_processor(_say_model)


def _say_model() -> dict[str, ModelIdentity | None]:
    """Let templates name the model that reads."""
    try:
        return {"model": get_wiring().find_model()}
    except Exception:  # the page that says that the database is away must stand
        log.exception("Nobody can tell which model reads")
        return {"model": None}
