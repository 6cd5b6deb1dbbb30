"""`python -m benchmarks.int8`: what both networks cost in float32 and in int8, one thread.

The networks take turns, so that whatever else the machine does meets all of them alike. Time is
that of the processor, not of the clock.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hematovision.config import PACKAGED_MODEL
from hematovision.learning.datasets import load_picture
from hematovision.learning.quantising import watch_model
from hematovision.learning.slimming import slim_classifier
from hematovision.vision.bundle import CLASSIFIER_FILE, LOCATOR_FILE, read_bundle
from hematovision.vision.runtime import Network

PHOTOS = 24
ASKED = [0, 1, 3]
"""The outputs that a reading asks the classifier for."""


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model", type=Path, default=PACKAGED_MODEL)
    parser.add_argument("--twin", type=Path, default=Path("runs/int8"))
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    photos = sorted((options.data / "bccd" / "photos").glob("*.jpg"))[::12][:PHOTOS]
    seen = watch_model(read_bundle(options.model), map(load_picture, photos))
    table = Table(title=f"ms of one thread, {len(photos)} BCCD photos, {options.rounds} rounds")
    for heading in ("network", "float32", "float32, slim", "int8", "int8 against float32"):
        table.add_column(heading, justify="right")
    with TemporaryDirectory() as folder:
        slim = Path(folder) / CLASSIFIER_FILE
        onnx.save(slim_classifier(onnx.load(options.model / CLASSIFIER_FILE)), slim)
        classifiers = [options.model / CLASSIFIER_FILE, slim, options.twin / CLASSIFIER_FILE]
        locators = [folder / LOCATOR_FILE for folder in (options.model, options.twin)]
        plain, thin, whole = measure(classifiers, seen.crops, options.rounds, ASKED)
        table.add_row("classifier, a cell", *map(said, (plain, thin, whole)), ratio(plain, whole))
        before, after = measure(locators, seen.views, options.rounds)
        table.add_row("locator, a photo", said(before), "", said(after), ratio(before, after))
        both = [
            [sum(pair) for pair in zip(*two, strict=True)]
            for two in ((plain, before), (whole, after))
        ]
        table.add_row("both", said(both[0]), "", said(both[1]), ratio(*both))
    Console(width=110).print(table)


def measure(
    paths: Sequence[Path],
    pictures: Sequence[NDArray[np.uint8]],
    rounds: int,
    asked: Sequence[int] | None = None,
) -> list[list[float]]:
    """Give the milliseconds of each network a picture, round by round."""
    networks = [Network(path, threads=1) for path in paths]
    times: list[list[float]] = [[] for _ in networks]
    for turn in range(rounds + 1):
        for network, taken in zip(networks, times, strict=True):
            passed = clocked(lambda one=network: [one(p, outputs=asked) for p in pictures])
            if turn:
                taken.append(passed / len(pictures))
    return times


def clocked(work: Callable[[], object]) -> float:
    """Give the milliseconds of processor time that a call takes."""
    start = time.process_time()
    work()
    return 1000 * (time.process_time() - start)


def said(times: Sequence[float]) -> str:
    """Write the median and the least."""
    return f"{statistics.median(times):.2f} (least {min(times):.2f})"


def ratio(before: Sequence[float], after: Sequence[float]) -> str:
    """Write how many times less, by the median over rounds of the two beside each other."""
    return f"{statistics.median(b / a for b, a in zip(before, after, strict=True)):.2f} times less"


if __name__ == "__main__":
    main()
