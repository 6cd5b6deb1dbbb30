"""`hematovision watch`: reads what a scanner or a camera drops into a folder."""

import json
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from hematovision.cli.recording import open_record
from hematovision.cli.stores import open_shelf
from hematovision.cli.tools import Refusal, Tools, visible
from hematovision.cli.worker import open_wakes
from hematovision.errors import PASSING, HematoVisionError

if TYPE_CHECKING:
    from hematovision.exchange.inbox import Inbox, Taken
    from hematovision.services.watching import Settled, Watch

SLICE_SECONDS = 0.2
"""So long nobody waits longer for it to end."""
DOOR = "folder"

log = logging.getLogger(__name__)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--once", is_flag=True, help="Read what is there and end.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1, max=3600),
    default=2.0,
    show_default=True,
    help="Seconds between two looks; a file that did not change for so long is read.",
)
@click.option(
    "--case-from-folder",
    "by_case",
    is_flag=True,
    help="Photos in a sub-folder belong to the case of its name, and workers read them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a file.")
@click.pass_context
def watch(
    context: click.Context, folder: Path, once: bool, interval: float, by_case: bool, as_json: bool
) -> None:
    """Read what arrives in FOLDER, until interrupted.

    Each file is read once, whatever is killed meanwhile, and moved to FOLDER/done or
    FOLDER/failed. A line is printed for each.
    """
    tools = context.ensure_object(Tools)
    with _open_watch(tools, folder, interval, by_case) as opened, _signals() as stop:
        rounds = Rounds(opened, tools, stop, _print_json if as_json else _print_line)
        left = rounds.run_once() if once else rounds.run()
    context.exit(1 if left else 0)


@dataclass(slots=True)
class Stop:
    """Whether somebody asked to end."""

    is_asked: bool = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        """End after the file in hand; who asks again does not wait for it."""
        self.is_asked = True
        signal.signal(number, signal.SIG_DFL)


@dataclass(slots=True)
class Rounds:
    """Looks through a folder again and again.

    Attributes:
        watch: Where files arrive, and where they go.
        tools: Let time go by.
        stop: Whether somebody asked to end.
        show: Prints what became of a file.
    """

    watch: "Watch"
    tools: Tools
    stop: Stop
    show: Any
    failed: int = 0
    _said: dict[str, str] = field(default_factory=dict)

    def run(self) -> int:
        """Go on until somebody asks to end; give no failure: what fails is told and put aside."""
        while not self.stop.is_asked:
            self._round()
            self._wait()
        return 0

    def run_once(self) -> int:
        """Read what is there; give how many files could not be read."""
        from hematovision.exchange.inbox import UnsettledError

        self._round()
        self._wait()
        done = self._round()
        inbox = self.watch.inbox
        for path in inbox.unfinished:
            self._say(str(path), UnsettledError("It is empty, or still being written."))
        return self.failed + len(inbox.left) + len(inbox.in_hand() if done else ()) + (not done)

    def _round(self) -> bool:
        """Work up what is in hand, then what is whole; False where the folder cannot be read."""
        inbox = self.watch.inbox
        try:
            for taken in inbox.in_hand():
                self._work_up(taken)
            for path in inbox.look():
                if fresh := None if self.stop.is_asked else self._take(inbox, path):
                    self._work_up(fresh)
        except OSError as error:
            self._say(str(inbox.root), error)
            return False
        self._said.pop(str(inbox.root), None)
        return True

    def _take(self, inbox: "Inbox", path: Any) -> "Taken | None":
        try:
            return inbox.take(path)
        except OSError as error:
            self._say(str(path), error)
            return None

    def _work_up(self, taken: "Taken") -> None:
        """Work up a file, unless somebody asked to end; what is not of its doing is tried again."""
        from hematovision.services.hands import Hand
        from hematovision.services.watching import work_up

        if self.stop.is_asked:
            return
        name = str(taken.path)
        try:
            settled = work_up(self.watch, taken, by=Hand(None, DOOR, datetime.now(UTC)))
        except (OSError, *PASSING) as error:
            # Another may have settled it.
            if self.watch.inbox.has(taken):
                self._say(name, error)
        except HematoVisionError as error:
            raise Refusal(error) from error
        except Exception as error:
            if self._say(name, error):
                log.exception("A file could not be worked up; it is tried again")
        else:
            self._said.pop(name, None)
            self.failed += bool(settled.why)
            self.show(self.watch.inbox.root, settled)

    def _say(self, name: str, error: BaseException) -> bool:
        """Say on standard error what is tried again; once, until it is another reason."""
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        is_new = self._said.get(name) != reason
        if is_new:
            self._said[name] = reason
            click.echo(f"{visible(name)}: {visible(reason)}", err=True)
        return is_new

    def _wait(self) -> None:
        """Let the interval go by, or less where somebody asks to end."""
        left = self.watch.inbox.interval
        while left > 0 and not self.stop.is_asked:
            self.tools.wait(timedelta(seconds=min(left, SLICE_SECONDS)))
            left -= SLICE_SECONDS


