"""Where everything is kept, opened from the terminal; what cannot be opened is said in words."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from hematovision.cells import LoadReader
from hematovision.cli.tools import Tools, visible
from hematovision.config import Settings

if TYPE_CHECKING:
    from hematovision.services.crops import Album
    from hematovision.services.hands import Hand
    from hematovision.services.shelf import Shelf
    from hematovision.storage.database import Database
    from hematovision.storage.depot import Depot
    from hematovision.storage.files import Files
    from hematovision.storage.sealing import Seal


def open_records(settings: Settings, *, with_key: bool = True) -> "Database":
    """Open the database.

    Args:
        settings: Say where it is.
        with_key: Whether the key of the audit record must be at hand, as for all who write.

    Raises:
        click.ClickException: If it cannot be opened.
    """
    from hematovision.storage.connections import DatabaseUnusableError
    from hematovision.storage.database import open_database

    try:
        return open_database(
            settings.database_url,
            settings.data_folder,
            keys=settings.keys,
            checkpoints=settings.checkpoints,
            with_key=with_key,
        )
    except DatabaseUnusableError as error:
        raise click.ClickException(visible(str(error))) from error
    except OSError as error:
        raise click.ClickException(
            f"The data folder {visible(str(settings.data_folder))} cannot be written: "
            f"{error.strerror}; set HEMATOVISION_DATA_FOLDER."
        ) from error


def open_pictures(settings: Settings) -> "Files":
    """Open where pictures are kept, and make the key that seals them where there is none.

    Raises:
        click.ClickException: If the key is none, or it or the folder cannot be written.
    """
    from hematovision.storage.files import open_files
    from hematovision.storage.places import PlaceUnusableError

    try:
        return open_files(settings.pictures_url, settings.data_folder, _open_seal(settings))
    except PlaceUnusableError as error:
        raise click.ClickException(visible(str(error))) from error
    except OSError as error:
        raise click.ClickException(visible(str(error))) from error


def _open_seal(settings: Settings) -> "Seal":
    from hematovision.storage.keys import open_seal

    try:
        return open_seal(settings.keys)
    except (OSError, ValueError) as error:
        raise click.ClickException(
            f"{visible(str(error))} Put back the one of the server."
        ) from error


def open_shared_models(settings: Settings) -> "Depot | None":
    """Open where all machines find installed models; None where they share no place.

    Raises:
        click.ClickException: If the key is none, or the address cannot be used.
    """
    from hematovision.storage.depot import open_depot
    from hematovision.storage.places import PlaceUnusableError

    if not settings.shared:
        return None
    try:
        return open_depot(settings.shared, _open_seal(settings))
    except PlaceUnusableError as error:
        raise click.ClickException(visible(str(error))) from error


def open_album(tools: Tools, database: "Database") -> "Album":
    """Open the pictures that others have sent, to be decoded apart from all keys."""
    from hematovision.services.crops import Album

    settings = tools.settings
    decoder = tools.open_decoders(settings)
    return Album(database, open_pictures(settings), settings.max_pixels, decoder)


def engine_of(tools: Tools) -> LoadReader:
    """Give what turns a model folder into a reader that reads where the settings say.

    Raises:
        click.ClickException: If that needs what is not installed.
    """
    if not tools.settings.inference_url:
        return tools.load_reader
    from hematovision.vision.engines import EngineUnusableError, engine_loader

    try:
        return engine_loader(tools.settings)
    except EngineUnusableError as error:
        raise click.ClickException(str(error)) from error


def open_shelf(
    tools: Tools, database: "Database", *, here: bool = False, threads: int | None = None
) -> "Shelf":
    """Open the models of an installation: the shipped one, and those that were installed.

    Args:
        tools: What the commands work with.
        database: Says which reads.
        here: Whether they read in this process whatever the settings say, as where models are
            tried and compared.
        threads: That one inference may use; as the settings say when left out.
    """
    from hematovision.services.shelf import Shelf

    settings = tools.settings
    return Shelf(
        database,
        settings.data_folder,
        settings.model_folder,
        tools.load_reader if here else engine_of(tools),
        threads=settings.threads if threads is None else threads,
        depot=open_shared_models(settings),
    )


def terminal() -> "Hand":
    """Say that somebody at the terminal of this machine does something, now."""
    from hematovision.services.hands import Hand

    return Hand(None, "terminal", datetime.now(UTC))
