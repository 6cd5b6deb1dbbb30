"""What is looked at before a server answers, whichever program serves it."""

import logging
import tempfile
from dataclasses import replace

import click

from hematovision.cli.stores import open_pictures, open_records, open_shared_models, terminal
from hematovision.cli.tools import Refusal, visible
from hematovision.cli.users import read_password
from hematovision.config import Settings, is_loopback
from hematovision.errors import HematoVisionError, PicturesAwayError
from hematovision.observing.sharing import share
from hematovision.storage.private import keep_data_key, keep_secret_key, keep_uploads_folder

log = logging.getLogger(__name__)


def open_door(settings: Settings, *, to_terminal: bool) -> str | None:
    """See to it that somebody can come in, and that nobody else can.

    Returns:
        The token of the link for the first administrator, where one is to be printed.

    Raises:
        click.ClickException: If others could reach a server whose administrator has no password.
    """
    from hematovision.services import accounts

    database, by = open_records(settings), terminal()
    try:
        if settings.admin_password_file:
            password = read_password(settings.admin_password_file)
            accounts.take_first_password(database, password, by=by)
        if accounts.has_administrator(database):
            return None
        if not _is_private(settings):
            raise click.ClickException(
                "No administrator has a password, so others must not reach this machine yet: "
                "hematovision users add NAME --role administrator --password-file FILE, or set "
                "HEMATOVISION_ADMIN_PASSWORD_FILE."
            )
        return accounts.open_first_door(database, by=by) if to_terminal else None
    except HematoVisionError as error:
        raise Refusal(error) from error
    finally:
        database.close()


def prepare(settings: Settings) -> Settings:
    """Insist on all that a server needs before it takes a request.

    Returns:
        The settings, with the key that signs sessions.

    Raises:
        click.ClickException: If a folder cannot be written, a key is none or not the one of the
            installation, or the provider is set up wrongly.
    """
    settings = replace(settings, secret_key=_make_ready(settings))
    _check_keys(settings)
    _check_provider(settings)
    return settings


def secret_of(settings: Settings) -> str:
    """Give the key that signs sessions; made where there is none.

    Raises:
        OSError: If it is not there and cannot be written.
    """
    return settings.secret_key or keep_secret_key(settings.keys)


def share_numbers(settings: Settings) -> None:
    """Let all processes of this machine add to the numbers that it shows."""
    if not settings.metrics_token_file:
        return
    try:
        share(settings.data_folder)
    except OSError as error:
        raise unwritable(settings, error) from error


def unwritable(settings: Settings, error: OSError) -> click.ClickException:
    """Say which folder cannot be written, and why."""
    return click.ClickException(
        f"The data folder {visible(str(settings.data_folder))} cannot be written: "
        f"{error.strerror}; set HEMATOVISION_DATA_FOLDER."
    )


def _is_private(settings: Settings) -> bool:
    """Tell whether this machine alone reaches the server, itself or through another."""
    return all(is_loopback(host) for host in (settings.host, *settings.trusted_hosts))


def _make_ready(settings: Settings) -> str:
    """Make the folders ready, and let what is being sent wait there; give the secret key."""
    try:
        tempfile.tempdir = str(keep_uploads_folder(settings.data_folder))
    except OSError as error:
        raise unwritable(settings, error) from error
    try:
        secret = secret_of(settings)
        keep_data_key(settings.keys)
    except OSError as error:
        if settings.keys == settings.data_folder:
            raise unwritable(settings, error) from error
        raise click.ClickException(
            f"A key is missing in {visible(str(settings.keys))}, and cannot be made there: "
            f"{error.strerror}. Put the keys of the installation there."
        ) from error
    except ValueError as error:
        raise click.ClickException(
            f"{visible(str(error))} Put back the one of the backup."
        ) from error
    return secret


def _check_keys(settings: Settings) -> None:
    """Seal nothing with a key that does not hold, and share the models that are here alone.

    Raises:
        click.ClickException: If a key of this machine is such a one.
    """
    from hematovision.services.carrying import share_models
    from hematovision.services.key_checks import insist_on_keys

    database = open_records(settings)
    try:
        files = open_pictures(settings)
        insist_on_keys(database, files, settings.secret_key, by=terminal())
        if depot := open_shared_models(settings):
            share_models(database, depot, settings.data_folder)
    except PicturesAwayError as error:
        # The server says that it is not ready; that is over when they answer again.
        log.warning("%s", error.message)
    except HematoVisionError as error:
        raise Refusal(error) from error
    finally:
        database.close()


def _check_provider(settings: Settings) -> None:
    """Insist that single sign-on is set up as a whole, or not at all.

    Raises:
        click.ClickException: If a setting of it is missing or wrong.
    """
    from hematovision.services.trust import read_secret, read_trust

    try:
        read_trust(settings)
        read_secret(settings)
    except ValueError as error:
        raise click.ClickException(visible(str(error))) from error
