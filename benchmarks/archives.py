"""How many photos a second an archive is read with: this machine's processes, and Ray."""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from hematovision.cells import SUFFIXES
from hematovision.machine import cores

LIGHT = Path(__file__).resolve().parents[1] / "tests" / "light"
CONSOLE = Console()


def main() -> None:
    """Read one folder with each engine, in turns, and print all that is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="A folder of photos.")
    parser.add_argument("--times", type=int, default=2, help="Each engine so often.")
    parser.add_argument("--engines", nargs="+", default=["local", "ray"])
    parser.add_argument("--part-photos", type=int, default=16)
    given = parser.parse_args()
    number = sum(path.suffix.lower() in SUFFIXES for path in given.photos.iterdir())
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    CONSOLE.print(f"{number} photos, {cores()} cores, {platform.machine()}, load before {load}")
    table = Table("engine", "photos/s", "s", "s with start and end", "run")
    for run in range(1, given.times + 1):
        for engine in given.engines:
            table.add_row(engine, *_measure(engine, given.photos, given.part_photos), str(run))
    CONSOLE.print(table)


def _measure(engine: str, photos: Path, part_photos: int) -> list[str]:
    """Read a folder once; give photos a second, and the seconds."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hematovision", "classify", "--engine", engine]
        command += ["--output", folder, "--part-photos", str(part_photos), str(photos)]
        start = time.monotonic()
        path = os.pathsep.join(filter(None, [str(LIGHT), os.environ.get("PYTHONPATH")]))
        subprocess.run(
            command,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": path},
        )
        whole = time.monotonic() - start
        summary: dict[str, Any] = json.loads((Path(folder) / "_summary.json").read_text())
    run = summary["this_run"]
    return [f"{run['photos_a_second']:.1f}", f"{run['seconds']:.1f}", f"{whole:.1f}"]


if __name__ == "__main__":
    main()
