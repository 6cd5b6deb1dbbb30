"""`hematovision users`: who has an account, from the terminal of the machine."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hematovision.cli.stores import open_records, terminal
from hematovision.cli.tools import Refusal, Tools, explained, visible
from hematovision.config import Settings
from hematovision.errors import HematoVisionError
from hematovision.people import OF_PEOPLE_ALONE, Right, Role

if TYPE_CHECKING:
    from hematovision.storage.database import Database

ROLES = click.Choice([str(role) for role in Role])
SCOPES = click.Choice([str(right) for right in Right if right not in OF_PEOPLE_ALONE])


@click.group()
def users() -> None:
    """Add people, change their roles, shut them out and let them in."""


@users.command("list")
@click.pass_context
def list_users(context: click.Context) -> None:
    """List everybody: name, role, and how they sign in."""
    from hematovision.services import accounts
    from hematovision.services.single_sign_on import list_of_provider

    with _accounts(context) as (_, database):
        everybody, of_provider = accounts.list_users(database), list_of_provider(database)
    for user in everybody:
        without = "single sign-on" if user.id in of_provider else "link"
        state = "shut out" if user.is_disabled else "password" if user.has_password else without
        code = " and code" if user.has_second_factor and not user.is_disabled else ""
        click.echo(f"{user.name}\t{user.role}\t{state}{code}")
    if not everybody:
        click.echo("Nobody has an account yet: hematovision users add", err=True)


@users.command()
@click.argument("name")
@click.option("--role", type=ROLES, default=str(Role.TECHNOLOGIST), show_default=True)
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Holds the password; otherwise a link is printed that lets them in once.",
)
@click.pass_context
def add(context: click.Context, name: str, role: str, password_file: Path | None) -> None:
    """Add somebody."""
    from hematovision.services import accounts

    with _accounts(context) as (settings, database):
        password = read_password(password_file) if password_file else None
        user = accounts.add_user(database, name, Role(role), by=terminal())
        if password is None:
            _print_link(settings, accounts.reset_password(database, user, by=terminal()))
            return
        try:
            accounts.set_password(database, user, password, by=terminal())
        except HematoVisionError as error:
            raise click.ClickException(
                f"{name} is added, but without a password. {explained(error)}"
            ) from error


@users.command()
@click.argument("name")
@click.argument("role", type=ROLES)
@click.pass_context
def role(context: click.Context, name: str, role: str) -> None:
    """Change what somebody is."""
    from hematovision.services import accounts

    with _accounts(context) as (_, database):
        accounts.set_role(database, accounts.get_user(database, name), Role(role), by=terminal())


@users.command()
@click.argument("name")
@click.option("--undo", is_flag=True, help="Let them in again.")
@click.pass_context
def disable(context: click.Context, name: str, undo: bool) -> None:
    """Shut somebody out at once, everywhere; their account is kept."""
    from hematovision.services import accounts

    with _accounts(context) as (_, database):
        change = accounts.enable_user if undo else accounts.disable_user
        change(database, accounts.get_user(database, name), by=terminal())


@users.command("reset-password")
@click.argument("name")
@click.pass_context
def reset(context: click.Context, name: str) -> None:
    """Take password, second factor and tokens away, and print a link that lets in once."""
    from hematovision.services import accounts

    with _accounts(context) as (settings, database):
        user = accounts.get_user(database, name)
        _print_link(settings, accounts.reset_password(database, user, by=terminal()))


@users.command()
@click.argument("name")
@click.option("--label", default="terminal", show_default=True, help="What it is for.")
@click.option("--scope", "scopes", type=SCOPES, multiple=True, required=True, help="Repeatable.")
@click.option(
    "--days", type=click.Choice(["7", "30", "90", "365"]), default="90", show_default=True
)
@click.pass_context
def token(context: click.Context, name: str, label: str, scopes: Sequence[str], days: str) -> None:
    """Make a token for a program of somebody's, and print it this once."""
    from hematovision.services import accounts, tokens

    with _accounts(context) as (_, database):
        user, rights = accounts.get_user(database, name), [Right(scope) for scope in scopes]
        made = tokens.add_token(database, user, label, scopes=rights, days=int(days), by=terminal())
    click.echo(made)
    click.echo(f"It is not shown again, and ends in {days} days.", err=True)


@contextmanager
def _accounts(context: click.Context) -> Iterator[tuple[Settings, "Database"]]:
    """Open the database of the settings; end with exit code 1 where something is refused."""
    settings = context.ensure_object(Tools).settings
    database = open_records(settings)
    try:
        yield settings, database
    except HematoVisionError as error:
        raise Refusal(error) from error
    finally:
        database.close()


def read_password(file: Path) -> str:
    """Read the first line of a file.

    Raises:
        click.ClickException: If it cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{visible(str(file))} cannot be read: {error}.") from error


def _print_link(settings: Settings, token: str) -> None:
    click.echo(_link_of(settings, token))
    click.echo("It lets in once, within 24 hours; they choose their password then.", err=True)


def _link_of(settings: Settings, token: str) -> str:
    """Give the address that a link's token has, as far as the settings tell it."""
    host = settings.trusted_hosts[0].lstrip(".") if settings.trusted_hosts else settings.host
    return f"http://{host}:{settings.port}/link/{token}"
