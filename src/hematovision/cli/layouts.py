"""How readings are printed: a table for people, JSON lines and CSV for programs."""

import csv
import json
import sys
from collections import Counter
from collections.abc import Callable
from typing import Protocol

import click

from hematovision.cells import NOTICE, PhotoReading, Reading
from hematovision.cli.tools import visible


class Layout(Protocol):
    """Prints readings as they come, or all at the end."""

    def add(self, path: str, reading: PhotoReading) -> None:
        """Take one photo."""
        ...

    def close(self, unread: int) -> None:
        """Finish, knowing how many photos could not be read."""
        ...


class JsonLines:
    """One document a line, in the shape of every door, with the path as it was given."""

    def add(self, path: str, reading: PhotoReading) -> None:
        """Print the document at once."""
        from hematovision.exchange.documents import reading_document

        click.echo(json.dumps({"path": path, **reading_document(reading)}))

    def close(self, unread: int) -> None:
        """Print nothing more: every line is a document."""


class Csv:
    """A row a cell under a header."""

    def __init__(self) -> None:
        """Print the header."""
        from hematovision.exchange.tabular import COLUMNS

        # Standard output translates a line feed to what the system uses.
        self._writer = csv.writer(sys.stdout, lineterminator="\n")
        self._writer.writerow(COLUMNS)

    def add(self, path: str, reading: PhotoReading) -> None:
        """Print the rows at once."""
        from hematovision.exchange.tabular import reading_rows

        shown = visible(path) if sys.stdout.isatty() else click.format_filename(path)
        self._writer.writerows(reading_rows(shown, reading))

    def close(self, unread: int) -> None:
        """Print nothing more: every line is a row."""


class TerminalTable:
    """A table of all cells, and totals."""

    def __init__(self) -> None:
        """Name the columns."""
        from rich.box import SIMPLE
        from rich.table import Table

        self._table = Table(box=SIMPLE)
        self._table.add_column("Photo", overflow="fold")
        self._table.add_column("Cell", justify="right")
        self._table.add_column("Name")
        self._table.add_column("Sure", justify="right")
        self._table.add_column("Could be", overflow="fold")
        self._photos = 0
        self._counts: Counter[str] = Counter()

    def add(self, path: str, reading: PhotoReading) -> None:
        """Keep one photo; the widths of the columns are known at the end."""
        from rich.text import Text

        self._photos += 1
        self._counts.update(reading.counts)
        rows = [_row(number, cell) for number, cell in enumerate(reading.cells, start=1)]
        # A Text, because a name like "[red]" would be taken for markup.
        photo = Text(visible(path))
        for row in rows or [("", "no white cell found", "", "")]:
            self._table.add_row(photo, *row)
            photo = Text()

    def close(self, unread: int) -> None:
        """Print the table and the totals."""
        from rich.console import Console

        console = Console(highlight=False)
        if self._photos:
            console.print(self._table)
            click.echo(self._totals(unread))
            click.echo(NOTICE)

    def _totals(self, unread: int) -> str:
        names = ", ".join(f"{number} {name}" for name, number in self._counts.most_common())
        cells = _number(self._counts.total(), "cell") + (f": {names}" if names else "")
        tail = f" {_number(unread, 'file')} not read." if unread else ""
        return f"{_number(self._photos, 'photo')}, {cells}.{tail}"


def _row(number: int, cell: Reading) -> tuple[str, str, str, str]:
    others = [str(name) for name in cell.prediction_set if name != cell.cell_type]
    return (
        str(number),
        str(cell.cell_type or cell.decision),
        f"{cell.confidence:.1%}",
        ", ".join(others),
    )


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


LAYOUTS: dict[str, Callable[[], Layout]] = {"table": TerminalTable, "json": JsonLines, "csv": Csv}
