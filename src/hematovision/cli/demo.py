"""`hematovision demo`: a laboratory to be thrown away, to look around in."""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hematovision.cells import NOTICE
from hematovision.cli.photos import Unread, find_photos, read_bytes
from hematovision.cli.serve import address_of, listen
from hematovision.cli.stores import open_pictures, open_records, terminal
from hematovision.cli.tools import Refusal, Tools, track, visible
from hematovision.config import PREFIX, Settings
from hematovision.errors import HematoVisionError

if TYPE_CHECKING:
    from hematovision.services.demonstrations import Person
    from hematovision.services.films import Film

SEED = 5
"""Of the drawn smears: every demonstration shows the same."""
TO_DROP = "to-drop"
"""A folder of drawn photos that no case has yet."""
FEW = 4
HOST = "127.0.0.1"
"""Nobody else is let in: the passwords stand on the screen."""


@click.command()
@click.argument("pictures", nargs=-1, type=click.Path(exists=True))
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Where to listen, on this machine alone; 0 takes a free port.  [default: 0]",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    help="A folder to make and to leave behind; otherwise all is deleted at the end.",
)
@click.option("--no-serve", is_flag=True, help="Prepare only; needs --keep.")
@click.pass_context
def demo(
    context: click.Context, pictures: Sequence[str], port: int, keep: Path | None, no_serve: bool
) -> None:
    """Make a laboratory to be thrown away, and serve it until interrupted.

    PICTURES are photos or folders: each folder becomes a case, those of one folder alone are spread
    over cases. Without any, smears are drawn, and say so.
    """
    if no_serve and keep is None:
        raise click.UsageError("--no-serve leaves nothing behind without --keep.")
    tools = context.ensure_object(Tools)
    films = _films(pictures, tools.settings)
    if port:
        # Before all is prepared, not afterwards.
        listen(HOST, port).close()
    with _ended_by_sigterm(), _folder(keep, tools.settings) as folder:
        settings = apart(tools.settings, folder, port)
        with _whole_or_gone(folder):
            people = _prepare(tools, settings, films)
        _introduce(settings, people, kept=keep is not None, drawn=not pictures)
        if not no_serve:
            _serve(tools, settings)


def apart(settings: Settings, folder: Path, port: int) -> Settings:
    """Give settings that share nothing with the installation of this machine but its model."""
    return Settings(
        model_folder=settings.model_folder,
        threads=settings.threads,
        decoders=settings.decoders,
        data_folder=folder,
        host=HOST,
        port=port,
    )


def environment_of(settings: Settings, real: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Give the environment of a process that works for the demonstration and nobody else."""
    others = {name: value for name, value in real.items() if not name.startswith(PREFIX)}
    shared = ("model_folder", "data_folder", "threads", "decoders")
    return others | {PREFIX + name.upper(): str(getattr(settings, name)) for name in shared}


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end it as Ctrl+C does, so that nothing is left behind."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _folder(keep: Path | None, settings: Settings) -> Iterator[Path]:
    """Make the data folder, and delete it afterwards unless it is to be kept.

    Raises:
        click.ClickException: If it is there, or is the one of this machine's installation.
    """
    if keep is None:
        with tempfile.TemporaryDirectory(
            prefix="hematovision-demo-", ignore_cleanup_errors=True
        ) as name:
            yield Path(name)
        return
    folder, real = keep.expanduser().resolve(), settings.data_folder.expanduser().resolve()
    if folder == real or real in folder.parents:
        raise click.ClickException(
            f"{visible(str(keep))} belongs to the installation of this machine; name another."
        )
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError as error:
        raise click.ClickException(
            f"{visible(str(keep))} is there already; name a folder that is not."
        ) from error
    except OSError as error:
        raise click.ClickException(
            f"{visible(str(keep))} cannot be made: {error.strerror}."
        ) from error
    yield folder


@contextmanager
def _whole_or_gone(folder: Path) -> Iterator[None]:
    """Leave no laboratory behind that is not whole."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _films(pictures: Sequence[str], settings: Settings) -> Sequence["Film"]:
    """Say which films the cases are made of.

    Raises:
        click.ClickException: If a path has no photo or cannot be searched.
    """
    from hematovision.services.films import drawn_films, photo_films

    if not pictures:
        return drawn_films(seed=SEED)
    folders: dict[Path, list[Callable[[], bytes]]] = {}
    for found in find_photos(pictures, recursive=True):
        if isinstance(found, Unread):
            raise click.ClickException(f"{visible(found.path)}: {found.reason}")
        photos = folders.setdefault(Path(found).parent, [])
        photos.append(_opener(found, settings.max_file_bytes))
    return photo_films(list(folders.values()))


def _opener(path: str, max_bytes: int) -> Callable[[], bytes]:
    return lambda: read_bytes(path, max_bytes=max_bytes)


def _prepare(tools: Tools, settings: Settings, films: Sequence["Film"]) -> Sequence["Person"]:
    """Fill the laboratory.

    Raises:
        click.ClickException: If something is missing or cannot be used.
    """
    from hematovision.services.acting import add_film
    from hematovision.services.batches import Desk
    from hematovision.services.crops import Album
    from hematovision.services.demonstrations import add_people, begin, cast_of, set_up

    try:
        reader = tools.load_reader(settings.model_folder, threads=settings.threads)
        database = open_records(settings)
        try:
            begin(database, by=terminal())
            people = add_people(database, by=terminal())
            desk = Desk(database, open_pictures(settings), reader)
            set_up(Album(database, desk.files, desk.max_pixels), by=terminal())
            for film in track(films, "Reading the cases"):
                add_film(desk, film, cast_of(people), clock=lambda: datetime.now(UTC))
        finally:
            database.close()
    except HematoVisionError as error:
        raise Refusal(error) from error
    except OSError as error:
        where = visible(str(error.filename or settings.data_folder))
        raise click.ClickException(f"{where}: {error.strerror or error}.") from error
    _lay_out(settings.data_folder)
    return people


def _lay_out(folder: Path) -> None:
    """Write a few drawn photos that a case may be given."""
    from hematovision.services.films import photos_to_drop

    (folder / TO_DROP).mkdir()
    for number, picture in enumerate(photos_to_drop(fields=FEW, seed=SEED), 1):
        (folder / TO_DROP / f"drawn-{number}.jpg").write_bytes(picture)


def _introduce(settings: Settings, people: Sequence["Person"], *, kept: bool, drawn: bool) -> None:
    """Say who works here, and what becomes of all this."""
    width = max(len(person.user.name) for person in people)
    click.echo("A laboratory to be thrown away. Its people and their passwords:\n")
    for person in people:
        click.echo(f"  {person.user.name:<{width}}  {person.password}  {person.user.role}")
    click.echo(f"\nPhotos to drop into a case: {visible(str(settings.data_folder / TO_DROP))}")
    if drawn:
        click.echo("The smears are drawn: they are no photos, and the cells are nobody's.")
    if kept:
        click.echo(f"It is kept: HEMATOVISION_DATA_FOLDER={visible(str(settings.data_folder))}")
    click.echo(NOTICE)


def _serve(tools: Tools, settings: Settings) -> None:
    """Serve until interrupted."""
    server = tools.open_server(settings)
    click.echo(f"\nThe demonstration is at {address_of(server)}\nStop it with Ctrl+C.")
    with tools.keep_workers(1, environment_of(settings)):
        server.run()
