"""`hematovision serve`: the page and the API on a real WSGI server."""

import errno
import logging
import socket
import sys
from dataclasses import replace
from typing import Any

import click

from hematovision.cells import NOTICE
from hematovision.cli.on_record import server_on_record
from hematovision.cli.starting import open_door, prepare, share_numbers
from hematovision.cli.tools import Tools
from hematovision.cli.worker import open_wakes
from hematovision.config import Settings, is_loopback
from hematovision.observing.logs import init_logs

LIGHT_THREADS = 6
"""For pages while every other thread reads a photo or waits to."""
FORM_BYTES = 2**20
"""Admitted above the limit, so that the page itself can say what is too large."""
CONNECTIONS = 300
"""A browser keeps six open, and one that is not taken waits until another is closed. Each may need
three files, of the 1024 that a process has as a rule."""
IDLE_SECONDS = 60
"""After so long without a byte a connection is closed that nothing is done for."""


@click.command()
@click.option("--host", help="Where to listen.  [default: HEMATOVISION_HOST, or 127.0.0.1]")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Where to listen; 0 takes a free port.  [default: HEMATOVISION_PORT, or 5000]",
)
@click.option(
    "--workers",
    type=click.IntRange(0, 64),
    default=1,
    show_default=True,
    help="Processes that read the photos of cases; 0 where “hematovision worker” runs elsewhere.",
)
@click.pass_context
def serve(context: click.Context, host: str | None, port: int | None, workers: int) -> None:
    """Serve the page until interrupted."""
    tools = context.ensure_object(Tools)
    settings = replace(
        tools.settings,
        host=tools.settings.host if host is None else host,
        port=tools.settings.port if port is None else port,
    )
    init_logs(settings.log_format)
    share_numbers(settings)
    token = open_door(settings, to_terminal=sys.stdout.isatty())
    server = tools.open_server(settings)
    address = address_of(server)
    click.echo(f"HematoVision is at {address}\n{NOTICE}\nStop it with Ctrl+C.")
    if token:
        click.echo("The first administrator comes in here, once, within 15 minutes:")
        click.echo(f"{address}/link/{token}")
    if not is_loopback(settings.host):
        click.echo(
            "Others can reach this machine. HEMATOVISION_TRUSTED_HOSTS must name the host under "
            "which they do; every other is refused.",
            err=True,
        )
    with server_on_record(settings), tools.keep_workers(workers):
        server.run()


def open_server(settings: Settings) -> Any:
    """Take the port, then make the application.

    Args:
        settings: How this installation behaves.

    Returns:
        A waitress server, not yet running.

    Raises:
        click.ClickException: If the port cannot be taken, the data folder cannot be written, the
            queue cannot be used, or what watches the server is set up wrongly.
    """
    settings = prepare(settings)
    # A gallery asks for a hundred crops at once: that some of them wait is no news.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    queue = open_wakes(settings)
    listening = listen(settings.host.strip("[]"), settings.port)
    from waitress.server import create_server

    from hematovision.observing.traces import TracesUnusableError
    from hematovision.vision.decoders import open_decoders
    from hematovision.web import create_app
    from hematovision.web.metrics import MetricsTokenError

    decoder = open_decoders(settings.decoders, max_pixels=settings.max_pixels)
    try:
        app = create_app(settings, queue=queue, decoder=decoder)
    except (MetricsTokenError, TracesUnusableError) as error:
        listening.close()
        raise click.ClickException(str(error)) from error
    decoder.warm()
    return create_server(
        app,
        sockets=[listening],
        threads=threads_for(settings),
        connection_limit=CONNECTIONS,
        channel_timeout=IDLE_SECONDS,
        # The other way knows no file beyond the 1024th.
        asyncore_use_poll=True,
        ident=None,
        max_request_body_size=settings.max_request_bytes + FORM_BYTES,
        # The application itself drops what others say than the proxy that it knows.
        clear_untrusted_proxy_headers=False,
    )


def threads_for(settings: Settings) -> int:
    """Say how many threads answer: one for each who reads or waits to, and some for pages."""
    return settings.readings_at_once + settings.reading_queue + LIGHT_THREADS


def listen(host: str, port: int) -> socket.socket:
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


def address_of(server: Any) -> str:
    """Name the address to open."""
    host, port = server.effective_host, server.effective_port
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