@contextmanager
def _open_watch(tools: Tools, folder: Path, interval: float, by_case: bool) -> Iterator["Watch"]:
    """Open the folder, and everything that its files are read with.

    Raises:
        click.ClickException: If something is missing or cannot be used.
    """
    from hematovision.exchange.archives import Limits
    from hematovision.exchange.inbox import Inbox
    from hematovision.services.intake import Tray
    from hematovision.services.watching import Watch

    settings = tools.settings
    inbox = Inbox(folder, interval)
    with open_record(settings) as plain:
        # Whoever drops files here may be anybody.
        decoder = tools.open_decoders(settings)
        record = replace(plain, decoder=decoder)
        limits = Limits(
            settings.max_archive_files, settings.max_file_bytes, settings.max_archive_bytes
        )
        queue = open_wakes(settings)
        tray = Tray(
            record.database, record.files, queue, limits, settings.max_pixels, decoder=decoder
        )
        shelf = open_shelf(tools, record.database)
        try:
            inbox.open()
            shelf.reader()
        except HematoVisionError as error:
            raise Refusal(error) from error
        except OSError as error:
            raise click.ClickException(
                f"{visible(str(folder))} cannot be written: {error.strerror or error}."
            ) from error
        yield Watch(inbox, record, tray, shelf.reader, by_case)


@contextmanager
def _signals() -> Iterator[Stop]:
    """End after the file in hand where somebody interrupts or ends the program."""
    stop = Stop()
    before = {name: signal.signal(name, stop.ask) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _print_json(root: Path, settled: "Settled") -> None:
    from hematovision.exchange.documents import reading_document

    document: dict[str, Any] = {
        "path": str(root / settled.taken.path),
        "state": str(settled.fate),
        "moved_to": None if settled.place is None else str(settled.place),
        "photo": settled.photo_id,
        "case": settled.accession,
        "why": settled.why or None,
    }
    _print(json.dumps(document | (reading_document(settled.reading) if settled.reading else {})))


def _print_line(root: Path, settled: "Settled") -> None:
    words = settled.why or _result(settled)
    _print("\t".join(filter(None, (settled.fate, visible(str(settled.taken.path)), words))))


def _result(settled: "Settled") -> str:
    if settled.accession is not None:
        return f"case {visible(settled.accession)}, photo {settled.photo_id}"
    if settled.reading is None:
        return ""
    counts: Sequence[str] = [f"{number} {name}" for name, number in settled.reading.counts.items()]
    return ", ".join(counts) or "no white cell"


def _print(line: str) -> None:
    """Print a line at once: whoever waits for it may be another program."""
    try:
        click.echo(line)
        sys.stdout.flush()
    except OSError as error:
        # What is on record stays so; to go on would be to speak to nobody.
        raise click.ClickException(f"The output cannot be written: {error.strerror}.") from error
