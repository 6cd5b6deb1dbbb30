"""Archives for tests: photos with cells that the tiny network finds, and what was read."""

import io
import os
import signal
from collections import Counter
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as ds
import pyarrow.fs
import pytest
from PIL import Image

from hematovision.exchange.sources import BUCKETS
from hematovision.services.archive_local import read_parts
from hematovision.services.archive_parts import Job, Part, Totals
from hematovision.services.archive_reader import PartReader
from hematovision.vision.bundle import read_bundle

from .vision.networks import SPOT

BLUE, GREEN = (10, 30, 200), (10, 200, 30)
POISON = "poison.png"


def draw(number: int) -> bytes:
    """Draw a photo with none, one or two cells that no other number has; PNG, 256 pixels."""
    photo = np.full((256, 256, 3), 240, np.uint8)
    for index, colour in enumerate((BLUE, GREEN)[: number % 3]):
        x, y = 16 + 8 * (number % 24), 32 + 96 * index
        photo[y : y + SPOT, x : x + SPOT] = colour
    photo[-1, -1] = (number % 200, number // 200, 50)
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "PNG", compress_level=1)
    return file.getvalue()


def write_photos(folder: Path, number: int) -> list[str]:
    """Write photos; give their names in the order in which they are listed."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(number):
        (folder / f"{index:04}.png").write_bytes(draw(index))
    return sorted(str(path) for path in folder.iterdir())


def make_job(model: Path, output: Path | str, *sources: Path | str, **more: Any) -> Job:
    """Make a job with the limits of a usual installation."""
    job = Job(
        sources=tuple(map(str, sources)),
        recursive=False,
        output=str(output),
        model_folder=model,
        model=read_bundle(model).identity,
        max_file_bytes=10**6,
        max_pixels=10**6,
        part_photos=4,
    )
    return replace(job, **more)


def rows(output: Path | str, name: str) -> list[dict[str, Any]]:
    """Give the rows of a dataset, as anybody would who knows nothing of this program."""
    place, system = f"{output}/{name}", None
    if place.startswith(BUCKETS):
        system = pyarrow.fs.S3FileSystem(
            endpoint_override=os.environ["AWS_ENDPOINT_URL"], region="eu-central-1"
        )
        place = place.removeprefix(BUCKETS)
    table = ds.dataset(place, format="parquet", filesystem=system).to_table()
    return table.to_pylist()  # type: ignore[no-any-return]


def insist_on_each_once(output: Path | str, names: list[str]) -> None:
    """Insist that every photo is there once, with the cells that were drawn, each once."""
    photos = rows(output, "photos")
    assert Counter(row["photo"] for row in photos) == Counter(names)
    assert {row["status"] for row in photos} == {"read"}
    expected = Counter({name: int(Path(name).stem) % 3 for name in names})
    cells = rows(output, "cells")
    assert Counter(row["photo"] for row in cells) == +expected
    assert len({(row["photo"], row["cell"]) for row in cells}) == len(cells)
    assert {row["photo"]: row["cells"] for row in photos} == dict(expected)


def insist_on_same_answers(output: Path, documents: list[dict[str, Any]]) -> None:
    """Insist that a dataset says what the documents say, numbers to 1e-4."""
    cells = rows(output, "cells")
    assert len(cells) == sum(len(document["cells"]) for document in documents) > 0
    by_cell = {(row["photo"], row["cell"]): row for row in cells}
    for document in documents:
        for number, said in enumerate(document["cells"], start=1):
            row = by_cell[document["path"], number]
            assert row["photo_sha256"] == document["image"]["sha256"]
            assert [row[side] for side in ("xmin", "ymin", "xmax", "ymax")] == said["box"]
            for name in ("decision", "cell_type", "prediction_set", "morphology"):
                assert row[name] == said[name]
            for name in ("confidence", "known"):
                assert row[name] == pytest.approx(said[name], abs=1e-4)
            for name, part in said["probabilities"].items():
                assert row[f"p_{name}"] == pytest.approx(part, abs=1e-4)


def read_poisoned(connection: Connection, job: Job) -> None:
    """Do what a worker does, but die of one photo."""
    read = PartReader.read

    def die(reader: PartReader, part: Part) -> Totals:
        if any(photo.address.endswith(POISON) for photo in part.photos):
            os.kill(os.getpid(), signal.SIGKILL)
        return read(reader, part)

    PartReader.read = die  # type: ignore[method-assign]
    read_parts(connection, job)
