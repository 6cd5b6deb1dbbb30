"""Many photos: as many in a request as is good, and a folder whose readings go into a file."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from hematovision.client.documents import Reading
from hematovision.client.failures import ApiError, ClientError

MOST_FILES = 8
MOST_BYTES = 2**26
TOO_LARGE = 413
BEGINNING = b'{"path": '
"""Of each line that is written here."""
OF_THE_PHOTO = {400, 413, 415, 422}
"""Answers that a photo gets for what it is."""
SUFFIXES = {".jpg", ".jpeg", ".jpe", ".png", ".tif", ".tiff", ".bmp", ".dib", ".webp"}

Read: TypeAlias = Reading | ApiError | OSError
"""What became of a photo: its reading, or why there is none."""
Send: TypeAlias = Callable[[Sequence[bytes]], Sequence[Reading | ApiError]]


@dataclass(slots=True)
class Summary:
    """What became of the photos of a folder.

    Attributes:
        output: The file that has the readings, a line each.
        read: How many were read now.
        skipped: How many the file had already.
        failed: Why the others have no reading, by path.
    """

    output: Path
    read: int = 0
    skipped: int = 0
    failed: dict[Path, ApiError | OSError] = field(default_factory=dict)


def read_all(paths: Iterable[Path], send: Send) -> Iterator[tuple[Path, Read]]:
    """Have photos read, in the order given.

    Args:
        paths: Their files.
        send: Has some of them read; gives an entry a file.
    """
    batch: list[tuple[Path, bytes]] = []
    for path in paths:
        try:
            content = path.read_bytes()
        except OSError as error:
            yield from _read_batch(batch, send)
            batch = []
            yield path, error
            continue
        if (
            len(batch) == MOST_FILES
            or sum(len(one) for _, one in batch) + len(content) > MOST_BYTES
        ):
            yield from _read_batch(batch, send)
            batch = []
        batch.append((path, content))
    yield from _read_batch(batch, send)


def _read_batch(batch: Sequence[tuple[Path, bytes]], send: Send) -> Iterator[tuple[Path, Read]]:
    """Have some photos read at once; in halves where they are too many for the server."""
    if not batch:
        return
    paths = [path for path, _ in batch]
    try:
        yield from zip(paths, send([content for _, content in batch]), strict=True)
    except ApiError as error:
        if len(batch) == 1 and error.status in OF_THE_PHOTO:
            yield paths[0], error
        elif len(batch) > 1 and error.status == TOO_LARGE:
            half = len(batch) // 2
            yield from _read_batch(batch[:half], send)
            yield from _read_batch(batch[half:], send)
        else:
            raise


def read_folder(
    folder: Path, output: Path, send: Send, *, recursive: bool, progress: bool
) -> Summary:
    """Have the photos of a folder read, and write a line each; what the file has is skipped.

    Args:
        folder: Where the photos are.
        output: JSON lines: the reading's document and its `path`, as seen from the folder.
        send: Has some of them read.
        recursive: Whether the folders of the folder are searched too.
        progress: Whether to show a bar, where somebody looks.
    """
    summary = Summary(output)
    had = _had(output)
    paths = photos_in(folder, recursive=recursive)
    with output.open("a", encoding="utf-8") as file, _bar(len(paths), shown=progress) as advance:

        def wanted() -> Iterator[Path]:
            for path in paths:
                if _key(folder, path) in had:
                    summary.skipped += 1
                    advance()
                else:
                    yield path

        for path, read in read_all(wanted(), send):
            advance()
            if isinstance(read, Reading):
                name = path.relative_to(folder).as_posix()
                # The server has no say in which photo was read.
                said = {key: value for key, value in read.document.items() if key != "path"}
                file.write(json.dumps({"path": name, **said}) + "\n")
                file.flush()
                summary.read += 1
            else:
                summary.failed[path] = read
    return summary


def photos_in(folder: Path, *, recursive: bool) -> Sequence[Path]:
    """List the photos of a folder, sorted; hidden ones are left alone."""
    found = folder.rglob("*") if recursive else folder.iterdir()
    return sorted(path for path in found if _is_photo(path.relative_to(folder), path))


def _is_photo(name: Path, path: Path) -> bool:
    is_hidden = any(part.startswith(".") for part in name.parts)
    return path.suffix.lower() in SUFFIXES and not is_hidden and path.is_file()


def _had(output: Path) -> set[tuple[str, str]]:
    """Say which photos a file has, by name and content; what a kill tore off its end is removed."""
    if not output.exists():
        return set()
    whole, _, torn = output.read_bytes().rpartition(b"\n")
    try:
        lines: Iterable[Mapping[str, Any]] = map(json.loads, whole.splitlines())
        had = {(line["path"], line["image"]["sha256"]) for line in lines}
        if not torn.startswith(BEGINNING[: len(torn)]):
            raise ValueError("The last line is none of ours.")
    except (ValueError, LookupError, TypeError) as error:
        raise ClientError(f"{output} is no file of readings. Name another.") from error
    if torn:
        with output.open("r+b") as file:
            file.truncate(len(whole) + 1 if whole else 0)
    return had


def _key(folder: Path, path: Path) -> tuple[str, str]:
    """Name a photo by where it is and what it holds."""
    try:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        sha256 = ""
    return path.relative_to(folder).as_posix(), sha256


def _bar(total: int, *, shown: bool) -> AbstractContextManager[Callable[[], None]]:
    """Show a bar on standard error; give what moves it on."""
    if not shown:
        return nullcontext(lambda: None)
    return _Bar(total)


class _Bar(AbstractContextManager[Callable[[], None]]):
    """A bar that is there while photos are read, if a person is looking."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

        console = Console(stderr=True)
        columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
        # Redirected, what a program prints would end on the terminal.
        self._progress = Progress(
            *columns,
            console=console,
            transient=True,
            redirect_stdout=False,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("Reading", total=total)

    def __enter__(self) -> Callable[[], None]:
        self._progress.start()
        return lambda: self._progress.advance(self._task)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
