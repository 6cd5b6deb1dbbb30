"""`hematovision prepare`: makes an installation ready, before its servers start."""

from collections.abc import Callable

import click

from hematovision.cli import starting
from hematovision.cli.stores import open_pictures, open_records, terminal
from hematovision.cli.tools import Refusal, Tools, visible
from hematovision.cli.users import read_password
from hematovision.config import Settings
from hematovision.errors import HematoVisionError


@click.command()
@click.pass_context
def prepare(context: click.Context) -> None:
    """Make keys, tables and the first administrator where there are none, and end.

    To be run once before servers and workers of a new version start; it may run beside them, and
    again.
    """
    settings = context.ensure_object(Tools).settings
    try:
        is_open = _prepare(settings)
    except HematoVisionError as error:
        raise Refusal(error) from error
    click.echo("Keys, tables and the place of pictures are ready.")
    if not is_open:
        click.echo(
            "Nobody can come in yet: hematovision users add NAME --role administrator", err=True
        )


def _prepare(settings: Settings) -> bool:
    """Make what is missing; tell whether an administrator can come in.

    Raises:
        HematoVisionError: If a key does not hold, or a password would be guessed.
        click.ClickException: If database or pictures cannot be reached.
    """
    from hematovision.services import accounts

    settings = starting.prepare(settings)
    database = open_records(settings)
    try:
        database.custody.chain.name  # noqa: B018 - makes the key of the record where there is none
        _try(open_pictures(settings).check)
        if settings.admin_password_file and not accounts.has_administrator(database):
            password = read_password(settings.admin_password_file)
            accounts.take_first_password(database, password, by=terminal())
        return accounts.has_administrator(database)
    finally:
        database.close()


def _try(check: Callable[[], None]) -> None:
    """Keep a picture, find it and throw it away.

    Raises:
        click.ClickException: If that fails, whatever the place of pictures raises.
    """
    try:
        check()
    except Exception as error:  # every kind of place has failures of its own
        raise click.ClickException(
            f"Pictures cannot be kept: {visible(str(error))}. Check HEMATOVISION_PICTURES_URL."
        ) from error
