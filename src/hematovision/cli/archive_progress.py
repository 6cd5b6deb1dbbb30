"""How far an archive is read: a line that renews itself, or a line every ten seconds in a log."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hematovision.services.archive_parts import Totals
    from hematovision.services.archives import Census

SECONDS = 10.0
TERMINAL_SECONDS = 0.5


@contextmanager
def shown(run: "Totals", census: "Census", *, seconds: float = SECONDS) -> Iterator[None]:
    """Show on standard error how far a run is, while it goes on.

    Args:
        run: What was read in this run; it grows.
        census: How much there is to read; it grows as well.
        seconds: A line comes so often where nobody is looking at a terminal.
    """
    from rich.console import Console

    console = Console(stderr=True)
    begin = monotonic()
    if not console.is_terminal:
        with _every(seconds, lambda: click.echo(_line(run, census, monotonic() - begin), err=True)):
            yield
        return
    with console.status("Starting") as status:

        def renew() -> None:
            status.update(_line(run, census, monotonic() - begin))

        with _every(TERMINAL_SECONDS, renew):
            yield


@contextmanager
def _every(seconds: float, what: Callable[[], None]) -> Iterator[None]:
    """Do something again and again in a thread of its own."""
    over = threading.Event()

    def go() -> None:
        while not over.wait(seconds):
            what()

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _line(run: "Totals", census: "Census", seconds: float) -> str:
    """Say how many, how fast, and how long it will take."""
    more = "" if census.is_over else " or more"
    left = census.photos - run.photos
    end = ""
    if census.is_over and run.photos and left > 0:
        end = f", {timedelta(seconds=round(left / run.photos * seconds))} left"
    failed = run.failed.total()
    return (
        f"{run.photos:,} of {census.photos:,}{more} photos, {run.photos / seconds:.1f} photos/s, "
        f"{run.cells / seconds:.1f} cells/s, {failed:,} failed{end}"
    )
