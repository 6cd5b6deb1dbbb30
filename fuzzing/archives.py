"""`make fuzz`: unpacks mutated ZIPs, and counts what becomes of them.

Each entry is unpacked within the limits, or refused by a name; all else is a bug and ends this with
exit code 1.
"""

import argparse
import io
import random
import time
import tracemalloc
import zipfile
from collections.abc import Sequence
from time import perf_counter

from rich.console import Console

from fuzzing.images import show
from fuzzing.mutations import mutate
from fuzzing.uploads import Tally, WrongError
from hematovision.errors import HematoVisionError
from hematovision.exchange.archives import Limits, is_archive, read_archive

LIMITS = Limits(entries=50, entry_bytes=2**20, bytes=2**21)
MOST_BYTES = 16 * 2**20
"""Of memory that one ZIP may take while it is read."""


def make_seeds() -> Sequence[bytes]:
    """Pack a few ZIPs of different kinds."""
    noise = random.Random(1).randbytes(3000)
    stored, deflated, packed = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA
    return [
        _packed(stored, {"a.png": noise, "b.jpg": noise[:99]}),
        _packed(deflated, {"folder/": b"", "folder/a.png": bytes(5000), "ä ö.tif": noise}),
        _packed(packed, {"a.png": noise}),
        _packed(deflated, {f"{number}.bmp": noise[:200] for number in range(20)}),
        _packed(stored, {"in.png": _packed(stored, {"a.png": noise})}),
        _packed(deflated, {"bomb.png": bytes(2 * LIMITS.entry_bytes)}),
        _packed(deflated, {"../out.png": noise, "C:\\b.png": noise, "__MACOSX/._a.png": noise}),
        _streamed({"a.png": noise, "b.png": bytes(3000)}),
    ]


def _packed(method: int, files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.comment = b"a comment"
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _streamed(files: dict[str, bytes]) -> bytes:
    """Pack as to a pipe, with sizes behind the files, and wide numbers."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.written = b""

        def writable(self) -> bool:
            return True

        def write(self, block: bytes) -> int:  # type: ignore[override]
            self.written += bytes(block)
            return len(block)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
        for name, content in files.items():
            with archive.open(name, "w", force_zip64=True) as entry:
                entry.write(content)
    return pipe.written


def unpack(data: bytes) -> str:
    """Unpack a ZIP as intake does; say what became of it.

    Raises:
        HematoVisionError: If it is refused.
        WrongError: If more came out of it than is allowed.
    """
    stream = io.BytesIO(data)
    is_archive(stream)
    entries = list(read_archive(stream, LIMITS))
    sizes = [len(entry.content or b"") for entry in entries]
    if sum(sizes) > LIMITS.bytes or max(sizes, default=0) > LIMITS.entry_bytes:
        raise WrongError("more was unpacked than is allowed")
    if len(sizes) > LIMITS.entries:
        raise WrongError("more entries than are allowed")
    refused = sorted({entry.failure.code() for entry in entries if entry.failure})
    return f"read but for {refused[0]}" if refused else "read"


def send(tally: Tally, data: bytes) -> None:
    """Unpack a ZIP, and count what becomes of it."""
    begin = perf_counter()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    try:
        outcome = unpack(data)
    except HematoVisionError as error:
        outcome = error.code()
    except Exception as error:  # what is looked for
        outcome = "unhandled"
        tally.unhandled.setdefault(f"{type(error).__name__}: {error}"[:200], data)
    if tracemalloc.get_traced_memory()[1] - before > MOST_BYTES:
        outcome = "unhandled"
        tally.unhandled.setdefault("too much memory", data)
    tally.outcomes[outcome] += 1
    tally.slowest = max(tally.slowest, perf_counter() - begin)


def run(number: int, seed: int) -> Tally:
    """Unpack so many."""
    tally, files = Tally(), make_seeds()
    tracemalloc.start()
    try:
        for at in range(number):
            send(tally, mutate(random.Random(f"{seed}-{at}"), files))
    finally:
        tracemalloc.stop()
    return tally


def main() -> None:
    """Unpack ZIPs and say what became of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    begin = time.monotonic()
    tally = run(options.number, options.seed)
    figures = {"slowest": f"{tally.slowest:.2f} s", "time": f"{time.monotonic() - begin:.0f} s"}
    show(tally, figures, "Mutated ZIPs", Console(width=110))
    raise SystemExit(1 if tally.unhandled else 0)


if __name__ == "__main__":
    main()
