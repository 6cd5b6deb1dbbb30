"""`hematovision references`: cells of known type, to show beside doubtful ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hematovision.cells import SUFFIXES
from hematovision.cli.stores import open_album, open_records, terminal
from hematovision.cli.tools import Refusal, Tools, explained, visible
from hematovision.errors import HematoVisionError

if TYPE_CHECKING:
    from hematovision.services.crops import Album


@click.group()
def references() -> None:
    """Keep cells of known type, which the gallery shows beside doubtful ones."""


@references.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--source", required=True, help="Whence the set comes; it is shown with each cell.")
@click.pass_context
def load(context: click.Context, folder: Path, source: str) -> None:
    """Load a set: in FOLDER a folder of pictures a name, called by its code."""
    from hematovision.services.references import add_reference

    added, failed = 0, False
    with _album(context) as album:
        for path in _pictures(folder):
            try:
                picture = path.read_bytes()
                added += add_reference(album, path.parent.name, source, picture, by=terminal())
            except (HematoVisionError, OSError) as error:
                failed = True
                words = explained(error) if isinstance(error, HematoVisionError) else str(error)
                click.echo(f"{visible(str(path))}: {words}", err=True)
    click.echo(f"{added} cells are loaded.")
    if failed:
        context.exit(1)


@references.command("list")
@click.pass_context
def list_sets(context: click.Context) -> None:
    """List how many cells each set has of each name."""
    from hematovision.services.references import count_references

    with _album(context) as album:
        for source, label, number in count_references(album.database):
            click.echo(f"{visible(source)}\t{label}\t{number}")


@references.command()
@click.argument("source")
@click.pass_context
def remove(context: click.Context, source: str) -> None:
    """Throw a set away."""
    from hematovision.services.references import remove_references

    with _album(context) as album:
        gone = remove_references(album.database, album.files, source, by=terminal())
    if not gone:
        raise click.ClickException(f"There is no set {visible(source)}.")


def _pictures(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*/*"))
    return [path for path in found if path.suffix.lower() in SUFFIXES and path.name[0] != "."]


@contextmanager
def _album(context: click.Context) -> Iterator["Album"]:
    """Open database and pictures; end with exit code 1 where something is refused."""
    tools = context.ensure_object(Tools)
    database = open_records(tools.settings)
    try:
        yield open_album(tools, database)
    except HematoVisionError as error:
        raise Refusal(error) from error
    finally:
        database.close()
