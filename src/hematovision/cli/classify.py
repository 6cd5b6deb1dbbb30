"""`hematovision classify`: read photos and print what was said of every white cell."""

import io
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import click

from hematovision.cells import CellReader, PhotoReading
from hematovision.cli.layouts import LAYOUTS
from hematovision.cli.photos import Unread, find_photos, read_bytes
from hematovision.cli.tools import Refusal, Tools, explained, visible
from hematovision.config import Settings
from hematovision.errors import HematoVisionError


@dataclass(frozen=True, slots=True)
class Read:
    """A photo that was read.

    Attributes:
        path: As it was given.
        reading: What was said of it.
    """

    path: str
    reading: PhotoReading


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("-r", "--recursive", is_flag=True, help="Search the folders of a folder too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a line.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a table for spreadsheets, a row a cell.")
@click.pass_context
def classify(
    context: click.Context, paths: tuple[str, ...], recursive: bool, as_json: bool, as_csv: bool
) -> None:
    """Find and name the white cells of photos.

    PATH is a photo, a folder of photos, or - for a photo on standard input. What cannot be read is
    reported on standard error and skipped; the exit code is then 1.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other.")
    tools = context.ensure_object(Tools)
    try:
        reader = tools.load_reader(tools.settings.model_folder, threads=tools.settings.threads)
    except HematoVisionError as error:
        raise Refusal(error) from error
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the encoding has no signs for is no reason to stop halfway.
        sys.stdout.reconfigure(errors="backslashreplace")
    photos = list(find_photos(paths, recursive=recursive))
    layout = LAYOUTS["json" if as_json else "csv" if as_csv else "table"]()
    unread = 0
    outcomes = _read_all(photos, reader, tools.settings)
    # A bar among lines that are printed as they come would tear them.
    shown = not (as_json or as_csv) or not sys.stdout.isatty()
    for outcome in _with_progress(outcomes, len(photos), shown=shown):
        if isinstance(outcome, Unread):
            unread += 1
            click.echo(f"{visible(outcome.path)}: {outcome.reason}", err=True)
        else:
            layout.add(outcome.path, outcome.reading)
    layout.close(unread)
    context.exit(1 if unread else 0)


def _read_all(
    photos: Iterable[str | Unread], reader: CellReader, settings: Settings
) -> Iterator[Read | Unread]:
    """Read one photo after the other."""
    for photo in photos:
        yield photo if isinstance(photo, Unread) else _read(photo, reader, settings)


def _read(path: str, reader: CellReader, settings: Settings) -> Read | Unread:
    """Read one photo, or say why not."""
    from hematovision.services.readings import read_image

    try:
        data = read_bytes(path, max_bytes=settings.max_file_bytes)
        photo = read_image(data, reader=reader, max_pixels=settings.max_pixels)
    except HematoVisionError as error:
        return Unread(path, explained(error))
    except OSError as error:
        return Unread(path, f"Cannot be opened: {error.strerror}. Check its name and your rights.")
    return Read(path, photo.reading)


def _with_progress(
    outcomes: Iterator[Read | Unread], total: int, *, shown: bool
) -> Iterator[Read | Unread]:
    """Show a bar on standard error while the photos are read, if a person is looking."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    disable = not (shown and console.is_terminal)
    # Redirected, what goes to a file would end on the terminal.
    with Progress(
        console=console, transient=True, redirect_stdout=False, disable=disable
    ) as progress:
        yield from progress.track(outcomes, total=total, description="Reading")
