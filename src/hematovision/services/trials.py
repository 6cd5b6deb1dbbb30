"""Models tried on the laboratory's own cells: those that people have named.

What a model was taught with must not judge it: whole cases are left out in which it knows a photo.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from hematovision.cells import CellReader
from hematovision.errors import (
    HematoVisionError,
    ModelMissingError,
    ModelUnknownError,
    NothingConfirmedError,
    PicturesAwayError,
)
from hematovision.labels import LEARNT_AS
from hematovision.services.batches import keep_shadow
from hematovision.services.comparison import Comparison, Said, compare
from hematovision.services.crops import SAME, Album
from hematovision.services.shelf import Shelf
from hematovision.storage.database import Database, Records
from hematovision.storage.files import PictureGoneError
from hematovision.storage.models import Answer, Confirmed
from hematovision.storage.sealing import SealBrokenError
from hematovision.vision.bundle import Bundle, read_bundle

Track = Callable[[Iterable[int], str], Iterable[int]]


@dataclass(frozen=True, slots=True)
class Trial:
    """Two models on the laboratory's own cells.

    Attributes:
        comparison: How they do; None where there is no cell that both have read.
        unread: Photos with such cells that one of them has not read.
        left_out: Cells of cases that one of them was taught with.
    """

    comparison: Comparison | None
    unread: int
    left_out: int


def learnt_photos(*bundles: Bundle) -> set[str]:
    """Give the photos that models were taught with, by the sha256 of the file as it was sent."""
    learnt: set[str] = set()
    for bundle in bundles:
        said = bundle.document.get("learnt_photos")
        learnt |= {str(one) for one in said} if isinstance(said, list) else set()
    return learnt


def find_learnt(shelf: Shelf, *models: str) -> set[str]:
    """Give the photos that models of a shelf were taught with; of one without a folder none."""
    bundles = []
    for model in models:
        with suppress(ModelMissingError):
            bundles.append(read_bundle(shelf.folder(model)))
    return learnt_photos(*bundles)


def try_on_shelf(shelf: Shelf, one: str, other: str) -> Trial:
    """Compare two models of a shelf, by their hashes or `SHIPPED`, on what both have read.

    Raises:
        ModelUnknownError: If one of them is not installed, or cannot be loaded.
    """
    models = [shelf.identity(model) for model in (one, other)]
    if None in models:
        raise ModelUnknownError("This model is not installed.")
    hashes = [model.sha256 for model in models if model]
    return try_models(shelf.database, *hashes, learnt=find_learnt(shelf, one, other))


def try_models(database: Database, one: str, other: str, *, learnt: Collection[str] = ()) -> Trial:
    """Compare two models on what both have read.

    Args:
        database: Has the cells, and what was said of them.
        one: The hash of the first.
        other: The hash of the second.
        learnt: Photos that one of them was taught with, by sha256.
    """
    with database.reading() as records:
        cells, left_out = _judges(records, learnt)
        photos = {cell.photo_id for cell in cells}
        answers = [records.models.answers(model, photos) for model in (one, other)]
    both = answers[0].keys() & answers[1].keys()
    said = [
        _said(cell, *(each[cell.photo_id] for each in answers))
        for cell in cells
        if cell.photo_id in both
    ]
    return Trial(compare(said) if said else None, len(photos - both), left_out)


def read_again(
    album: Album,
    reader: CellReader,
    *,
    learnt: Collection[str] = (),
    clock: Callable[[], datetime],
    track: Track,
) -> int:
    """Let a model read the photos with named cells that it has not read, in the shadow.

    Returns:
        How many could not be read: their picture is not kept any more.

    Raises:
        NothingConfirmedError: If there is no cell that can judge.
    """
    with album.database.reading() as records:
        cells, _ = _judges(records, learnt)
        photos = {cell.photo_id for cell in cells}
        done = records.models.read_by(reader.model.sha256, photos)
    if not cells:
        raise NothingConfirmedError("No cells were named on which models could be compared.")
    files = {cell.photo_id: cell.file for cell in cells if cell.photo_id not in done}
    return sum(
        not _read(album, reader, photo_id, files[photo_id] or "", clock)
        for photo_id in track(list(files), "photos")
    )


def _read(
    album: Album, reader: CellReader, photo_id: int, file: str, clock: Callable[[], datetime]
) -> bool:
    """Read one photo; False where it is not kept any more."""
    try:
        pixels = album.decoder.decode(album.files.get(file), max_pixels=album.max_pixels)
    except PicturesAwayError:
        raise
    except (PictureGoneError, SealBrokenError, HematoVisionError):
        return False
    keep_shadow(album.database, photo_id, reader, pixels, clock, door="terminal")
    return True


def _judges(records: Records, learnt: Collection[str]) -> tuple[Sequence[Confirmed], int]:
    """Give the cells that may judge, and how many may not: a model knows their film."""
    cells = records.models.confirmed(LEARNT_AS)
    known = records.models.cases_of(learnt) if learnt else set()
    judges = [cell for cell in cells if cell.case_id not in known]
    return judges, len(cells) - len(judges)


def _said(cell: Confirmed, one: Sequence[Answer], other: Sequence[Answer]) -> Said:
    first, second = _at(cell, one), _at(cell, other)
    return Said(
        photo_id=cell.photo_id,
        truth=LEARNT_AS[cell.label],
        one=first.best if first else None,
        other=second.best if second else None,
        one_named=first is not None and first.cell_type is not None,
        other_named=second is not None and second.cell_type is not None,
    )


def _at(cell: Confirmed, answers: Sequence[Answer]) -> Answer | None:
    """Find what was said of a cell: at the box that overlaps it most, by half at least."""
    best = max(answers, key=lambda answer: answer.box.overlap(cell.box), default=None)
    return best if best is not None and best.box.overlap(cell.box) >= SAME else None
