"""A whole installation: real processes of our own program around one data folder."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
from PIL import Image
from tests.vision.networks import SPOT, write_tiny_model

from hematovision.config import Settings
from hematovision.jobs import open_queue
from hematovision.services.batches import add_photo
from hematovision.services.cases import open_case
from hematovision.services.hands import Hand
from hematovision.storage.cases import Case
from hematovision.storage.database import Database, open_database
from hematovision.storage.files import open_files
from hematovision.storage.photos import PhotoState
from hematovision.storage.private import keep_data_key
from hematovision.storage.sealing import Seal

Found = TypeVar("Found")


@dataclass(slots=True)
class Installation:
    """Processes that are started here are killed in the end.

    Attributes:
        folder: Of the log, and of the data.
        settings: Of every process.
        database: Theirs, as a test looks at it.
        processes: What was started.
    """

    folder: Path
    settings: Settings
    environment: Mapping[str, str]
    database: Database
    processes: list[psutil.Popen] = field(default_factory=list)

    @property
    def log(self) -> str:
        """Give all that was said on standard error."""
        return (self.folder / "log").read_text()

    def start(self, *arguments: str, program: str = "") -> psutil.Popen:
        """Start the program, or another that is written in Python."""
        code = ["-c", program] if program else ["-m", "hematovision"]

        def heed_interrupts() -> None:
            # Tests that run in the background of a shell do not, and neither would their children.
            signal.signal(signal.SIGINT, signal.SIG_DFL)

        with (self.folder / "log").open("ab") as log:
            process = psutil.Popen(
                [sys.executable, *code, *arguments],
                env=os.environ | self.environment,
                stdout=subprocess.DEVNULL,
                stderr=log,
                preexec_fn=heed_interrupts,
            )
        self.processes.append(process)
        return process

    def send(self, pictures: Sequence[bytes], accession: str = "26-0837") -> Case:
        """Send pictures of a new case, as the page does."""
        by = Hand(None, "page", datetime.now(UTC))
        seal = Seal(keep_data_key(self.settings.data_folder))
        files = open_files("", self.settings.data_folder, seal)
        queue = open_queue(self.settings)
        case = open_case(self.database, accession, by=by)
        for picture in pictures:
            add_photo(self.database, files, case, picture, by=by)
            queue.wake()
        return case

    def states(self, case: Case) -> dict[PhotoState, int]:
        with self.database.reading() as records:
            return records.photos.count(case.id)

    def until(self, find: Callable[[], Found], seconds: float = 60) -> Found:
        """Wait until something is found."""
        end = time.monotonic() + seconds
        while not (found := find()):
            assert time.monotonic() < end, f"this does not happen; the log:\n{self.log}"
            time.sleep(0.02)
        return found

    def children(self, process: psutil.Popen) -> list[psutil.Process]:
        """Find the workers that a server has started."""
        return [one for one in process.children() if lives(one) and "worker" in one.cmdline()]


@contextmanager
def installation(
    folder: Path,
    open_records: Callable[[str, Path], Database] = open_database,
    **given: str,
) -> Iterator[Installation]:
    """Set an installation up for as long as it is needed.

    Args:
        folder: Empty.
        open_records: Opens the database; makes its tables, unless that is for its processes.
        given: Settings; without a model folder, two tiny networks read.
    """
    given = {"model_folder": str(write_tiny_model(folder / "model"))} | given
    given["data_folder"] = str(folder / "private")
    environment = {f"HEMATOVISION_{name.upper()}": value for name, value in given.items()}
    settings = Settings.from_environment(environment)
    database = open_records(settings.database_url, settings.data_folder)
    made = Installation(folder, settings, environment, database)
    try:
        yield made
    finally:
        for process in made.processes:
            _kill(process)
        database.close()


def field_pictures(number: int) -> Sequence[bytes]:
    """Draw a field with two cells for the tiny networks, as files of which no two are the same."""
    field_of_view = np.full((256, 256, 3), 240, np.uint8)
    for x, y in ((32, 160), (128, 64)):
        field_of_view[y : y + SPOT, x : x + SPOT] = (10, 30, 200)
    buffer = io.BytesIO()
    Image.fromarray(field_of_view).save(buffer, "PNG")
    # What follows the end of a picture is not looked at.
    return [buffer.getvalue() + str(one).encode() for one in range(number)]


def lives(process: psutil.Process) -> bool:
    """Tell whether a process runs; one that nobody has buried does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _kill(process: psutil.Popen) -> None:
    """Kill a process and what it has started."""
    if process.is_running():
        for child in process.children():
            child.kill()
        process.kill()
    process.wait()
