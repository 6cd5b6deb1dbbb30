"""What so many photos a second need, by arithmetic: measured costs, and assumptions that are named.

Nothing here was measured at the size that it speaks of. Each number follows from what one photo
takes on the machines that were measured, as if it took the same there.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from benchmarks.simulation import Costs, engine, opened
from benchmarks.writers import largest

LEVELS = (1, 10, 100, 1_000, 10_000)
YEAR_SECONDS = 365 * 24 * 3600
MONTH_HOURS = 730
LARGEST_BATCH = 32
VIEW_BYTES, CROP_BYTES = 192 * 256 * 3, 160 * 160 * 3
ROWS = 5
"""Of a reading, beside its cells: photo, reading, measures, event, and its line of the history."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is not measured; each field says what it is."""

    photo_kb: float = 20.8
    camera_mb: float = 2.0
    cells: float = 1.05
    busy: float = 0.6
    machine_cores: int = 16
    flush_ms: float = 1.0
    round_trip_ms: float = 0.3
    redis_asks: float = 4
    redis_second: float = 80_000
    s3_asks: float = 1
    s3_second: float = 3_500
    s3_prefixes: int = 256
    core_hour: float = 0.05
    gpu_hour: float = 3.0
    s3_gb_month: float = 0.023
    s3_million: float = 5.0
    disk_gb_month: float = 0.1
    batch: int = 32
    batch_ms: float = 5.0

    def table(self) -> Sequence[Sequence[str]]:
        """Lay them out."""
        said = {
            "photo_kb": "kB of a photo, the mean of BCCD's 367",
            "camera_mb": "MB of a photo as a microscope's camera writes it",
            "cells": "white cells a photo, as in BCCD",
            "busy": "the part of each machine that is used at the peak; the rest is for chance",
            "machine_cores": "cores of a machine",
            "flush_ms": "ms more that a flush takes on a disk of a data centre",
            "round_trip_ms": "ms from a web process to the database and back",
            "redis_asks": "commands of Redis a request",
            "redis_second": "commands that one Redis answers a second",
            "s3_asks": "requests to S3 a photo: one put, as `storage/files.py` keeps it there",
            "s3_second": "puts a second a prefix, as Amazon documents for S3",
            "s3_prefixes": "prefixes that pictures are spread over",
            "core_hour": "US dollars a core and hour",
            "gpu_hour": "US dollars a GPU (H100) and hour",
            "s3_gb_month": "US dollars a GB and month",
            "s3_million": "US dollars a million puts to S3",
            "disk_gb_month": "US dollars a GB and month of a database's disk",
            "batch": "photos in a batch of a GPU, at most",
            "batch_ms": "ms that the first of a batch waits for others",
        }
        rows = [[f"{getattr(self, one.name):g}", said[one.name]] for one in fields(self)]
        return [["assumed", "what it is"], *rows]


@dataclass(frozen=True, slots=True)
class Known:
    """What was measured, as the plan needs it.

    Attributes:
        web_ms: Of a core of a web process for a photo, without the networks.
        network_ms: Of a core for both networks.
        database_ms: Of PostgreSQL's processor for a reading.
        held_ms: So long the chain's lock is held for one reading, on a disk of a data centre.
        held_more_ms: So long for each further one of a batch.
        reading_bytes: Of tables and indexes.
        gpu: Milliseconds that a GPU takes for a batch of photos however small, and for each.
    """

    web_ms: float
    network_ms: float
    database_ms: float
    held_ms: float
    held_more_ms: float
    reading_bytes: float
    gpu: tuple[float, float] | None

    @classmethod
    def of(cls, costs: Costs, writers: Sequence[Mapping[str, Any]], cuda: Any) -> Self:
        """Take it from what was measured."""
        slow = max(row["flush_ms"] for row in writers)
        one = [row for row in writers if row["flush_ms"] == slow and row["writers"] == 1]
        batches = [row for row in one if row["way"] == "alone" or row["way"].startswith("batch")]
        batches = [row for row in batches if "shared" not in row["way"]]
        more, first = np.polyfit(
            [row["batch"] for row in batches], [row["undisturbed"] for row in batches], 1
        )
        alone = next(row for row in one if row["way"] == "alone")
        web = costs.decode + costs.python + costs.native + costs.record
        return cls(
            web_ms=web,
            network_ms=costs.locator + costs.classifier,
            database_ms=alone["database cpu"],
            held_ms=float(first + more),
            held_more_ms=max(0.0, float(more)),
            reading_bytes=sum(largest(writers)["bytes"].values()),
            gpu=_gpu(cuda),
        )

    def chain(self, batch: int, assumed: Assumptions) -> float:
        """Say how many readings a second one chain takes in batches."""
        # Asked for the newest event, told the new ones, told to commit.
        held = self.held_ms + (batch - 1) * self.held_more_ms + 3 * assumed.round_trip_ms
        return 1000 * batch / held


def _gpu(cuda: Any) -> tuple[float, float] | None:
    """Fit what a batch of photos takes on the GPU: a view and its cells each."""
    if cuda is None:
        return None
    firsts, eaches = [], []
    for network, per_photo in (("locator", 1.0), ("blood_cell", Assumptions().cells)):
        times = cuda["networks"][network]["ms"]["cuda"]
        sizes = [size for size in times if 1 < int(size) <= LARGEST_BATCH]
        each, first = np.polyfit([int(size) for size in sizes], [times[size] for size in sizes], 1)
        firsts.append(max(0.0, float(first)))
        eaches.append(float(each) * per_photo)
    return sum(firsts), sum(eaches)


