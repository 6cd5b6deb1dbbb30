"""Read an archive of any size into a dataset: begin it or go on, each photo once."""

import json
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from hematovision import __version__
from hematovision.errors import DatasetDiffersError, HematoVisionError, ReaderCrashedError
from hematovision.exchange.datasets import CELLS, PHOTOS, SCHEMA_VERSION, failed
from hematovision.exchange.places import Place
from hematovision.exchange.sources import UNKNOWN
from hematovision.services.archive_parts import Done, Job, Plan, Totals, find_done, part_names
from hematovision.services.archive_reader import write_part

RUN_FILE, SUMMARY_FILE = "_run.json", "_summary.json"
ALONE = 1
"""Photos in a part when it is to be found out which of them kills its reader."""


class Engine(Protocol):
    """Whatever reads parts, many at once."""

    def read(self, job: Job, plan: Plan) -> Iterator[Totals]:
        """Read all parts of a plan and write them; one that cannot be read whole is left out."""
        ...


def begin(job: Job, *, now: datetime) -> None:
    """Write down with what a dataset is made, or insist that it is made with the same.

    Raises:
        DatasetDiffersError: If it was begun with another model, program or limit.
        PlaceUnreachableError: If it cannot be written.
    """
    place = Place(job.output)
    for folder in (PHOTOS, CELLS):
        place.sweep(folder)
    wanted = _terms(job)
    file = place.get(RUN_FILE)
    if file is None:
        if any(True for _ in place.names(PHOTOS)):
            raise DatasetDiffersError("%(place)s is not empty.", place=place.address)
        place.put(RUN_FILE, _json(wanted | {"begun": now.isoformat(timespec="seconds")}))
        return
    found = _read_json(file)
    for name, value in wanted.items():
        if found.get(name) != value:
            raise DatasetDiffersError(
                "%(place)s was begun with %(name)s %(found)s, not %(wanted)s.",
                place=place.address,
                name=name,
                found=found.get(name),
                wanted=value,
            )


@dataclass(slots=True)
class Census:
    """Counts what is to be read while reading has begun.

    Attributes:
        photos: Counted so far.
        is_over: Whether all are counted.
        parts: The names of those that hold them.
    """

    photos: int = 0
    is_over: bool = False
    parts: set[str] = field(default_factory=set)

    def count(self, plan: Plan) -> threading.Thread:
        """Count in a thread of its own."""
        thread = threading.Thread(target=self._count, args=(plan,), daemon=True)
        thread.start()
        return thread

    def _count(self, plan: Plan) -> None:
        try:
            for part in plan():
                self.photos += len(part.photos)
                self.parts.add(part.name)
        except HematoVisionError:
            # The engine lists as well, and will say it.
            return
        self.is_over = True


def read_archive(job: Job, engine: Engine, done: Done, census: Census) -> Iterator[Totals]:
    """Read what is not done; give what each part holds as it is written.

    A part that was left out is read again photo by photo; a photo that is left out then is
    written down as one that failed.

    Raises:
        HematoVisionError: If nothing can be read or written any more.
    """
    plan = Plan(job, done, job.part_photos)
    counting = census.count(plan)
    yield from engine.read(job, plan)
    counting.join()
    place = Place(job.output)
    # Numbers would not do: photos that came meanwhile could stand for those that were left out.
    if census.parts <= set(part_names(place, CELLS)):
        return
    plan = Plan(job, find_done(place), ALONE)
    tried = {photo.digest for part in plan() for photo in part.photos}
    yield from engine.read(job, plan)
    yield from _give_up(job, place, tried)


def write_summary(job: Job, totals: Totals, run: Totals, seconds: float) -> dict[str, Any]:
    """Write down what a dataset holds, and how fast the last of it was read.

    Args:
        job: What was read.
        totals: Of the dataset.
        run: Of this run alone.
        seconds: It took so long.

    Returns:
        The summary.
    """
    summary = {
        "photos": totals.photos,
        "cells": totals.cells,
        "failed": dict(sorted(totals.failed.items())),
        "sources": list(job.sources),
        "this_run": {
            "photos": run.photos,
            "cells": run.cells,
            "failed": dict(sorted(run.failed.items())),
            "seconds": round(seconds, 2),
            "photos_a_second": round(run.photos / seconds, 2) if seconds else 0.0,
        },
    }
    Place(job.output).put(SUMMARY_FILE, _json(summary))
    return summary


def _give_up(job: Job, place: Place, tried: Collection[bytes]) -> Iterator[Totals]:
    """Write down the photos that were left out again as failed; not those that just came."""
    for part in Plan(job, find_done(place), ALONE)():
        if not any(photo.digest in tried for photo in part.photos):
            continue
        outcomes = [
            failed(
                photo.name,
                ReaderCrashedError("The process that reads photos died at this one."),
                size=None if photo.size == UNKNOWN else photo.size,
            )
            for photo in part.photos
        ]
        yield write_part(place, part, outcomes, job)


def _terms(job: Job) -> dict[str, Any]:
    """Say on what the answers in a dataset depend."""
    return {
        "schema": SCHEMA_VERSION,
        "program": __version__,
        "model": job.model.label,
        "model_sha256": job.model.sha256,
        "max_pixels": job.max_pixels,
        "max_file_bytes": job.max_file_bytes,
    }


def _json(document: Any) -> bytes:
    return (json.dumps(document, indent=2) + "\n").encode()


def _read_json(file: bytes) -> dict[str, Any]:
    try:
        found = json.loads(file)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
