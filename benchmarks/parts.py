"""The pipeline in one process, part by part, beside the bound that decoder and networks set."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from benchmarks.installed import Home
from numpy.typing import NDArray

from hematovision.machine import cores
from hematovision.services.hands import Hand
from hematovision.services.readings import ReadPhoto, read_image
from hematovision.services.recording import Record, record_reading
from hematovision.storage.files import open_files
from hematovision.storage.private import keep_data_key
from hematovision.storage.sealing import Seal
from hematovision.vision.decoders import Decoder, open_decoders
from hematovision.vision.decoding import decode_image
from hematovision.vision.reader import PhotoReader, load_reader
from hematovision.vision.staining import measure_glass

WARM = 3
"""Photos that are read before anything is measured."""
TURNS = 3
"""So often all photos are read by several threads at once."""
LOT = 10
"""So many photos are read one after another before their parts are measured."""

Networks: TypeAlias = "tuple[Callable[[], None], Callable[[], None]]"
"""What asks the locator and the classifier once more what one photo had them asked."""


class Tap:
    """A network that keeps what it was asked, so that it can be asked the same again.

    Attributes:
        kept: What it was asked since it was last emptied.
    """

    def __init__(self, network: Any) -> None:
        """Stand before a network."""
        self._network = network
        self.kept: list[tuple[tuple[Any, ...], Mapping[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        """Have everything else done by the network."""
        return getattr(self._network, name)

    def __call__(self, *pictures: NDArray[np.uint8], **more: Any) -> Any:
        """Ask the network, and keep what it was asked."""
        self.kept.append((pictures, more))
        return self._network(*pictures, **more)

    def take(self) -> Callable[[], None]:
        """Give what asks the bare network the same once more, and forget it."""
        kept, self.kept = self.kept, []

        def again() -> None:
            for pictures, more in kept:
                self._network(*pictures, **more)

        return again


@dataclass(frozen=True, slots=True)
class Parts:
    """Mean milliseconds a photo takes, in one thread, and what follows from them.

    Attributes:
        photos: How many were read.
        cells: White cells found, on average.
        whole: From the bytes to the readings, as one call.
        decode: Bytes to pixels, in the process that decodes, there and back.
        decode_here: The same without another process.
        glass: The colour of empty glass.
        locate: From pixels to boxes, without glass and network.
        locator_network: The locator network alone.
        cut: Cells cut out and evened.
        classifier_network: The classifier network alone.
        say: What is said of the cells, and measured of them.
        rest: Digest and the rest.
        record: Reading and sealed picture, kept.
        together: Photos a second where as many threads ask as there are cores.
        bound_together: The same if there were decoder and networks alone.
    """

    photos: int
    cells: float
    whole: float
    decode: float
    decode_here: float
    glass: float
    locate: float
    locator_network: float
    cut: float
    classifier_network: float
    say: float
    rest: float
    record: float
    together: float
    bound_together: float

    @property
    def photos_a_second(self) -> float:
        """Give the throughput of one thread in one process."""
        return 1000 / self.whole

    @property
    def bound(self) -> float:
        """Give the photos a second if there were decoder and networks alone."""
        return 1000 / (self.decode + self.locator_network + self.classifier_network)

    @property
    def share(self) -> float:
        """Give the part of the bound that is reached."""
        return self.photos_a_second / self.bound

    @property
    def share_together(self) -> float:
        """Give the part of the bound that is reached with as many threads as cores."""
        return self.together / self.bound_together

    @property
    def share_decoded_here(self) -> float:
        """Give the part that is reached of the bound without another process that decodes."""
        least = self.decode_here + self.locator_network + self.classifier_network
        return self.photos_a_second * least / 1000

    def document(self) -> dict[str, float]:
        """Give all of it for the JSON."""
        more = {
            "photos_a_second": self.photos_a_second,
            "bound": self.bound,
            "share": self.share,
            "share_together": self.share_together,
            "share_decoded_here": self.share_decoded_here,
        }
        return asdict(self) | more


class Watch:
    """Adds up how long the parts take.

    Attributes:
        total: Seconds by part.
    """

    def __init__(self) -> None:
        """Begin at nothing."""
        self.total: dict[str, list[float]] = {}

    def __call__(self, part: str, work: Callable[[], Any]) -> Any:
        """Do some work and note how long it takes."""
        begin = time.perf_counter()
        done = work()
        self.total.setdefault(part, []).append(time.perf_counter() - begin)
        return done

    def ms(self, part: str) -> float:
        """Give the mean time of a part in milliseconds."""
        return 1000 * statistics.fmean(self.total[part])


@dataclass(slots=True)
class Bench:
    """What the parts are measured with.

    Attributes:
        reader: Reads photos; its networks are tapped.
        locator: One of them.
        classifier: The other.
        decoder: As it is served.
        record: Where readings are kept.
        watch: Adds up.
    """

    reader: PhotoReader
    locator: Tap
    classifier: Tap
    decoder: Decoder
    record: Record
    watch: Watch

    def read(self, data: bytes) -> ReadPhoto:
        """Read one photo as every door does."""
        return read_image(data, reader=self.reader, decoder=self.decoder)

    def measure(self, photos: Sequence[bytes]) -> int:
        """Measure the whole on photos one after another, then every part on the same; count cells.

        The whole goes first for all of them: what it is not made of would take the networks'
        weights out of the processor's caches before every photo.
        """
        read = [self.read_once(data) for data in photos]
        for data, (_, networks) in zip(photos, read, strict=True):
            self._measure_parts(data, networks)
        by = Hand(None, "terminal", datetime.now(UTC))
        for data, (one, _) in zip(photos, read, strict=True):
            self.watch("record", partial(record_reading, self.record, one, data, by=by))
        return sum(len(one.reading.cells) for one, _ in read)

    def read_once(self, data: bytes) -> tuple[ReadPhoto, Networks]:
        """Measure the whole on one photo; give what was read and what asks the networks again."""
        read = self.watch("whole", lambda: self.read(data))
        return read, (self.locator.take(), self.classifier.take())

    def _measure_parts(self, data: bytes, networks: Networks) -> None:
        watch = self.watch
        photo = watch("decode", lambda: self.decoder.decode(data))
        watch("decode_here", lambda: decode_image(data))
        watch("locator_network", networks[0])
        watch("classifier_network", networks[1])
        watch("glass", lambda: measure_glass(photo))
        boxes = watch("locate", lambda: self.reader.locate(photo))
        watch("cut", lambda: self.reader.cut(photo, boxes))
        watch("read", lambda: self.reader.read(photo))
        self.locator.kept.clear()
        self.classifier.kept.clear()


def measure_parts(model: Path, photos: Sequence[bytes], place: Home) -> Parts:
    """Measure the whole and every part on the same photos, some photos at a time.

    Args:
        model: The model folder.
        photos: JPEG files.
        place: Where readings are kept.
    """
    reader, decoder = load_reader(model, threads=1), open_decoders()
    reader._locator = locator = Tap(reader._locator)
    reader._classifier = classifier = Tap(reader._classifier)
    decoder.warm()
    with closing(place.open()) as database:
        files = open_files("", place.folder, Seal(keep_data_key(place.folder)))
        record = Record(database, files, keep_pictures=True, decoder=decoder)
        bench = Bench(reader, locator, classifier, decoder, record, Watch())
        bench.measure(photos[:WARM])
        bench.watch = Watch()
        lots = [photos[start : start + LOT] for start in range(0, len(photos), LOT)]
        cells = sum(map(bench.measure, lots))
        rates = measure_together(bench, photos)
    return _parts(bench.watch, len(photos), cells, *rates)


def measure_together(bench: Bench, photos: Sequence[bytes]) -> tuple[float, float]:
    """Give the photos a second that one process reads with as many threads as there are cores.

    Returns:
        Of the whole pipeline, and of decoder and networks alone, by turns.
    """
    asked = [bench.read_once(data)[1] for data in photos]

    def least(data: bytes, networks: Networks) -> None:
        bench.decoder.decode(data)
        for ask_again in networks:
            ask_again()

    def rate(work: Callable[..., object], *arguments: Sequence[Any]) -> float:
        begin = time.perf_counter()
        done = list(pool.map(work, *arguments))
        return len(done) / (time.perf_counter() - begin)

    with ThreadPoolExecutor(cores()) as pool:
        turns = [(rate(bench.read, photos), rate(least, photos, asked)) for _ in range(TURNS)]
    whole, bound = (statistics.harmonic_mean(rates) for rates in zip(*turns, strict=True))
    return whole, bound


def _parts(watch: Watch, photos: int, cells: int, together: float, bound_together: float) -> Parts:
    """Say what each part takes; what has no call of its own is what is left of the others."""
    ms = watch.ms
    locate = ms("locate") - ms("glass") - ms("locator_network")
    say = ms("read") - ms("locate") - ms("cut") - ms("classifier_network")
    return Parts(
        photos=photos,
        cells=cells / photos,
        whole=ms("whole"),
        decode=ms("decode"),
        decode_here=ms("decode_here"),
        glass=ms("glass"),
        locate=locate,
        locator_network=ms("locator_network"),
        cut=ms("cut"),
        classifier_network=ms("classifier_network"),
        say=say,
        rest=ms("whole") - ms("decode") - ms("read"),
        record=ms("record"),
        together=together,
        bound_together=bound_together,
    )
