"""What the commands work with, and how they speak of paths and failures."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from hematovision.cells import CellReader, LoadReader
from hematovision.config import Settings
from hematovision.errors import HematoVisionError
from hematovision.learning import LearningError


def _load_reader(folder: Path, *, threads: int = 0) -> CellReader:
    """Load the real reader; the networks' engine is imported only now."""
    from hematovision.vision.reader import load_reader

    return load_reader(folder, threads=threads)


def _open_decoders(settings: Settings) -> Any:
    """Keep real processes that decode."""
    from hematovision.vision.decoders import open_decoders

    return open_decoders(settings.decoders, max_pixels=settings.max_pixels)


def _make_fold(data: Path, photos: Any, folder: Path, **options: Any) -> Path:
    """Make a real model without a fold."""
    from hematovision.learning.making import make_fold

    return make_fold(data, photos, folder, **options)


def _leave_types_out(data: Path, **options: Any) -> Any:
    """Make real networks without a type of cells."""
    from hematovision.learning.making import leave_types_out

    return leave_types_out(data, **options)


def _open_server(settings: Settings) -> Any:
    """Open the real server."""
    from hematovision.cli.serve import open_server

    return open_server(settings)


def _keep_workers(number: int, *options: Any) -> AbstractContextManager[None]:
    """Start real workers."""
    from hematovision.cli.children import keep_workers

    return keep_workers(number, *options)


def _wait(span: timedelta) -> None:
    """Let time go by."""
    time.sleep(span.total_seconds())


@dataclass(frozen=True, slots=True)
class Tools:
    """What the commands work with; a test hands over its own.

    Attributes:
        settings: How this installation behaves.
        load_reader: Turns the model folder into a reader that reads in the process.
        open_decoders: Keeps processes that decode pictures which others have sent.
        open_server: Makes a server that has its port and does not run yet.
        keep_workers: Keeps a number of workers running beside the server.
        make_fold: Makes a model folder without the photos of a fold.
        leave_types_out: Scores each type of *other* by networks that have not seen it.
        wait: Lets time go by.
    """

    settings: Settings = field(default_factory=Settings)
    load_reader: LoadReader = _load_reader
    open_decoders: Callable[[Settings], Any] = _open_decoders
    open_server: Callable[[Settings], Any] = _open_server
    keep_workers: Callable[..., AbstractContextManager[None]] = _keep_workers
    make_fold: Callable[..., Path] = _make_fold
    leave_types_out: Callable[..., Any] = _leave_types_out
    wait: Callable[[timedelta], None] = _wait


class Refusal(click.ClickException):
    """Ends a command with exit code 1, saying what is wrong and what to do."""

    def __init__(self, error: HematoVisionError) -> None:
        """Take the words of the failure."""
        super().__init__(explained(error))


@contextmanager
def failures_in_words(extra: str = "train") -> Iterator[None]:
    """End a command with exit code 1 where something is missing, wrong or full.

    Args:
        extra: Of HematoVision; it brings the packages that the command needs.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"This needs {error.name}: pip install 'hematovision[{extra}]'"
        ) from error
    except HematoVisionError as error:
        raise Refusal(error) from error
    except LearningError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        # A full disk, a folder that may not be written, a file that went away.
        where = f"{visible(str(error.filename))}: " if error.filename else ""
        raise click.ClickException(f"{where}{error.strerror or error}.") from error


def explained(error: HematoVisionError) -> str:
    """Say what is wrong, then what to do."""
    return f"{error.message} {error.advice}"


def track(items: Iterable[Any], what: str) -> Iterable[Any]:
    """Show how far a list is done, on standard error."""
    from rich.console import Console
    from rich.progress import track as show

    return show(list(items), description=what, console=Console(stderr=True), transient=True)


def visible(path: str) -> str:
    """Show a path on one line of a terminal, whatever characters its name has.

    Control characters could move the cursor or recolour the table; bytes that are no text cannot
    be written at all.
    """
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in path)
