"""`make fuzz`: sends mutated pictures of every kind, and counts what becomes of them.

Each is accepted, with the right pixels, or refused by a name that its sender can act on; all else
is a bug and ends this with exit code 1. The same seed sends the same pictures, but for those that
coverage guides.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from json import loads
from pathlib import Path

import psutil
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from fuzzing.mutations import change_structure, mutate
from fuzzing.seeds import make_seeds
from fuzzing.uploads import MAX_PIXELS, Tally
from hematovision.vision.decoder_pool import DecoderPool
from hematovision.vision.decoding import MAX_PIXELS as USUAL_PIXELS

GUIDED, DRAWN, LARGE = 0.3, 0.05, 0.02
"""Parts that coverage guides, that hypothesis draws, and that may have the usual size."""
PROCESSES = 2
TOLD_EVERY = 5_000
UNHANDLED = Path("build/fuzzing")

edits = st.lists(
    st.tuples(st.sampled_from(("flip", "byte", "cut", "part")), st.floats(0, 1), st.integers(0)),
    min_size=1,
    max_size=12,
)


def edit(data: bytes, changes: Sequence[tuple[str, float, int]]) -> bytes:
    """Change a file as hypothesis says, at places that are parts of its length."""
    changed = bytearray(data)
    for what, part, number in changes:
        place = int(part * max(len(changed) - 1, 0))
        if what == "part":
            changed = change_structure(random.Random(number), changed)
        elif what == "cut":
            del changed[place : place + number % 64]
        elif changed:
            changed[place] = number % 256 if what == "byte" else changed[place] ^ 1 << number % 8
    return bytes(changed)


def send_drawn(pool: DecoderPool, files: Sequence[bytes], number: int) -> Tally:
    """Send what hypothesis draws."""
    tally = Tally()

    @settings(
        max_examples=number,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(files), edits)
    def draw(data: bytes, changes: Sequence[tuple[str, float, int]]) -> None:
        tally.send(pool, edit(data, changes))

    draw()
    return tally


def send_mutated(pool: DecoderPool, files: Sequence[bytes], seed: int, numbers: range) -> Tally:
    """Send pictures of these numbers."""
    tally = Tally()
    for number in numbers:
        chance = random.Random(f"{seed}-{number}")
        limit = USUAL_PIXELS if chance.random() < LARGE else MAX_PIXELS
        tally.send(pool, mutate(chance, files), max_pixels=limit)
    return tally


def send_guided(number: int, seed: int) -> Tally:
    """Let coverage guide in a process of its own; one that dies has met a bug in a library."""
    with tempfile.TemporaryDirectory() as name:
        folder, tally = Path(name), Tally()
        command = ["-m", "fuzzing.guided", "--number", str(number), "--seed", str(seed)]
        done = subprocess.run(
            [sys.executable, *command, "--folder", name],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        report = folder / "report.json"
        if report.exists():
            said = loads(report.read_text())
            tally.outcomes.update(said["outcomes"])
            tally.slowest = said["slowest"]
            for at, words in enumerate(said["unhandled"]):
                tally.unhandled[f"guided: {words}"] = (folder / f"unhandled-{at}").read_bytes()
        if done.returncode:
            # A decoder's process would have died in the place of this one.
            found = [file.read_bytes() for file in folder.glob("*-*") if "unh" not in file.name]
            tally.unhandled[f"guided: ended with {done.returncode}: {done.stderr[-300:]!r}"] = (
                found[0] if found else b""
            )
        return tally


def peak_of(pool: DecoderPool) -> float:
    """Give the most memory that a process of a pool has had at once, in MB."""
    peaks = [0]
    for process in pool.processes():
        status = Path(f"/proc/{process}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        peaks.append(int(line.split()[1]))
    return max(peaks) / 1024


def run(number: int, seed: int, console: Console) -> tuple[Tally, dict[str, str]]:
    """Send so many pictures in all three ways; give what became of them, and figures."""
    files = list(make_seeds().values())
    guided, drawn = int(GUIDED * number), int(DRAWN * number)
    pool, begin, peak = DecoderPool(PROCESSES, max_pixels=USUAL_PIXELS), time.monotonic(), 0.0
    tally = Tally()
    try:
        rest = range(number - guided - drawn)
        parts = [rest[at : at + TOLD_EVERY] for at in range(0, len(rest), TOLD_EVERY)]
        with ThreadPoolExecutor(PROCESSES) as threads:
            for done in threads.map(partial(send_mutated, pool, files, seed), parts):
                tally.add(done)
                peak = max(peak, peak_of(pool))
                console.print(f"{tally.outcomes.total()} of {number}", style="dim")
        if drawn:
            tally.add(send_drawn(pool, files, drawn))
        peak, restarts = max(peak, peak_of(pool)), pool.restarts
    finally:
        pool.close()
    if guided:
        tally.add(send_guided(guided, seed))
    figures = {
        "processes that died or were killed": str(restarts),
        "slowest picture": f"{tally.slowest:.2f} s",
        "most memory of a process": f"{peak:.0f} MB",
        "memory of this program now": f"{psutil.Process().memory_info().rss / 2**20:.0f} MB",
        "time": f"{time.monotonic() - begin:.0f} s",
    }
    return tally, figures


def show(tally: Tally, figures: dict[str, str], title: str, console: Console) -> None:
    """Print a table, and keep what was not handled."""
    table = Table("what", "number", title=title)
    table.add_row("sent", str(tally.outcomes.total()))
    for outcome, number in tally.outcomes.most_common():
        table.add_row(outcome, str(number))
    if not tally.outcomes["unhandled"]:
        table.add_row("unhandled", "0")
    for what, value in figures.items():
        table.add_row(what, value)
    console.print(table)
    for at, (words, data) in enumerate({**tally.unhandled, **tally.fatal}.items()):
        UNHANDLED.mkdir(parents=True, exist_ok=True)
        file = UNHANDLED / f"{at}.bin"
        file.write_bytes(data)
        console.print(f"{file}: {words}", markup=False)


def main() -> None:
    """Send pictures and say what became of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    console = Console(width=110)
    tally, figures = run(options.number, options.seed, console)
    show(tally, figures, "Mutated pictures", console)
    raise SystemExit(1 if tally.unhandled or tally.outcomes.total() < options.number else 0)


if __name__ == "__main__":
    main()