@dataclass(frozen=True, slots=True)
class Level:
    """What so many photos a second need.

    Attributes:
        photos: A second.
        known: What was measured.
        assumed: What was not.
    """

    photos: int
    known: Known
    assumed: Assumptions

    def cores(self, ms: float) -> int:
        """Say how many cores do so many milliseconds of work a photo."""
        return max(1, math.ceil(self.photos * ms / 1000 / self.assumed.busy))

    @property
    def gpu_photos(self) -> float:
        """Give the photos a second of one GPU in full batches; 0 where none was measured."""
        if self.known.gpu is None:
            return 0.0
        first, each = self.known.gpu
        return 1000 * self.assumed.batch / (first + self.assumed.batch * each)

    @property
    def gpus(self) -> int:
        """Give the GPUs that read instead of cores."""
        return math.ceil(self.photos / (self.gpu_photos * self.assumed.busy))

    def gpu_wait(self) -> float:
        """Simulate how long 95 of 100 photos wait for a GPU and are read there, in milliseconds."""
        first, each = self.known.gpu or (0.0, 0.0)
        serve, _ = engine(first, each, most=self.assumed.batch, delay=self.assumed.batch_ms)
        rate = self.photos / self.gpus
        return opened(serve, rate, seconds=max(5.0, 500 / rate)).quantile(0.95)

    @property
    def chains(self) -> tuple[int, int]:
        """Say in what batches readings are recorded, and in how many databases."""
        useful = self.assumed.busy
        for batch in (1, 2, 4, 8, 16, LARGEST_BATCH):
            if self.photos <= useful * self.known.chain(batch, self.assumed):
                return batch, 1
        most = useful * self.known.chain(LARGEST_BATCH, self.assumed)
        return LARGEST_BATCH, math.ceil(self.photos / most)

    @property
    def dollars(self) -> Mapping[str, float]:
        """Give what a month costs by what for: with a year kept, the networks on cores."""
        assumed = self.assumed
        month = self.photos * YEAR_SECONDS / 12
        core = MONTH_HOURS * assumed.core_hour
        return {
            "web": self.cores(self.known.web_ms) * core,
            "networks": self.cores(self.known.network_ms) * core,
            "database": max(2, self.cores(self.known.database_ms)) * core,
            "S3 requests": month * assumed.s3_asks * assumed.s3_million / 1e6,
            "S3 kept": month * 12 * assumed.photo_kb / 1e6 * assumed.s3_gb_month,
            "disk kept": month * 12 * self.known.reading_bytes / 1e9 * assumed.disk_gb_month,
        }

    def lines(self) -> Mapping[str, str]:
        """Lay it out."""
        known, assumed, photos = self.known, self.assumed, self.photos
        web = self.cores(known.web_ms)
        batch, databases = self.chains
        network = (VIEW_BYTES + assumed.cells * CROP_BYTES) * photos * 8
        year = photos * YEAR_SECONDS
        gpus = {}
        if known.gpu:
            gpus = {
                "or GPUs (H100)": f"{self.gpus}",
                "p95 of GPU and batch, ms": f"{self.gpu_wait():.0f}",
            }
        dollars = self.dollars
        return {
            "upload": _bits(photos * assumed.photo_kb * 8e3),
            "upload, camera's photos": _bits(photos * assumed.camera_mb * 8e6),
            "web processes, one a core": f"{web:,}",
            "cores for the networks": f"{self.cores(known.network_ms):,}",
            **gpus,
            "machines of 16 cores": f"{self._machines(web):,}",
            "web to networks": _bits(network),
            "one chain, a reading a transaction": f"{photos / known.chain(1, assumed):.0%} used",
            "readings in a transaction": f"{batch}",
            "databases, each with its chain": f"{databases}",
            "PostgreSQL cores": f"{self.cores(known.database_ms):,}",
            "Redis": f"{photos * assumed.redis_asks / assumed.redis_second:.1%} of one",
            "S3 puts": f"{photos * assumed.s3_asks:,.0f}/s, {self._s3_used():.1%} of its limit",
            "pictures a year": _bytes(year * assumed.photo_kb * 1e3),
            "database a year": _bytes(year * known.reading_bytes),
            "rows a year": f"{year * (ROWS + 2 * assumed.cells):.1e}",
            "US dollars a month, networks on cores": f"{sum(dollars.values()):,.0f}",
            "of that for requests to S3": f"{dollars['S3 requests']:,.0f}",
            "of that to keep a year": f"{dollars['S3 kept'] + dollars['disk kept']:,.0f}",
            "US dollars a million photos": f"{sum(dollars.values()) / year * 12e6:,.2f}",
        }

    def _s3_used(self) -> float:
        assumed = self.assumed
        return self.photos * assumed.s3_asks / (assumed.s3_second * assumed.s3_prefixes)

    def _machines(self, web: int) -> int:
        both = web + self.cores(self.known.network_ms)
        return math.ceil(both / self.assumed.machine_cores)


def plan(photos: int, known: Known, assumed: Assumptions) -> Level:
    """Say what so many photos a second need."""
    return Level(photos, known, assumed)


def _bits(number: float) -> str:
    return _unit(number, "bit/s")


def _bytes(number: float) -> str:
    return _unit(number, "B")


def _unit(number: float, unit: str) -> str:
    for prefix in ("", "k", "M", "G", "T"):
        if number < 1000:
            return f"{number:.3g} {prefix}{unit}"
        number /= 1000
    return f"{number:.3g} P{unit}"
