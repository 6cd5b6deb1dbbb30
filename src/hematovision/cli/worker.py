"""`hematovision worker`: reads the photos of cases in the background."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from hematovision import __version__
from hematovision.cli.stores import open_pictures, open_records, open_shelf
from hematovision.cli.tools import Refusal, Tools, visible
from hematovision.config import Settings
from hematovision.errors import HematoVisionError
from hematovision.machine import cores
from hematovision.observing.logs import init_logs
from hematovision.observing.sharing import FOLDER
from hematovision.observing.traces import OTLP, TracesUnusableError, open_traces

if TYPE_CHECKING:
    from hematovision.jobs import Wakes
    from hematovision.services.batches import Desk
    from hematovision.services.shelf import Shelf
    from hematovision.storage.database import Database
    from hematovision.storage.files import Files

MOST_READERS = 64


@click.command()
@click.option("--parent", type=int, help="The process that started it, and that it ends with.")
@click.option(
    "--readers",
    type=click.IntRange(0, MOST_READERS),
    default=0,
    help="Photos it reads at once; 0 for HEMATOVISION_READING_SLOTS.  [default: 0]",
)
@click.pass_context
def worker(context: click.Context, parent: int | None, readers: int) -> None:
    """Read the photos of cases that wait, until interrupted.

    `hematovision serve` starts one by itself; others may run beside it or on other machines.
    """
    from hematovision.cli.crew import Crew
    from hematovision.exchange.posting import Poster
    from hematovision.jobs import StuckError, Worker
    from hematovision.services.delivering import Courier

    tools = context.ensure_object(Tools)
    init_logs(tools.settings.log_format)
    readers = readers or min(tools.settings.readings_at_once, MOST_READERS)
    with _open_desk(tools, readers) as (desk, shelf):
        queue = open_wakes(tools.settings)
        # As Ctrl+C: the photo in hand is read to its end, or given back.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            poster = Poster(tools.settings.webhook_networks)
            courier = Courier(desk.database, desk.files.seal, poster)
            first = Worker(desk, queue, parent, shelf=shelf, courier=courier)
            others = [
                Worker(desk, queue, parent, shelf=shelf, stopping=first.stopping)
                for _ in range(readers - 1)
            ]
            if Crew([first, *others]).run():
                return
            code = 0
        except StuckError as error:
            logging.getLogger(__name__).error("%s", error)
            code = 1
    # A thread is still at work inside the networks; nothing must wait for it.
    logging.shutdown()
    os._exit(code)


@contextmanager
def _open_desk(tools: Tools, readers: int) -> Iterator[tuple["Desk", "Shelf"]]:
    """Open everything that a worker reads with, and the shelf of the models that may read.

    Args:
        tools: What the command was given.
        readers: So many photos are read at once, and share the cores.

    Raises:
        click.ClickException: If something is missing or cannot be used.
    """
    from hematovision.services.batches import Desk
    from hematovision.services.retention import Policy
    from hematovision.services.rotation import check_key

    settings = tools.settings
    database = open_records(settings)
    try:
        _watch(settings, database)
        shelf = open_shelf(tools, database, threads=settings.threads or max(1, cores() // readers))
        reader = shelf.reader()
        files = _open_sealed(settings)
        check_key(database, files.seal)
        policy = Policy(settings.keep_days, settings.keep_case_days)
        desk = Desk(
            database,
            files,
            reader,
            settings.keep_pictures,
            settings.max_pixels,
            policy=policy,
            decoder=tools.open_decoders(settings),
        )
        yield desk, shelf
    except HematoVisionError as error:
        raise Refusal(error) from error
    finally:
        database.close()


def _open_sealed(settings: Settings) -> "Files":
    """Open where pictures are kept, which somebody else has sealed.

    Raises:
        click.ClickException: If the key that opens them is missing: a new one would open none.
    """
    key = settings.keys / "data_key"
    if not key.exists():
        raise click.ClickException(
            f"There is no {visible(str(key))}, by which pictures are sealed. Copy the one of the "
            "server, or start the server first."
        )
    return open_pictures(settings)


def open_wakes(settings: Settings) -> "Wakes":
    """Open what wakes workers.

    Raises:
        click.ClickException: If it cannot be used.
    """
    from hematovision.jobs import QueueUnusableError, open_queue

    try:
        return open_queue(settings)
    except QueueUnusableError as error:
        raise click.ClickException(visible(str(error))) from error


def _watch(settings: Settings, database: "Database") -> None:
    """Keep numbers where they are shared with a server, and send traces where they are wanted.

    Raises:
        click.ClickException: If packages are missing.
    """
    from hematovision.observing import signals

    if os.environ.get(FOLDER):
        from hematovision.observing.meters import METERS

        signals.watch(METERS)
    if settings.traces == OTLP:
        try:
            traces = open_traces(__version__)
        except TracesUnusableError as error:
            raise click.ClickException(str(error)) from error
        traces.follow(database.engine)
        signals.watch(traces)
