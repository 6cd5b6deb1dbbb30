"""`hematovision keys`: another key for pictures and secrets."""

from datetime import UTC, datetime
from functools import partial

import click

from hematovision.cli.stores import open_pictures, open_records, open_shared_models, terminal
from hematovision.cli.tools import Refusal, Tools, failures_in_words, visible
from hematovision.errors import HematoVisionError


@click.group()
def keys() -> None:
    """Look after the key that seals pictures and secrets."""


@keys.command("session")
@click.pass_context
def take_session_key(context: click.Context) -> None:
    """Let the secret_key of this machine hold for all; who is signed in must sign in again."""
    from hematovision.cli.starting import secret_of
    from hematovision.services.key_checks import take_secret

    settings = context.ensure_object(Tools).settings
    database = open_records(settings)
    try:
        with failures_in_words():
            take_secret(database, secret_of(settings), by=terminal())
    finally:
        database.close()
    click.echo("Give every other machine this secret_key, then start it again.")


@keys.command()
@click.pass_context
def rotate(context: click.Context) -> None:
    """Seal everything with a new key, and take the old one away; server and workers may run."""
    from hematovision.services.rotation import Vault
    from hematovision.services.rotation import rotate as rotate_key

    tools = context.ensure_object(Tools)
    settings = tools.settings
    database = open_records(settings)
    try:
        vault = Vault(database, open_pictures(settings), open_shared_models(settings))
        with failures_in_words():
            clock = partial(datetime.now, UTC)
            done = rotate_key(vault, by=terminal(), wait=tools.wait, clock=clock)
    except HematoVisionError as error:
        raise Refusal(error) from error
    except ValueError as error:
        raise click.ClickException(visible(str(error))) from error
    finally:
        database.close()
    if done.was_begun:
        click.echo("A rotation that had not come to its end was gone on with.")
    click.echo(f"{done.renewed} files and secrets are sealed anew; the key is now {done.mark}.")
    if done.is_left:
        click.echo(
            "The keys cannot be written here: take the last line out of data_key where they are "
            "laid out for all machines.",
            err=True,
        )
    click.echo(
        "Machines that have a copy of data_key need the new one. Backups from before open with the "
        "old one alone.",
        err=True,
    )
    for name in sorted(done.broken):
        click.echo(f"No key opens {name}; it was lost before.", err=True)
