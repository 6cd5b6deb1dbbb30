"""What the web floor is given: the settings, and a reader or the reason why there is none."""

import logging
from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app

from hematovision.cells import NOTICE, CellReader, ModelIdentity
from hematovision.config import Settings
from hematovision.errors import HematoVisionError, ModelDamagedError, ModelMissingError
from hematovision.vision.reader import load_reader

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wiring:
    """What every view may use.

    Attributes:
        settings: How this installation behaves.
        reader: Finds and names the cells; None when the model could not be loaded.
        failure: Why there is no reader.
    """

    settings: Settings
    reader: CellReader | None
    failure: HematoVisionError | None = None

    def get_reader(self) -> CellReader:
        """Give the reader.

        Raises:
            ModelMissingError: If there was no model folder at the start.
            ModelDamagedError: If the model folder was not whole at the start.
        """
        if self.reader is not None:
            return self.reader
        if self.failure is None:
            raise ModelMissingError("No model is loaded.")
        raise type(self.failure)(self.failure.message) from self.failure

    def find_model(self) -> ModelIdentity | None:
        """Say which model reads, if any."""
        return self.reader.model if self.reader else None


def get_wiring() -> Wiring:
    """Give what the current application was made with."""
    return cast(Wiring, current_app.extensions["hematovision"])


def init_app(app: Flask, settings: Settings, reader: CellReader | None) -> None:
    """Load the model unless a reader is given, and keep what happened."""
    wiring = Wiring(settings, reader) if reader else _load(settings)
    app.extensions["hematovision"] = wiring
    app.context_processor(lambda: {"notice": NOTICE, "model": get_wiring().find_model()})


def _load(settings: Settings) -> Wiring:
    try:
        return Wiring(settings, load_reader(settings.model_folder, threads=settings.threads))
    except (ModelMissingError, ModelDamagedError) as error:
        log.error("Nothing can be read. %s %s", error.message, error.advice)
        return Wiring(settings, None, error)
