"""`hematovision serve`: the page and the API on a real WSGI server."""

import errno
import socket
import tempfile
from dataclasses import replace
from typing import Any

import click

from hematovision.cells import NOTICE
from hematovision.cli.tools import Tools, visible
from hematovision.config import Settings
from hematovision.storage.private import keep_secret_key, keep_uploads_folder

THREADS = 4
FORM_BYTES = 2**20
"""Admitted above the limit, so that the page itself can say what is too large."""


@click.command()
@click.option("--host", help="Where to listen.  [default: HEMATOVISION_HOST, or 127.0.0.1]")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Where to listen; 0 takes a free port.  [default: HEMATOVISION_PORT, or 5000]",
)
@click.pass_context
def serve(context: click.Context, host: str | None, port: int | None) -> None:
    """Serve the page until interrupted."""
    tools = context.ensure_object(Tools)
    settings = replace(
        tools.settings,
        host=tools.settings.host if host is None else host,
        port=tools.settings.port if port is None else port,
    )
    server = tools.open_server(settings)
    click.echo(f"HematoVision is at {_address(server)}\n{NOTICE}\nStop it with Ctrl+C.")
    if not _is_loopback(settings.host):
        click.echo(
            "Others can reach this machine. HEMATOVISION_TRUSTED_HOSTS must name the host under "
            "which they do; every other is refused.",
            err=True,
        )
    server.run()


def open_server(settings: Settings) -> Any:
    """Take the port, then make the application.

    Args:
        settings: How this installation behaves.

    Returns:
        A waitress server, not yet running.

    Raises:
        click.ClickException: If the port cannot be taken, or the data folder cannot be written.
    """
    settings = _with_data_folder(settings)
    listening = _listen(settings.host.strip("[]"), settings.port)
    from waitress.server import create_server

    from hematovision.web import create_app

    return create_server(
        create_app(settings),
        sockets=[listening],
        threads=THREADS,
        ident=None,
        max_request_body_size=settings.max_request_bytes + FORM_BYTES,
    )


def _listen(host: str, port: int) -> socket.socket:
    """Take the port ourselves: before the model is loaded, and with words that help."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, UnicodeError) as error:
        raise click.ClickException(
            f"Cannot listen on {host} port {port}: {getattr(error, 'strerror', error)}. "
            + (
                "Check --host: it must be a name or an address of this machine."
                if _is_of_host(error)
                else "Stop what listens there, or choose another with --port."
            )
        ) from error


def _is_of_host(error: OSError | UnicodeError) -> bool:
    """Tell whether the host is wrong, not the port."""
    return (
        isinstance(error, UnicodeError | socket.gaierror)
        or getattr(error, "errno", None) == errno.EADDRNOTAVAIL
    )


def _with_data_folder(settings: Settings) -> Settings:
    """Make the data folder ready, and let waitress keep there what is being sent."""
    try:
        tempfile.tempdir = str(keep_uploads_folder(settings.data_folder))
        key = settings.secret_key or keep_secret_key(settings.data_folder)
    except OSError as error:
        raise click.ClickException(
            f"The data folder {visible(str(settings.data_folder))} cannot be written: "
            f"{error.strerror}; set HEMATOVISION_DATA_FOLDER."
        ) from error
    return replace(settings, secret_key=key)


def _address(server: Any) -> str:
    """Name the address to open."""
    host, port = server.effective_host, server.effective_port
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1", "[::1]"} or host.startswith("127.")
