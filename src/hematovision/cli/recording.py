"""Readings of the terminal on record: a batch at a time, and none is printed before."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from hematovision.cells import PhotoReading
from hematovision.cli.photos import Unread
from hematovision.cli.stores import open_pictures, open_records, terminal
from hematovision.cli.tools import visible
from hematovision.config import Settings
from hematovision.errors import PASSING

if TYPE_CHECKING:
    from hematovision.services.readings import ReadPhoto
    from hematovision.services.recording import Noted, Record

BATCH_SECONDS = 0.5
BATCH_BYTES = 2**26
WITHOUT = "To read without a record: --no-record."


@dataclass(frozen=True, slots=True)
class Read:
    """A photo that was read.

    Attributes:
        path: As it was given.
        reading: What was said of it.
        noted: What is recorded; None where nothing is to be.
    """

    path: str
    reading: PhotoReading
    noted: "Noted | None" = None


@contextmanager
def open_record(settings: Settings) -> Iterator["Record"]:
    """Open where readings are kept.

    Raises:
        click.ClickException: If it cannot be opened.
    """
    from hematovision.services.recording import Record

    try:
        database = open_records(settings)
        files = open_pictures(settings)
    except click.ClickException as error:
        raise click.ClickException(f"{error.message} {WITHOUT}") from error
    try:
        yield Record(database, files, settings.keep_pictures)
    finally:
        database.close()


def note(photo: "ReadPhoto", data: bytes, *, keep: bool) -> "Noted":
    """Note what is recorded of a photo, its reading and its file."""
    from hematovision.services.recording import Noted

    return Noted.of(photo, data, keep_picture=keep)


def record_all(outcomes: Iterable[Read | Unread], record: "Record") -> Iterator[Read | Unread]:
    """Record what was read before it is passed on, as many at once as half a second brings.

    Raises:
        click.ClickException: If it cannot be written; then what is not on record is not passed on.
    """
    batch: list[Read | Unread] = []
    begin = time.monotonic()
    for outcome in outcomes:
        batch.append(outcome)
        if time.monotonic() - begin > BATCH_SECONDS or _size(batch) > BATCH_BYTES:
            yield from _recorded(batch, record)
            batch, begin = [], time.monotonic()
    yield from _recorded(batch, record)


def _recorded(batch: Sequence[Read | Unread], record: "Record") -> Sequence[Read | Unread]:
    from hematovision.services.recording import record_readings

    notes = _notes(batch)
    try:
        if notes:
            record_readings(record, notes, by=terminal())
    except (OSError, *PASSING) as error:
        raise _refusal(error) from error
    return batch


def _notes(batch: Sequence[Read | Unread]) -> "list[Noted]":
    return [one.noted for one in batch if isinstance(one, Read) and one.noted]


def _size(batch: Sequence[Read | Unread]) -> int:
    return sum(len(noted.picture or b"") for noted in _notes(batch))


def _refusal(error: BaseException) -> click.ClickException:
    return click.ClickException(
        f"The readings cannot be recorded: {visible(str(error)).rstrip('.')}. {WITHOUT}"
    )
