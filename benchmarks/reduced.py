"""`python -m benchmarks.reduced`: JPEG decoded at reduced scale for locating, beside the usual way.

A JPEG can be decoded to a half, a quarter or an eighth of its sides at a part of the cost (Pillow's
`draft`). The locator first looks at 256 pixels; the crops need every pixel. So a reduced decode is
one more decode, which must be paid back by the view that is resized from fewer pixels.
"""

import argparse
import io
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from hematovision.cells import Box, RgbImage
from hematovision.config import PACKAGED_MODEL
from hematovision.vision.bundle import LOCATOR_FILE, LocatorRule, read_bundle
from hematovision.vision.locating import locate_cells
from hematovision.vision.runtime import Network
from hematovision.vision.staining import measure_glass

COARSEST = 256
SAME = 0.9


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model", type=Path, default=PACKAGED_MODEL)
    parser.add_argument("--number", type=int, default=12)
    options = parser.parse_args()
    bundle = read_bundle(options.model)
    locator = Network(options.model / LOCATOR_FILE, threads=1)
    table = Table(title="ms of one thread a photo, medians")
    headings = (
        *("photos", "decode", "glass", "locate"),
        *("reduced: decode", "glass", "locate", "lost", "same boxes"),
    )
    for heading in headings:
        table.add_column(heading, justify="right")
    for name, files in sets(options.data, options.number):
        table.add_row(name, *compare(files, locator, bundle.locator))
    Console(width=120).print(table)


def sets(data: Path, number: int) -> Iterator[tuple[str, list[bytes]]]:
    """Give files of each kind: as they are, enlarged, and mosaics."""
    bccd = sorted((data / "bccd" / "photos").glob("*.jpg"))
    txl = sorted((data / "txl" / "images").glob("*.jpg"))
    yield "BCCD, 640x480", [path.read_bytes() for path in spread(bccd, number)]
    yield "txl, 575x575 and less", [path.read_bytes() for path in spread(txl, number)]
    photos = [Image.open(path).convert("RGB") for path in spread(bccd, number)]
    large = [photo.resize((2560, 1920), Image.Resampling.BICUBIC) for photo in photos]
    yield "BCCD, enlarged to 2560x1920", [jpeg(photo) for photo in large]
    yield "mosaics of BCCD, 3840x2880", [jpeg(mosaic(bccd[i::11])) for i in range(min(number, 3))]


def spread(paths: list[Path], number: int) -> list[Path]:
    """Take some, spread evenly."""
    return paths[:: max(1, len(paths) // number)][:number]


def jpeg(photo: Image.Image) -> bytes:
    """Write a photo as JPEG."""
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def mosaic(paths: list[Path], side: int = 6) -> Image.Image:
    """Lay photos side by side, as a larger field would show them."""
    whole = Image.new("RGB", (640 * side, 480 * side))
    for place in range(side * side):
        with Image.open(paths[place % len(paths)]) as photo:
            whole.paste(photo, (640 * (place % side), 480 * (place // side)))
    return whole


def decode(data: bytes, scale: int) -> RgbImage:
    """Decode at a part of the sides."""
    image = Image.open(io.BytesIO(data))
    if scale > 1:
        image.draft("RGB", (-(-image.width // scale), -(-image.height // scale)))
    return np.asarray(image.convert("RGB"))


def scale_of(data: bytes) -> int:
    """Give the largest reduction that leaves as many pixels as the coarsest view has."""
    longest = max(Image.open(io.BytesIO(data)).size)
    return max(scale for scale in (1, 2, 4, 8) if longest / scale >= COARSEST or scale == 1)


def compare(files: list[bytes], locator: Network, rule: LocatorRule) -> list[str]:
    """Read files both ways."""
    rows, same, boxes = [], 0, 0
    for data in files:
        usual, found = read(data, 1, locator, rule)
        reduced, again = read(data, scale_of(data), locator, rule)
        same += sum(any(box.overlap(one) >= SAME for one in again) for box in found)
        boxes += max(len(found), len(again))
        rows.append((*usual, *reduced, sum(reduced) - sum(usual[1:])))
    medians = [f"{statistics.median(column):.1f}" for column in zip(*rows, strict=True)]
    return [*medians, f"{same} of {boxes}"]


def read(
    data: bytes, scale: int, locator: Network, rule: LocatorRule
) -> tuple[tuple[float, float, float], list[Box]]:
    """Decode at a part of the sides, measure the glass, locate; boxes are in the photo's pixels."""
    photo, decoding = clocked(partial(decode, data, scale))
    glass, measuring = clocked(partial(measure_glass, photo))
    found, locating = clocked(partial(locate_cells, photo, glass, locator=locator, rule=rule))
    factor = Image.open(io.BytesIO(data)).width / photo.shape[1]
    boxes = [Box(*(round(factor * side) for side in box.as_list())) for box in found]
    return (decoding, measuring, locating), boxes


def clocked(work: Callable[[], Any], rounds: int = 3) -> tuple[Any, float]:
    """Give what a call gives, and the least milliseconds of processor time that it takes."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        given = work()
        times.append(1000 * (time.process_time() - start))
    return given, min(times)


if __name__ == "__main__":
    main()
