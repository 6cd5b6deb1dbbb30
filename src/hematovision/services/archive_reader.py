"""Read one part of an archive after the other, in a process that does nothing else."""

import logging
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from time import perf_counter
from typing import Any

from hematovision.cells import LoadReader, PhotoReading, RgbImage
from hematovision.config import Settings
from hematovision.errors import (
    DatasetDiffersError,
    FileTooLargeError,
    HematoVisionError,
    InferenceAwayError,
    ReaderCrashedError,
)
from hematovision.exchange.datasets import (
    CELLS,
    PHOTOS,
    SUFFIX,
    Outcome,
    failed,
    write_cells,
    write_photos,
)
from hematovision.exchange.places import Place
from hematovision.exchange.sources import UNKNOWN, Photo, open_photo, unreachable
from hematovision.services.archive_parts import Job, Part, Totals
from hematovision.services.readings import read_image, take_bytes
from hematovision.vision.decoders import Decoder, open_decoders
from hematovision.vision.decoding import MAX_PIXELS
from hematovision.vision.engines import engine_loader

AHEAD = 2
"""Photos that are fetched and decoded while another is read."""
REMEMBERED = 256
"""Readings of late, for photos that have the same content."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """A photo that was fetched, and decoded unless its content was read of late."""

    data: bytes
    sha256: str
    seconds: float
    pixels: RgbImage | None = None
    error: Exception | None = None


@dataclass(slots=True)
class Pixels:
    """Stands for a decoder where a picture is decoded already."""

    pixels: RgbImage
    restarts: int = 0

    def decode(self, data: bytes, *, max_pixels: int = MAX_PIXELS) -> RgbImage:
        """Give the pixels."""
        return self.pixels

    def check(self, data: bytes, *, max_pixels: int = MAX_PIXELS) -> None:
        """Refuse nothing."""

    def warm(self) -> None:
        """Be ready."""


class PartReader:
    """Reads parts with a model that is loaded once; pictures are decoded in a confined process."""

    def __init__(
        self,
        job: Job,
        *,
        threads: int = 1,
        load: LoadReader | None = None,
        decoder: Decoder | None = None,
    ) -> None:
        """Load the model.

        Args:
            job: What is read.
            threads: Threads that one inference may use.
            load: Turns the model folder into a reader; one that reads where the settings of this
                machine say when left out.
            decoder: Turns bytes into pixels.

        Raises:
            ModelMissingError: If there is no whole model folder on this machine.
            ModelDamagedError: If a file of it is not the one that was shipped.
            DatasetDiffersError: If it is another model.
        """
        self._job, self._place = job, Place(job.output)
        self._reader = (load or engine_loader(Settings.from_environment()))(
            job.model_folder, threads=threads
        )
        if self._reader.model != job.model:
            raise DatasetDiffersError(
                "%(folder)s holds %(found)s, and the photos are read with %(wanted)s.",
                folder=job.model_folder,
                found=self._reader.model.label,
                wanted=job.model.label,
            )
        self._decoder = decoder or open_decoders(1, max_pixels=job.max_pixels)
        self._late: OrderedDict[str, PhotoReading] = OrderedDict()
        self._open = ExitStack()
        self._threads = self._open.enter_context(ThreadPoolExecutor(AHEAD))

    def read(self, part: Part) -> Totals:
        """Read a part and write it.

        Raises:
            PlaceUnreachableError: If it cannot be written.
            InferenceAwayError: If an inference server is asked and does not answer: that is no
                fault of a photo.
        """
        outcomes = [self._read(photo, taken) for photo, taken in self._take_ahead(part)]
        return write_part(self._place, part, outcomes, self._job)

    def close(self) -> None:
        """End the threads, and the process that decodes where it can be ended."""
        self._open.close()
        getattr(self._decoder, "close", lambda: None)()

    def _take_ahead(self, part: Part) -> Iterator[tuple[Photo, Taken]]:
        """Fetch and decode a few photos while another is read."""
        waiting: deque[tuple[Photo, Future[Taken]]] = deque()
        for photo in part.photos:
            waiting.append((photo, self._threads.submit(self._take, photo)))
            if len(waiting) > AHEAD:
                yield _settled(*waiting.popleft())
        while waiting:
            yield _settled(*waiting.popleft())

    def _take(self, photo: Photo) -> Taken:
        begin, data, known = perf_counter(), b"", ""
        try:
            data = self._fetch(photo)
            known = sha256(data).hexdigest()
            pixels = None if known in self._late else self._decode(data)
        except Exception as error:  # It is told where the photo's turn comes.
            return Taken(b"", known, perf_counter() - begin, error=error)
        return Taken(data, known, perf_counter() - begin, pixels)

    def _fetch(self, photo: Photo) -> bytes:
        most = self._job.max_file_bytes
        if photo.size > most:
            raise FileTooLargeError.over(most)
        try:
            with open_photo(photo, most=most + 1) as stream:
                return take_bytes(stream, max_bytes=most)
        except OSError as error:
            raise unreachable(error) from error

    def _decode(self, data: bytes) -> RgbImage:
        return self._decoder.decode(data, max_pixels=self._job.max_pixels)

    def _read(self, photo: Photo, taken: Taken) -> Outcome:
        """Read a photo, or say why not: what is wrong with one must not stop all others."""
        size = None if photo.size == UNKNOWN else photo.size
        known: dict[str, Any] = {"sha256": taken.sha256 or None, "size": size}
        begin = perf_counter()
        try:
            reading = self._say(taken)
        except InferenceAwayError:
            raise
        except HematoVisionError as error:
            return failed(photo.name, error, seconds=taken.seconds, **known)
        except Exception as error:
            log.exception("A photo could not be read")
            crash = ReaderCrashedError(
                "Nobody foresaw what happened at this photo: %(kind)s.", kind=type(error).__name__
            )
            return failed(photo.name, crash, seconds=taken.seconds, **known)
        seconds = taken.seconds + perf_counter() - begin
        return Outcome(photo.name, seconds=seconds, reading=reading, **known)

    def _say(self, taken: Taken) -> PhotoReading:
        """Say what is seen, or what was said of the same content."""
        if taken.error:
            raise taken.error
        if taken.sha256 in self._late:
            return self._late[taken.sha256]
        pixels = self._decode(taken.data) if taken.pixels is None else taken.pixels
        read = read_image(taken.data, reader=self._reader, decoder=Pixels(pixels))
        self._late[taken.sha256] = read.reading
        if len(self._late) > REMEMBERED:
            self._late.popitem(last=False)
        return read.reading


def write_part(place: Place, part: Part, outcomes: list[Outcome], job: Job) -> Totals:
    """Write both files of a part; say what it holds.

    The photos first: a part whose cells are missing still says what it holds, and is read again.

    Raises:
        PlaceUnreachableError: If it cannot be written.
    """
    place.put(f"{PHOTOS}/{part.name}{SUFFIX}", write_photos(outcomes, job.model))
    place.put(f"{CELLS}/{part.name}{SUFFIX}", write_cells(outcomes))
    return Totals(
        len(outcomes),
        sum(outcome.cells for outcome in outcomes),
        Counter(outcome.failure for outcome in outcomes if outcome.failure),
    )


def _settled(photo: Photo, taken: "Future[Taken]") -> tuple[Photo, Taken]:
    return photo, taken.result()
