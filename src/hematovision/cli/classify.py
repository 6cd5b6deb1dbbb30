"""`hematovision classify`: read photos and print what was said of every white cell."""

import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from hematovision.cells import CellReader
from hematovision.cli.archive import archive_options, insist_on_output, read_into
from hematovision.cli.layouts import LAYOUTS, Layout
from hematovision.cli.photos import Unread, find_photos, read_bytes
from hematovision.cli.recording import Read, note, open_record, record_all
from hematovision.cli.stores import engine_of, open_shelf
from hematovision.cli.tools import Refusal, Tools, explained, visible
from hematovision.config import Settings
from hematovision.errors import HematoVisionError

if TYPE_CHECKING:
    from hematovision.services.recording import Record


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("-r", "--recursive", is_flag=True, help="Search the folders of a folder too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a line.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a table for spreadsheets, a row a cell.")
@click.option("--no-record", is_flag=True, help="Keep neither what is said nor the photos.")
@archive_options
@click.pass_context
def classify(
    context: click.Context,
    /,
    paths: tuple[str, ...],
    recursive: bool,
    as_json: bool,
    as_csv: bool,
    no_record: bool,
    **archive: Any,
) -> None:
    """Find and name the white cells of photos.

    PATH is a photo, a folder of photos, or - for a photo on standard input. What cannot be read is
    reported on standard error and skipped; the exit code is then 1. What is said is kept in the
    data folder, as that of every other door.

    With --output any number of photos is read into Parquet, from folders and s3:// addresses, and
    nothing is recorded. The same command goes on where it was stopped.
    """
    if as_json + as_csv + bool(archive["output"]) > 1:
        raise click.UsageError("--json, --csv and --output exclude each other.")
    tools = context.ensure_object(Tools)
    if archive["output"]:
        engine_of(tools)  # Before any process is started, what is missing is named.
        context.exit(read_into(tools.settings, paths, recursive=recursive, archive=archive))
    insist_on_output(archive)
    if sys.stdout is None:
        raise click.ClickException("Standard output is closed; there is nowhere to print.")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the encoding has no signs for is no reason to stop halfway.
        sys.stdout.reconfigure(errors="backslashreplace")
    photos = list(find_photos(paths, recursive=recursive))
    layout = "json" if as_json else "csv" if as_csv else "table"
    with nullcontext() if no_record else open_record(tools.settings) as record:
        reader = _reader(tools, record)
        unread = _classify(photos, reader, tools.settings, record, layout)
    context.exit(1 if unread else 0)


def _reader(tools: Tools, record: "Record | None") -> CellReader:
    """Load the model that reads here; without a record, the one of the settings.

    Raises:
        Refusal: If it cannot be loaded.
    """
    settings = tools.settings
    try:
        if record is None:
            return engine_of(tools)(settings.model_folder, threads=settings.threads)
        return open_shelf(tools, record.database).reader()
    except HematoVisionError as error:
        raise Refusal(error) from error


def _classify(
    photos: Sequence[str | Unread],
    reader: CellReader,
    settings: Settings,
    record: "Record | None",
    layout: str,
) -> int:
    """Read, record and print all photos; give how many could not be read."""
    keep = None if record is None else record.keep_pictures
    outcomes = _read_all(photos, reader, settings, keep=keep)
    # A bar among lines that are printed as they come would tear them.
    shown = layout == "table" or not sys.stdout.isatty()
    outcomes = _with_progress(outcomes, len(photos), shown=shown)
    try:
        unread = _print_all(LAYOUTS[layout](), record_all(outcomes, record) if record else outcomes)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output had enough; click ends the command quietly.
        raise
    except OSError as error:
        raise click.ClickException(f"The output cannot be written: {error.strerror}.") from error
    return unread


def _print_all(layout: Layout, outcomes: Iterable[Read | Unread]) -> int:
    """Print what was read, and on standard error what was not; give how many these are."""
    unread = 0
    for outcome in outcomes:
        if isinstance(outcome, Unread):
            unread += 1
            click.echo(f"{visible(outcome.path)}: {outcome.reason}", err=True)
        else:
            layout.add(outcome.path, outcome.reading)
    layout.close(unread)
    return unread


def _read_all(
    photos: Iterable[str | Unread], reader: CellReader, settings: Settings, *, keep: bool | None
) -> Iterator[Read | Unread]:
    """Read one photo after the other.

    Args:
        photos: Their paths, and what has none.
        reader: Finds and names the cells.
        settings: How this installation behaves.
        keep: Whether the pictures are to be kept; None where nothing is to be recorded.
    """
    for photo in photos:
        yield photo if isinstance(photo, Unread) else _read(photo, reader, settings, keep=keep)


def _read(path: str, reader: CellReader, settings: Settings, *, keep: bool | None) -> Read | Unread:
    """Read one photo, or say why not."""
    from hematovision.services.readings import read_image

    try:
        data = read_bytes(path, max_bytes=settings.max_file_bytes)
        photo = read_image(data, reader=reader, max_pixels=settings.max_pixels)
    except HematoVisionError as error:
        return Unread(path, explained(error))
    except OSError as error:
        return Unread(path, f"Cannot be opened: {error.strerror}. Check its name and your rights.")
    return Read(path, photo.reading, None if keep is None else note(photo, data, keep=keep))


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
