"""`hematovision backup` and `restore`: everything in one folder or ZIP, and back again."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hematovision.cli.stores import open_pictures, open_records, open_shared_models, terminal
from hematovision.cli.tools import Refusal, Tools, failures_in_words, visible
from hematovision.config import Settings
from hematovision.errors import HematoVisionError

if TYPE_CHECKING:
    from hematovision.storage.files import Files

path = click.Path(path_type=Path)
there = click.Path(exists=True, path_type=Path)


@click.command()
@click.argument("target", type=path)
@click.option("--with-keys", is_flag=True, help="Put the keys into the backup: it opens by itself.")
@click.option("--keys", type=path, help="A new folder for the keys, apart from the backup.")
@click.pass_context
def backup(context: click.Context, target: Path, with_keys: bool, keys: Path | None) -> None:
    """Copy everything to a new folder TARGET, or a ZIP; server and workers may run."""
    if with_keys and keys:
        raise click.UsageError("Give --with-keys or --keys, not both.")
    from hematovision.services.backups import back_up
    from hematovision.services.carrying import bring_models

    settings = context.ensure_object(Tools).settings
    database = open_records(settings)
    try:
        files = open_pictures(settings)
        bring_models(database, open_shared_models(settings), settings.data_folder)
        place = target if with_keys else keys
        with failures_in_words():
            made = back_up(database, files, target, keys=place, by=terminal())
    finally:
        database.close()
    click.echo(f"{visible(str(target))}: {made.rows} rows, {made.pictures} pictures")
    if made.missing:
        click.echo(f"{made.missing} pictures are not where they were kept.", err=True)
    if place is None:
        click.echo(
            "The keys are not in it, and without them no picture of it opens: keep data_key, "
            "audit_key and secret_key of the data folder elsewhere.",
            err=True,
        )


@click.command()
@click.argument("source", type=there)
@click.option("--keys", type=there, help="The folder with the keys, if they are not in the backup.")
@click.pass_context
def restore(context: click.Context, source: Path, keys: Path | None) -> None:
    """Put the backup SOURCE back, to where the settings say; there must be nothing yet."""
    from hematovision.services import backups
    from hematovision.services.carrying import share_models
    from hematovision.storage.connections import DatabaseUnusableError
    from hematovision.storage.database import connect

    settings = context.ensure_object(Tools).settings
    try:
        database = connect(
            settings.database_url,
            settings.data_folder,
            keys=settings.keys,
            checkpoints=settings.checkpoints,
        )
    except DatabaseUnusableError as error:
        raise click.ClickException(visible(str(error))) from error
    try:
        with failures_in_words():
            files = _open_place(settings)
            done = backups.restore(database, files, source, keys=keys, by=terminal())
            if depot := open_shared_models(settings):
                share_models(database, depot, settings.data_folder)
    except HematoVisionError as error:
        raise Refusal(error) from error
    finally:
        database.close()
    when = f"{done.made_at:%Y-%m-%d %H:%M} UTC"
    click.echo(f"{done.rows} rows and {done.pictures} pictures are back, of {when}.")
    click.echo("Everybody signs in again. What was erased since then is back: erase it again.")


def _open_place(settings: Settings) -> "Files":
    """Open where pictures come; the key that seals them comes with them."""
    from hematovision.storage.files import open_files
    from hematovision.storage.sealing import Seal

    return open_files(settings.pictures_url, settings.data_folder, Seal())
