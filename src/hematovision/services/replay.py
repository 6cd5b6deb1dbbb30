"""Replay: the kept picture is read again by the recorded model, and both answers are compared."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from hematovision.cells import CellReader, Reading, RgbImage
from hematovision.errors import HematoVisionError, PhotoUnknownError
from hematovision.services.hands import Hand
from hematovision.services.recording import find_picture
from hematovision.storage.database import Database
from hematovision.storage.files import Files
from hematovision.storage.readings import KeptReading
from hematovision.vision.bundle import read_bundle
from hematovision.vision.decoders import HERE, Decoder
from hematovision.vision.decoding import MAX_PIXELS

TOLERANCE = 1e-4
"""Engines and processors differ in the last bits; answers do not."""


class Verdict(StrEnum):
    """What came of it."""

    SAME = "same"
    DIFFERENT = "different"
    NO_MODEL = "no_model"
    """No model here is the recorded one."""
    NO_PICTURE = "no_picture"
    """The picture is not kept (any more)."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """A reading that was compared.

    Attributes:
        kept: As it is on record.
        verdict: What came of it.
        differences: Where both differ, in words for the terminal.
    """

    kept: KeptReading
    verdict: Verdict
    differences: Sequence[str] = ()


@dataclass(slots=True)
class ModelFolders:
    """Models by their hash, each loaded once, when it is asked for.

    Attributes:
        folders: Where they are; the first that has the hash is taken.
        load: Turns a folder into a reader.
    """

    folders: Sequence[Path]
    load: Callable[[Path], CellReader]
    _loaded: dict[str, CellReader | None] = field(default_factory=dict)

    def find(self, sha256: str) -> CellReader | None:
        """Find a model; None where no folder holds it whole."""
        if sha256 not in self._loaded:
            self._loaded[sha256] = next(self._matching(sha256), None)
        return self._loaded[sha256]

    def _matching(self, sha256: str) -> Iterator[CellReader]:
        for folder in self.folders:
            try:
                if read_bundle(folder).identity.sha256 == sha256:
                    yield self.load(folder)
            except HematoVisionError:
                continue


@dataclass(frozen=True, slots=True)
class Bench:
    """What readings are compared with.

    Attributes:
        database: Keeps the readings.
        files: Keeps the pictures.
        models: Has the models.
        max_pixels: Larger pictures are refused.
        decoder: Turns their bytes into pixels.
    """

    database: Database
    files: Files
    models: ModelFolders
    max_pixels: int = MAX_PIXELS
    decoder: Decoder = HERE


def replay_photo(bench: Bench, photo_id: int, *, by: Hand) -> Sequence[Replayed]:
    """Compare every reading of a photo; each comparison is recorded.

    Args:
        bench: What they are compared with.
        photo_id: The photo, which is the number of its reading in the history.
        by: Who wants to know.

    Returns:
        One for each model that read it, the oldest first.

    Raises:
        PhotoUnknownError: If there is no such photo, or none has read it.
    """
    with bench.database.reading() as records:
        readings = records.readings.all_of(photo_id)
    if not readings:
        raise PhotoUnknownError("There is no such reading.")
    photo = _picture(bench, readings[0])
    replayed = [_replay(bench, kept, photo) for kept in readings]
    with bench.database.transaction() as records:
        for one in replayed:
            details = {
                "case": one.kept.case_id,
                "model": one.kept.reading.model.sha256,
                "verdict": str(one.verdict),
            }
            records.audit.add(by.did("reading.verified", f"photo {photo_id}", details))
    return replayed


def list_read(database: Database, case_id: int | None) -> Sequence[int]:
    """List the photos that were read: of a case, or all."""
    with database.reading() as records:
        return records.readings.list_photos(case_id)


def _picture(bench: Bench, kept: KeptReading) -> RgbImage | None:
    try:
        return find_picture(bench.files, kept, max_pixels=bench.max_pixels, decoder=bench.decoder)
    except HematoVisionError:
        # What is kept is no picture that can be read: it was, so it was changed.
        return None


def _replay(bench: Bench, kept: KeptReading, photo: RgbImage | None) -> Replayed:
    if photo is None:
        return Replayed(kept, Verdict.NO_PICTURE)
    reader = bench.models.find(kept.reading.model.sha256)
    if reader is None:
        return Replayed(kept, Verdict.NO_MODEL)
    differences = list(_compare(kept, photo.shape[:2], reader.read(photo)))
    return Replayed(kept, Verdict.DIFFERENT if differences else Verdict.SAME, differences)


def _compare(kept: KeptReading, shape: tuple[int, ...], now: Sequence[Reading]) -> Iterator[str]:
    """Say where an answer differs from the one on record."""
    before = kept.reading
    if (before.height, before.width) != shape:
        yield f"{before.width} x {before.height} pixels before, {shape[1]} x {shape[0]} now"
    if len(before.cells) != len(now):
        yield f"{len(before.cells)} cells before, {len(now)} now"
        return
    for number, (old, new) in enumerate(zip(before.cells, now, strict=True), 1):
        for what, is_same in _of_cell(old, new).items():
            if not is_same:
                yield f"cell {number}: another {what}"


def _of_cell(old: Reading, new: Reading) -> Mapping[str, bool]:
    """Compare what is said of a cell, thing by thing."""
    kinds = old.probabilities.keys() | new.probabilities.keys()
    return {
        "box": old.box == new.box,
        "decision": (old.decision, old.cell_type) == (new.decision, new.cell_type),
        "prediction set": old.prediction_set == new.prediction_set,
        "doubt": old.doubts == new.doubts,
        "confidence": _near(old.confidence, new.confidence),
        "probability": all(
            _near(old.probabilities.get(kind), new.probabilities.get(kind)) for kind in kinds
        ),
        "known-or-not score": _near(old.known, new.known),
        "word of morphology": old.morphology == new.morphology,
    }


def _near(old: float | None, new: float | None) -> bool:
    if old is None or new is None:
        return old is new
    return abs(old - new) <= TOLERANCE
