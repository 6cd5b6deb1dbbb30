import json
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.conftest import EmptyReader, StubReader

from hematovision.cells import CellReader, Reading, RgbImage
from hematovision.cli.tools import Tools
from hematovision.errors import ModelMissingError

from .conftest import Outage, Run

QUICK = ("watch", "--interval", "0.1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def drop(folder: Path, name: str, content: bytes) -> None:
    place = folder / name
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(content)


def test_each_file_is_a_line(run: Run, folder: Path, jpeg: bytes) -> None:
    drop(folder, "a.jpg", jpeg)
    drop(folder, "b.jpg", b"no photo")
    done = run(*QUICK, "--once", folder)
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "read\ta.jpg\t1 neutrophil, 1 unidentified",
        "failed\tb.jpg\tThe file is not a JPEG, PNG, TIFF, BMP or WebP picture. Save the photo as "
        "JPEG, PNG, TIFF, BMP or WebP and send it again.",
    ]
    assert done.stderr == ""
    again = run(*QUICK, "--once", folder)
    assert (again.exit_code, again.output) == (0, "")


def test_name_cannot_steer_the_terminal(run: Run, folder: Path, jpeg: bytes, tools: Tools) -> None:
    drop(folder, "\x1b[31m.jpg", jpeg)
    none = replace(tools, load_reader=lambda folder, threads=0: EmptyReader())
    assert run(*QUICK, "--once", folder, tools=none).stdout == (
        "read\t\\x1b[31m.jpg\tno white cell\n"
    )


def test_each_file_is_a_document(run: Run, folder: Path, jpeg: bytes) -> None:
    drop(folder, "a.jpg", jpeg)
    drop(folder, "26-0837/b.jpg", jpeg)
    drop(folder, "b.jpg", b"no photo")
    done = run(*QUICK, "--once", "--json", "--case-from-folder", folder)
    waiting, read, failed = map(json.loads, done.stdout.splitlines())
    assert waiting == {
        "path": str(folder / "26-0837/b.jpg"),
        "state": "waiting",
        "moved_to": str(folder / "done/26-0837/b.jpg"),
        "photo": 1,
        "case": "26-0837",
        "why": None,
    }
    assert (read["state"], read["counts"]) == ("read", {"neutrophil": 1, "unidentified": 1})
    assert (failed["state"], failed["moved_to"]) == ("failed", str(folder / "failed/b.jpg"))


def test_photo_of_a_case_is_a_line(run: Run, folder: Path, jpeg: bytes) -> None:
    drop(folder, "26-0837/b.jpg", jpeg)
    done = run(*QUICK, "--once", "--case-from-folder", folder)
    assert done.stdout == "waiting\t26-0837/b.jpg\tcase 26-0837, photo 1\n"
    assert done.exit_code == 0


def test_file_that_is_still_being_written_is_left(run: Run, folder: Path) -> None:
    drop(folder, "a.jpg", b"")
    done = run(*QUICK, "--once", folder)
    assert done.exit_code == 1
    assert done.stderr == "a.jpg: It is empty, or still being written.\n"
    assert (folder / "a.jpg").exists()


def test_without_a_model_nothing_is_taken(
    run: Run, folder: Path, jpeg: bytes, tools: Tools
) -> None:
    def refuse(folder: Path, *, threads: int = 0) -> CellReader:
        raise ModelMissingError("There is no model.")

    drop(folder, "a.jpg", jpeg)
    done = run(*QUICK, "--once", folder, tools=replace(tools, load_reader=refuse))
    assert done.exit_code == 1
    assert "There is no model." in done.stderr
    assert (folder / "a.jpg").exists()


def test_folder_that_cannot_be_written_is_told(run: Run, folder: Path) -> None:
    (folder / "reading").write_bytes(b"in the way")
    done = run(*QUICK, "--once", folder)
    assert done.exit_code == 1
    assert "cannot be written: File exists." in done.stderr


def pausing(tools: Tools, *happenings: Callable[[], object] | None) -> Tools:
    """Let something happen in each pause of a watch, and end it after the last."""
    left = list(happenings)

    def wait(span: timedelta) -> None:
        # So long that what did not change is whole.
        tools.wait(timedelta(seconds=0.11))
        if not left:
            signal.raise_signal(signal.SIGTERM)
        elif happening := left.pop(0):
            happening()

    return replace(tools, wait=wait)


def test_watch_goes_on_until_it_is_ended(run: Run, folder: Path, jpeg: bytes, tools: Tools) -> None:
    pauses = [
        lambda: drop(folder, "a.jpg", jpeg),
        None,
        None,
        lambda: drop(folder, "b.jpg", jpeg),
        None,
    ]
    before = signal.getsignal(signal.SIGTERM)
    done = run(*QUICK, folder, tools=pausing(tools, *pauses))
    assert done.exit_code == 0
    assert [line.split("\t")[1] for line in done.stdout.splitlines()] == ["a.jpg", "b.jpg"]
    assert signal.getsignal(signal.SIGTERM) == before


def test_file_in_hand_is_ended_and_no_other_begun(
    run: Run, folder: Path, jpeg: bytes, tools: Tools
) -> None:
    class Interrupted(StubReader):
        def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
            signal.raise_signal(signal.SIGINT)
            return super().read(photo, explain=explain)

    for name in ("a.jpg", "b.jpg"):
        drop(folder, name, jpeg)
    own = replace(tools, load_reader=lambda folder, threads=0: Interrupted())
    done = run(*QUICK, folder, tools=own)
    assert done.exit_code == 0
    assert done.stdout.startswith("read\ta.jpg")
    assert (folder / "b.jpg").exists()


def test_folder_that_is_away_for_a_while_is_told_once(
    run: Run, folder: Path, tools: Tools, tmp_path: Path
) -> None:
    away = tmp_path / "away"
    pauses = [lambda: folder.rename(away), None, None, lambda: away.rename(folder), None]
    done = run(*QUICK, folder, tools=pausing(tools, *pauses))
    assert done.exit_code == 0
    assert done.stderr == f"{folder}: No such file or directory\n"


def test_database_that_is_away_costs_no_file(
    run: Run, folder: Path, jpeg: bytes, tools: Tools, outage: Outage
) -> None:
    def begin() -> None:
        outage.is_there = True

    def end() -> None:
        outage.is_there = False

    drop(folder, "a.jpg", jpeg)
    done = run(*QUICK, folder, tools=pausing(tools, begin, *[None] * 5, end, None))
    assert done.stderr.count("a.jpg: The database does not answer.\n") == 1
    assert done.stdout.startswith("read\ta.jpg")


def test_fault_of_the_program_puts_a_file_aside_in_the_end(
    run: Run, folder: Path, jpeg: bytes, tools: Tools
) -> None:
    class Broken(StubReader):
        def read(self, photo: RgbImage, *, explain: bool = False) -> Sequence[Reading]:
            raise ZeroDivisionError

    drop(folder, "a.jpg", jpeg)
    own = replace(tools, load_reader=lambda folder, threads=0: Broken())
    done = run(*QUICK, folder, tools=pausing(own, *[None] * 5))
    assert done.stdout.startswith("failed\ta.jpg\tReading it ended in a fault 3 times.")
